#!/usr/bin/env bash
# joblib.Memory does not see the mask of a uint8 array, and cannot hash a masked array of other types.
#
# Versions: joblib 1.6.0, numpy 2.4.6 (November 2026).
#
# joblib.hash looks at the bytes of every ndarray through view(uint8). Of a masked array that view takes
# the mask along, whose shape does not fit the bytes, and numpy raises "cannot reshape array of size 3 into
# shape (24,)": an error that names neither masks nor joblib's hash. A masked array of which nothing is
# masked yet (no mask array) passes, and so does one whose items are one byte long, with its mask: two images
# of uint8 that differ in their mask alone have one hash, and the second call is answered from the first.
#
# Why it matters: an image outside its tissue is a masked array, and masks of uint8 images are what differs
# from run to run.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check joblib==1.6.0 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import joblib
import numpy as np

kept = joblib.Memory("kept", verbose=0).cache(lambda image: float(image.mean()))
for dtype in ("float64", "uint8"):
    for mask in ([False, False, True], [True, False, False]):
        image = np.ma.array(np.array([1, 2, 9], dtype), mask=mask)
        try:
            print(dtype, mask, "right", float(image.mean()), "kept", kept(image))
        except ValueError as error:
            print(dtype, mask, "right", float(image.mean()), "error:", error)
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
float64 [False, False, True] right 1.5 error: cannot reshape array of size 3 into shape (24,)
float64 [True, False, False] right 5.5 error: cannot reshape array of size 3 into shape (24,)
uint8 [False, False, True] right 1.5 kept 1.5
uint8 [True, False, False] right 5.5 kept 1.5
TXT
cat seen.txt
diff expected.txt seen.txt
