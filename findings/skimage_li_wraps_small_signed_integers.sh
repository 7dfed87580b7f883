#!/usr/bin/env bash
# scikit-image's threshold_li of an int8 or int16 image whose values span more than its positive half is NaN.
#
# Versions: scikit-image 0.26.0, numpy 2.4.6 (November 2026).
#
# threshold_li takes the least value off the image, in the image's own type. Of int16 from -25,000 to 25,000
# (a filtered image, or one less its background) the difference does not fit and wraps to negative numbers, whose
# logarithm is NaN: one RuntimeWarning, and a level that no voxel is above, so that the mask is empty. The
# same values as int32 or float64 have a level, and threshold_otsu has one for all of them.
#
# Why it matters: int16 is what many filters and background corrections write, and whether the level is a
# number depends on the brightest and the darkest voxel of the image.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import numpy as np
from skimage.filters import threshold_li, threshold_otsu

rng = np.random.default_rng(0)
is_bright = rng.random((64, 64)) < 0.3
values = np.where(is_bright, 25_000, -22_500) + rng.normal(0, 200, (64, 64))
for dtype in ("float64", "int32", "int16"):
    image = values.round().astype(dtype)
    assert (image == values.round()).all()
    print(dtype, "li", round(float(threshold_li(image))) if dtype != "int16" else threshold_li(image))
    print(dtype, "otsu is between the two:", -22_000 < threshold_otsu(image) < 24_000)
print("int16 voxels above li:", int((values.round().astype("int16") > threshold_li(image)).sum()))
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
float64 li -12040
float64 otsu is between the two: True
int32 li -12040
int32 otsu is between the two: True
int16 li nan
int16 otsu is between the two: True
int16 voxels above li: 0
TXT
cat seen.txt
diff expected.txt seen.txt
