#!/usr/bin/env bash
# After `import dask_jobqueue` Ctrl-C ends a program with exit code 0, and without a KeyboardInterrupt.
#
# Versions: dask-jobqueue 0.9.0 (November 2026).
#
# Its module `runner`, which the package imports, replaces the handler of SIGINT when it is imported:
# `signal.signal(signal.SIGINT, lambda *_: sys.exit())`. For the same reason it cannot be imported in a thread other than
# the main one: ValueError.
#
# Why it matters: `python analysis.py && python publish.py` publishes half an analysis that somebody has stopped, and
# Ctrl-C, or a notebook's "interrupt", ends the kernel.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check dask-jobqueue==0.9.0
cd "$folder"
for line in "pass" "import dask_jobqueue"; do
    code=0
    "$folder/env/bin/python" -c "
import signal
$line
signal.raise_signal(signal.SIGINT)  # as Ctrl-C does
" 2> /dev/null || code=$?
    echo "$line: exit code $code"
done
# pass: exit code 130
# import dask_jobqueue: exit code 0
