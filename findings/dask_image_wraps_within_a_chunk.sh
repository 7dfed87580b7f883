#!/usr/bin/env bash
# dask-image filters with mode "wrap" take the other end of the chunk for the other end of the image.
#
# Versions: dask-image 2026.5.0, dask 2026.8.0, numpy 2.4.6, scipy 1.17.1 (November 2026).
#
# The documentation of the filters is that of scipy, where "wrap" goes on at the opposite edge of the image. dask-image
# runs scipy's filter chunk by chunk, with a margin from the chunks beside it and none at the edge of the image,
# where the chunk wraps onto itself. With one chunk all filters agree with scipy. With more, gaussian, uniform, maximum,
# minimum, median, rank and percentile filters, sobel and laplace do not, along the edges; convolve and correlate
# do, which were mended by themselves. All other modes are right in all of them.
#
# Why it matters: a periodic axis is an angle, as in unrolled organoids, polar transforms and rotation scans, or a tiled
# simulation. The result depends on the chunks, so that the crop on which it was tried, one chunk, is right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    dask-image==2026.5.0 dask==2026.8.0 numpy==2.4.6 scipy==1.17.1
cat > "$folder/show.py" <<'PY'
import dask.array
import numpy as np
from dask_image import ndfilters
from scipy import ndimage

image = np.random.default_rng(0).random((24, 30))
weights = np.arange(9.0).reshape(3, 3)
FILTERS = {
    "gaussian_filter": (1,),
    "uniform_filter": (3,),
    "maximum_filter": (3,),
    "minimum_filter": (3,),
    "median_filter": (3,),
    "rank_filter": (2, 3),
    "percentile_filter": (30, 3),
    "sobel": (0,),
    "laplace": (),
    "convolve": (weights,),
    "correlate": (weights,),
}
for name, given in FILTERS.items():
    wrong = {}
    for mode in ("wrap", "reflect", "mirror", "nearest", "constant"):
        whole = getattr(ndimage, name)(image, *given, mode=mode)
        for chunks in ((24, 30), (12, 10)):
            lazy = dask.array.from_array(image, chunks=chunks)
            result = getattr(ndfilters, name)(lazy, *given, mode=mode).compute()
            wrong[mode, chunks] = int((~np.isclose(result, whole)).sum())
    others = sum(count for (mode, _), count in wrong.items() if mode != "wrap")
    print(f"{name}: one chunk {wrong['wrap', (24, 30)]}, six chunks {wrong['wrap', (12, 10)]}, other modes {others}")
PY
"$folder/env/bin/python" "$folder/show.py" > "$folder/seen.txt"
cat > "$folder/expected.txt" <<'TXT'
gaussian_filter: one chunk 0, six chunks 361, other modes 0
uniform_filter: one chunk 0, six chunks 104, other modes 0
maximum_filter: one chunk 0, six chunks 50, other modes 0
minimum_filter: one chunk 0, six chunks 48, other modes 0
median_filter: one chunk 0, six chunks 84, other modes 0
rank_filter: one chunk 0, six chunks 79, other modes 0
percentile_filter: one chunk 0, six chunks 79, other modes 0
sobel: one chunk 0, six chunks 104, other modes 0
laplace: one chunk 0, six chunks 104, other modes 0
convolve: one chunk 0, six chunks 0, other modes 0
correlate: one chunk 0, six chunks 0, other modes 0
TXT
echo "pixels that differ from scipy:"
cat "$folder/seen.txt"
diff "$folder/expected.txt" "$folder/seen.txt"
