#!/usr/bin/env bash
# scikit-image's join_segmentations makes one object of several when the label images are small integers.
#
# Versions: scikit-image 0.26.0, numpy 2.4.6 (November 2026).
#
# join_segmentations gives each pair of labels that meet a number of its own: (largest label of the second + 1)
# times the first, plus the second, in the type of the label images. Of two uint8 images with 16 labels each, which
# make 256 pieces, the products do not fit and wrap: pieces that lie apart get one number, 241 are left, and
# one of them is background. The mapping back, which return_mapping=True gives, then says that a piece belongs to
# another object than it does. So it is for uint16 with 300 labels each. As int32 all pieces are there, and so
# they are as int8, which the function itself widens.
#
# Why it matters: nuclei joined with cells, or cells with regions, are saved as uint8 or uint16 images by many
# programs, and fewer pieces with larger areas look like a result.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import numpy as np
from skimage.segmentation import join_segmentations

for n, dtype in ((16, "uint8"), (16, "int32"), (16, "int8"), (300, "uint16"), (300, "int32")):
    rows = np.repeat(np.arange(1, n + 1), n).reshape(n, n).astype(dtype)
    columns = rows.T.copy()
    joined, to_rows, to_columns = join_segmentations(rows, columns, return_mapping=True)
    is_right = (to_rows[joined] == rows) & (to_columns[joined] == columns)
    print(
        f"{n} x {n} labels, {dtype}: {len(np.unique(joined))} of {n * n} pieces,",
        f"{int((joined == 0).sum())} of them background,",
        "mapped back right" if is_right.all() else "mapped back wrong",
    )
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
16 x 16 labels, uint8: 241 of 256 pieces, 1 of them background, mapped back wrong
16 x 16 labels, int32: 256 of 256 pieces, 0 of them background, mapped back right
16 x 16 labels, int8: 256 of 256 pieces, 0 of them background, mapped back right
300 x 300 labels, uint16: 65401 of 90000 pieces, 1 of them background, mapped back wrong
300 x 300 labels, int32: 90000 of 90000 pieces, 0 of them background, mapped back right
TXT
cat seen.txt
diff expected.txt seen.txt
