"""Objects are measured while they are found, where their image is not kept; the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scutoid as sc
from scutoid.events import TaskDone
from scutoid.kernels import find_components, measure_block
from scutoid.ops import _label, _measure
from scutoid.steps.results import BLOCKS, BlockDigests
from scutoid.steps.work import _drafts
from scutoid.store import EntryStore, Pack

KINDS = ["bool", "uint8", "uint16", "int32", "int64", "float32"]


def drawn_images(shape):
    return st.sampled_from(KINDS).flatmap(
        lambda kind: hnp.arrays(kind, shape, elements={"allow_nan": True} if "f" in kind else None)
    )


cases = hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=11).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.uint8, shape, elements=st.integers(0, 2)),
        drawn_images(shape),
        st.tuples(*(st.integers(1, size) for size in shape)),
    )
)


def table_of(mask, image, *, keep=False, **given):
    """A lazy table of the objects of a mask."""
    labels = sc.label.options(keep=keep)(sc.open(mask), **given)
    return sc.measure(labels, intensity=None if image is None else sc.open(image))


def run(table, store, block, **options):
    options |= {"executor": "serial", "check_halo": False, "report": False}
    return sc.run(table, store=store, block=block, **options)


def pieces_in(store):
    """What the blocks of `measure_pieces` have returned, and digests of what they have read."""
    entry = EntryStore(store).entries("measure_pieces")[0][0]
    with Pack(entry.path / BLOCKS, key=entry.key) as pack:
        parts = {index: pack.read(index) for index in range(len(pack))}
    return parts, BlockDigests.of(entry).digests


@pytest.fixture
def no_room(monkeypatch):
    monkeypatch.setattr(_drafts.WAITING, "limit", 0)


@pytest.fixture
def found_again(monkeypatch):
    """Blocks whose objects were found a second time, by the size of the block."""
    seen = []

    def counted(mask, *given, **options):
        seen.append(mask.shape)
        return find_components(mask, *given, **options)

    monkeypatch.setattr(_label, "find_components", counted)
    return seen


@given(cases, st.integers(1, 3), st.booleans())
@settings(max_examples=6, deadline=None)
def test_parts_and_digests_are_those_of_the_numbered_image(
    tmp_path_factory, case, connectivity, by_value
) -> None:
    mask, image, block = case
    options = {"connectivity": min(connectivity, mask.ndim), "by_value": by_value}
    stores = [tmp_path_factory.mktemp("store") for _ in range(2)]
    run(table_of(mask, image, **options), stores[0], block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_drafts.WAITING, "limit", 0)
        run(table_of(mask, image, **options), stores[1], block)
    assert pieces_in(stores[0]) == pieces_in(stores[1])


def test_objects_are_found_once(tmp_path, found_again) -> None:
    """Bars cross many blocks, one block has nothing in it, and no two pieces of a block are one."""
    mask = np.zeros((20, 30), bool)
    mask[2:18:4, 12:] = mask[:, 0] = True
    image = np.random.default_rng(0).random(mask.shape)
    table = table_of(mask, image)
    run(table, tmp_path, 7)
    assert found_again == []
    eager = sc.measure(sc.label(mask), intensity=image)
    assert table.to_pandas()["n_voxels"].tolist() == eager["n_voxels"].tolist()
    assert _drafts.WAITING._drafts == {}


def test_pieces_of_one_object_in_a_block_are_added_where_that_is_exact(
    tmp_path, found_again
) -> None:
    """The two arms of a U are pieces of the upper block, and one object."""
    mask = np.zeros((8, 9), bool)
    mask[:, 2] = mask[:, 6] = mask[6, 2:6] = True
    whole = np.arange(72, dtype="uint16").reshape(8, 9)
    run(table_of(mask, whole), tmp_path / "integers", (4, 9))
    assert found_again == []
    run(table_of(mask, whole / 7), tmp_path / "floats", (4, 9))
    assert found_again == [(4, 9)]


def test_what_is_kept_or_read_elsewhere_is_looked_up_as_before(tmp_path, found_again) -> None:
    mask = np.eye(12, dtype=bool)
    run(table_of(mask, None, keep=True), tmp_path / "kept", 6)
    assert len(found_again) == 4
    own = sc.Measure(lambda labels, image, index: {"own": index}, merge={"own": "sum"})
    labels = sc.label.options(keep=False)(sc.open(mask))
    run(sc.measure(labels, measures=own), tmp_path / "own", 6)
    assert len(found_again) == 8


def test_a_run_that_ends_before_objects_are_measured_goes_on(tmp_path, found_again) -> None:
    mask = np.random.default_rng(3).random((24, 24)) > 0.9
    image = np.random.default_rng(4).random(mask.shape)
    table = table_of(mask, image)

    class Stop:
        def on_event(self, event):
            if isinstance(event, TaskDone) and event.task == "label_merge":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(table, tmp_path / "stopped", 8, listeners=[Stop()])
    assert _drafts.WAITING._drafts == {}  # another process would have none
    run(table, tmp_path / "stopped", 8)
    assert len(found_again) == 9
    run(table_of(mask, image), tmp_path / "at once", 8)
    assert len(found_again) < 18  # of those without drafts, two pieces of a block are one object
    assert pieces_in(tmp_path / "stopped") == pieces_in(tmp_path / "at once")


def test_a_draft_that_fails_fails_nothing(tmp_path, monkeypatch, found_again) -> None:
    mask = np.random.default_rng(5).random((16, 16)) > 0.5
    tries = []

    def fails_at_first(*given, **options):
        tries.append(given)
        if len(tries) in (1, 5):  # a draft, and then the first try of a block without one
            raise OSError("the image cannot be read now")
        return measure_block(*given, **options)

    monkeypatch.setattr(_measure, "measure_block", fails_at_first)
    done = run(table_of(mask, None), tmp_path, 8)
    assert (len(tries), len(found_again)) == (4 + 2, 2)
    assert [step.name for step in done.steps if step.n_failed] == []
    assert done["measure"].to_pandas()["n_voxels"].sum() == mask.sum()


def test_blocks_that_read_the_same_are_taken_over_from_drafts(tmp_path) -> None:
    mask = np.random.default_rng(6).random((24, 24)) > 0.7
    run(table_of(mask, None), tmp_path, 8)
    mask[22:, 22:] = False
    mask[23, 23] = True  # the last object, so that no other changes its number
    again = run(table_of(mask, None), tmp_path, 8)
    step = again.step("measure_pieces")
    assert (step.n_taken, step.n_run) == (8, 1)


@pytest.mark.usefixtures("no_room")
def test_without_room_blocks_are_computed_from_the_image(tmp_path, found_again) -> None:
    mask = np.eye(12, dtype=bool)
    run(table_of(mask, None), tmp_path, 6)
    assert len(found_again) == 4
