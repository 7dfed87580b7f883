#!/usr/bin/env bash
# A table that ngio adds to a folder of tables cannot be read from it again by the same object.
#
# Versions: ngio 1.1.3 (November 2026).
#
# TablesContainer.add takes a GenericTable and lists it; get with the same name raises NgioValueError, for the type that it
# has written (generic_table, version 1) is not among those that a strict container knows. With strict=False the rows come
# back. A table of another kind, a feature table, is read by the strict container as well.
#
# Why it matters: what can be added and is listed looks stored; a pipeline that writes condition tables beside its features
# finds out at the next step, or in another program.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check ngio==1.1.3
cd "$folder"
cat > show.py <<'PY'
import pandas as pd
import zarr
from ngio.tables import FeatureTable, GenericTable, open_tables_container

zarr.create_group("tables")
frame = pd.DataFrame({"label": [1, 2], "area": [3.0, 4.0]})
container = open_tables_container("tables", mode="a")
container.add("conditions", GenericTable(frame), backend="parquet")
container.add("features", FeatureTable(frame), backend="parquet")
print("listed:", sorted(container.list()))
for name in ("conditions", "features"):
    for strict in (True, False):
        try:
            print(f"{name}, strict={strict}: {len(container.get(name, strict=strict).dataframe)} rows")
        except Exception as error:
            print(f"{name}, strict={strict}: {type(error).__name__}: {error}")
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt 2> errors.txt || cat errors.txt
cat > expected.txt <<'TXT'
listed: ['conditions', 'features']
conditions, strict=True: NgioValueError: Table handler for generic_table_v1 not implemented.
conditions, strict=False: 2 rows
features, strict=True: 2 rows
features, strict=False: 2 rows
TXT
cat seen.txt
diff expected.txt seen.txt
