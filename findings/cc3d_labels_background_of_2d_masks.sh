#!/usr/bin/env bash
# cc3d gives background pixels of a two-dimensional mask a label, where neighbours touch at corners.
#
# Versions: connected-components-3d 4.1.1, numpy 2.4.6, scipy 1.17.1 (November 2026).
#
# `connected_components(mask, connectivity=8)` of a bool mask of odd width: where the last pixel of a row is set, the first
# pixel of the next row can get a label, though it is not set: that of the pixel, or one that no object has. So it is for
# integers with binary_image=True; without it, with connectivity=4, for an even width, and in three dimensions the labels are
# right. Below: whether there are masks among 1,000 random ones a width in which a pixel of the background has a label, and
# masks with another number of labels than scipy.ndimage.label finds (more, in a fifth of those of 20 x 65).
#
# Why it matters: a threshold gives a bool mask, and 8 is what most take for cells in 2-D. Counts are too large, and areas,
# boxes and overlaps wrong by pixels at the other side of the image.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check connected-components-3d==4.1.1 numpy==2.4.6 scipy==1.17.1
cat > "$folder/show.py" <<'PYTHON'
import cc3d
import numpy as np
from scipy import ndimage

mask = np.array([[1, 1, 1], [0, 0, 1], [0, 0, 1]], bool)
labels = cc3d.connected_components(mask, connectivity=8)
print("mask  ", mask.astype(int).tolist())
print("labels", labels.tolist())

draw = np.random.default_rng(0)
WAYS = {
    "bool, 8": lambda mask: cc3d.connected_components(mask, connectivity=8),
    "uint8, 8, binary_image": lambda mask: cc3d.connected_components(mask.view("u1"), connectivity=8, binary_image=True),
    "uint8, 8": lambda mask: cc3d.connected_components(mask.view("u1"), connectivity=8),
    "bool, 4": lambda mask: cc3d.connected_components(mask, connectivity=4),
}
for width in (64, 65):
    masks = draw.random((1000, 20, width)) < 0.3
    for way, label in WAYS.items():
        corners = np.ones((3, 3)) if "8" in way.partition(",")[2] else None
        found = [label(mask) for mask in masks]
        in_background = any(one[~mask].any() for one, mask in zip(found, masks))
        counted = all(one.max() == ndimage.label(mask, corners)[1] for one, mask in zip(found, masks))
        print(f"width {width}, {way}: background {'labelled' if in_background else '0'},", end=" ")
        print(f"numbers {'right' if counted else 'wrong'}")
PYTHON
"$folder/env/bin/python" "$folder/show.py" | tee "$folder/seen"
diff - "$folder/seen" <<'EXPECTED'
mask   [[1, 1, 1], [0, 0, 1], [0, 0, 1]]
labels [[1, 1, 1], [1, 0, 1], [0, 0, 1]]
width 64, bool, 8: background 0, numbers right
width 64, uint8, 8, binary_image: background 0, numbers right
width 64, uint8, 8: background 0, numbers right
width 64, bool, 4: background 0, numbers right
width 65, bool, 8: background labelled, numbers wrong
width 65, uint8, 8, binary_image: background labelled, numbers wrong
width 65, uint8, 8: background 0, numbers right
width 65, bool, 4: background 0, numbers right
EXPECTED
