"""Collection of garbage: what may go goes, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, StoreError
from scutoid.steps import run_share
from scutoid.steps.results import Collector
from scutoid.steps.results import _runs as results_runs
from scutoid.steps.running import _going_on
from scutoid.store import Entry, EntryStore, Lock

RAW = sc.open(np.arange(64, dtype="uint8").reshape(8, 8))


@sc.blockwise(version="1", dtype="same")
def add(image, *, n):
    return image + np.uint8(n)


@sc.step(version="1")
def total(image, *, twice=False):
    return int(image.sum()) * (1 + twice)


def run(store, *numbers):
    """One run that needs a sum for each number."""
    targets = [total(add(RAW, n=n)) for n in numbers]
    return sc.run(targets, store=store, executor="serial")


def age(store, run, days):
    """Let a run, and the results that it made, be some days old."""
    then = time.time() - 86400 * days
    place = run.folder / "run.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "started": then}))
    for step in json.loads(place.read_text())["steps"]:
        recipe = store / step["entry"] / "recipe.json"
        if step["n_cached"] == 0:
            recipe.write_text(json.dumps({**json.loads(recipe.read_text()), "created": then}))
            complete = recipe.with_name("COMPLETE")
            complete.write_text(_garbage_digest(recipe))


def _garbage_digest(path):
    from scutoid.store.keys import digest_file

    return digest_file(path) + "\n"


def sums(store):
    return sorted(one.get() for one in sc.Store(store).find("total"))


ALL = [int((np.arange(64) + n).sum()) for n in range(5)]


def test_without_a_condition_no_result_goes(tmp_path):
    run(tmp_path, 0, 1)
    collected = sc.Store(tmp_path).gc()
    assert collected.removals == ()
    assert collected.n_kept == 4
    assert sums(tmp_path) == ALL[:2]


def test_results_that_no_run_has_used_for_long_go(tmp_path):
    age(tmp_path, run(tmp_path, 0, 1), days=40)
    age(tmp_path, run(tmp_path, 1, 2), days=20)
    told = sc.Store(tmp_path).gc(older_than="30d", dry_run=True)
    assert sums(tmp_path) == ALL[:3]
    collected = sc.Store(tmp_path).gc(older_than="30d")
    assert [r.path for r in collected.removals] == [r.path for r in told.removals]
    assert sums(tmp_path) == ALL[1:3]  # 1 was used by the later run
    assert {one.path.parent.name for one in collected.removals} == {"add", "total", "runs"}
    assert "not used for 6 w" in str(collected)
    assert "would be removed" in str(told)
    assert run(tmp_path, 0, 1, 2).ok
    assert sums(tmp_path) == ALL[:3]


def test_what_the_last_runs_needed_stays(tmp_path):
    for number in range(4):
        run(tmp_path, number)
        time.sleep(0.002)
    run(tmp_path, 0)
    sc.Store(tmp_path).gc(keep_runs=2)
    assert sums(tmp_path) == [ALL[0], ALL[3]]
    assert len([p for p in (tmp_path / "runs").iterdir() if not p.name.startswith(".")]) == 2


@pytest.mark.parametrize(
    ("time", "is_gone"),
    [
        ("30d", True),
        ("720h", True),
        ("5w", True),
        ("50 d", False),
        ("8w", False),
        ("0", True),
        (0, True),
        (dt.timedelta(days=30), True),
        (dt.timedelta(weeks=8), False),
    ],
)
def test_a_time_is_read_in_its_unit(time, is_gone, tmp_path):
    age(tmp_path, run(tmp_path, 0), days=40)
    collected = sc.Store(tmp_path).gc(older_than=time, dry_run=True)
    assert bool(collected.removals) == is_gone


@pytest.mark.parametrize("time", [30, 1.5, "30", " 7 ", "1.5", "", "d", "-1d", "30D", "1M", True])
def test_a_time_without_a_unit_is_refused(time, tmp_path):
    run(tmp_path, 0)
    with pytest.raises(ParameterError, match=r"(?s)a unit.*older_than.*d for days") as told:
        sc.Store(tmp_path).gc(older_than=time)
    if str(time).strip() == "7":
        assert "write 7d for days, 7h for hours, 7s for seconds" in str(told.value)
    assert sums(tmp_path) == ALL[:1]


@pytest.mark.parametrize("size", ["100", " 7", "1.5", "100 i", ""])
def test_a_size_without_a_unit_is_refused(size, tmp_path):
    run(tmp_path, 0)
    with pytest.raises(ParameterError, match=r"(?s)with a unit.*max_size.*GB"):
        sc.Store(tmp_path).gc(max_size=size)
    assert sums(tmp_path) == ALL[:1]


@pytest.mark.parametrize("number", [-1, True, False, 1.5, "2", "all"])
def test_what_is_no_number_of_runs_is_refused(number, tmp_path):
    for n in (0, 1, 2):
        run(tmp_path, n)
    with pytest.raises(ParameterError, match=r"(?s)0 or more.*keep_runs"):
        sc.Store(tmp_path).gc(keep_runs=number)
    assert sums(tmp_path) == ALL[:3]


def test_both_conditions_must_be_met(tmp_path):
    age(tmp_path, run(tmp_path, 0), days=40)
    age(tmp_path, run(tmp_path, 1), days=35)
    run(tmp_path, 2)
    sc.Store(tmp_path).gc(keep_runs=2, older_than="30d")
    assert sums(tmp_path) == [ALL[1], ALL[2]]


def test_a_size_takes_what_was_not_used_for_longest(tmp_path):
    for number, days in ((0, 3), (1, 2), (2, 1)):
        age(tmp_path, run(tmp_path, number), days=days)
    size = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file())
    sc.Store(tmp_path).gc(max_size=size)
    assert sums(tmp_path) == ALL[:3]
    collected = sc.Store(tmp_path).gc(max_size=size - 1000)
    assert collected.nbytes >= 1000
    assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) <= size - 1000
    assert sums(tmp_path)[-2:] == ALL[1:3]  # nothing of the later runs
    assert len(sc.Store(tmp_path).find("add", n=1)) == 1
    sc.Store(tmp_path).gc(max_size=1)
    assert sums(tmp_path) == []
    with pytest.raises(ParameterError):
        sc.Store(tmp_path).gc(max_size="much")


def test_what_scutoid_did_not_make_stays(tmp_path):
    run(tmp_path, 0)
    notes = [tmp_path / "notes.txt", tmp_path / "mine" / "a" / "b.tif"]
    notes += [next(tmp_path.glob("total/*")) / "why.txt", tmp_path / "total" / "plan.md"]
    notes += [next((tmp_path / "runs").glob("2*")) / "mine.txt"]
    for note in notes:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text("mine")
    sc.Store(tmp_path).gc(older_than=0, keep_runs=0)
    assert all(note.read_text() == "mine" for note in notes)
    assert sums(tmp_path) == []


FOREIGN = [
    "notes.txt",
    ".photo.new.jpg",
    ".mail.12-3.newer",
    "mine.aside-1/a",
    "mine/.lock",
    "mine/.b.lock",
    "mine/c/.d.77-3.new.tif",
    "total/.abc.lock",
    "total/keep.aside-2/x",
    "total/abcdef012345.aside-old/x",
    "total/{key}-backup/recipe.json",
    "total/{key}-backup/COMPLETE",
    "total/{key}/value.notes.txt",
    "total/{key}/value.xlsx",
    "total/{key}/mine.pack",
    "total/{key}/.draft.new.md",
    "total/{key}/image.crop.png",
    "total/0123456789ab.aside-1/notes.txt",
    "written/{files}/files/.own.1-2.new.txt",
    "runs/mine/run.json",
    "runs/mine/logs/worker-0.log",
    "runs/mine/events.jsonl",
    "runs/2026-01-01T00-00-00_abcd/logs/worker-0.log",
    "runs/{run}/notes.md",
    "runs/{run}/logs/notes.md",
    "runs/.mine.lock",
]


def make_foreign(store):
    """Files of the user's own all over a store, with names that look much like ours."""
    names = {
        "key": next(store.glob("total/*")).name,
        "files": next(store.glob("written/*")).name,
        "run": next((store / "runs").glob("2*")).name,
    }
    paths = [store / name.format(**names) for name in FOREIGN]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
    backup = store / "total" / f"{names['key']}-backup" / "recipe.json"
    backup.write_bytes((store / "total" / names["key"] / "recipe.json").read_bytes())
    (store / "total/0123456789ab.aside-1/recipe.json").write_text("half")
    for path in paths:
        os.utime(path, (1e9, 1e9))
    return {path: path.read_bytes() for path in paths}


