#!/usr/bin/env bash
# scikit-image's adapted_rand_error returns the recall where its documentation has the precision, and the reverse.
#
# Versions: scikit-image 0.26.0, numpy 2.4.6 (November 2026).
#
# The documentation says of the second number, the precision: pairs of pixels with one label in the test image and in
# the true image, divided by the pairs with one label in the test image; of the third, the recall, the same divided by the
# pairs of the true image. One true object of four pixels that a segmentation has cut into two: of the 2 pairs within the
# two pieces all are right, so that the precision is 1 and the recall 2 of 6. The function returns 0.333 and 1.
# Two objects that are merged into one give the reverse. The error itself is symmetric, and so it is right.
#
# Why it matters: of the two numbers one tells splits from merges. Taken as documented, a segmentation that cuts cells to
# pieces is taken for one that joins them, and tuned the wrong way.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
from itertools import combinations

import numpy as np
from skimage.metrics import adapted_rand_error


def pairs(*images):
    places = combinations(range(images[0].size), 2)
    return sum(all(image[a] == image[b] for image in images) for a, b in places)


one, two = np.array([1, 1, 1, 1]), np.array([1, 1, 2, 2])
for name, true, test in (("split", one, two), ("merged", two, one)):
    both = pairs(true, test)
    error, precision, recall = adapted_rand_error(image_true=true, image_test=test)
    print(
        f"{name}: precision {both / pairs(test):.3f}, recall {both / pairs(true):.3f} by counting;",
        f"precision {precision:.3f}, recall {recall:.3f} by scikit-image, error {error:.3f}",
    )
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
split: precision 1.000, recall 0.333 by counting; precision 0.333, recall 1.000 by scikit-image, error 0.500
merged: precision 0.333, recall 1.000 by counting; precision 1.000, recall 0.333 by scikit-image, error 0.500
TXT
cat seen.txt
diff expected.txt seen.txt
