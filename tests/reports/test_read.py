"""Facts of runs: live, done, failed, killed, old, damaged, and of results that are gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.errors import StoreError
from scutoid.reports import read_run, run_names
from scutoid.store import Lock

GOLDEN = Path(__file__).parents[1] / "golden"


@sc.blockwise(version="1", dtype="float64", halo=1)
def soft(image, *, width=1):
    return image / 2 + width


@sc.blockwise(version="1", dtype="float64", retries=0)
def picky(image, *, block):
    if block.index == 1:
        raise ValueError("a block with <markup> & 'quotes'")
    return image + 1


@sc.step(version="1")
def total(image):
    return float(image.sum())


@sc.blockwise(version="1", dtype="float64")
def above(image, level):
    return image - level


@pytest.fixture
def raw():
    return sc.open(np.arange(64.0).reshape(8, 8))


def run(store, *targets, **options):
    return sc.run(
        *targets, store=store, block=4, executor="serial", workers=1, check_halo=False, **options
    )


def edges(facts):
    return {(i.step or i.source, step.name, i.name) for step in facts.steps for i in step.inputs}


def test_a_run_that_is_done(tmp_path, raw) -> None:
    smooth = soft(raw, width=3)
    done = run(tmp_path, above(smooth, total(smooth)))
    facts = read_run(tmp_path)
    assert (facts.name, facts.state, facts.ok) == (done.folder.name, "done", True)
    assert facts.seconds is not None
    assert not facts.problems
    assert [s.name for s in facts.steps] == [s.name for s in done.steps]
    assert {s.state for s in facts.steps} == {"done"}
    assert edges(facts) == {
        ("source-1", "soft", "image"),
        ("soft", "total", "image"),
        ("soft", "above", "image"),
        ("total", "above", "level"),
    }
    step = facts.step("soft")
    assert (step.kind, step.stored, step.n_blocks, step.n_done) == ("image", "complete", 4, 4)
    assert dict(step.parameters) == {"width": "3"}
    assert step.grid is not None
    assert (step.grid.axes, step.grid.blocks) == ("yx", (2, 2))
    assert step.outputs[0].shape == (8, 8)
    assert "scutoid" in dict(step.versions)


def test_blocks_that_were_taken_over_are_counted(tmp_path) -> None:
    image = np.zeros((16, 16))
    for value in (0, 1):
        image[0, 0] = value
        zarr.create_array(tmp_path / "raw.zarr", data=image, chunks=(4, 4), overwrite=True)
        run(tmp_path / "store", soft(sc.open(tmp_path / "raw.zarr")))
    step = read_run(tmp_path / "store").step("soft")
    assert (step.n_blocks, step.n_done, step.n_taken) == (16, 16, 15)


def test_a_second_run_finds_all_of_it(tmp_path, raw) -> None:
    for _ in range(2):
        run(tmp_path, total(soft(raw)))
    facts = read_run(tmp_path)
    assert len(run_names(tmp_path)) == 2
    assert [s.state for s in facts.steps] == ["cached", "cached"]
    assert facts.workers is None
    assert facts.ok


def test_facts_are_json_and_keys_text(tmp_path, raw) -> None:
    run(tmp_path, total(soft(raw)))
    facts = read_run(tmp_path)
    content = json.loads(json.dumps(facts.to_dict()))
    assert content["name"] == facts.name
    assert content["steps"][0]["key"] == facts.steps[0].key
    assert content["steps"][0]["grid"]["blocks"] == [2, 2]
    assert content["sources"][0]["id"] == "source-1"


def test_a_failed_run_has_the_traceback(tmp_path, raw) -> None:
    run(tmp_path, total(picky(raw)), on_failure="return")
    facts = read_run(tmp_path)
    step, after = facts.steps
    assert (facts.state, facts.ok) == ("failed", False)
    assert (step.state, step.n_done, step.n_failed, step.stored) == ("failed", 3, 1, "partial")
    (failure,) = step.failures
    assert failure.block == 1
    assert failure.where.startswith("block 1 ")
    assert "<markup>" in failure.error
    assert "raise ValueError" in failure.traceback
    assert (after.state, after.n_orphaned) == ("stopped", 1)


def test_an_opened_file_is_named_by_its_path(tmp_path) -> None:
    path = tmp_path / "raw.npy"
    np.save(path, np.zeros((8, 8)))
    run(tmp_path / "store", soft(sc.open(path)))
    (source,) = read_run(tmp_path / "store").sources
    assert (source.text, source.place) == ("raw.npy", str(path))


def begun(store: Path, raw, *, n_lines: int) -> Path:
    """Return a run's folder as it stood in the middle: no outcome, and the first events."""
    folder = run(store, total(soft(raw))).folder
    record = json.loads((folder / "run.json").read_text())
    record |= {"ok": None, "seconds": None}
    told = ("name", "key", "entry", "status", "reason", "inputs")
    record["steps"] = [{name: step[name] for name in told} for step in record["steps"]]
    (folder / "run.json").write_text(json.dumps(record))
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    n_kept = 0
    for n, line in enumerate(lines):
        n_kept += json.loads(line)["event"] == "BatchDone"
        if n_kept == n_lines:
            (folder / "events.jsonl").write_text("".join(lines[: n + 1]) + '{"event": "Batc')
            break
    return folder


