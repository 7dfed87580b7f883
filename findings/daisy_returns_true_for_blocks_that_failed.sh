#!/usr/bin/env bash
# daisy 1.2.3 returns True from run_blockwise although every block has failed; daisy 2.0.0 returns False.
#
# Versions: daisy 1.2.3, daisy 2.0.0 (November 2026).
#
# The documentation of both says: "True if all blocks in the given tasks were successfully run, else False". 1.2.3 asks its
# tasks whether they are done, which they are when no block is left to try.
#
# Why it matters: scripts go on with `if not daisy.run_blockwise(tasks): raise`, and take volumes with holes for finished ones.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > run.py <<'PY'
import daisy
from daisy import Roi


def fails(block):
    raise ValueError("this block cannot be processed")


if __name__ == "__main__":
    block = Roi((0,), (10,))
    task = daisy.Task(
        "fails",
        total_roi=Roi((0,), (30,)),
        read_roi=block,
        write_roi=block,
        process_function=fails,
        num_workers=1,
        max_retries=0,
        read_write_conflict=False,
    )
    print("returned", daisy.run_blockwise([task]))
PY
python3 -m venv "$folder/one"
"$folder/one/bin/pip" install --quiet --disable-pip-version-check daisy==1.2.3
python3 -m venv "$folder/two"
"$folder/two/bin/pip" install --quiet --disable-pip-version-check daisy==2.0.0
for env in one two; do
  "$folder/$env/bin/python" run.py 2> log.txt | grep '^returned' | sed "s/^/$env: /"
done > seen.txt
cat > expected.txt <<'TXT'
one: returned True
two: returned False
TXT
cat seen.txt
diff expected.txt seen.txt
