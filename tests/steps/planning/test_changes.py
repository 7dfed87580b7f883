"""What runs again after which change: a user's project, in a process of its own before and after.

Each change is one that some tool misses: see the tables in docs/store.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FILES = {
    "helpers.py": """
OFFSET = 1


class Rule:
    def level(self, image):
        return image.mean()


class Strict(Rule):
    pass


def deep(image):
    return image + OFFSET


def normalise(image):
    return deep(image) / 2


def unused(image):
    return image
""",
    "project.py": """
import json
import sys
from pathlib import Path

import counted
import helpers
import numpy as np
import scutoid as sc


@sc.blockwise(dtype="float32")
def scaled(image, *, factor=2):
    return (helpers.normalise(image.astype("float32")) * factor).astype("float32")


@sc.step(environment=["counted"])
def total(image, *, rule=helpers.Strict):
    return float(image[image > rule().level(image)].sum())


@sc.step
def largest(image):
    return float(image.max()) * counted.ONE


image = scaled(sc.open("raw.npy"))
targets = total(image), largest(image)
planned = sc.plan(*targets, store="store")
run = sc.run(*targets, store="store", executor="serial")
print(json.dumps({
    "ran": [step.name for step in run.steps if step.n_cached < step.n_blocks],
    "reasons": {step.name: step.reason for step in planned},
    "why": {step.name: step.why() for step in planned},
    "values": [target.get() for target in targets],
}))
""",
    "site/counted.py": "ONE = 1\n",
    "site/counted-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: counted\nVersion: 1.0\n",
}


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    np.save(tmp_path / "raw.npy", np.arange(48, dtype="uint8").reshape(6, 8))
    # What an installed package is: in a folder of that name
    (tmp_path / "site").rename(tmp_path / "site-packages")
    return tmp_path


def run(project):
    paths = os.pathsep.join([str(project / "site-packages")])
    done = subprocess.run(
        [sys.executable, "project.py"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def edit(project, name, old, new):
    path = project / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


EVERYTHING = ["scaled", "total", "largest"]
EDITS = {
    "own code": ("project.py", "* factor)", "* factor + 1)", EVERYTHING, "own code changed"),
    "a helper": ("helpers.py", "/ 2", "/ 4", EVERYTHING, "helper `normalise` changed"),
    "a helper's helper": (
        "helpers.py",
        "+ OFFSET",
        "- OFFSET",
        EVERYTHING,
        "helper `deep` changed",
    ),
    "a constant": (
        "helpers.py",
        "OFFSET = 1",
        "OFFSET = 3",
        EVERYTHING,
        "constant `OFFSET` changed",
    ),
    "a default": ("project.py", "factor=2", "factor=5", EVERYTHING, "`factor` 2 -> 5"),
    "a base class": (
        "helpers.py",
        "image.mean()",
        "image.max() / 4",
        ["total"],
        "class `Rule` changed",
    ),
    "an unused function": ("helpers.py", "    return image\n", "    return -image\n", [], ""),
    "a comment": (
        "helpers.py",
        "def deep(image):\n",
        "# noted\ndef deep(image):\n    # and here\n",
        [],
        "",
    ),
    "a docstring": (
        "helpers.py",
        "def deep(image):\n",
        'def deep(image):\n    """Add."""\n',
        [],
        "",
    ),
    "an annotation": (
        "helpers.py",
        "def deep(image):",
        "def deep(image: object) -> object:",
        [],
        "",
    ),
    "formatting": (
        "helpers.py",
        "return image + OFFSET",
        "return (\n        image\n        + OFFSET\n    )",
        [],
        "",
    ),
}


@pytest.mark.parametrize("what", EDITS)
def test_after_an_edit_of_the_code_what_depends_on_it_runs(project, what):
    name, old, new, expected, reason = EDITS[what]
    before = run(project)
    assert before["ran"] == EVERYTHING
    edit(project, name, old, new)
    after = run(project)
    assert after["ran"] == expected
    if expected:
        assert reason in after["reasons"][expected[0]]
        assert after["values"] != before["values"]
    else:
        assert after["values"] == before["values"]


@pytest.mark.parametrize("keeps_time", [False, True])
def test_an_input_edited_in_place_is_noticed(project, keeps_time):
    path = project / "raw.npy"
    os.utime(path, (1_600_000_000,) * 2)
    before = run(project)
    content = bytearray(path.read_bytes())
    content[-1] += 90
    path.write_bytes(content)
    if keeps_time:
        os.utime(path, (1_600_000_000,) * 2)
    after = run(project)
    assert after["ran"] == EVERYTHING
    assert "input `image` (raw.npy) changed" in after["reasons"]["scaled"]
    assert after["values"] != before["values"]


def test_another_version_of_a_package_counts_where_a_step_names_it_and_is_told_elsewhere(project):
    run(project)
    old = project / "site-packages" / "counted-1.0.dist-info"
    new = old.rename(old.with_name("counted-2.0.dist-info"))
    edit(project, f"{new.relative_to(project)}/METADATA", "Version: 1.0", "Version: 2.0")
    after = run(project)
    assert after["ran"] == ["total"]
    assert after["reasons"]["total"] == "counted 1.0 -> 2.0"
    edit(project, "project.py", "float(image.max())", "float(image.max() + 0)")
    again = run(project)
    assert again["ran"] == ["largest"]
    assert "not counted: counted 1.0 -> 2.0" in again["why"]["largest"]


def test_moving_the_project_changes_nothing(project, tmp_path_factory):
    before = run(project)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "moved"
    Path(project).rename(elsewhere)
    after = run(elsewhere)
    assert after["ran"] == []
    assert after["values"] == before["values"]
