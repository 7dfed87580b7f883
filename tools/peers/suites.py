"""daisy's own tests, and a task of volara, with scutoid in daisy's place.

The module that is named daisy for them is the one that scutoid's own tests have,
``tests/integrations/daisy_shim``; it is never installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIM = ROOT / "tests" / "integrations" / "daisy_shim"
OWN = Path(__file__).parent / "daisy"

# The source distribution of 2.0.0 has no tests of its Python part: its cases are in our words in
# tests/integrations/test_daisy*.py.

# Cases that ask nothing that a script of daisy's could ask, by file or by file and case
NOT_APPLICABLE = {
    "test_client.py": "stands in for daisy's server by its messages",
    "test_tcp.py": "is about daisy's connections",
    "test_scheduler.py": "is about its scheduler, which hands out blocks without a run",
    "test_dependency_graph.py": "is about its graph of blocks",
    "test_dead_workers.py::test_reap_distinguishes_normal_from_crash": "is about its worker pool",
}


@dataclass(frozen=True)
class Outcome:
    """What came of a suite."""

    words: str
    """Its figures."""
    differences: Sequence[str]
    """What failed."""
    notes: Sequence[str]
    """What was not asked, and why."""


def suite_of_daisy(version: str, python: Path, folder: Path) -> Outcome:
    """Run the tests that the source distribution of a version has."""
    tests = _tests(version, folder)
    left_out = [
        f"--{'deselect' if '::' in name else 'ignore'}=tests/{name}" for name in NOT_APPLICABLE
    ]
    n_left_out = sum(_n_cases(tests, name) for name in NOT_APPLICABLE)
    done = _pytest(python, tests.parent, [*left_out, "-rfE"])
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    n_passed, n_wrong = counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0)
    if not n_passed:
        raise RuntimeError(f"no test of daisy {version} passed:\n{done.stdout}{done.stderr}")
    words = f"{n_passed} passed, {n_left_out} not applicable, {n_wrong} failed"
    wrong = re.findall(r"^(?:FAILED|ERROR) .*$", done.stdout, flags=re.MULTILINE)
    notes = [f"not applicable: {name} {why}" for name, why in NOT_APPLICABLE.items()]
    return Outcome(words, wrong, notes)


def task_of_volara(python: Path, folder: Path) -> Outcome:
    """Run a threshold of volara's on a small image, in processes and in one, and compare."""
    script = Path(__file__).parent / "with_volara.py"
    done = _call([str(python), "-W", "ignore", str(script), str(folder)], folder)
    if done.returncode:
        raise RuntimeError(f"{script.name} failed:\n{done.stdout}{done.stderr}")
    return Outcome(done.stdout.strip(), (), ())


def _tests(version: str, folder: Path) -> Path:
    """Return the folder of the tests of a version, with the programs that they start."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    wanted = ["--no-deps", "--no-binary", ":all:", f"daisy=={version}"]
    subprocess.run([*command, "--dest", str(folder), *wanted], check=True)
    with tarfile.open(folder / f"daisy-{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    # Elsewhere, for beside them lies the daisy that they would import
    tests = (folder / f"daisy-{version}" / "tests").rename(folder / "tests")
    for own in OWN.glob("*.py"):  # the distribution has no files but test_*.py
        (tests / own.name).write_bytes(own.read_bytes())
    (tests.parent / "pytest.ini").write_text("[pytest]\n")
    return tests


def _n_cases(tests: Path, name: str) -> int:
    """Count the functions of tests that are left out: their files cannot be imported here."""
    if "::" in name:
        return 1
    return len(re.findall(r"^ *def test_", (tests / name).read_text(), flags=re.MULTILINE))


def _pytest(python: Path, folder: Path, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return _call([str(python), "-m", "pytest", "-q", "tests", *options], folder)


def _call(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own["PYTHONPATH"] = str(SHIM)
    return subprocess.run(
        command, cwd=folder, env=own, check=False, capture_output=True, text=True, timeout=600
    )
