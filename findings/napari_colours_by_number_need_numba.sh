#!/usr/bin/env bash
# napari refuses colours for labels above 65,536, unless numba is installed, which it does not ask for.
#
# Versions: napari 0.9.2 (November 2026).
#
# A DirectLabelColormap gives chosen labels their colours. The same two objects can be coloured where their numbers are 5 and 7,
# and not where one is 70,000: without numba the colours lie in an array as long as the largest number.
#
# Why it matters: colouring cells by what was measured works on a crop, and fails for a whole brain, which has more of them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check napari==0.9.2
cd "$folder"
cat > show.py <<'PY'
import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

for number in (7, 65_536, 70_000):
    cells = Labels(np.array([[5, number]], "uint32"))
    try:
        cells.colormap = DirectLabelColormap(color_dict={None: "gray", 5: "red", number: "blue"})
        print(number, "coloured")
    except RuntimeError as error:
        print(number, error)
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
7 coloured
65536 coloured
70000 Cannot use numpy implementation for large values of labels direct colormap. Please install numba.
TXT
cat seen.txt
diff expected.txt seen.txt
