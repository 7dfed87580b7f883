#!/usr/bin/env bash
# tifffile takes an OME-TIFF for a plain TIFF when anything follows the XML in its description, a comment for example.
#
# Versions: tifffile 2026.3.3, numpy 2.4.6 (November 2026).
#
# The description is taken for OME-XML only if its last characters are those of the closing tag. XML may be followed by
# comments and processing instructions, and the OME-TIFF specification asks for XML. Then is_ome is False, axes, scale and
# channels are gone, and pages are joined by their shape: a time series TYX is IYX.
#
# Why it matters: programs that note something at the end of the metadata, or sign it, make files that still open, with
# the right voxels, an axis that means nothing, and no error.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import numpy as np
import tifffile

stack = np.zeros((4, 5, 6), "uint16")
tifffile.imwrite("plain.ome.tif", stack, metadata={"axes": "TYX"}, photometric="minisblack")
with tifffile.TiffFile("plain.ome.tif") as file:
    xml = file.ome_metadata
for name, text in (("XML", xml), ("and a comment", xml + "<!-- checked -->"), ("and a line end", xml + "\n")):
    tifffile.imwrite("again.ome.tif", stack, metadata=None, photometric="minisblack", description=text)
    with tifffile.TiffFile("again.ome.tif") as file:
        print(f"{name}: OME {file.is_ome}, axes {file.series[0].axes}")
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
XML: OME True, axes TYX
and a comment: OME False, axes IYX
and a line end: OME True, axes TYX
TXT
cat seen.txt
diff expected.txt seen.txt
