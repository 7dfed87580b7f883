#!/usr/bin/env bash
# scikit-image's h_maxima finds nothing in an int16 image whose values span more than 32,767.
#
# Versions: scikit-image 0.26.0, numpy 2.4.6 (November 2026).
#
# h_maxima returns an empty mask where h is larger than the range of the values, and takes that range in the type of the
# image: of int16 from -20,000 to 20,000 it wraps to -25,536, which any h is larger than. So it is of int8 above 127, and
# h_minima does the same; there is no warning. Of the same values as uint16 (20,000 added), int32 or float64 all peaks are
# found, and of the same image with one dark voxel less int16 is right as well.
#
# Why it matters: h_maxima makes the seeds of a watershed in a filtered or background-corrected image, and those are int16
# with negative values. Whether there are seeds depends on the darkest voxel, and no seeds look like no cells.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 numpy==2.4.6
cat > "$folder/show.py" <<'PY'
import numpy as np
from skimage.measure import label
from skimage.morphology import h_maxima, h_minima

image = np.zeros((40, 40), "int16")
image[5:8, 5:8] = 9000
image[20:23, 5:8] = 15000
image[30:33, 30:33] = 20000
for darkest in (-12000, -20000):
    image[0, 39] = darkest
    for name in ("int16", "int32", "float64"):
        values = image.astype(name)
        peaks = label(h_maxima(values, 1000)).max()
        print(f"from {darkest}, {name}: {peaks} maxima, {label(h_minima(-values, 1000)).max()} minima of the negative")
raised = (image.astype("int32") + 20000).astype("uint16")
print("as uint16:", label(h_maxima(raised, 1000)).max(), "maxima")
PY
"$folder/env/bin/python" "$folder/show.py" > "$folder/seen.txt"
cat > "$folder/expected.txt" <<'TXT'
from -12000, int16: 3 maxima, 3 minima of the negative
from -12000, int32: 3 maxima, 3 minima of the negative
from -12000, float64: 3 maxima, 3 minima of the negative
from -20000, int16: 0 maxima, 0 minima of the negative
from -20000, int32: 3 maxima, 3 minima of the negative
from -20000, float64: 3 maxima, 3 minima of the negative
as uint16: 3 maxima
TXT
cat "$folder/seen.txt"
diff "$folder/expected.txt" "$folder/seen.txt"
