#!/usr/bin/env bash
# ome-writers writes the interval of a time series into OME-Zarr and leaves it out of OME-TIFF.
#
# Versions: ome-writers 0.3.2, tifffile 2026.3.3 (November 2026).
#
# A dimension t with scale=3 and unit="second" becomes a scale of 3 in OME-Zarr. In the OME-XML of the same acquisition as
# OME-TIFF, which has TimeIncrement and TimeIncrementUnit for it, there is none; the sizes of y and x are in both.
#
# Why it matters: which of the two formats is written is an option of the acquisition; speeds and rates of one of them have
# no unit, or that of whatever a reader assumes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check "ome-writers[tifffile,tensorstore]==0.3.2" tifffile==2026.3.3 zarr==3.1.6
cd "$folder"
cat > show.py <<'PY'
import re
from pathlib import Path

import numpy as np
import ome_writers as ow
import tifffile
import zarr

dimensions = [
    ow.Dimension(name="t", count=2, chunk_size=1, type="time", scale=3, unit="second"),
    ow.Dimension(name="y", count=32, chunk_size=32, type="space", scale=0.5, unit="micrometer"),
    ow.Dimension(name="x", count=40, chunk_size=40, type="space", scale=0.5, unit="micrometer"),
]
for name in ("series.ome.tiff", "series.ome.zarr"):
    settings = ow.AcquisitionSettings(root_path=name, dimensions=dimensions, dtype="uint16")
    with ow.create_stream(settings) as stream:
        for number in range(2):
            stream.append(np.full((32, 40), number, "uint16"))
attributes = dict(zarr.open_group("series.ome.zarr", mode="r").attrs)
multiscales = attributes.get("ome", attributes)["multiscales"][0]
scale = multiscales["datasets"][0]["coordinateTransformations"][0]["scale"]
print("OME-Zarr:", [(axis["name"], axis["unit"], size) for axis, size in zip(multiscales["axes"], scale)])
xml = tifffile.TiffFile(next(Path().glob("series*.tif*"))).ome_metadata
names = ("TimeIncrement", "TimeIncrementUnit", "DeltaT", "PhysicalSizeY", "PhysicalSizeX")
print("OME-TIFF:", {n: m[1] if (m := re.search(rf' {n}="([^"]*)"', xml)) else None for n in names})
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
OME-Zarr: [('t', 'second', 3.0), ('y', 'micrometer', 0.5), ('x', 'micrometer', 0.5)]
OME-TIFF: {'TimeIncrement': None, 'TimeIncrementUnit': None, 'DeltaT': None, 'PhysicalSizeY': '0.5', 'PhysicalSizeX': '0.5'}
TXT
cat seen.txt
diff expected.txt seen.txt
