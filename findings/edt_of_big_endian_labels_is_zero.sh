#!/usr/bin/env bash
# edt gives the distance 0 for every voxel of a big-endian array, and says nothing.
#
# Versions: edt 3.1.2, dijkstra3d 1.15.2, tifffile 2026.3.3, zarr 3.1.6, numpy 2.4.6, scipy 1.17.1 (November 2026).
#
# ImageJ writes TIFF in big-endian order, and so do some converters their OME-Zarr of 16 bits (>u2). tifffile.memmap of the one
# and zarr of the other give arrays in the order of the file, which hold the same numbers to numpy and scipy. edt.edt
# knows the types by comparing them with those of the machine; of any other it returns the zeros that it began with. So does
# edt.sdf inside of objects. dijkstra3d, of the same makers, returns a path of no voxels, while fill-voids and kimimaro refuse such
# arrays. tifffile.imread of the same file is in the order of the machine, and right.
#
# Why it matters: radii, seeds and splits of touching objects come from the distances. They are gone once the image is large
# enough to be mapped into memory, and were there for the small one that was read.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    edt==3.1.2 dijkstra3d==1.15.2 tifffile==2026.3.3 zarr==3.1.6 numpy==2.4.6 scipy==1.17.1
cd "$folder"
cat > show.py <<'PY'
import dijkstra3d
import edt
import numpy as np
import tifffile
import zarr
from scipy import ndimage

written = np.zeros((9, 11, 13), "uint16")
written[2:7, 2:9, 3:10] = 1
tifffile.imwrite("labels.tif", written, imagej=True, byteorder=">", metadata={"axes": "ZYX"})
stored = zarr.create_array("labels.zarr", shape=written.shape, dtype=">u2", zarr_format=2, chunks=(9, 11, 13))
stored[...] = written
READ = {
    "tifffile.imread": tifffile.imread("labels.tif"),
    "tifffile.memmap": tifffile.memmap("labels.tif", mode="r"),
    "zarr": zarr.open_array("labels.zarr", mode="r")[...],
    ">u4": written.astype(">u4"),
    ">f4": written.astype(">f4"),
}
for name, labels in READ.items():
    print(f"{name}: {labels.dtype.str}, as written {np.array_equal(labels, written)},", end=" ")
    print(f"scipy up to {ndimage.distance_transform_edt(labels).max():.0f},", end=" ")
    print(f"edt {edt.edt(labels).max():.0f}, sdf from {edt.sdf(labels).min():.0f} to {edt.sdf(labels).max():.0f}")

costs = np.ones((1, 3, 9), "uint16")
costs[0, 1, 1:8] = 256
for dtype in ("<u2", ">u2"):
    path = dijkstra3d.dijkstra(costs.astype(dtype), (0, 1, 0), (0, 1, 8))
    print(f"dijkstra3d {dtype}: a path of {len(path)} voxels")
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
tifffile.imread: <u2, as written True, scipy up to 3, edt 3, sdf from -4 to 3
tifffile.memmap: >u2, as written True, scipy up to 3, edt 0, sdf from -4 to 0
zarr: >u2, as written True, scipy up to 3, edt 0, sdf from -4 to 0
>u4: >u4, as written True, scipy up to 3, edt 0, sdf from -4 to 0
>f4: >f4, as written True, scipy up to 3, edt 0, sdf from -4 to 0
dijkstra3d <u2: a path of 9 voxels
dijkstra3d >u2: a path of 0 voxels
TXT
cat seen.txt
diff expected.txt seen.txt
