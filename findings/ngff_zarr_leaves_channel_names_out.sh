#!/usr/bin/env bash
# ngff-zarr drops the names of channels that an image was made with, unless its omero metadata are computed as well.
#
# Versions: ngff-zarr 0.50.0 (November 2026).
#
# to_ngff_image takes channel_names. to_ngff_zarr writes an image whose attributes have no omero block, the only place where
# OME-Zarr has names of channels; nothing is said.
#
# Why it matters: a two-colour image that was named when it was made opens without names in every other program.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check ngff-zarr==0.50.0 zarr==3.1.6
cd "$folder"
cat > show.py <<'PY'
import ngff_zarr as nz
import numpy as np
import zarr

image = nz.to_ngff_image(np.ones((2, 8, 9), "uint16"), dims="cyx", channel_names=["DAPI", "GFP"])
print("the image has:", image.channel_names if hasattr(image, "channel_names") else None)
multiscales = nz.to_multiscales(image, scale_factors=[])
nz.to_ngff_zarr("a.ome.zarr", multiscales, version="0.5")
attributes = dict(zarr.open_group("a.ome.zarr", mode="r").attrs)["ome"]
print("written:", sorted(attributes), "DAPI" in str(attributes))
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
the image has: ['DAPI', 'GFP']
written: ['multiscales', 'version'] False
TXT
cat seen.txt
diff expected.txt seen.txt
