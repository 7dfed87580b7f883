#!/usr/bin/env bash
# tifffile saves uint32 labels with compression "jpeg2000" as other labels, most of the background as an object.
#
# Versions: tifffile 2026.3.3, imagecodecs 2026.3.6, numpy 2.4.6 (November 2026).
#
# compression="jpeg2000" is without loss in tifffile as long as no level is given: uint8, uint16 and int32 come back
# as they were. uint32 does not, whatever the values are: of an image of 0, 1 and 2 most zeros come back as 1, and of
# one with two objects of large numbers dozens of numbers come back that no object had. Neither writing nor
# reading says anything. The encoder of imagecodecs has the same outcome by itself. (Of uniform random numbers below
# 2**24 everything comes back, so a test on noise passes.)
#
# Why it matters: uint32 is the usual type of label images, and JPEG 2000 a usual compression of slides. Objects
# then have other areas and numbers, and nearly the whole background is one of them.
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

labels = np.zeros((64, 64), "uint32")
labels[10:30, 10:30] = 1
labels[40:, 40:] = 2
for dtype in ("uint8", "uint16", "int32", "uint32"):
    tifffile.imwrite("labels.tif", labels.astype(dtype), compression="jpeg2000")
    found = tifffile.imread("labels.tif")
    background = int((found[labels == 0] != 0).sum())
    print(dtype, "equal:", bool((found == labels).all()), "background that is an object:", background)
print("imagecodecs alone:", np.array_equal(
    imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(labels)), labels
))
large = np.choose(labels, [0, 65533, 65535]).astype("uint32")
tifffile.imwrite("labels.tif", large, compression="jpeg2000")
print("numbers of two objects and background:", len(np.unique(tifffile.imread("labels.tif"))))
noise = np.random.default_rng(0).integers(0, 2**24, (64, 64)).astype("uint32")
tifffile.imwrite("noise.tif", noise, compression="jpeg2000")
print("noise below 2**24 equal:", bool((tifffile.imread("noise.tif") == noise).all()))
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
uint8 equal: True background that is an object: 0
uint16 equal: True background that is an object: 0
int32 equal: True background that is an object: 0
uint32 equal: False background that is an object: 2735
imagecodecs alone: False
numbers of two objects and background: 39
noise below 2**24 equal: True
TXT
cat seen.txt
diff expected.txt seen.txt
