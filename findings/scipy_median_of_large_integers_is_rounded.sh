#!/usr/bin/env bash
# scipy's median_filter makes new numbers of large integers: a median is always one of its voxels.
#
# Versions: scipy 1.17.1, numpy 2.4.6 (November 2026).
#
# Of an int64 or uint64 image the values go through floating-point numbers of 64 bits, which hold whole numbers exactly
# up to 2**53 only. An image of one value, 2**53 + 1, becomes 2**53; of random numbers above it most voxels of the result
# are no voxel of the image. minimum_filter, maximum_filter and rank_filter do the same; np.partition over windows
# is exact.
#
# Why it matters: object numbers of joined or tracked segmentations have 64 bits, and a median is the usual way to smooth
# the outlines of labels: objects get numbers that no table has.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import numpy as np
from scipy import ndimage

one = np.full((5, 5), 2**53 + 1, "int64")
many = np.random.default_rng(0).integers(2**60, 2**61, (64, 64), "int64")
filters = {
    "median_filter": lambda image: ndimage.median_filter(image, size=3),
    "rank_filter": lambda image: ndimage.rank_filter(image, 4, size=3),
    "minimum_filter": lambda image: ndimage.minimum_filter(image, size=3),
    "grey_erosion": lambda image: ndimage.grey_erosion(image, size=3),
}
for name, apply in filters.items():
    new = ~np.isin(apply(many), many)
    print(f"{name}: one value {one[0, 0]} becomes {apply(one)[2, 2]};", f"{new.mean():.0%} new numbers of {many.dtype}")
windows = np.lib.stride_tricks.sliding_window_view(many, (3, 3)).reshape(62, 62, 9)
exact = np.partition(windows, 4, axis=-1)[..., 4]
print(f"np.partition: {(~np.isin(exact, many)).mean():.0%} new numbers")
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
median_filter: one value 9007199254740993 becomes 9007199254740992; 100% new numbers of int64
rank_filter: one value 9007199254740993 becomes 9007199254740992; 100% new numbers of int64
minimum_filter: one value 9007199254740993 becomes 9007199254740992; 100% new numbers of int64
grey_erosion: one value 9007199254740993 becomes 9007199254740992; 100% new numbers of int64
np.partition: 0% new numbers
TXT
cat seen.txt
diff expected.txt seen.txt