@sc.step(out="files", version="1")
def written(image, *, folder):
    (folder / "a.txt").write_text("a")


@pytest.mark.parametrize(
    "conditions", [{}, {"older_than": 0}, {"keep_runs": 0}, {"max_size": 1}, {"max_size": 10**6}]
)
def test_names_that_look_like_ours_are_not_ours(tmp_path, conditions):
    run(tmp_path, 0)
    sc.run(written(RAW), store=tmp_path, executor="serial")
    foreign = make_foreign(tmp_path)
    told = sc.Store(tmp_path).gc(**conditions, dry_run=True)
    kept = {path for path in foreign if "files" in path.parts}  # a part of the result itself
    collected = sc.Store(tmp_path).gc(**conditions)
    assert {r.path for r in told.removals} == {r.path for r in collected.removals}
    left = {path: path.read_bytes() for path in foreign if path.exists()}
    assert left.items() >= {p: c for p, c in foreign.items() if p not in kept}.items()
    if conditions in ({}, {"max_size": 10**6}):
        assert sums(tmp_path) == ALL[:1]
        assert left == foreign
    else:
        assert sums(tmp_path) == []


def test_what_lies_beside_results_does_not_count_towards_the_size(tmp_path):
    run(tmp_path, 0)
    places = [tmp_path / "mine", next(tmp_path.glob("total/*")), tmp_path / "total"]
    places += [next((tmp_path / "runs").glob("2*"))]
    before = sc.Store(tmp_path).du()
    for place in places:
        place.mkdir(exist_ok=True)
        (place / "large.bin").write_bytes(bytes(10**6))
    assert sc.Store(tmp_path).gc(max_size=10**6).removals == ()
    assert sums(tmp_path) == ALL[:1]
    assert sc.Store(tmp_path).du() == before
    assert sc.Store(tmp_path).verify().nbytes == sum(before.values())


