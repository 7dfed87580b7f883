#!/usr/bin/env bash
# ngff-zarr and the reader of ome-zarr drop the scale that an OME-Zarr states once for all its levels.
#
# Versions: ngff-zarr 0.50.0, ome-zarr 0.18.0, ngio 1.1.3, zarr 3.1.6 (November 2026), OME-NGFF 0.5.
#
# OME-NGFF lets a multiscale image state what each level is to the first (1, 2, 4) with the level, and what
# holds for all of them (0.5 um a voxel, 30 s a frame) once, in coordinateTransformations beside "datasets".
# The latter apply after the former. ngio, bioio-ome-zarr and napari-ome-zarr multiply the two. ngff-zarr gives 1
# for the first level and 2 for the second, without a word, and the nodes of ome-zarr's own Reader carry the
# levels' scales alone. The axes have their units in all of them, so that 1 reads as one micrometer and one
# second.
#
# Why it matters: volumes and distances are wrong by the voxel size, and look like calibrated ones.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    ngff-zarr==0.50.0 ome-zarr==0.18.0 ngio==1.1.3 zarr==3.1.6
cd "$folder"
cat > show.py <<'PY'
import ngff_zarr
import ngio
import numpy as np
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

PATH = "image.ome.zarr"
group = zarr.open_group(PATH, mode="w", zarr_format=3)
for level, size in enumerate((64, 32)):
    shape = (2, 8, size, size)
    group.create_array(str(level), shape=shape, chunks=shape, dtype="uint16")[:] = np.ones(shape)
units = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
group.attrs["ome"] = {
    "version": "0.5",
    "multiscales": [
        {
            "axes": [
                {"name": axis, "type": "time" if axis == "t" else "space", "unit": unit}
                for axis, unit in units.items()
            ],
            "datasets": [
                {
                    "path": str(level),
                    "coordinateTransformations": [
                        {"type": "scale", "scale": [1.0, 1.0, 2.0**level, 2.0**level]}
                    ],
                }
                for level in range(2)
            ],
            "coordinateTransformations": [{"type": "scale", "scale": [30.0, 2.0, 0.5, 0.5]}],
        }
    ],
}

container = ngio.open_ome_zarr_container(PATH)
for level in ("0", "1"):
    size = container.get_image(path=level).pixel_size
    print("ngio, level", level, [size.t, size.z, size.y, size.x])
for level, image in enumerate(ngff_zarr.from_ngff_zarr(PATH).images):
    print("ngff-zarr, level", level, [image.scale[axis] for axis in "tzyx"])
node = next(iter(Reader(parse_url(PATH))()))
for level, steps in enumerate(node.metadata["coordinateTransformations"]):
    print("ome-zarr, level", level, steps[0]["scale"], "and", len(steps) - 1, "more")
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt 2> errors.txt || { cat errors.txt; exit 1; }
cat > expected.txt <<'TXT'
ngio, level 0 [30.0, 2.0, 0.5, 0.5]
ngio, level 1 [30.0, 2.0, 1.0, 1.0]
ngff-zarr, level 0 [1.0, 1.0, 1.0, 1.0]
ngff-zarr, level 1 [1.0, 1.0, 2.0, 2.0]
ome-zarr, level 0 [1.0, 1.0, 1.0, 1.0] and 0 more
ome-zarr, level 1 [1.0, 1.0, 2.0, 2.0] and 0 more
TXT
cat seen.txt
diff expected.txt seen.txt
