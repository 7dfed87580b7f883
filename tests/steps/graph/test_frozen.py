"""The graph is frozen: plans, runs and reads write nothing into it, and each run keeps its own."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid import events
from scutoid.errors import StoreError

RAW = np.random.default_rng(0).integers(0, 200, (64, 64)).astype("uint8")


@sc.blockwise(dtype="float32", version="1")
def smooth(image):
    return image.astype("float32") / 2


@sc.blockwise(dtype="int64", version="1", check_halo=False)
def block_number(image, *, block):
    return np.full(image.shape, block.index)


@sc.reduction(merge=lambda a, b: a + b, version="1")
def total(image):
    return float(image.sum())


@sc.blockwise(out="parts", version="1")
def part_sums(image):
    return {"sum": np.array([image.sum()])}


@sc.step(version="1")
def sum_parts(parts):
    return float(sum(part["sum"][0] for part in parts.values()))


@sc.blockwise(out="table", version="1", position=("y", "x"))
def bright(image):
    y, x = np.nonzero(image > 190)
    return pd.DataFrame({"y": y.astype(float), "x": x.astype(float)})


@sc.step(version="1", out="table")
def describe(image):
    return pd.DataFrame({"mean": [float(np.mean(image))]})


def folder(tmp_path: Path) -> sc.Images:
    place = tmp_path / "plate"
    place.mkdir(exist_ok=True)
    for number in range(3):
        np.save(place / f"{number}.npy", RAW[: 8 * (number + 1), :16])
    return sc.open_folder(str(place / "*.npy"))


def where_on_top(raw: sc.Image) -> Any:
    return smooth.options(where=[sc.Roi((0, 0), (20, 64))])(raw)


KINDS: dict[str, Callable[[Path], Any]] = {
    "blockwise": lambda path: smooth(sc.open(RAW)),
    "blocks that count": lambda path: block_number(sc.open(RAW)),
    "where": lambda path: where_on_top(sc.open(RAW)),
    "reduction": lambda path: total(sc.open(RAW)),
    "parts": lambda path: sum_parts(part_sums(sc.open(RAW))),
    "table": lambda path: bright(sc.open(RAW)),
    "whole step": lambda path: describe(smooth(sc.open(RAW))),
    "collection": lambda path: describe(smooth(folder(path))),
    "fused": lambda path: total(smooth.options(keep=False)(sc.open(RAW))),
    "labels": lambda path: sc.label(sc.threshold(sc.open(RAW), level=150)),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def content(result: Any) -> Any:
    """Return a result as something that can be compared."""
    if isinstance(result, sc.Image):
        return np.asarray(result).tolist()
    if isinstance(result, (sc.Table, sc.Tables)):
        return result.to_pandas().to_dict("list")
    return result.get()


def snapshot(item: object) -> list[tuple[object, tuple[object, ...]]]:
    """Return all nodes behind a reference, each with what its fields hold, deep down."""
    nodes: dict[object, tuple[object, ...]] = {}

    def visit(value: object) -> None:
        if isinstance(value, dict):
            value = tuple(value.items())
        if isinstance(value, (tuple, list)):
            for part in value:
                visit(part)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = tuple(getattr(value, f.name) for f in dataclasses.fields(value))
            if type(value).__module__.startswith("scutoid") and hasattr(value, "framed"):
                nodes[value] = tuple(repr(field) for field in fields)
            for field in fields:
                visit(field)

    visit(item)
    return list(nodes.items())


class Planning:
    """A listener that plans the same result elsewhere, in other blocks, as a dashboard may."""

    def __init__(self, target: Any, store: Path) -> None:
        self.target, self.store = target, store
        self.n_plans = 0

    def on_event(self, event: events.Event) -> None:
        if isinstance(event, (events.RunStarted, events.BatchDone, events.TaskDone)):
            sc.plan(self.target, store=self.store, block=64)
            self.n_plans += 1


@each_kind
def test_a_plan_by_a_listener_changes_nothing_of_the_run(kind, tmp_path) -> None:
    result = KINDS[kind](tmp_path)
    listener = Planning(result, tmp_path / "other")
    run = sc.run(
        result, store=tmp_path / "s", block=16, executor="serial", workers=1, listeners=[listener]
    )
    assert run.ok
    assert listener.n_plans > 0
    again = sc.plan(result, store=tmp_path / "s", block=16)
    assert again.is_done, str(again)
    name = again.steps[-1].name
    assert content(sc.Store(tmp_path / "s")[name]) == content(run[name])


@each_kind
def test_two_runs_at_once_into_two_stores_keep_to_their_own_blocks(kind, tmp_path) -> None:
    result = KINDS[kind](tmp_path)
    expected = {}
    for block in (16, 32):
        alone = KINDS[kind](tmp_path)
        done = sc.run(
            alone, store=tmp_path / f"alone{block}", block=block, executor="serial", workers=1
        )
        expected[block] = content(done[done.steps[-1].name])
    runs: dict[int, Any] = {}
    barrier = threading.Barrier(2)

    def start(block: int) -> None:
        barrier.wait()
        runs[block] = sc.run(
            result, store=tmp_path / f"s{block}", block=block, executor="threads", workers=1
        )

    threads = [threading.Thread(target=start, args=(block,)) for block in (16, 32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for block, run in runs.items():
        assert run.ok
        plan = sc.plan(result, store=tmp_path / f"s{block}", block=block)
        assert plan.is_done, str(plan)
        assert content(run[run.steps[-1].name]) == expected[block]
        shapes = {step.block for step in plan if step.block is not None}
        assert shapes <= {(block, block)}


@each_kind
def test_a_run_reads_its_own_store_for_ever(kind, tmp_path) -> None:
    result = KINDS[kind](tmp_path)
    first = sc.run(result, store=tmp_path / "s1", executor="serial", workers=1)
    name = first.steps[-1].name
    before = content(first[name])
    second = sc.run(result, store=tmp_path / "s2", executor="serial", workers=1)
    assert content(second[name]) == before
    (tmp_path / "s2").rename(tmp_path / "gone")
    assert content(first[name]) == before


def test_a_result_of_a_run_tells_its_store_by_its_blocks(tmp_path) -> None:
    result = block_number(sc.open(RAW))
    runs = {
        block: sc.run(result, store=tmp_path / str(block), block=block, executor="serial")
        for block in (16, 32)
    }
    assert int(np.asarray(runs[16]["block_number"]).max()) == 15
    assert int(np.asarray(runs[32]["block_number"]).max()) == 3
    assert int(np.asarray(runs[16]["block_number"][:, 40:]).max()) == 15
    assert int(np.asarray(result).max()) == 3  # a lazy result is read from its newest run


@each_kind
def test_nothing_is_written_into_the_graph(kind, tmp_path) -> None:
    result = KINDS[kind](tmp_path)
    before = snapshot(result.ref)
    assert before
    sc.plan(result, store=tmp_path / "s", block=16)
    content(result)
    assert snapshot(result.ref) == before
    sc.run(result, store=tmp_path / "s", block=16, executor="serial", workers=1)
    content(result)
    sc.plan(result, store=tmp_path / "t", block=32)
    assert snapshot(result.ref) == before


def test_a_plan_changes_no_value(tmp_path) -> None:
    result = block_number(sc.open(RAW))
    before = np.asarray(result)
    sc.plan(result, store=tmp_path, block=16)
    assert np.array_equal(np.asarray(result), before)


def nodes() -> Iterator[Any]:
    result = KINDS["labels"](Path())
    yield from (node for node, _ in snapshot(result.ref))


def test_nodes_cannot_be_written_to() -> None:
    for node in nodes():
        name = dataclasses.fields(node)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(node, name, None)
        assert isinstance(hash(node), int)


def test_references_compare_by_structure_and_handles_by_identity() -> None:
    raw = sc.open(RAW)
    assert raw[2:].ref == raw[2:].ref
    assert raw[2:].ref != raw[3:].ref
    assert hash(raw[2:].ref) == hash(raw[2:].ref)
    assert len({raw, raw, raw[2:]}) == 2


def test_members_are_the_same_wherever_they_are_taken(tmp_path) -> None:
    images = folder(tmp_path)
    assert images["0.npy"].ref == images["0.npy"].ref
    assert images["0.npy"].ref != images["1.npy"].ref


def test_a_result_that_is_not_committed_is_an_error_and_no_success(tmp_path, monkeypatch) -> None:
    from scutoid.store import Entry

    monkeypatch.setattr(Entry, "commit", lambda self, *args, **kwargs: None)
    with pytest.raises(StoreError, match="complete result"):
        sc.run(smooth(sc.open(RAW)), store=tmp_path, executor="serial", workers=1)
