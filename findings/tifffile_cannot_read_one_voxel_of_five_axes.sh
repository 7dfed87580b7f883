#!/usr/bin/env bash
# tifffile cannot read the image of one voxel with five axes or more that it has written itself.
#
# Versions: tifffile 2026.3.3, numpy 2.4.6 (November 2026).
#
# `imwrite` notes the shape of an array, and `imread` gives arrays back with all their axes, also those of length 1: of
# one voxel with two, three or four axes it does. With five (time, channel, z, y, x of a crop of one voxel) or more,
# `imread` and `TiffFile.series` raise IndexError: tuple index out of range. With metadata={"axes": ...} they do not.
#
# Why it matters: a reader that takes an IndexError for a sign of a damaged file says so of a file that is whole.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import numpy as np
import tifffile


def read(shape, **options):
    tifffile.imwrite("a.tif", np.ones(shape, "uint8"), **options)
    try:
        return tifffile.imread("a.tif").shape
    except IndexError as error:
        return f"IndexError: {error}"


for n in range(3, 7):
    print(n, "axes:", read((1,) * n))
print("axes that are named:", read((1,) * 5, metadata={"axes": "TCZYX"}))
print("two voxels:", read((1, 1, 1, 1, 2)))
PY
env/bin/python show.py | tee seen.txt
cat > expected.txt <<'END'
3 axes: (1, 1, 1)
4 axes: (1, 1, 1, 1)
5 axes: IndexError: tuple index out of range
6 axes: IndexError: tuple index out of range
axes that are named: (1, 1, 1, 1, 1)
two voxels: (1, 1, 1, 1, 2)
END
diff expected.txt seen.txt
