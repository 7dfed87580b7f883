"""The newest result of a step is the one that was finished last, whenever it was begun."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import IncompleteResult, StoreError

HOW = {"executor": "serial", "workers": 1}
STOP: list[object] = []


@sc.blockwise(dtype="same", retries=0, version="1", block=4)
def plus(image, *, n, block=None):
    if n in STOP and block.write_roi.offset[0] > 0:
        raise RuntimeError("stopped half-way")
    return image + n


@sc.step(retries=0, version="1")
def above(image, *, n):
    if n in STOP and image.max() >= 50:
        raise RuntimeError("stopped half-way")
    return int(image.max()) + n


@pytest.fixture
def stop():
    STOP.clear()
    yield STOP
    STOP.clear()


def one_image(tmp_path):
    return plus, sc.open(np.zeros((8, 8), "int16"))


def members(tmp_path):
    (tmp_path / "plate").mkdir(exist_ok=True)
    for number in range(2):
        np.save(tmp_path / "plate" / f"{number}.npy", np.full((4, 4), 50 * number))
    return above, sc.open_folder(tmp_path / "plate" / "*.npy")


def said(store, step):
    result = sc.Store(store)[step.__name__]
    return result.to_dict()["0.npy"] if step is above else int(np.asarray(result)[0, 0])


def run(store, step, given, n):
    try:
        return sc.run(step(given, n=n), store=store, **HOW)
    except sc.errors.RunFailed as error:
        return error


@pytest.mark.parametrize("make", [one_image, members])
def test_what_was_gone_on_with_and_finished_last_is_the_newest(tmp_path, stop, make):
    step, given = make(tmp_path)
    store = tmp_path / "results"
    stop.append(2)
    run(store, step, given, 2)
    stop.clear()
    run(store, step, given, 3)
    assert said(store, step) == 3
    run(store, step, given, 2)
    assert said(store, step) == 2
    assert [recipe.step for _, recipe in sc.Store(store).entries()] == [step.__name__] * 2
    times = [recipe.created for _, recipe in sc.Store(store).entries()]
    assert times[0] > times[1]


def test_one_that_another_run_overtook_is_the_newest_if_it_was_finished_last(tmp_path, stop):
    """A run in the middle of another: the outer one is begun first and finished last."""
    step, given = one_image(tmp_path)
    store = tmp_path / "results"

    class Inner:
        def on_event(self, event):
            if type(event).__name__ == "BatchDone" and not ran:
                ran.append(run(store, step, given, 3))

    ran: list[object] = []
    sc.run(step(given, n=2), store=store, listeners=[Inner()], **HOW)
    assert ran
    assert said(store, step) == 2


def test_an_image_that_is_not_finished_is_passed_over_and_a_folder_of_members_is_refused(
    tmp_path, stop
):
    stop.append(3)
    for make in (one_image, members):
        step, given = make(tmp_path)
        store = tmp_path / make.__name__
        run(store, step, given, 2)
        run(store, step, given, 3)
        if step is plus:
            assert said(store, step) == 2
        else:
            with pytest.raises(sc.errors.IncompleteResult):
                said(store, step)


DAMAGED = {
    "a shard": ("image.ome.zarr/0/c/0/0", "plus"),
    "the recipe": ("recipe.json", "plus"),
    "the mark of what is complete": ("COMPLETE", "plus"),
    "the recipe of a folder": ("recipe.json", "above"),
    "the mark of a folder": ("COMPLETE", "above"),
    "the list of members": ("members.json", "above"),
}


@pytest.mark.parametrize("how", ["flipped", "cut off", "removed"])
@pytest.mark.parametrize("name", DAMAGED)
def test_an_older_result_is_not_given_where_the_newest_is_damaged(tmp_path, stop, name, how):
    file, kind = DAMAGED[name]
    step, given = (members if kind == "above" else one_image)(tmp_path)
    store = tmp_path / "results"
    for n in (2, 3):
        run(store, step, given, n)
    (newest, _), _ = sc.Store(store).entries()
    content = bytearray((newest.path / file).read_bytes())
    content[len(content) // 2] ^= 4
    if how == "removed":
        (newest.path / file).unlink()
    else:
        (newest.path / file).write_bytes(content if how == "flipped" else content[:-3])
    for _ in range(2):
        if (file, kind) == ("COMPLETE", "above"):  # members are known by the list of them
            assert said(store, step) == 3
            continue
        with pytest.raises(sc.errors.DamagedResult):
            said(store, step)
    (older,) = sc.Store(store).find(step.__name__, n=2)
    assert (older.to_dict()["0.npy"] if step is above else older.read().max()) == 2
    run(store, step, given, 3)
    assert said(store, step) == 3


def test_a_result_is_read_by_its_folder(tmp_path):
    image = sc.open(np.array([[0, 3], [9, 0]], "u1"))
    for n in (3, 9):
        sc.run(above(image, n=n), store=tmp_path / "st", **HOW)
    store = sc.Store(tmp_path / "st")
    found = {entry.path: store.at(entry.path).get() for entry, _ in store.entries("above")}
    assert sorted(found.values()) == [12, 18]
    for place in (tmp_path, store.path / "above"):
        with pytest.raises(StoreError, match="folder in the store"):
            store.at(place)
    folder = next(iter(found))
    (folder / "COMPLETE").unlink()
    with pytest.raises(IncompleteResult, match="run again"):
        store.at(folder)
