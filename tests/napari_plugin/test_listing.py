"""Runs and their steps, as they are listed."""

from __future__ import annotations

import json
import shutil

import pytest

from scutoid.napari_plugin import list_runs


def test_a_run_lists_its_steps_with_kind_and_state(store):
    (run,) = list_runs(store)
    assert run.state.startswith("done")
    assert {step.name: step.kind for step in run.steps} == {
        "brighter": "image",
        "objects": "image",
        "centres": "table",
        "counts": "table",
        "level": "value",
    }
    assert all(step.folder.is_dir() for step in run.steps)


def test_steps_that_an_operation_made_stand_below_it(store, tmp_path):
    shutil.copytree(store, tmp_path / "st")
    (record,) = (tmp_path / "st" / "runs").glob("*/run.json")
    content = json.loads(record.read_text())
    for step in content["steps"]:
        if step["name"] in ("objects", "centres"):
            step["within"] = ["level"]
        if step["name"] == "counts":
            step["within"] = ["level", "centres"]
    record.write_text(json.dumps(content))
    (run,) = list_runs(tmp_path / "st")
    folded = {step.name: [inner.name for inner in step.inner] for step in run.steps}
    assert folded == {"brighter": [], "level": ["objects", "centres", "counts"]}


@pytest.mark.parametrize("text", ["{", '{"version": 1}', '{"version": 99}'])
def test_a_run_with_a_damaged_record_is_listed_with_its_problem(store, tmp_path, text):
    shutil.copytree(store, tmp_path / "st")
    (record,) = (tmp_path / "st" / "runs").glob("*/run.json")
    record.write_text(text)
    (run,) = list_runs(tmp_path / "st")
    assert run.state == "damaged"
    assert "run" in run.problem
    record.unlink()
    (run,) = list_runs(tmp_path / "st")
    assert run.state == "no record"


def test_a_result_that_was_removed_has_no_kind(store, tmp_path):
    shutil.copytree(store, tmp_path / "st")
    shutil.rmtree(tmp_path / "st" / "level")
    (run,) = list_runs(tmp_path / "st")
    assert {step.name: step.kind for step in run.steps}["level"] == ""
