#!/usr/bin/env bash
# mahotas sums the intensity of each object in the type of the image: of a uint8 image modulo 256.
#
# Versions: mahotas 1.4.19, numpy 2.4.6, scipy 1.17.1 (November 2026).
#
# The documentation of labeled_sum says that sum[i] equals np.sum(array[labeled == i]), and of the result that it has the
# array's type. Both cannot hold: numpy widens sums, and 100 pixels of 200 have 20,000. mahotas returns 32. Of
# uint16 the sums are right up to 65,535, which 17 bright pixels of a 12-bit camera exceed, and any nucleus does.
# No warning is given. A bool mask is summed to True, where the sum that is written there is the area.
#
# Why it matters: the sum, divided by the area of labeled_size, is the usual way to a mean with mahotas. Large bright
# objects get small numbers, those of a threshold's fragments are right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check mahotas==1.4.19 numpy==2.4.6 scipy==1.17.1
cat > "$folder/show.py" <<'PY'
import mahotas
import numpy as np
from scipy import ndimage

labels = np.zeros((20, 30), "int32")
labels[1:2, 1:2], labels[5:15, 1:11], labels[2:18, 13:29] = 1, 2, 3
for name, value in {"uint8": 200, "uint16": 2000, "int16": 2000, "bool": True, "float32": 200}.items():
    image = np.where(labels > 0, value, 0).astype(name)
    sums = mahotas.labeled.labeled_sum(image, labels)
    print(f"{name}: {sums[1:].tolist()}, numpy {[image[labels == i].sum().item() for i in (1, 2, 3)]},", end=" ")
    print(f"scipy {ndimage.sum_labels(image, labels, [1, 2, 3]).astype(int).tolist()}")
PY
"$folder/env/bin/python" -W error "$folder/show.py" > "$folder/seen.txt"
cat > "$folder/expected.txt" <<'TXT'
uint8: [200, 32, 0], numpy [200, 20000, 51200], scipy [200, 20000, 51200]
uint16: [2000, 3392, 53248], numpy [2000, 200000, 512000], scipy [2000, 200000, 512000]
int16: [2000, 3392, -12288], numpy [2000, 200000, 512000], scipy [2000, 200000, 512000]
bool: [True, True, True], numpy [1, 100, 256], scipy [1, 100, 256]
float32: [200.0, 20000.0, 51200.0], numpy [200.0, 20000.0, 51200.0], scipy [200, 20000, 51200]
TXT
cat "$folder/seen.txt"
diff "$folder/expected.txt" "$folder/seen.txt"
