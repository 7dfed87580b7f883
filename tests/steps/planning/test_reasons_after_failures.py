"""What a plan says has changed since a run that did not finish."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import RunFailed

RAW = np.arange(64.0).reshape(8, 8)


@pytest.fixture
def plate(tmp_path):
    (tmp_path / "plate").mkdir()
    for number in range(3):
        np.save(tmp_path / "plate" / f"{number}.npy", RAW + 100 * number)
    return sc.open_folder(tmp_path / "plate" / "*.npy")


def fragile(image, limit, factor=1):
    if image.max() > limit:
        raise ValueError("too bright")
    return image * factor


@sc.step(retries=0)
def whole(image, *, limit, factor=1):
    return float(fragile(image, limit, factor).max())


@sc.blockwise(retries=0, dtype="float64")
def blockwise(image, *, limit, factor=1):
    return fragile(image, limit, factor)


@pytest.mark.parametrize(
    ("step", "of_folder"),
    [(whole, True), (blockwise, True), (blockwise, False), (whole, False)],
    ids=["members", "members with images", "blocks", "a whole step"],
)
@pytest.mark.parametrize("limit", [50, -1], ids=["some fail", "all fail"])
def test_a_plan_names_what_changed_since_a_run_that_failed(
    plate, tmp_path, step, of_folder, limit
) -> None:
    given = plate if of_folder else sc.open(RAW)
    store = tmp_path / "store"
    first = step.options(block=4) if step is blockwise else step
    assert sc.plan(first(given, limit=limit), store=store).steps[0].reason == "first run"
    with pytest.raises(RunFailed):
        sc.run(first(given, limit=limit), store=store, executor="serial")
    later = sc.plan(first(given, limit=limit, factor=2), store=store)
    assert later.steps[0].reason == "`factor` 1 -> 2"
    assert "`factor` 1 -> 2" in later.steps[0].why()


def test_the_nearest_result_is_named_whether_it_was_finished_or_not(plate, tmp_path) -> None:
    store = tmp_path / "store"
    sc.run(whole(plate, limit=999, factor=3), store=store, executor="serial")
    with pytest.raises(RunFailed):
        sc.run(whole(plate, limit=50, factor=2), store=store, executor="serial")
    reasons = [
        sc.plan(whole(plate, limit=limit, factor=factor), store=store).steps[0].reason
        for limit, factor in ((999, 4), (50, 4))
    ]
    assert reasons == ["`factor` 3 -> 4", "`factor` 2 -> 4"]


def test_a_member_that_failed_and_is_as_before_is_no_damage(plate, tmp_path) -> None:
    store, path = tmp_path / "store", tmp_path / "plate" / "1.npy"
    target = whole(plate, limit=999)
    sc.run(target, store=store, executor="serial")
    good = path.read_bytes()
    path.write_bytes(good[:200])
    with pytest.raises(RunFailed):
        sc.run(again(tmp_path), store=store, executor="serial")
    path.write_bytes(good)
    (step,) = sc.plan(again(tmp_path), store=store).steps
    assert (step.status, step.n_done) == ("cached", 3)
    assert "had failed or were not finished: 1.npy" in step.reason
    assert "damaged" not in step.reason
    sc.run(again(tmp_path), store=store, executor="serial")
    assert sc.plan(again(tmp_path), store=store).steps[0].reason == "up to date"


def again(tmp_path):
    return whole(sc.open_folder(tmp_path / "plate" / "*.npy"), limit=999)
