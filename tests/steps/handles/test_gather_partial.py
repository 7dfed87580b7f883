"""A step over all members goes on without those that failed, where it is told so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import IncompleteResult, ParameterError, RunFailed

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
        assert not sc.plan(everything, store=tmp_path / "store").is_done
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


@sc.step(version="1")
def doubled(value):
    return 2 * value["sum"]


@sc.step(version="1")
def share(value, *, of):
    return value / of


@pytest.mark.parametrize("step", [brightest, dark], ids=["values", "images"])
def test_a_run_goes_on_without_members_that_fail_in_it(plate, tmp_path, step) -> None:
    def result():
        members = step(sc.open_folder(plate / "*.npy"))
        some, strict = (summed(sc.gather(members, partial=how)) for how in ("allow", "error"))
        return members, doubled(some), strict

    members, end, strict = targets = result()
    with pytest.raises(RunFailed) as caught:
        sc.run(*targets, store=tmp_path / "store", **HOW)
    run = caught.value.run
    assert (run[end].get(), end.get()) == (220, 220)
    assert run["summed"].get() == {"sum": 110, "without": ["c.npy"]}
    assert run.step("summed").is_done
    assert run.step("doubled").is_done
    assert run.step("summed-2").n_orphaned == 1
    assert run[members].missing == ("c.npy",)
    with pytest.raises(IncompleteResult):
        run[strict].get()
    assert sc.Store(tmp_path / "store")["doubled"].get() == 220

    again = sc.run(*result(), store=tmp_path / "store", on_failure="return", **HOW)
    assert (again.step("summed").n_cached, again.step("doubled").n_cached) == (1, 1)

    np.save(plate / "c.npy", np.full((4, 4), 50))
    run = sc.run(*result(), store=tmp_path / "store", **HOW)
    assert run.ok
    assert run["doubled"].get() == sc.Store(tmp_path / "store")["doubled"].get() == 320
    assert sc.Store(tmp_path / "store")["summed"].get() == {"sum": 160, "without": []}


def test_steps_for_each_member_go_on_after_one_that_lacks_some(plate, tmp_path) -> None:
    members = brightest(sc.open_folder(plate / "*.npy"))
    total = doubled(summed(sc.gather(members, partial="allow")))
    numbers = sc.per_member(pd.DataFrame({"key": ["x", "y"], "n": [22, 44]}), "n")
    shares = share(numbers, of=total)
    everything = summed(sc.gather(shares, partial="allow"))
    run = sc.run(everything, store=tmp_path / "store", on_failure="return", **HOW)
    assert run[shares].to_dict() == shares.to_dict() == {"x": 0.1, "y": 0.2}
    assert run[everything].get()["without"] == []
    assert not run.ok


def test_what_is_stopped_at_a_number_of_failures_does_not_go_on(plate, tmp_path) -> None:
    some = summed(sc.gather(brightest(sc.open_folder(plate / "*.npy")), partial="allow"))
    with pytest.raises(RunFailed):
        sc.run(some, store=tmp_path / "store", on_failure=1, **HOW)
    assert "summed" not in sc.Store(tmp_path / "store")


def test_the_results_of_a_run_that_went_on_are_those_of_one_run(plate, tmp_path) -> None:
    some = summed(sc.gather(brightest(sc.open_folder(plate / "*.npy")), partial="allow"))
    sc.run(some, store=tmp_path / "store", on_failure="return", **HOW)
    store = sc.Store(tmp_path / "store")
    assert store.gc(keep_runs=1).removals == ()  # its two parts count as one run
    assert store["brightest"].to_dict(partial="allow") == {"a.npy": 10, "b.npy": 100}
    assert store["summed"].get()["sum"] == 110
