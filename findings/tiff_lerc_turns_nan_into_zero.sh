#!/usr/bin/env bash
# tifffile saves NaN with compression "lerc" as 0, and float32 with "jpegxr" as other numbers.
#
# Versions: tifffile 2026.3.3, imagecodecs 2026.3.6, numpy 2.4.6 (November 2026).
#
# LERC is made for rasters of floats, and in tifffile it is without loss as long as no level is given. NaN alone
# comes back as 0, of float32 and float64, while infinity and all other numbers come back to the last bit; neither
# writing nor reading says anything, and the codec of imagecodecs does so by itself. With "jpegxr", without loss for
# uint8, uint16 and float16, float32 loses its last bits, NaN stays. zlib, lzw, zstd and jpegxl give all back.
#
# Why it matters: NaN says "outside the tissue" or "no value" in ratio images, masked averages and lifetime maps.
# As 0 it counts: in means, histograms, thresholds and minima.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import imagecodecs
import numpy as np
import tifffile


def say(name, image, found):
    others = ~np.isnan(image)
    equal = bool((found[others] == image[others]).all())
    print(name, "NaN:", int(np.isnan(found).sum()), "others equal:", equal, end=" ")
    print("mean:", round(float(np.nanmean(found)), 2))


image = np.random.default_rng(0).normal(100, 5, (64, 64)).astype("float32")
image[:, :32] = np.nan
image[0, 40] = 1 / 3
for compression in ("zlib", "lzw", "zstd", "jpegxl", "lerc", "jpegxr"):
    tifffile.imwrite("ratio.tif", image, compression=compression)
    say(compression, image, tifffile.imread("ratio.tif"))
wide = image.astype("float64")
tifffile.imwrite("ratio.tif", wide, compression="lerc")
say("lerc, float64", wide, tifffile.imread("ratio.tif"))
say("lerc, imagecodecs alone", image, imagecodecs.lerc_decode(imagecodecs.lerc_encode(image)))
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
zlib NaN: 2048 others equal: True mean: 99.83
lzw NaN: 2048 others equal: True mean: 99.83
zstd NaN: 2048 others equal: True mean: 99.83
jpegxl NaN: 2048 others equal: True mean: 99.83
lerc NaN: 0 others equal: True mean: 49.91
jpegxr NaN: 2048 others equal: False mean: 99.83
lerc, float64 NaN: 0 others equal: True mean: 49.91
lerc, imagecodecs alone NaN: 0 others equal: True mean: 49.91
TXT
cat seen.txt
diff expected.txt seen.txt
