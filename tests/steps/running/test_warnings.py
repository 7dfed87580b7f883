"""What looks wrong in a plan is said by the plan, the run, its summary and its record."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import RunFailed, ScutoidWarning

COUNT = itertools.count()


@sc.step
def counted(image):
    return pd.DataFrame({"n": [int(image.sum()) if COUNT else 0]})


@sc.step
def named(image, *, flat):
    return pd.DataFrame({"n": [len(flat)]})


@sc.blockwise(dtype="same")
def doubled(image):
    return image * 2


@sc.blockwise(dtype="same")
def failing(image):
    if COUNT:
        raise ValueError("told to fail")
    return image


@pytest.fixture
def image():
    return sc.open(np.arange(64.0).reshape(8, 8))


def targets(image, folder):
    """Return a target for each kind of warning."""
    flat = folder / "flat.npy"
    np.save(flat, np.ones(3))
    other = sc.Storage(chunks=4)
    return {
        "an object that cannot be followed": counted(image),
        "text that names a file": named(image, flat=str(flat)),
        "stored in another way": doubled.options(storage=other)(image),
    }


def run(target, folder, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = sc.run(target, store=folder / "results", executor="serial", **options)
    return done, [str(w.message) for w in caught if w.category is ScutoidWarning]


KINDS = ["an object that cannot be followed", "text that names a file", "stored in another way"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_a_run_and_its_record_say_the_same_warnings(image, tmp_path, kind) -> None:
    sc.run(doubled(image), store=tmp_path / "results", executor="serial")
    target = targets(image, tmp_path)[kind]
    for _ in ("computed", "cached"):
        expected = sc.plan(target, store=tmp_path / "results").warnings
        done, said = run(target, tmp_path)
        assert len(expected) == 1
        assert tuple(said) == done.warnings == expected
        assert done.summary().count(f"warning: {expected[0]}") == 1
        record = json.loads((done.folder / "run.json").read_text())
        assert record["warnings"] == list(expected)


def test_a_run_of_nothing_that_looks_wrong_says_nothing(image, tmp_path) -> None:
    done, said = run(doubled(image), tmp_path)
    assert said == []
    assert done.warnings == ()
    assert "warning" not in done.summary()
    assert "warnings" not in json.loads((done.folder / "run.json").read_text())


def test_a_warning_is_said_once_however_many_members_and_blocks_there_are(tmp_path) -> None:
    for n in range(5):
        np.save(tmp_path / f"{n}.npy", np.full((8, 8), n))
    done, said = run(counted(sc.open_folder(tmp_path / "*.npy")), tmp_path)
    assert len(said) == len(done.warnings) == 1


def test_a_warning_names_the_line_of_the_user(image, tmp_path) -> None:
    with pytest.warns(ScutoidWarning) as caught:
        sc.run(counted(image), store=tmp_path / "results", executor="serial")
    assert caught[0].filename == __file__


def test_a_warning_that_is_made_an_error_stops_before_anything_is_computed(image, tmp_path) -> None:
    store = tmp_path / "results"
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScutoidWarning)
        with pytest.raises(ScutoidWarning, match="not noticed"):
            sc.run(counted(image), store=store, executor="serial")
    assert "counted" not in sc.Store(store)
    run(counted(image), tmp_path)
    assert "counted" in sc.Store(store)


def test_a_run_that_fails_says_its_warnings_at_the_end(image, tmp_path) -> None:
    with pytest.warns(ScutoidWarning), pytest.raises(RunFailed) as caught:
        sc.run(failing(image), store=tmp_path / "results", executor="serial")
    (warning,) = caught.value.run.warnings
    assert "COUNT" in warning
    assert str(caught.value.run.summary()).endswith(f"warning: {warning}")


SCRIPT = """
import itertools
import pandas as pd
import scutoid as sc

COUNT = itertools.count()

@sc.step
def counted(image):
    return pd.DataFrame({"n": [int(image.sum()) if COUNT else 0]})

@sc.pipeline
def count(raw: str):
    return counted(sc.open(raw))
"""


def test_the_command_line_says_warnings_at_the_beginning_and_at_the_end(tmp_path) -> None:
    (tmp_path / "cells.py").write_text(SCRIPT)
    np.save(tmp_path / "raw.npy", np.ones((8, 8)))
    command = [
        sys.executable,
        "-m",
        "scutoid",
        "run",
        "cells.py",
        "--raw",
        "raw.npy",
        "--workers",
        "1",
    ]

    def said():
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stderr.splitlines()

    first, again = said(), said()
    assert first[0].startswith("warning: step 'counted': a change of COUNT")
    assert first[0] == first[-1] == again[0]
    assert len([line for line in first if "warning" in line.lower()]) == 2
    assert again == [first[0]]


@dataclass(frozen=True)
class Setup:
    """Settings of a step."""

    flat: object


HOLDERS = {
    "text": lambda name: name,
    "a list": lambda name: [1, name],
    "a dict": lambda name: {"flat": name},
    "a dict of lists": lambda name: {"flat": [(name,)]},
    "a dataclass": Setup,
    "a table": lambda name: pd.DataFrame({"n": [1], "flat": [name]}),
    "a column": lambda name: pd.Series([name]),
}


@sc.step
def given(image, *, setup):
    return pd.DataFrame({"n": [0 if setup is None else 1]})


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_text_that_names_a_file_is_told_wherever_it_is_held(image, tmp_path, holder) -> None:
    flat = tmp_path / "flat.npy"
    np.save(flat, np.ones(3))
    (warning,) = sc.plan(given(image, setup=holder(str(flat))), store=tmp_path / "r").warnings
    assert str(flat) in warning
    assert "pathlib.Path" in warning
    for harmless in ("linear", str(tmp_path / "later.npy"), str(tmp_path), "a.b", ""):
        plan = sc.plan(given(image, setup=holder(harmless)), store=tmp_path / "r")
        assert plan.warnings == ()


def test_a_path_counts_by_its_content_and_is_not_told(image, tmp_path) -> None:
    flat = tmp_path / "flat.npy"
    np.save(flat, np.ones(3))
    for setup in (flat, [flat], {"flat": flat}, Setup(flat)):
        assert sc.plan(given(image, setup=setup), store=tmp_path / "r").warnings == ()


def test_text_that_names_files_is_told_where_each_member_has_one(tmp_path) -> None:
    for n in range(2):
        np.save(tmp_path / f"{n}.npy", np.full((8, 8), n))
    images = sc.open_folder(tmp_path / "*.npy")
    table = pd.DataFrame({"key": ["0.npy", "1.npy"], "flat": [str(tmp_path / "0.npy")] * 2})
    target = given(images, setup=sc.per_member(table, "flat"))
    warnings_of_plan = sc.plan(target, store=tmp_path / "r").warnings
    assert len(warnings_of_plan) == 1, warnings_of_plan
    assert "flat holds" in warnings_of_plan[0]