@pytest.mark.parametrize("place", ["step", "stage", "result", "aside", "runs", "run", "logs"])
def test_no_link_is_followed(tmp_path, place):
    store = tmp_path / "store"
    run(store, 0)
    elsewhere = tmp_path / "elsewhere"
    total = next(store.glob("total/*"))
    logs = next((store / "runs").glob("2*")) / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "worker-0.log").write_text("said")
    away = {
        "step": store / "total",
        "stage": store / "total",
        "result": total,
        "aside": total,
        "runs": store / "runs",
        "run": logs.parent,
        "logs": logs,
    }[place]
    away.rename(elsewhere)
    link = {"stage": store / "stage/total", "aside": total.with_name(f"{total.name}.aside-1")}
    here = link.get(place, away)
    here.parent.mkdir(exist_ok=True)
    here.symlink_to(elsewhere)
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    assert before
    for conditions in ({}, {"older_than": 0, "keep_runs": 0}, {"max_size": 1}):
        sc.Store(store).gc(**conditions)
    sc.Store(store).verify()
    assert {p: p.read_bytes() for p in elsewhere.rglob("*") if p.is_file()} == before
    assert here.is_symlink()


def test_unfinished_folders_of_images_go(tmp_path):
    run(tmp_path, 0)
    entry = next(tmp_path.glob("add/*"))
    half = [entry / ".image.ome.77-3.new.zarr", entry / "image.ome.zarr" / ".x.77-4.new"]
    for path in half:
        path.mkdir()
        (path / "zarr.json").write_text("{}")
    with Lock(entry):
        assert sc.Store(tmp_path).gc().removals == ()
    assert {removal.path for removal in sc.Store(tmp_path).gc().removals} == set(half)
    assert not any(path.exists() for path in half)


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "total" / "a").mkdir(parents=True)
    (tmp_path / "total" / "a" / "recipe.json").write_text("{}")
    with pytest.raises(StoreError, match="made a store of"):
        sc.Store(tmp_path).gc(older_than=0)
    assert (tmp_path / "total" / "a" / "recipe.json").exists()


def test_what_a_live_run_uses_or_makes_stays(tmp_path):
    run(tmp_path, 0)
    go, begun = threading.Event(), threading.Event()

    @sc.step(version="1")
    def waiting(image):
        begun.set()
        assert go.wait(240)
        return int(image.sum())

    result = waiting(add(RAW, n=0))
    thread = threading.Thread(
        target=sc.run, args=[result], kwargs={"store": tmp_path, "executor": "serial"}
    )
    thread.start()
    assert begun.wait(240)
    collected = sc.Store(tmp_path).gc(older_than=0, keep_runs=0)
    assert {one.path.parent.name for one in collected.removals} == {"total", "runs"}
    go.set()
    thread.join()
    assert result.get() == ALL[0]


