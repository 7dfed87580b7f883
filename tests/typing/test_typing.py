"""What an editor and mypy know of operations and of users' own steps."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scutoid

HERE = Path(__file__).parent
REPORT = re.compile(r"(?P<file>\w+\.py):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]$")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None, reason="mypy is not installed"
)


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """The errors that mypy finds in both files: file, line and code; one run for all tests."""
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--ignore-missing-imports", "--config-file=", "--hide-error-context"]
    command += [f"--cache-dir={tmp_path_factory.mktemp('mypy')}", "accepted.py", "refused.py"]
    source = Path(scutoid.__file__).parents[1]
    environment = {**os.environ, "MYPYPATH": str(source)}
    done = subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = [REPORT.search(line) for line in done.stdout.splitlines() if ": error: " in line]
    assert all(found), done.stdout
    return {(each["file"], int(each["line"]), each["code"]) for each in found}


def test_types_of_accepted_calls_are_as_stated(reported):
    assert not [each for each in sorted(reported) if each[0] == "accepted.py"]


def test_each_refused_call_is_reported_and_nothing_else(reported):
    marked = {
        ("refused.py", number, code)
        for number, line in enumerate((HERE / "refused.py").read_text().splitlines(), 1)
        for code in re.findall(r"# error: ([a-z-]+)", line)
    }
    assert {each for each in reported if each[0] == "refused.py"} == marked
