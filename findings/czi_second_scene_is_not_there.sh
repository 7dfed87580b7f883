#!/usr/bin/env bash
# bioio finds one scene in a CZI file of several that pylibCZIrw wrote, and says nothing of the others.
#
# Versions: bioio 3.6.0, bioio-czi 3.0.1, pylibCZIrw 6.1.0 (November 2026).
#
# pylibCZIrw, the library of the format's makers, takes scene=0, scene=1 when it writes, finds both when it reads,
# and notes SizeS = 2 in the file's metadata. bioio-czi counts scenes by names in the metadata, which
# pylibCZIrw does not write, also not where write_metadata is called. BioImage(path).scenes is then
# ("Image:0",), its data those of the first scene, and set_scene(1) an IndexError.
#
# Why it matters: slides with several pieces of tissue, and files that were converted or cropped with pylibCZIrw, have
# scenes. A loop over image.scenes analyses the first and ends well.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    bioio==3.6.0 bioio-czi==3.0.1 pylibCZIrw==6.1.0
cd "$folder"
cat > show.py <<'PY'
import numpy as np
from bioio import BioImage
from pylibCZIrw import czi

with czi.create_czi("slide.czi") as file:
    for scene in (0, 1):
        piece = np.full((10, 12), scene + 1, "uint8")
        file.write(data=piece, plane={"C": 0}, scene=scene, location=(100 * scene, 0))
    file.write_metadata(document_name="slide", channel_names={0: "DAPI"}, scale_x=5e-7, scale_y=5e-7)

with czi.open_czi("slide.czi") as file:
    for scene in sorted(file.scenes_bounding_rectangle):
        piece = file.read(plane={"C": 0}, scene=scene)
        print("pylibCZIrw, scene", scene, piece.shape, np.unique(piece).tolist())
    print("metadata, SizeS:", file.metadata["ImageDocument"]["Metadata"]["Information"]["Image"]["SizeS"])

image = BioImage("slide.czi")
for scene in image.scenes:
    image.set_scene(scene)
    print("bioio, scene", scene, image.shape, np.unique(image.data).tolist())
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt 2> errors.txt || { cat errors.txt; exit 1; }
cat > expected.txt <<'TXT'
pylibCZIrw, scene 0 (10, 12, 1) [1]
pylibCZIrw, scene 1 (10, 12, 1) [2]
metadata, SizeS: 2
bioio, scene Image:0 (1, 1, 1, 10, 12) [1]
TXT
cat seen.txt
diff expected.txt seen.txt
