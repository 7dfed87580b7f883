"""A step over all members goes on without those that failed, where it is told so."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import IncompleteResult, ParameterError

HOW = {"executor": "serial", "workers": 1}


@sc.step(retries=0, version="1")
def brightest(image):
    if image.max() > 100:
        raise ValueError("too bright")
    return int(image.max())


@sc.blockwise(dtype="same", retries=0, version="1")
def dark(image):
    if image.max() > 100:
        raise ValueError("too bright")
    return image


@sc.step(version="1")
def summed(values):
    return {"sum": sum(int(np.max(v)) for v in values.values()), "without": list(values.missing)}


@pytest.fixture
def plate(tmp_path):
    (tmp_path / "plate").mkdir()
    for number, name in enumerate("abc"):
        np.save(tmp_path / "plate" / f"{name}.npy", np.full((4, 4), 10 ** (number + 1)))
    return tmp_path / "plate"


def stored(step, plate, origin):
    result = step(sc.open_folder(plate / "*.npy"))
    run = sc.run(result, store=plate.parent / "store", on_failure="return", **HOW)
    name = step.spec.label
    return run[name] if origin == "of a run" else sc.Store(run.store)[name]


@pytest.mark.parametrize("step", [brightest, dark], ids=["values", "images"])
@pytest.mark.parametrize("origin", ["of a run", "in a store"])
@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_step_goes_on_without_members_that_failed_and_is_made_anew_with_them(
    plate, tmp_path, step, origin, executor
) -> None:
    members, how = stored(step, plate, origin), {"executor": executor, "workers": 1}
    for partial in ({}, {"partial": "error"}):
        with pytest.raises(IncompleteResult, match="not finished"):
            sc.run(summed(sc.gather(members, **partial)), store=tmp_path / "store", **how)
    expected = {"sum": 110, "without": ["c.npy"]}
    some = summed(sc.gather(members, partial="allow"))
    assert some.get() == expected  # computed here
    run = sc.run(some, store=tmp_path / "store", **how)
    assert run["summed"].get() == some.get() == expected
    assert sc.plan(some, store=tmp_path / "store").is_done

    np.save(plate / "c.npy", np.full((4, 4), 50))
    complete = stored(step, plate, origin)
    for partial in ("allow", "error"):
        everything = summed(sc.gather(complete, partial=partial))
        assert sc.plan(everything, store=tmp_path / "store").is_done == (partial == "error")
        run = sc.run(everything, store=tmp_path / "store", **how)
        assert run["summed"].get() == {"sum": 160, "without": []}
    assert sc.Store(tmp_path / "store")["summed"].get()["sum"] == 160


def test_members_that_are_computed_here_may_be_lacking_too(plate) -> None:
    members = brightest(sc.open_folder(plate / "*.npy"))
    assert summed(sc.gather(members, partial="allow")).get() == {"sum": 110, "without": ["c.npy"]}
    with pytest.raises(ValueError, match="too bright"):
        summed(sc.gather(members)).get()


def test_another_rule_for_gathering_is_refused(plate) -> None:
    with pytest.raises(ParameterError, match='partial= is "error" or "allow"'):
        sc.gather(brightest(sc.open_folder(plate / "*.npy")), partial="skip")


def test_in_the_run_that_makes_the_members_all_are_waited_for(plate, tmp_path) -> None:
    members = brightest(sc.open_folder(plate / "*.npy"))
    some = summed(sc.gather(members, partial="allow"))
    run = sc.run(some, store=tmp_path / "store", on_failure="return", **HOW)
    assert run.step("summed").n_orphaned == 1
    with pytest.raises(IncompleteResult):
        run["summed"].get()