def test_a_run_that_finds_its_results_gone_plans_again(tmp_path, monkeypatch):
    run(tmp_path, 0)
    from scutoid.steps.running._runner import Runner

    announce, n_planned = Runner.announce, []

    def collect_before(runner):
        n_planned.append(1)
        if len(n_planned) == 1:
            for entry, _ in sc.Store(tmp_path).entries("add"):
                entry.clear()
        return announce(runner)

    monkeypatch.setattr(Runner, "announce", collect_before)
    second = total(add(RAW, n=0), twice=True)
    assert sc.run(second, store=tmp_path, executor="serial").ok
    assert second.get() == 2 * ALL[0]
    assert len(n_planned) == 2


def test_remains_of_killed_runs_go(tmp_path):
    run(tmp_path, 0)
    entry = next(tmp_path.glob("total/*"))
    remains = [
        entry / ".value.77-3.new.json",
        entry.with_name("abcdef012345.aside-1") / "recipe.json",
    ]
    for path in remains:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    dead = Lock(tmp_path / "total" / "770000000000")
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)  # noqa: PLW1510
    owner = {"host": os.uname().nodename, "process": int(done.stdout), "started": 1, "token": "x"}
    dead.path.write_text(json.dumps(owner))
    collected = sc.Store(tmp_path).gc()
    assert len(collected.removals) == 3
    assert not any(path.exists() for path in [*remains, dead.path])
    assert sums(tmp_path) == ALL[:1]


def test_an_accepted_result_stays_with_its_record(tmp_path):
    run(tmp_path, 0)

    @sc.blockwise(version="2", dtype="same")
    def add(image, *, n):
        return image + n

    other = add(RAW, n=0)
    sc.run(other, store=tmp_path, executor="serial", accept=["add"])
    sc.Store(tmp_path).gc(keep_runs=1)
    assert sc.plan(add(RAW, n=0), store=tmp_path).is_done
    sc.Store(tmp_path).gc(keep_runs=0)
    assert not list(tmp_path.glob("add/*"))


def test_how_much_each_step_takes(tmp_path):
    run(tmp_path, 0, 1)
    found = sc.Store(tmp_path).du()
    assert list(found) == ["add", "total"]
    for name, nbytes in found.items():
        assert nbytes == sum(p.stat().st_size for p in (tmp_path / name).rglob("*") if p.is_file())


def test_stages_are_folders_of_the_store(tmp_path):
    def pipeline(n=0):
        smooth = add.options(name="interim/add")(RAW, n=n)
        return total.options(name="final/total")(smooth)

    sc.run(pipeline(), store=tmp_path, executor="serial")
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["final", "interim", "runs"]
    opened = sc.Store(tmp_path)
    assert set(opened) == {"interim/add", "final/total"}
    assert opened["final/total"].get() == ALL[0]
    assert np.array_equal(np.asarray(opened["interim/add"]), np.asarray(RAW))
    assert sc.plan(pipeline(), store=tmp_path).is_done
    assert sc.plan(pipeline(1), store=tmp_path)["interim/add"].reason == "`n` 0 -> 1"
    assert opened.verify().n_results == 2
    assert set(opened.du()) == {"interim/add", "final/total"}
    opened.gc(keep_runs=0)
    assert not (tmp_path / "interim").exists()
    # The name is no part of the key, but of the place
    assert sc.plan(total(add(RAW, n=0)), store=tmp_path)["add"].status == "run"


@sc.step(retries=0, version="1")
def brightest(image):
    if image.max() > 1:
        raise ValueError("too bright")
    return int(image.max())


@sc.step(version="1")
def count_of(values):
    return len(values)


def run_in_two_parts(store, folder):
    """A run in which a member fails, and that goes on without it in another folder."""
    folder.mkdir()
    for number in range(3):
        np.save(folder / f"{number}.npy", np.full((4, 4), number, "uint8"))
    values = brightest(sc.open_folder(folder / "*.npy"))
    wanted = count_of(sc.gather(values, partial="allow"))
    return sc.run(wanted, store=store, executor="serial", on_failure="return")


