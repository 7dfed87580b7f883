#!/usr/bin/env bash
# pylibCZIrw documents voxel sizes in micrometres, and writes the number into the file as metres.
#
# Versions: pylibCZIrw 6.1.0 (November 2026).
#
# write_metadata(..., scale_x=0.25) is documented as the scale of x in um. The XML of the file then has
# <Distance Id="X"><Value>0.25</Value>, and the format, with the header of libCZI that pylibCZIrw wraps, has metres there.
#
# Why it matters: files of a program that follows the documentation say voxels of a quarter of a metre, and sizes, volumes
# and densities measured in them are wrong by a million along each axis.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pylibCZIrw==6.1.0
cd "$folder"
cat > show.py <<'PY'
import re

import numpy as np
from pylibCZIrw import czi

lines = czi.CziWriter.write_metadata.__doc__.splitlines()
print("documented:", next(b.strip() for a, b in zip(lines, lines[1:]) if a.strip() == "scale_x:"))
with czi.create_czi("image.czi") as writer:
    writer.write(np.zeros((4, 4, 1), "uint16"))
    writer.write_metadata("image", scale_x=0.25, scale_y=0.25, scale_z=1.0)
with czi.open_czi("image.czi") as reader:
    xml = reader.raw_metadata
for axis in "XYZ":
    found = re.search(rf'<Distance Id="{axis}">.*?</Distance>', xml, re.S)
    print("written:", re.sub(r">\s+<", "><", found[0]) if found else None)
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
documented: The extent of a pixel in x-direction in units of µm
written: <Distance Id="X"><Value>0.25</Value></Distance>
written: <Distance Id="Y"><Value>0.25</Value></Distance>
written: <Distance Id="Z"><Value>1</Value></Distance>
TXT
cat seen.txt
diff expected.txt seen.txt
