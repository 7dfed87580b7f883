#!/usr/bin/env bash
# napari shows the row of another object for a label, where the table of features is not sorted as it expects.
#
# Versions: napari 0.9.2, pandas 3.1.1 (November 2026).
#
# A Labels layer takes a table of features. Its row n is taken for label n, row 0 for the background: neither the index of the
# DataFrame nor a column called label is looked at. Only a column called index names the objects. Nothing is said.
#
# Why it matters: tables of regionprops begin with object 1 in row 0, so hovering over a cell shows the values of the next one;
# with numbers that are not 0, 1, 2, ... it shows none, or those of any other object.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check napari==0.9.2 pandas==3.1.1
cd "$folder"
cat > show.py <<'PY'
import numpy as np
import pandas as pd
from napari.layers import Labels

cells = np.array([[1, 1, 1, 2]], "uint8")
table = pd.DataFrame({"label": [1, 2], "area": [3, 1]}, index=[1, 2])


def shown(features):
    layer = Labels(cells, features=features)
    return layer.get_status((0, 0), view_direction=None, dims_displayed=[0, 1])["value"]


print("a column label, and an index:", shown(table))
print("a column index:", shown(table.rename(columns={"label": "index"})))
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
a column label, and an index: 1; label: 2, area: 1
a column index: 1; area: 3
TXT
cat seen.txt
diff expected.txt seen.txt