def folders_of_runs(store):
    return sorted(path.name for path in (store / "runs").glob("*_*"))


def test_a_run_in_two_parts_stays_whole_and_counts_once(tmp_path):
    store = tmp_path / "results"
    first = run(store, 1)
    both = run_in_two_parts(store, tmp_path / "plate")
    parts = set(folders_of_runs(store)) - {first.folder.name}
    assert len(parts) == 2

    sc.Store(store).gc(keep_runs=2)
    assert set(folders_of_runs(store)) == {first.folder.name, *parts}
    assert sums(store) == [int(np.arange(64).sum()) + 64]

    sc.Store(store).gc(keep_runs=1)
    assert set(folders_of_runs(store)) == parts
    assert (both.folder / "events.jsonl").exists()
    assert sums(store) == []
    assert sc.Store(store)["count_of"].get() == 2

    sc.Store(store).gc(keep_runs=0)
    assert folders_of_runs(store) == []


def test_the_elements_of_a_job_array_count_as_one_run(tmp_path):
    run(tmp_path, 1)
    for share, array in (((1, 2), "here 7"), ((2, 2), "here 7"), ((1, 1), "here 8")):
        made = total(add(RAW, n=2))
        run_share(made, store=tmp_path, share=share, executor="serial", array=array)
    sc.Store(tmp_path).gc(keep_runs=3)
    assert len(folders_of_runs(tmp_path)) == 4
    sc.Store(tmp_path).gc(keep_runs=2)
    assert len(folders_of_runs(tmp_path)) == 3
    sc.Store(tmp_path).gc(keep_runs=1)
    assert len(folders_of_runs(tmp_path)) == 1


def test_what_the_first_part_of_a_run_has_made_stays_for_the_second(tmp_path, monkeypatch):
    store = tmp_path / "results"
    go_on, collected = _going_on.go_on, []

    def collect_before(*arguments):
        if not collected:
            collected.append(sc.Store(store).gc(older_than=0, keep_runs=0, max_size=1))
        return go_on(*arguments)

    monkeypatch.setattr(_going_on, "go_on", collect_before)
    run_in_two_parts(store, tmp_path / "plate")
    assert len(collected) == 1
    assert not collected[0].removals
    assert sc.Store(store)["count_of"].get() == 2


def test_what_a_run_needs_that_is_just_writing_it_down_stays(tmp_path):
    needed = run(tmp_path, 0)
    record = needed.folder / "run.json"
    text = record.read_text()
    with Lock(needed.folder):
        record.write_text(text[:30])
        collector = Collector(sc.Store(tmp_path).entries_store, older_than=0.0)
        record.write_text(text)
        assert not collector.collect(dry_run=False).removals
    assert sums(tmp_path) == ALL[:1]


def test_what_is_not_finished_in_a_result_that_is_begun_stays(tmp_path, monkeypatch):
    run(tmp_path, 0)
    new = next(tmp_path.glob("total/*")) / ".value.77-3.new.json"
    new.write_text("half")
    removals = sc.Store(tmp_path).gc(dry_run=True).removals
    assert [removal.path for removal in removals] == [new]
    monkeypatch.setattr(Lock, "acquire", lambda _: False)  # as of one that has begun it since
    assert not sc.Store(tmp_path).gc().removals
    assert new.exists()


@pytest.mark.parametrize("ask", ["du", "gc", "verify", "names"])
def test_results_may_vanish_while_a_store_is_looked_through(tmp_path, monkeypatch, ask):
    run(tmp_path, 0)
    gone = [tmp_path / "total/770000000000", tmp_path / "runs/2026-11-29T10-00-00_abcd"]
    places, listed = EntryStore.places, results_runs.list_folder

    def with_gone(store):
        return [*places(store), Entry(gone[0], "total", gone[0].name)]

    def with_runs(folder, is_wanted):
        both = (gone[1], gone[0].with_name(".770000000000.lock"))
        return [*listed(folder, is_wanted), *(path for path in both if is_wanted(path.name))]

    monkeypatch.setattr(EntryStore, "places", with_gone)
    monkeypatch.setattr(results_runs, "list_folder", with_runs)
    getattr(sc.Store(tmp_path), ask)()
    own = Entry.own
    monkeypatch.setattr(Entry, "own", lambda entry: [*own(entry), entry.path / ".value.7-7.new"])
    getattr(sc.Store(tmp_path), ask)()
