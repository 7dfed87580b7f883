"""Shares of a result in a bucket: each block is done by one, whoever dies or lives on."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid import remote
from scutoid.errors import RunStopped
from scutoid.events import StepAwaited
from scutoid.steps import run_share
from scutoid.store import Claims, EntryStore, ObjectLock, Sharer
from scutoid.store._sharers import living, sharers

QUIET = {"executor": "serial", "check_halo": False}
RAW = np.arange(256, dtype="u2").reshape(16, 16)
MEETING: dict[str, object] = {}


@sc.blockwise(block=4, version="1", retries=0)
def more(image, *, block):
    if tuple(block.read_roi.shape) != (8, 8):  # no trial
        MEETING["ran"].append(block.index)
        MEETING["meet"](len(MEETING["ran"]))
    return image + 1


@sc.blockwise(out="table", block=4, version="1")
def rows(image, *, block):
    return pd.DataFrame({"block": [block.index], "sum": [int(image.sum())]})


@pytest.fixture
def ran():
    """The blocks of `more` that were computed, in order."""
    MEETING.update(ran=[], meet=lambda n: None)
    return MEETING["ran"]


def targets():
    image = more(sc.open(RAW, axes="yx"))
    return image, rows(image)


def share(store, part=(1, 2), **options):
    return run_share(*targets(), store=store, share=part, **QUIET, **options)


def place_of(store, name="more"):
    (found,) = [each for each in remote.names(f"{store}/{name}") if not each.startswith(".")]
    return f"{store}/{name}/{found.rstrip('/')}"


def names_in(store, name="more"):
    """Return the names of all that a result has, from the second part on: no tokens."""
    place = place_of(store, name)
    return [each.url.removeprefix(f"{place}/").partition("/")[2] for each in remote.objects(place)]


def is_right(store):
    image, table = targets()
    plan = sc.plan(image, table, store=store)
    assert [step.status for step in plan] == ["cached", "cached"]
    np.testing.assert_array_equal(sc.Store(store)["more"].read(), RAW + 1)
    assert sorted(sc.Store(store)["rows"].to_pandas()["block"]) == list(range(16))
    assert sc.Store(store).verify(heal=False).ok
    return True


def die_at(monkeypatch, store, n_blocks, **options):
    """Do a share that is killed before its n-th block: nothing is given back."""

    def meet(n):
        if n == n_blocks:
            raise KeyboardInterrupt

    MEETING["meet"] = meet
    removed = remote.remove
    with monkeypatch.context() as patched:
        patched.setattr(
            remote, "remove", lambda urls: removed([u for u in urls if "/shares/" not in u])
        )
        with pytest.raises(KeyboardInterrupt):
            share(store, **options)
    MEETING["meet"] = lambda n: None
    (dead,) = sharers(place_of(store))
    return dead


def shards(store):
    return [each for each in names_in(store) if each.startswith("image.ome.zarr/0/c/")]


def test_one_process_alone_makes_what_a_run_makes(store, machine, ran):
    done = share(store, (2, 3))
    assert done.ok
    assert {step.name: step.n_run for step in done.steps} == {"more": 16, "rows": 16}
    assert is_right(store)
    assert not [each for each in names_in(store) if "segments" in each]
    assert not sharers(place_of(store))
    whole = {name: remote.get(f"{place_of(store)}/{name}") for name in ("manifest.json",)}
    machine("second")
    again = sc.run(*targets(), store=store, progress=False, **QUIET)
    assert all(step.n_cached == step.n_blocks for step in again.steps)
    assert whole["manifest.json"] == remote.get(f"{place_of(store)}/manifest.json")
    assert sc.Store(store).gc(dry_run=True).removals == ()


@sc.step(out="value", version="1")
def later(value):
    return int(np.asarray(value).sum()) + 1


def test_what_is_complete_is_not_asked_for_again(bucket, store):
    last = first = later(sc.open(RAW, axes="yx"))
    for _ in range(8):
        last = later(last)
    assert run_share(first, store=store, share=(1, 1), **QUIET).ok
    (complete,) = [each for each in remote.objects(store) if each.url.endswith("manifest.json")]
    bucket.proxy.forget()
    assert run_share(last, store=store, share=(1, 1), **QUIET).ok
    asked = [
        path for _, path, _ in bucket.proxy.asked if path.endswith(complete.url[len("s3:/") :])
    ]
    assert 1 <= len(asked) <= 3  # not once for each of the eight


def test_what_was_complete_and_has_lost_its_shards_is_made_again(store, ran):
    removed = []

    class Removes:
        def on_event(self, event):
            if len(ran) < 16 or removed:
                return
            if sc.plan(*targets(), store=store)["more"].status == "cached":
                there = [each.url for each in remote.objects(place_of(store))]
                removed.extend(u for u in there if "/0/c/" in u or u.endswith("manifest.json"))
                remote.remove(removed)

    assert share(store, (1, 1), listeners=[Removes()]).ok
    assert removed
    assert is_right(store)


def test_two_at_once_make_each_block_once(store, monkeypatch, ran):
    monkeypatch.setattr("scutoid.steps.running._element._LONGEST_WAIT", 600.0)  # of nobody
    both = threading.Barrier(2)
    MEETING["meet"] = lambda n: both.wait(60) if n <= 2 else None  # neither has done all
    done = []
    other = threading.Thread(target=lambda: done.append(share(store, (2, 2))))
    other.start()
    done.append(share(store, (1, 2)))
    other.join(60)
    assert sorted(ran) == list(range(16))
    n_run = [one.step("more").n_run for one in done]
    assert sum(n_run) == 16
    assert min(n_run) >= 1
    assert is_right(store)


def test_what_one_that_was_killed_had_done_counts_and_the_rest_is_done_by_others(
    store, machine, monkeypatch, ran
):
    dead = die_at(monkeypatch, store, 4)
    machine("second")
    n_done = sc.plan(targets()[0], store=store)["more"].n_done
    assert 1 <= n_done <= 3
    # What it has left of a block that is not recorded, as from another input
    left = min(set(range(16)) - {0, 1, 2, 3})
    here = f"{dead.result}/{dead.attempt}/image.ome.zarr/0/c"
    remote.put(
        f"{here}/{left // 4}/{left % 4}",
        remote.get(f"{dead.result}/{dead.attempt}/{shards(store)[0]}"),
    )
    n_before = len(ran)
    done = share(store, (2, 2))
    assert done.step("more").n_run == 16 - n_done == len(ran) - n_before
    assert is_right(store)


def test_what_is_recorded_behind_a_fence_does_not_count(store, monkeypatch, ran):
    dead = die_at(monkeypatch, store, 4)
    (segment, *_) = [each for each in names_in(store) if f"{dead.writer}-0" in each]
    assert living(dead.result) == []
    n_done = sc.plan(targets()[0], store=store)["more"].n_done
    first = f"{dead.result}/{dead.attempt}/{segment}"
    late = f"{first.rpartition('-')[0]}-00000099"
    remote.put(late, remote.get(first))
    remote.remove([first])
    assert sc.plan(targets()[0], store=store)["more"].n_done < n_done
    remote.put(first, remote.get(late))
    assert sc.plan(targets()[0], store=store)["more"].n_done == n_done
    assert share(store, (2, 2)).ok
    assert is_right(store)


def test_one_that_others_have_taken_for_dead_records_nothing_more(store, ran):
    fenced = []

    class Fences:
        def on_event(self, event):
            if 1 <= len(ran) < 16 and not fenced:  # how many a batch has depends on their time
                (me,) = sharers(place_of(store))
                me.fence_off()
                fenced.append(len(ran))

    assert share(store, (1, 1), listeners=[Fences()]).ok
    assert fenced
    assert len(ran) > 16
    assert is_right(store)


def test_a_run_waits_for_one_that_lives(store, machine, monkeypatch, ran):
    dead = die_at(monkeypatch, store, 3)
    EntryStore(store).entry("more", place_of(store).rpartition("/")[2])
    (entry, _), *_ = EntryStore(store).entries("more")
    waited = []
    with Claims(entry.remote, {}) as claims:
        assert claims.take(15) is None
        assert ObjectLock(dead.result).is_held
        assert not ObjectLock(dead.result).acquire()

        class Gives:
            def on_event(self, event):
                if isinstance(event, StepAwaited):
                    waited.append(event.owner)
                    claims._end()

        machine("second")
        sc.run(*targets(), store=store, progress=False, listeners=[Gives()], **QUIET)
    assert len(waited) == 1
    assert is_right(store)


def test_of_a_share_and_the_whole_one_gives_way(store, monkeypatch, ran):
    dead = die_at(monkeypatch, store, 3)
    (entry, _), *_ = EntryStore(store).entries("more")
    whole = ObjectLock(dead.result)
    assert whole.acquire()
    with Claims(entry.remote, {}) as claims:
        assert claims.take(15) is None
        assert not claims.is_free()
    whole.release()
    with Claims(entry.remote, {}) as claims, Claims(entry.remote, {}) as other:
        assert claims.take(15) is None
        assert claims.is_free()
        assert isinstance(other.take(15), Sharer)
        assert other.take(14) is None


def test_one_that_is_ended_by_a_signal_gives_back_and_keeps_what_it_has(store, ran):
    def meet(n):
        if n == 4:
            raise KeyboardInterrupt

    MEETING["meet"] = meet
    with pytest.raises(KeyboardInterrupt):
        share(store)
    assert not sharers(place_of(store))
    n_done = sc.plan(targets()[0], store=store)["more"].n_done
    assert 1 <= n_done <= 3
    MEETING["meet"] = lambda n: None
    assert share(store, (2, 2)).step("more").n_run == 16 - n_done
    assert is_right(store)


@sc.step(out="value", version="1")
def counted(image):
    if image.any():
        os.kill(os.getpid(), signal.SIGTERM)
    return int(image.size)


def test_one_that_is_ended_in_a_collection_says_what_it_has_done(store, tmp_path):
    (tmp_path / "plate").mkdir()
    for number in range(20):
        np.save(tmp_path / "plate" / f"{number}.npy", np.full((4, 4), number == 0, "u2"))
    made = counted(sc.open_folder(tmp_path / "plate", axes="yx"))
    with pytest.raises(RunStopped) as caught:
        run_share(made, store=store, share=(1, 1), **QUIET)
    step = caught.value.run.step("counted")
    n_done = sc.plan(made, store=store)["counted"].n_done
    assert 1 <= n_done < 20
    assert (step.n_done, step.n_run, step.n_cached) == (n_done, n_done, 0)


def test_gc_leaves_shares_of_the_living_and_takes_those_of_the_dead(store, monkeypatch, ran):
    dead = die_at(monkeypatch, store, 3)
    assert "of processes that did shares, and are gone" in [
        one.why for one in sc.Store(store).gc().removals
    ]
    assert not sharers(dead.result)
    assert dead.is_fenced
    (entry, _), *_ = EntryStore(store).entries("more")
    with Claims(entry.remote, {}) as claims:
        claims.take(0)
        assert sc.Store(store).gc().removals == ()
        assert len(sharers(dead.result)) == 1
    assert share(store).ok
    assert is_right(store)


def test_steps_whose_blocks_give_parts_are_shared_out(bucket, tmp_path):
    image = (np.random.default_rng(0).random((16, 16)) > 0.6).astype("u1")
    labels = sc.label.options(block=8)(sc.open(image, axes="yx") > 0)
    run_share(labels, store=bucket.url("s"), share=(1, 2), **QUIET)
    assert {step.status for step in sc.plan(labels, store=bucket.url("s"))} == {"cached"}
    sc.run(labels, store=tmp_path / "s", **QUIET)
    found, expected = (sc.Store(at)["label"].read() for at in (bucket.url("s"), tmp_path / "s"))
    np.testing.assert_array_equal(found, expected)
