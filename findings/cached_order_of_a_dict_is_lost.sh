#!/usr/bin/env bash
# joblib, dask and Prefect take two dicts in another order for one input.
#
# Versions: joblib 1.6.0, dask 2026.8.0, prefect 3.9.1 (November 2026).
#
# A function that goes through its dict (operations in order, channels in order, columns of a table in
# order) gives another value when the order is another. All three sort the keys before they hash:
# joblib.Memory answers the second call from the first, dask computes one of the two for both,
# and Prefect's INPUTS policy gives both calls one cache key. The keywords that a function takes as
# **operations are such a dict too. An OrderedDict, whose equality goes by order, is told apart by dask
# and by neither of the others.
#
# Why it matters: "add, then multiply" and "multiply, then add" are written as such dicts in configurations,
# and the result kept under the one is handed out for the other.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check joblib==1.6.0 dask==2026.8.0 prefect==3.9.1
cd "$folder"
cat > show.py <<'PY'
import collections

import dask
import joblib
from dask.tokenize import tokenize
from prefect.cache_policies import INPUTS


def apply(**operations):
    value = 3
    for name, number in operations.items():
        value = value + number if name == "add" else value * number
    return value


first, second = {"add": 1, "mul": 2}, {"mul": 2, "add": 1}
print("right:", apply(**first), apply(**second))

kept = joblib.Memory("kept", verbose=0).cache(apply)
print("joblib.Memory:", kept(**first), kept(**second))

delayed = dask.delayed(apply, pure=True)
print("dask:", *dask.compute(delayed(**first), delayed(**second)))

keys = {INPUTS.compute_key(None, {"operations": one}, {}) for one in (first, second)}
print("prefect INPUTS, keys:", len(keys))

ordered = [collections.OrderedDict(pairs) for pairs in (first, second)]
print("OrderedDict equal:", ordered[0] == ordered[1])
print("joblib, one hash:", joblib.hash(ordered[0]) == joblib.hash(ordered[1]))
print("dask, one token:", tokenize(ordered[0]) == tokenize(ordered[1]))
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt 2> errors.txt || { cat errors.txt; exit 1; }
cat > expected.txt <<'TXT'
right: 8 7
joblib.Memory: 8 8
dask: 8 8
prefect INPUTS, keys: 1
OrderedDict equal: False
joblib, one hash: True
dask, one token: False
TXT
cat seen.txt
diff expected.txt seen.txt