def test_a_live_run_is_read_from_its_events(tmp_path, raw) -> None:
    folder = begun(tmp_path, raw, n_lines=1)
    lock = Lock(folder)
    assert lock.acquire()
    try:
        facts = read_run(tmp_path)
    finally:
        lock.release()
    assert (facts.state, facts.ok, facts.seconds, facts.workers) == ("running", None, None, 1)
    step, after = facts.steps
    assert (step.state, step.n_blocks, after.state) == ("running", 4, "waiting")
    assert 0 < step.n_done < 4
    assert not facts.problems


def test_a_killed_run_keeps_its_counts(tmp_path, raw) -> None:
    begun(tmp_path, raw, n_lines=1)
    facts = read_run(tmp_path)
    assert (facts.state, facts.ok) == ("killed", None)
    assert [s.state for s in facts.steps] == ["stopped", "stopped"]
    assert 0 < facts.steps[0].n_done < 4


def test_a_run_that_was_killed_before_its_record(tmp_path, raw) -> None:
    folder = run(tmp_path, soft(raw)).folder
    (folder / "run.json").unlink()
    facts = read_run(tmp_path, folder.name)
    assert (facts.state, facts.steps) == ("killed", ())
    assert "run.json" in facts.problems[0]


def test_results_that_are_gone_are_said_to_be(tmp_path, raw) -> None:
    folder = run(tmp_path, total(soft(raw))).folder
    shutil.rmtree(tmp_path / "soft")
    facts = read_run(tmp_path, folder.name)
    assert [s.stored for s in facts.steps] == ["gone", "complete"]
    assert (facts.steps[0].state, facts.steps[0].n_done) == ("done", 4)
    assert ("soft", "total", "image") in edges(facts)
    assert not facts.problems


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version": 9}', b"\xff\xfe", b'{"a": '])
@pytest.mark.parametrize("which", ["run.json", "events.jsonl", "recipe.json"])
def test_damage_is_said_and_not_raised(tmp_path, raw, which, content) -> None:
    done = run(tmp_path, total(picky(raw)), on_failure="return")
    place = done.folder / which
    if which == "recipe.json":
        (place,) = (tmp_path / "picky").glob("*/recipe.json")
    place.write_bytes(content + b"\n")
    facts = read_run(tmp_path)
    assert facts.name == done.folder.name
    json.dumps(facts.to_dict())
    if which == "run.json":
        assert facts.problems
    else:
        assert [s.n_done for s in facts.steps] == [3, 0]
    if which == "recipe.json":
        assert any("picky" in text for text in facts.problems)
        assert facts.steps[0].parameters == ()


def test_a_run_in_parts_is_one(tmp_path) -> None:
    @sc.step(version="1", retries=0)
    def bright(image):
        if image.max() > 2:
            raise ValueError("too bright")
        return int(image.max())

    @sc.step(version="1")
    def highest(values):
        return len(values)

    images = {key: np.full((4, 4), n) for n, key in enumerate("abcd")}
    for key, image in images.items():
        np.save(tmp_path / f"{key}.npy", image)
    values = sc.gather(bright(sc.open_folder(tmp_path / "*.npy")), partial="allow")
    run(tmp_path / "store", highest(values), on_failure="return")
    names = run_names(tmp_path / "store")
    assert len(names) == 2
    for name in names:
        facts = read_run(tmp_path / "store", name)
        assert set(facts.parts) == set(names)
        assert [(s.name, s.state) for s in facts.steps] == [
            ("bright", "failed"),
            ("highest", "done"),
        ]
        assert facts.step("bright").failures[0].where == "member 'd.npy'"
        assert facts.state == "failed"


@pytest.mark.parametrize("rule", ["rule_1", "rule_2"])
def test_runs_of_earlier_versions(rule) -> None:
    found = {}
    for name in run_names(GOLDEN / rule):
        facts = read_run(GOLDEN / rule, name)
        assert not facts.problems
        assert facts.state in ("done", "failed")
        found |= {step.name: (facts, step) for step in facts.steps}
    facts, _ = found["raised"]
    assert {("halved", "raised", "image"), ("brighten", "bright", "image")} <= edges(facts)
    assert facts.step("halved").state == "inside"
    assert ("profiles", "widest", "parts") in edges(facts)
    assert found["described"][1].kind == "collection"
    assert ("dimmed", "described", "image") in edges(found["described"][0])
    assert "broken" in found["unsteady"][1].failures[0].traceback


def test_a_run_that_is_not_there(tmp_path, raw) -> None:
    with pytest.raises(StoreError, match="a store that is read exists"):
        read_run(tmp_path / "none")
    with pytest.raises(StoreError, match="no runs"):
        read_run(tmp_path)
    folder = run(tmp_path, soft(raw)).folder
    with pytest.raises(StoreError, match=folder.name):
        read_run(tmp_path, "2026-01-01T00-00-00_abcd")
