"""Commands in forks of a process that has imported already what most of them import.

One has its own arguments, folder, input and output, and ends as any process does; what it imports
takes no time.  All of them have one seed of hashes: what is not to depend on it is shown elsewhere.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

_IMPORTED = ("numpy", "scipy.ndimage", "pandas", "pyarrow.parquet", "zarr", "skimage.measure")


class Forks:
    """The process that is forked, which ends with `close`."""

    def __init__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, __file__], text=True, **pipes)

    def run(self, module, *words, cwd, input=""):  # noqa: A002 - as of subprocess.run
        """Run a module in a folder as `python -m` does."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("input", "output", "errors")]
            files[0].write_text(input)
            asked = {"module": module, "words": [*map(str, words)], "cwd": str(cwd)}
            asked |= {"files": [*map(str, files)], "environment": dict(os.environ)}
            self._process.stdin.write(f"{json.dumps(asked)}\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            said = [file.read_text() for file in files[1:]]
        return subprocess.CompletedProcess([module, *words], code, *said)

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _serve():
    """Fork for each command that is asked for; a fork returns the module that it is to run."""
    for name in _IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(**asked)
            return asked["module"]
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
    return None


def _become(module, words, cwd, files, environment):
    for number, file in enumerate(files):
        opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - that of the process
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv[:] = [module, *words]


if __name__ == "__main__" and (asked_for := _serve()) is not None:
    runpy.run_module(asked_for, run_name="__main__", alter_sys=True)
