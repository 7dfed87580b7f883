#!/usr/bin/env bash
# joblib and dask forget the unit of an array.
#
# Versions: joblib 1.6.0, dask 2026.8.0, astropy 8.0.2, numpy 2.4.6 (November 2026).
#
# An astropy Quantity is an ndarray with a unit, np.matrix one with another product. joblib.hash takes
# of an array its class, dtype, shape, strides and values, so what else the object holds is lost:
# joblib.Memory answers f(2 mm) with the stored f(2 um). dask.tokenize takes for every subclass
# what it takes for a plain array: dask.array.from_array gives 0, 1, 2 mm and 0, 1, 2 um one name, and a graph
# with both computes one of them twice: the sum of the millimetres is 3 um. As np.matrix and as a plain
# array, the same numbers have one token also for dask.delayed(pure=True), so `a @ a` and `m * m` are
# right and `m * m` after `a * a` is the product element by element.
# A single Quantity (no axis) has a token of its own in dask, which hides the fault in small trials.
#
# Why it matters: radii, voxel sizes and spacings are what people give with a unit, and a change of the unit
# alone is the mistake that they correct.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    joblib==1.6.0 dask==2026.8.0 astropy==8.0.2 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import astropy.units as u
import dask
import dask.array
import joblib
import numpy as np

memory = joblib.Memory("kept", verbose=0)


@memory.cache
def in_um(radius):
    return float(radius.to_value("um"))


print("joblib.Memory, 2 um:", in_um(2 * u.um))
print("joblib.Memory, 2 mm:", in_um(2 * u.mm))

small = dask.array.from_array(np.arange(3) * u.um)
large = dask.array.from_array(np.arange(3) * u.mm)
print("dask, one name:", small.name == large.name)
print("dask, sum of the millimetres:", dask.compute(small.sum(), large.sum())[1])

square = dask.delayed(lambda values: np.asarray(values * values).tolist(), pure=True)
numbers = [[1, 2], [3, 4]]
both = dask.compute(square(np.array(numbers)), square(np.matrix(numbers)))
print("dask, matrix times matrix:", both[1])
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
joblib.Memory, 2 um: 2.0
joblib.Memory, 2 mm: 2.0
dask, one name: True
dask, sum of the millimetres: 3.0 um
dask, matrix times matrix: [[1, 4], [9, 16]]
TXT
cat seen.txt
diff expected.txt seen.txt
