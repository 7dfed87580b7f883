#!/usr/bin/env bash
# spatialdata does not list an image that ome-zarr added to its store, and attributes differ by the way to a group.
#
# Versions: spatialdata 0.7.3, ome-zarr 0.15.0, zarr 3.1.6 (November 2026).
#
# spatialdata writes a copy of all metadata into the root of its store (consolidated metadata of zarr). An image that
# ome-zarr writes beside the others is valid, and a reader of its folder finds it; spatialdata.read_zarr does not
# list it and says nothing, since it lists what the copy has. zarr has both contents: the group "images" opened
# through the root has one image, opened by its own path two, and an attribute that is set later is there on the second
# way only.
#
# Why it matters: registered or denoised copies and segmentations are added to a store by other programs. They are on
# the disk and in viewers, and every step in spatialdata goes on without them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    spatialdata==0.7.3 ome-zarr==0.15.0 zarr==3.1.6
cd "$folder"
cat > show.py <<'PY'
import numpy as np
import spatialdata
import zarr
from ome_zarr.writer import write_image
from spatialdata.models import Image2DModel

raw = Image2DModel.parse(np.zeros((1, 8, 8), "uint16"), dims=("c", "y", "x"))
spatialdata.SpatialData(images={"raw": raw}).write("cells.zarr")

images = zarr.open_group("cells.zarr/images", mode="a")
write_image(np.ones((1, 8, 8), "uint16"), images.create_group("denoised"), axes="cyx")
zarr.open_group("cells.zarr/images/raw", mode="a").attrs["checked"] = True

print("spatialdata:", sorted(spatialdata.read_zarr("cells.zarr").images))
by_root, by_path = zarr.open_group("cells.zarr")["images"], zarr.open_group("cells.zarr/images")
print("zarr, through the root:", sorted(by_root.group_keys()), by_root["raw"].attrs.get("checked"))
print("zarr, by its path:", sorted(by_path.group_keys()), by_path["raw"].attrs.get("checked"))
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt 2> errors.txt || { cat errors.txt; exit 1; }
cat > expected.txt <<'TXT'
spatialdata: ['raw']
zarr, through the root: ['raw'] None
zarr, by its path: ['denoised', 'raw'] True
TXT
cat seen.txt
diff expected.txt seen.txt
