"""Results that are taken as good although their keys differ."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import PipelineError

CALLS: list[str] = []


def smoothing(*, version):
    """A step whose code is what `version` says."""

    @sc.blockwise(version=version, dtype="same")
    def smooth(image, *, weight=1):
        CALLS.append(f"smooth {version}")
        return image // 2 + weight

    return smooth


@sc.step(version="1")  # CALLS, which changes, would be a constant of its code
def total(image):
    CALLS.append("total")
    return int(image.sum())


@sc.step(version="1")  # CALLS, which changes, would be a constant of its code
def brightest(image, *, scale=1):
    CALLS.append("brightest")
    return int(image.max()) * scale


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


def run(*targets, store, **options):
    CALLS.clear()
    return sc.run(*targets, store=store, executor="serial", **options)


@pytest.fixture
def raw():
    return sc.open(np.arange(64, dtype="uint8").reshape(8, 8))


def pipeline(raw, version, **params):
    smooth = smoothing(version=version)(raw, **params)
    return smooth, total(smooth)


def test_what_was_accepted_stands_for_the_new_key_from_then_on(raw, tmp_path):
    run(*pipeline(raw, "1"), store=tmp_path)
    smooth, summed = pipeline(raw, "2")
    assert [step.status for step in sc.plan(summed, store=tmp_path)] == ["run", "run"]
    planned = sc.plan(summed, store=tmp_path, accept=["smooth"])
    assert [step.status for step in planned] == ["cached", "cached"]
    assert planned["smooth"].reason.startswith("accepted, although version changed")
    assert sc.plan(summed, store=tmp_path)["smooth"].status == "run"  # a plan writes nothing

    assert run(smooth, summed, store=tmp_path, accept=["smooth"]).ok
    assert CALLS == []
    assert summed.get() == int((np.arange(64) // 2 + 1).sum())
    assert np.array_equal(np.asarray(smooth), np.arange(64).reshape(8, 8) // 2 + 1)

    assert sc.plan(*pipeline(raw, "2"), store=tmp_path).is_done
    assert sc.plan(*pipeline(raw, "1"), store=tmp_path).is_done
    records = [r for _, r in sc.Store(tmp_path).entries("smooth") if r.stands_for]
    assert [r.extra["accepted"]["reason"] for r in records] == ["version changed"]
    assert int(np.asarray(sc.Store(tmp_path)["smooth"]).sum()) == summed.get()


def test_a_record_without_its_result_means_nothing(raw, tmp_path):
    run(*pipeline(raw, "1"), store=tmp_path)
    run(*pipeline(raw, "2"), store=tmp_path, accept=["smooth"])
    for entry, recipe in sc.Store(tmp_path).entries("smooth"):
        if recipe.stands_for is None:
            entry.clear()
    smooth, summed = pipeline(raw, "2")
    assert run(smooth, summed, store=tmp_path).ok
    assert "smooth 2" in CALLS


def test_the_same_call_twice_is_accepted_once(raw, tmp_path):
    run(*pipeline(raw, "1"), store=tmp_path)
    smooth = smoothing(version="2")
    targets = (total(smooth(raw)), brightest(smooth(raw)))
    assert run(*targets, store=tmp_path, accept=["smooth"]).ok
    assert CALLS == ["brightest"]


def test_of_several_the_nearest_is_accepted(raw, tmp_path):
    for weight in (1, 2):
        run(*pipeline(raw, "1", weight=weight), store=tmp_path)
    run(*pipeline(raw, "1", weight=3), store=tmp_path)
    smooth, _ = pipeline(raw, "2", weight=2)
    run(smooth, store=tmp_path, accept=["smooth"])
    assert np.array_equal(np.asarray(smooth), np.arange(64).reshape(8, 8) // 2 + 2)


def test_of_several_files_that_were_edited_each_has_its_own_earlier_result(tmp_path):
    images = {name: np.full((8, 8), 2 * n, "uint8") for n, name in enumerate("abc")}
    for name, image in images.items():
        np.save(tmp_path / f"{name}.npy", image)
        run(*pipeline(sc.open(tmp_path / f"{name}.npy"), "1"), store=tmp_path / "store")
    for name, image in images.items():
        np.save(tmp_path / f"{name}.npy", image + 40)
        smooth, _ = pipeline(sc.open(tmp_path / f"{name}.npy"), "2")
        run(smooth, store=tmp_path / "store", accept=["smooth"])
        assert np.array_equal(np.asarray(smooth), image // 2 + 1)


def test_what_cannot_stand_for_a_result_is_refused_before_any_work(raw, tmp_path):
    smooth, summed = pipeline(raw, "1")
    with pytest.raises(PipelineError, match="has an earlier result"):
        run(smooth, summed, store=tmp_path, accept=["smooth"])
    run(smooth, summed, store=tmp_path)
    other, _ = pipeline(raw[:4], "2")
    with pytest.raises(PipelineError, match="has the shape"):
        run(other, store=tmp_path, accept=["smooth"])
    with pytest.raises(PipelineError, match="name steps"):
        run(other, store=tmp_path, accept=["smoth"])
    with pytest.raises(PipelineError, match="not both"):
        run(smooth, store=tmp_path, accept=["smooth"], force=["smooth"])
    assert CALLS == []


def test_to_accept_what_is_up_to_date_changes_nothing(raw, tmp_path):
    smooth, _ = pipeline(raw, "1")
    run(smooth, store=tmp_path)
    before = sorted(tmp_path.glob("smooth/*"))
    run(smooth, store=tmp_path, accept=["smooth"])
    assert CALLS == []
    assert sorted(tmp_path.glob("smooth/*")) == before


def plate(folder, values):
    folder.mkdir(exist_ok=True)
    for name, value in values.items():
        np.save(folder / f"{name}.npy", np.full((3, 3), value))
    return sc.open_folder(str(folder / "*.npy"))


def test_members_whose_files_changed_are_accepted(tmp_path):
    store = tmp_path / "store"
    run(brightest(plate(tmp_path / "in", {"a": 1, "b": 2})), store=store)
    changed = brightest(plate(tmp_path / "in", {"a": 1, "b": 3, "c": 4}))
    run(changed, store=store, accept=["brightest"])
    assert CALLS == ["brightest"]  # c, which is new
    assert changed.to_dict() == {"a.npy": 1, "b.npy": 2, "c.npy": 4}
    again = brightest(plate(tmp_path / "in", {}))
    assert sc.plan(again, store=store).is_done


def test_a_collection_made_by_other_code_is_accepted(tmp_path):
    store = tmp_path / "store"
    images = plate(tmp_path / "in", {"a": 1, "b": 2})
    run(brightest(images, scale=1), store=store)
    changed = brightest(images, scale=2)
    run(changed, store=store, accept=["brightest"])
    assert CALLS == []
    assert changed.to_dict() == {"a.npy": 1, "b.npy": 2}
    assert sc.plan(brightest(images, scale=2), store=store).is_done
