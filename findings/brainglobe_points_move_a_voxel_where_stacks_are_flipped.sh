#!/usr/bin/env bash
# brainglobe-space moves points by one voxel against the stack that it turns with them, along each axis that is flipped.
#
# Versions: brainglobe-space 1.0.3, numpy 2.4.6 (November 2026).
#
# A space maps a stack and the points in it to another orientation. A flip moves the voxel i of n to n - 1 - i in the stack,
# and the point i to n - i. Without a flip both agree, so that the shift differs from axis to axis. The first voxel goes to
# n, beyond the stack; the points of the example in its README, the first and the last voxel of a stack, leave it that way. So
# a point means a place between the borders of voxels (0 to n), which is not said; the README's points are cells.
#
# Why it matters: cells are found as indices of voxels, and their region is looked up in an atlas in another orientation.
# They are counted for the region one voxel (25 um in a common atlas) to the side, and those at an edge raise or wrap round.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check brainglobe-space==1.0.3 numpy==2.4.6
cat > "$folder/show.py" <<'PY'
import brainglobe_space
import numpy as np

shape = (6, 8, 10)
cells = [(0, 0, 0), (1, 2, 3), (5, 7, 9)]
source = brainglobe_space.AnatomicalSpace("asr", shape)
for target in ("asr", "sar", "psr", "lpi"):
    for cell in cells:
        stack = np.zeros(shape, bool)
        stack[cell] = True
        turned = source.map_stack_to(target, stack)
        point = source.map_points_to(target, np.array([cell]))[0]
        inside = all(0 <= place < size for place, size in zip(point, turned.shape))
        print(f"asr to {target}, {cell}: voxel {np.argwhere(turned)[0].tolist()}, point {point.astype(int).tolist()},", end=" ")
        print("in the stack" if inside else "outside")
PY
"$folder/env/bin/python" "$folder/show.py" > "$folder/seen.txt"
cat > "$folder/expected.txt" <<'TXT'
asr to asr, (0, 0, 0): voxel [0, 0, 0], point [0, 0, 0], in the stack
asr to asr, (1, 2, 3): voxel [1, 2, 3], point [1, 2, 3], in the stack
asr to asr, (5, 7, 9): voxel [5, 7, 9], point [5, 7, 9], in the stack
asr to sar, (0, 0, 0): voxel [0, 0, 0], point [0, 0, 0], in the stack
asr to sar, (1, 2, 3): voxel [2, 1, 3], point [2, 1, 3], in the stack
asr to sar, (5, 7, 9): voxel [7, 5, 9], point [7, 5, 9], in the stack
asr to psr, (0, 0, 0): voxel [5, 0, 0], point [6, 0, 0], outside
asr to psr, (1, 2, 3): voxel [4, 2, 3], point [5, 2, 3], in the stack
asr to psr, (5, 7, 9): voxel [0, 7, 9], point [1, 7, 9], in the stack
asr to lpi, (0, 0, 0): voxel [9, 5, 7], point [10, 6, 8], outside
asr to lpi, (1, 2, 3): voxel [6, 4, 5], point [7, 5, 6], in the stack
asr to lpi, (5, 7, 9): voxel [0, 0, 0], point [1, 1, 1], in the stack
TXT
cat "$folder/seen.txt"
diff "$folder/expected.txt" "$folder/seen.txt"
