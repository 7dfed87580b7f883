"""What a plan does with each step, by what the store has of it.

Rows are written as plans are shown: name, status, blocks (or members) done, and how many there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.blocks import Journal
from scutoid.errors import MemoryLimitError, PipelineError, StoreError
from scutoid.steps.planning import PlannedRun, Planner
from scutoid.store import EntryStore

RAW = sc.open(np.arange(64, dtype="uint8").reshape(8, 8))
"""In blocks of 4: four of them."""


BROKEN: set[int] = set()
"""Blocks that fail, by their first voxel: 0, 4, 32, 36."""


def brighten_of(version: str):
    """A step whose code is what `version` says."""

    @sc.blockwise(version=version, dtype="same", block_invariant=True)
    def brighten(image, *, by=1):
        if int(image[0, 0]) in BROKEN:
            raise ValueError("broken")
        return image + np.uint8(by)

    return brighten


brighten = brighten_of("1")


@sc.blockwise(version="1", dtype="int64", check_halo=False)
def number(image, *, block):
    return np.full(image.shape, block.index)


@sc.step(version="1")
def total(image):
    return int(image.sum())


@sc.step(version="1", out="image", dtype="uint8")
def upright(image):
    return image


def plan(store: Path, *targets, block: object = 4, **options) -> PlannedRun:
    return Planner(EntryStore(store), block=block, **options).plan([t.ref for t in targets])


def run(store: Path, *targets, block: object = 4) -> None:
    sc.run(*targets, store=store, block=block, executor="serial")


def rows(planned: PlannedRun) -> list[tuple[str, str, str]]:
    return [(each.task, each.status, f"{each.n_done}/{each.n_blocks}") for each in planned]


def entry_of(store: Path, name: str):
    ((entry, _),) = sc.Store(store).entries(name)
    return entry


# What is there, and what is needed ----------------------------------------------------------------
#
#    brighten ── total        a target, and what it is made of


def nothing(store: Path) -> None:
    """A store that is not there yet."""


def all_of_it(store: Path) -> None:
    run(store, brighten(RAW), total(brighten(RAW)))


def the_image(store: Path) -> None:
    run(store, brighten(RAW))


def the_target(store: Path) -> None:
    all_of_it(store)
    entry_of(store, "brighten").clear()


def half_of_the_image(store: Path) -> None:
    """A run that was stopped: the image is begun, two of its blocks are done."""
    BROKEN.update({0, 36})
    sc.run(brighten(RAW), store=store, block=4, executor="serial", on_failure="return")
    BROKEN.clear()


def the_target_and_half_of_the_image(store: Path) -> None:
    the_target(store)
    half_of_the_image(store)


def all_but_a_shard(store: Path) -> None:
    all_of_it(store)
    (entry_of(store, "brighten").path / "image.ome.zarr/0/c/0/1").unlink()


def all_but_the_journal(store: Path) -> None:
    the_image(store)
    journal = entry_of(store, "brighten").journal
    journal.write_bytes(b"0" * len(journal.read_bytes()))


def all_but_the_value(store: Path) -> None:
    all_of_it(store)
    (entry_of(store, "total").path / "value.json").write_text("7")


def other_parameters(store: Path) -> None:
    run(store, brighten(RAW, by=2))


def other_code(store: Path) -> None:
    run(store, brighten_of("0")(RAW))


@pytest.mark.parametrize(
    ("before", "options", "expected"),
    [
        (nothing, {}, [("brighten", "run", "0/4"), ("total", "run", "0/1")]),
        (all_of_it, {}, [("brighten", "cached", "4/4"), ("total", "cached", "1/1")]),
        (the_image, {}, [("brighten", "cached", "4/4"), ("total", "run", "0/1")]),
        pytest.param(the_target, {}, [("total", "cached", "1/1")], id="the_target: no more needed"),
        (half_of_the_image, {}, [("brighten", "partial", "2/4"), ("total", "run", "0/1")]),
        pytest.param(
            the_target_and_half_of_the_image,
            {},
            [("brighten", "partial", "2/4"), ("total", "cached", "1/1")],
            id="the_target_and_half_of_the_image: finished, although nobody needs it",
        ),
        pytest.param(
            all_but_a_shard,
            {},
            [("total", "cached", "1/1")],
            id="all_but_a_shard: no more needed",
        ),
        (all_but_the_journal, {}, [("brighten", "run", "0/4"), ("total", "run", "0/1")]),
        (all_but_the_value, {}, [("brighten", "cached", "4/4"), ("total", "run", "0/1")]),
        (other_parameters, {}, [("brighten", "run", "0/4"), ("total", "run", "0/1")]),
        (other_code, {}, [("brighten", "run", "0/4"), ("total", "run", "0/1")]),
        pytest.param(
            other_code,
            {"accept": ["brighten"]},
            [("brighten", "cached", "4/4"), ("total", "run", "0/1")],
            id="other_code: accepted",
        ),
        pytest.param(
            all_of_it,
            {"force": ["total"]},
            [("brighten", "cached", "4/4"), ("total", "run", "0/1")],
            id="all_of_it: the target is forced",
        ),
        pytest.param(
            all_of_it,
            {"force": ["brighten"]},
            [("brighten", "run", "0/4"), ("total", "cached", "1/1")],
            id="all_of_it: what it is made of is forced",
        ),
    ],
)
def test_a_plan_says_of_each_step_what_is_there(before, options, expected, tmp_path) -> None:
    before(tmp_path)
    assert rows(plan(tmp_path, total(brighten(RAW)), **options)) == expected


@pytest.mark.parametrize(
    ("before", "options", "name", "reason"),
    [
        (nothing, {}, "brighten", "first run"),
        (all_of_it, {}, "brighten", "up to date"),
        (half_of_the_image, {}, "brighten", "2 of 4 are done"),
        (all_but_a_shard, {}, "brighten", "1 of 4 blocks of image.ome.zarr are missing"),
        (all_but_the_journal, {}, "brighten", "its journal is damaged"),
        (all_but_the_value, {}, "total", "output value.json is missing or was changed"),
        (other_parameters, {}, "brighten", "`by` 2 -> 1"),
        (other_code, {}, "brighten", "version changed"),
        (other_code, {"accept": ["brighten"]}, "brighten", "accepted, although version changed"),
        (all_of_it, {"force": ["brighten"]}, "brighten", "forced"),
    ],
)
def test_a_plan_says_why(before, options, name, reason, tmp_path) -> None:
    before(tmp_path)
    planned = plan(tmp_path, brighten(RAW), total(brighten(RAW)), **options)
    assert {each.task: each.reason for each in planned}[name] == reason


@pytest.mark.parametrize(
    ("before", "options", "restarts", "lost"),
    [
        pytest.param(half_of_the_image, {}, False, None, id="half_of_the_image: goes on"),
        pytest.param(all_but_a_shard, {}, False, [1], id="all_but_a_shard: that block alone"),
        pytest.param(all_but_the_journal, {}, True, None, id="all_but_the_journal: from the start"),
        pytest.param(all_of_it, {"force": ["brighten"]}, True, None, id="forced: from the start"),
    ],
)
def test_what_is_there_is_kept_where_it_can_be(before, options, restarts, lost, tmp_path) -> None:
    before(tmp_path)
    (found,) = plan(tmp_path, brighten(RAW), **options)
    assert found.restarts is restarts
    assert (None if found.lost is None else found.lost.tolist()) == lost


# What is kept ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(lambda step: [total(step(RAW))], [False, True], id="an image on the way"),
        pytest.param(lambda step: [step(RAW)], [True], id="a target"),
        pytest.param(
            lambda step: [total(step(RAW)), step(RAW)], [True, True], id="on the way, and a target"
        ),
        pytest.param(
            lambda step: [total(upright.options(keep=False)(RAW))],
            [True, True],
            id="the image of a whole step",
        ),
    ],
)
def test_an_image_that_is_not_to_be_kept_is_stored_where_it_must_be(
    build, expected, tmp_path
) -> None:
    planned = plan(tmp_path, *build(brighten.options(keep=False)))
    assert [each.is_kept for each in planned] == expected


def test_what_is_not_kept_says_in_whose_blocks_it_is_computed(tmp_path) -> None:
    inside, reader = plan(tmp_path, number(brighten.options(keep=False)(RAW)))
    assert (inside.is_kept, inside.reason) == (
        False,
        "not kept: computed inside the blocks of number",
    )
    assert reader.is_kept


# Names and keys ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("targets", "names"),
    [
        pytest.param([brighten(RAW), total(RAW)], ["brighten", "total"], id="two steps"),
        pytest.param(
            [brighten(RAW, by=n) for n in (1, 2, 3)],
            ["brighten", "brighten-2", "brighten-3"],
            id="one step on other parameters: numbered as they come",
        ),
        pytest.param(
            [brighten(brighten(RAW))], ["brighten", "brighten-2"], id="one step upon itself"
        ),
        pytest.param([brighten(RAW), brighten(RAW)], ["brighten"], id="one key: once"),
        pytest.param(
            [brighten(RAW), brighten(RAW, by=1)], ["brighten"], id="a default that is written out"
        ),
        pytest.param(
            [brighten(RAW), brighten.options(name="bright")(RAW)],
            ["brighten"],
            id="one key by two names: the first",
        ),
        pytest.param(
            [brighten.options(name="bright")(RAW, by=2), brighten(RAW)],
            ["bright", "brighten"],
            id="a name that was given",
        ),
    ],
)
def test_each_key_is_planned_once_under_a_name_of_its_own(targets, names, tmp_path) -> None:
    planned = plan(tmp_path, *targets)
    assert [each.task for each in planned] == names
    assert {planned.of(target.ref) for target in targets} <= set(planned)


# Block shapes ------------------------------------------------------------------------------------
#
#    brighten gives the same voxels in any blocks; number does not, so its key has the block shape
def a_part_in_blocks_of_2(step) -> Callable[[Path], None]:
    def before(store: Path) -> None:
        run(store, step(RAW), block=2)
        entry = entry_of(store, step(RAW).name)
        (entry.path / "COMPLETE").unlink()
        Journal.forget(entry.journal, np.arange(12))

    return before


@pytest.mark.parametrize(
    ("step", "before", "options", "block", "row"),
    [
        (brighten, nothing, {}, (4, 4), ("brighten", "run", "0/4")),
        (number, nothing, {}, (4, 4), ("number", "run", "0/4")),
        pytest.param(
            brighten.options(block=8),
            nothing,
            {},
            (8, 8),
            ("brighten", "run", "0/1"),
            id="a step that asks for its own",
        ),
        pytest.param(
            brighten,
            a_part_in_blocks_of_2(brighten),
            {},
            (2, 2),
            ("brighten", "partial", "4/16"),
            id="what was begun goes on in its blocks",
        ),
        pytest.param(
            number,
            a_part_in_blocks_of_2(number),
            {},
            (4, 4),
            ("number", "run", "0/4"),
            id="unless the values depend on them",
        ),
    ],
)
def test_blocks_are_those_that_were_asked_for_or_those_of_an_earlier_run(
    step, before, options, block, row, tmp_path
) -> None:
    before(tmp_path)
    planned = plan(tmp_path, step(RAW), **options)
    (found,) = planned
    assert (found.block, rows(planned)) == (block, [row])


# Collections -------------------------------------------------------------------------------------
@pytest.fixture
def plate(tmp_path):
    """Writes images of one value into a folder, and opens it."""

    def make(**values: int):
        folder = tmp_path / "plate"
        folder.mkdir(exist_ok=True)
        for name, value in values.items():
            np.save(folder / f"{name}.npy", np.full((4, 4), value, "uint8"))
        return sc.open_folder(str(folder / "*.npy"))

    return make


@pytest.mark.parametrize(
    ("before", "now", "expected", "needed"),
    [
        pytest.param(
            {},
            {"a": 1, "b": 2},
            [("brighten", "run", "0/2"), ("total", "run", "0/2")],
            "ab",
            id="new",
        ),
        pytest.param(
            {"a": 1, "b": 2},
            {},
            [("brighten", "cached", "2/2"), ("total", "cached", "2/2")],
            "",
            id="all are there",
        ),
        pytest.param(
            {"a": 1, "b": 2},
            {"c": 3},
            [("brighten", "partial", "2/3"), ("total", "partial", "2/3")],
            "c",
            id="one is new",
        ),
        pytest.param(
            {"a": 1, "b": 2},
            {"a": 5},
            [("brighten", "partial", "1/2"), ("total", "partial", "1/2")],
            "a",
            id="one has changed",
        ),
    ],
)
def test_members_are_planned_one_by_one(before, now, expected, needed, plate, tmp_path) -> None:
    store = tmp_path / "store"
    if before:
        run(store, total(brighten(plate(**before))))
    planned = plan(store, total(brighten(plate(**now))))
    assert rows(planned) == expected
    above = planned.calls[0]
    if above.needed is not None and not above.is_cached:
        keys = np.array([key.removesuffix(".npy") for key in above.call.keys])
        assert "".join(keys[above.needed & ~above.done]) == needed


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        ({"a": 1}, {"b": 2}, "1 of 2 members are new: b.npy"),
        ({"a": 1, "b": 2}, {"a": 3}, "1 of 2 members changed: a.npy"),
        (
            {"a": 1},
            {"a": 2, "b": 3},
            "1 of 2 members changed: a.npy; 1 of 2 members are new: b.npy",
        ),
        (
            {"a": 1},
            dict.fromkeys("bcdef", 2),
            "5 of 6 members are new: b.npy, c.npy, d.npy, ...",
        ),
        ({"a": 1, "b": 2}, {"a": 3, "c": 2}, "1 of 3 members changed: a.npy"),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1, "d": 5}, "1 of 3 members are new: d.npy"),
    ],
)
def test_a_plan_says_which_members_are_not_as_they_were(
    before, now, reason, plate, tmp_path
) -> None:
    store = tmp_path / "store"
    run(store, brighten(plate(**before)))
    (found,) = plan(store, brighten(plate(**now)))
    assert found.reason == reason


def test_members_that_nobody_asks_for_are_not_made(plate, tmp_path) -> None:
    store = tmp_path / "store"
    run(store, total(brighten(plate(a=1, b=2))))
    for path in store.glob("brighten/*"):
        EntryStore(store).entry("brighten", path.name).clear()
    planned = plan(store, total(brighten(plate(b=3))))
    made = planned.calls[0]
    assert dict(zip(made.call.keys, made.needed.tolist(), strict=True)) == {
        "a.npy": False,
        "b.npy": True,
    }


def test_a_list_of_members_that_is_damaged_is_written_again(plate, tmp_path) -> None:
    store = tmp_path / "store"
    target = brighten(plate(a=1, b=2))
    run(store, target)
    (found,) = plan(store, target)
    assert (found.status, found.is_relisted) == ("cached", False)
    (store / "brighten").joinpath(found.entry.path.name, "members.json").write_text("{")
    (found,) = plan(store, target)
    assert (found.status, found.is_relisted) == ("cached", True)


# Refusals ----------------------------------------------------------------------------------------
TARGET = total(brighten(RAW))


@pytest.mark.parametrize(
    ("target", "options", "error", "rule"),
    [
        pytest.param(
            RAW,
            {},
            PipelineError,
            "a target is a result of a step; this is an input",
            id="an input",
        ),
        pytest.param(
            TARGET,
            {"force": ["brigthen"]},
            PipelineError,
            "force= and accept= name steps of the pipeline",
            id="force= of an unknown step",
        ),
        pytest.param(
            TARGET,
            {"accept": ["brigthen"]},
            PipelineError,
            "force= and accept= name steps of the pipeline",
            id="accept= of an unknown step",
        ),
        pytest.param(
            TARGET,
            {"accept": ["brighten"]},
            PipelineError,
            "a step that is accepted has an earlier result",
            id="accept= of what was never made",
        ),
        pytest.param(
            brighten(RAW),
            {"memory": 10},
            MemoryLimitError,
            "a block fit in the memory of one worker",
            id="a block that takes more memory than there is",
        ),
        pytest.param(
            total(RAW),
            {"memory": 10},
            MemoryLimitError,
            "inputs of a whole step fit in the memory of one worker",
            id="a whole image that does",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(
    target, options, error, rule, tmp_path
) -> None:
    with pytest.raises(error, match=f"^{re.escape(rule)}"):
        plan(tmp_path, target, **options)


def test_a_step_is_run_again_or_accepted_not_both(tmp_path) -> None:
    other_code(tmp_path)
    with pytest.raises(PipelineError, match="run again or accepted"):
        plan(tmp_path, TARGET, force=["brighten"], accept=["brighten"])


def test_names_of_steps_are_those_of_the_plan(tmp_path) -> None:
    two = [brighten(RAW), brighten(RAW, by=2)]
    run(tmp_path, *two)
    planned = plan(tmp_path, *two, force=["brighten-2"])
    assert rows(planned) == [("brighten", "cached", "4/4"), ("brighten-2", "run", "0/4")]


def test_results_that_cannot_fit_on_the_disk_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(EntryStore, "free_bytes", lambda store: 2)
    with pytest.raises(
        StoreError, match=r"fit on the store's disk\n.*\d bytes uncompressed, 2 bytes"
    ):
        plan(tmp_path, brighten(RAW))
    with pytest.raises(StoreError, match="fit on the store's disk"):
        plan(tmp_path, total(brighten(RAW)))
    inside = brighten.options(keep=False)(RAW)
    assert len(plan(tmp_path, total(inside)).calls) == 2


def test_a_plan_writes_nothing(tmp_path) -> None:
    plan(tmp_path / "store", TARGET)
    assert list(tmp_path.iterdir()) == []
