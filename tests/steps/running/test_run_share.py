"""Several processes make one result: shares of blocks, whoever is killed, as a run alone does."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import scutoid as sc
from scutoid.blocks import Journal
from scutoid.errors import ParameterError, PipelineError, RunStopped
from scutoid.events import StepAwaited
from scutoid.executors._process import Process
from scutoid.segments import SEGMENTS, fence_off, segments_in
from scutoid.steps import run_share
from scutoid.steps.results import merge_segments
from scutoid.steps.running._element import Element
from scutoid.store import Lock, Segment, take_share

PIPELINE = """
import numpy as np
import scutoid as sc


@sc.blockwise(out="table", version="1")
def sums(image, *, block):
    import pandas as pd

    return pd.DataFrame({"block": [block.index], "sum": [float(image.sum())]})


@sc.step(out="value", version="1")
def size(image):
    return float(np.asarray(image).sum())


@sc.step(out="value", version="1")
def total(sizes):
    return sum(sizes.values())


def targets(folder):
    rows, columns = np.indices((24, 24))
    image = (rows * 24 + columns).astype("float32") * (rows > 7)
    half = halved(sc.open(image))
    labels = sc.label(half > 100)
    sizes = size(sc.open_folder(f"{folder}/*.npy"))
    return sc.measure(labels, intensity=half), sums(half), total(sc.gather(sizes))


@sc.blockwise(version="1")
def halved(image):
    return image / np.float32(2)
"""
namespace: dict[str, object] = {"__name__": "__main__"}  # as in the processes: keys name modules
exec(PIPELINE, namespace)  # noqa: S102 - the same in processes that are killed
targets = namespace["targets"]
halved = namespace["halved"]


@pytest.fixture
def members(tmp_path):
    folder = tmp_path / "members"
    folder.mkdir()
    for n in range(6):
        np.save(folder / f"m{n}.npy", np.full((3, 3), n, "float32"))
    return folder


def content_of(store):
    """Return the files of all results that do not depend on who has written what, by path."""
    own = {"recipe.json", "COMPLETE", "journal"}
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.glob("*/*/**/*"))
        if path.is_file()
        and "runs" not in path.relative_to(store).parts
        and path.name not in own
        and ".pack" not in path.name
        and not path.name.endswith((".shards", ".digests"))
    }


def share(members, store, part=(1, 2), **options):
    chosen = {"executor": "serial", "block": 8, **options}
    return run_share(*targets(members), store=store, share=part, **chosen)


def test_one_process_alone_makes_what_a_run_makes(tmp_path, members):
    done = share(members, tmp_path / "shared", (2, 3))
    assert done.ok
    sc.run(*targets(members), store=tmp_path / "serial", executor="serial", block=8)
    assert content_of(tmp_path / "shared") == content_of(tmp_path / "serial")
    assert sc.Store(tmp_path / "shared").verify(heal=False).ok
    assert not list((tmp_path / "shared").rglob(SEGMENTS))
    again = sc.run(*targets(members), store=tmp_path / "shared", executor="serial", block=8)
    assert all(step.n_cached == step.n_blocks for step in again.steps)
    assert {step.name: step.n_run for step in done.steps}["halved"] == 9


def test_a_second_share_finds_all_done(tmp_path, members):
    share(members, tmp_path / "store", (1, 2))
    done = share(members, tmp_path / "store", (2, 2))
    assert done.ok
    assert all(step.n_run == 0 for step in done.steps)


@pytest.mark.parametrize("part", [(0, 3), (4, 3), (1, 0), (-1, -1)])
def test_a_share_is_one_of_a_number(tmp_path, members, part):
    with pytest.raises(ParameterError, match="a share is one of a number of processes"):
        share(members, tmp_path / "store", part)


def shared_image(block=4):
    """Return a step of 16 blocks that fails in those that `bad` names."""
    bad: set[int] = set()
    ran: list[int] = []

    @sc.blockwise(block=block, version="1", retries=0, check_halo=False)
    def marked(image, *, block):
        if tuple(block.read_roi.shape) == (8, 8):  # a trial
            return image
        ran.append(block.index)
        if block.index in bad:
            raise ValueError("not this one")
        return image + 1

    return marked(sc.open(np.ones((16, 16), "uint8"))), bad, ran


def test_blocks_that_failed_are_tried_once_by_each_and_the_rest_is_done(tmp_path):
    image, bad, ran = shared_image()
    bad.update((3, 7))
    done = run_share(image, store=tmp_path, share=(1, 2), executor="serial")
    assert not done.ok
    assert (done.step("marked").n_done, done.step("marked").n_failed) == (14, 2)
    assert {failure.index for failure in done.step("marked").failures} == bad
    assert sorted(ran) == list(range(16))
    bad.clear()
    ran.clear()
    assert sc.run(image, store=tmp_path, executor="serial").ok
    assert sorted(ran) == [3, 7]
    assert int(np.asarray(image).sum()) == 16 * 16 * 2


def begun(tmp_path, n_bad=6):
    """Return a step of which all but some blocks are done, in a segment; and its entry."""
    image, bad, ran = shared_image()
    bad.update(range(n_bad))
    run_share(image, store=tmp_path, share=(1, 1), executor="serial")
    bad.clear()
    ran.clear()
    (entry, _), *_ = sc.Store(tmp_path).entries()
    return image, ran, entry


def test_what_was_recorded_behind_a_fence_is_done_again(tmp_path):
    image, ran, entry = begun(tmp_path)
    (segment,) = segments_in(entry.path)
    (segment / "fence").write_text(json.dumps({}))
    assert not Journal.read(entry.journal, key=entry.key).any()
    assert sc.run(image, store=tmp_path, executor="serial").ok
    assert sorted(ran) == list(range(16))
    assert sc.Store(tmp_path).verify(heal=False).ok


def test_a_process_that_others_have_taken_for_dead_records_nothing_more(tmp_path):
    image, _, ran = shared_image()
    store = tmp_path / "store"

    fenced = []

    class Fences:
        def on_event(self, event):
            if fenced or not 1 <= len(ran) < 16:  # how many a batch has depends on their time
                return
            for entry, _ in sc.Store(store).entries():
                for segment in segments_in(entry.path):
                    fence_off(segment)
                    fenced.append(segment)

    done = run_share(image, store=store, share=(1, 1), executor="serial", listeners=[Fences()])
    assert done.ok
    assert sc.Store(store).verify(heal=False).ok
    assert int(np.asarray(image).sum()) == 16 * 16 * 2
    assert fenced
    assert len(ran) > 16


def table_and_image():
    """Return an image and tables of 16 blocks, of which those that `bad` names fail."""
    bad: set[int] = set()

    @sc.blockwise(block=4, version="1", retries=0, check_halo=False)
    def marked(image, *, block):
        if block.index in bad and tuple(block.read_roi.shape) == (4, 4):
            raise ValueError("not this one")
        return image + 1

    @sc.blockwise(out="table", block=4, version="1", retries=0, check_halo=False)
    def rows(image, *, block):
        import pandas as pd

        if block.index in bad and tuple(block.read_roi.shape) == (4, 4):
            raise ValueError("not this one")
        return pd.DataFrame({"block": [block.index], "sum": [float(image.sum())]})

    source = sc.open(np.ones((16, 16), "uint8"))
    return (marked(source), rows(source)), bad


@pytest.mark.parametrize("cut", [0, 0.5])
def test_a_file_of_a_segment_that_ends_anywhere_is_gone_on_from(tmp_path, cut):
    targets, bad = table_and_image()
    bad.update(range(8))
    run_share(*targets, store=tmp_path / "made", share=(1, 1), executor="serial")
    for entry, _ in sc.Store(tmp_path / "made").entries():  # records of the result itself, too
        with Lock(entry.path):
            merge_segments(entry)
    bad.difference_update(range(4))
    run_share(*targets, store=tmp_path / "made", share=(1, 1), executor="serial")
    bad.clear()
    made = sorted(path for path in (tmp_path / "made").glob("*/*/segments/*/*") if path.is_file())
    assert {path.name for path in made} >= {"journal", "image.shards", "blocks.pack"}
    for n, path in enumerate(made):
        store = tmp_path / f"store{n}"
        shutil.copytree(tmp_path / "made", store)
        left = int(path.stat().st_size * cut)
        os.truncate(store / path.relative_to(tmp_path / "made"), left)
        chosen = {"store": store, "executor": "serial"}
        done = run_share(*targets, share=(1, 1), **chosen) if n % 2 else sc.run(*targets, **chosen)
        assert done.ok, path.name
        assert sc.Store(store).verify(heal=False).ok, path.name
        image, table = (sc.Store(store)[name] for name in ("marked", "rows"))
        assert int(np.asarray(image).sum()) == 16 * 16 * 2
        assert sorted(table.to_pandas()["block"]) == list(range(16))


def test_a_reader_sees_what_all_writers_have_and_merging_changes_nothing_of_it(tmp_path):
    _, _, entry = begun(tmp_path)
    statuses = Journal.read(entry.journal, key=entry.key)
    assert np.flatnonzero(statuses == 0).tolist() == list(range(6))
    assert not entry.journal.exists()
    with Lock(entry.path):
        assert merge_segments(entry)
        assert not merge_segments(entry)
    assert Journal.read_part(entry.journal, key=entry.key).tolist() == statuses.tolist()
    assert not segments_in(entry.path)


def test_of_a_block_that_two_have_done_the_first_holds(tmp_path):
    _, _, entry = begun(tmp_path)
    (first,) = segments_in(entry.path)
    second = Segment(entry.path).path
    indices = np.arange(8)
    Journal.take_in(
        second / "journal", first / "journal", indices, np.full(8, 3, "u1")
    )  # as if empty
    found = Journal.read(entry.journal, key=entry.key)
    assert found.tolist() == [3] * 6 + [2] * 10
    with Lock(entry.path):
        merge_segments(entry)
    assert Journal.read(entry.journal, key=entry.key).tolist() == found.tolist()


def test_a_segment_of_other_blocks_is_damage_and_not_mixed_in(tmp_path):
    image, ran, entry = begun(tmp_path)
    other, _, _ = shared_image(block=8)
    run_share(other, store=tmp_path / "other", share=(1, 1), executor="serial")
    (foreign, _), *_ = sc.Store(tmp_path / "other").entries()
    (Segment(entry.path).path / "journal").write_bytes(foreign.journal.read_bytes())
    assert sc.run(image, store=tmp_path, executor="serial").ok
    assert sc.Store(tmp_path).verify(heal=False).ok
    assert sorted(ran) == list(range(16))


def test_a_run_waits_for_a_share_that_lives_and_takes_over_from_the_dead(tmp_path):
    image, ran, entry = begun(tmp_path)
    lock = take_share(entry.path, 5)
    waited = []

    class Gives:
        def on_event(self, event):
            if type(event).__name__ == "StepAwaited":
                waited.append(event.task)
                lock.release()

    assert sc.run(image, store=tmp_path, executor="serial", listeners=[Gives()]).ok
    assert waited == ["marked"]
    assert sorted(ran) == list(range(6))


def test_a_process_with_a_share_starts_no_other_run_that_waits_for_it(tmp_path):
    image, _, ran = shared_image()

    class Runs:
        def on_event(self, event):
            if len(ran) >= 3 and not refused:  # blocks come in batches
                with pytest.raises(PipelineError, match="a run does not wait for what the run"):
                    sc.run(image, store=tmp_path, executor="serial")
                refused.append(event)

    refused = []
    run_share(image, store=tmp_path, share=(1, 1), executor="serial", listeners=[Runs()])
    assert refused
    assert sc.run(image, store=tmp_path, executor="serial").ok


def test_a_share_that_a_signal_ends_says_what_it_has_done_and_keeps_it(tmp_path):
    image, _, ran = shared_image()

    class Ends:
        is_over = False

        def on_event(self, event):
            if len(ran) >= 5 and not self.is_over:  # blocks come in batches
                self.is_over = True
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(RunStopped) as stopped:
        run_share(image, store=tmp_path, share=(1, 1), executor="serial", listeners=[Ends()])
    n_done = stopped.value.run.step("marked").n_run
    assert 5 <= n_done < 16
    (entry, _), *_ = sc.Store(tmp_path).entries()
    assert np.count_nonzero(Journal.read(entry.journal, key=entry.key)) == n_done
    assert not Lock(entry.path).is_held
    (record,) = tmp_path.glob("runs/*/run.json")
    assert json.loads(record.read_text())["ok"] is False
    ran.clear()
    assert run_share(image, store=tmp_path, share=(1, 1), executor="serial").ok
    assert len(ran) == 16 - n_done


KILLS_OF_STORE = Path(__file__).parents[2] / "store" / "test_kills.py"
KILLS = runpy.run_path(str(KILLS_OF_STORE))["HARNESS"] + textwrap.dedent("""
    import scutoid.store._lock
    import scutoid as sc
    from scutoid.steps import run_share

    scutoid.store._lock.BEAT_SECONDS = 0.2  # half a lock of somebody who is gone
    exec(open(sys.argv[2]).read())
    STORE = FOLDER / "store"

    def one(part):
        def call():
            assert run_share(
                *targets(sys.argv[3]), store=STORE, share=part, executor="serial", block=8
            ).ok
        return call

    found = []
    n, step = int(sys.argv[4]), int(sys.argv[5])
    while True:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        is_over = in_child(one((1, 2)), n)
        in_child(one((2, 2)))
        def check():
            assert sc.Store(STORE).verify(heal=False).ok, str(sc.Store(STORE).verify(heal=False))
            assert not list(STORE.rglob("segments")), list(STORE.rglob("segments"))
            done = sc.run(*targets(sys.argv[3]), store=STORE, executor="serial", block=8)
            assert all(step.n_cached == step.n_blocks for step in done.steps), done.summary()
        in_child(check)
        found.append({
            str(path.relative_to(STORE)): path.read_bytes().hex()
            for path in sorted(STORE.glob("*/*/**/*"))
            if path.is_file() and "runs" not in path.relative_to(STORE).parts
            and path.name not in ("recipe.json", "COMPLETE", "journal")
            and ".pack" not in path.name and path.suffix not in (".shards", ".digests")
        })
        assert found[-1] == found[0], n
        if is_over:
            break
        n += step
    print(json.dumps({"kills": len(found) - 1, "files": found[-1]}))
""")


SOAK = "SCUTOID_SOAK" in os.environ


@pytest.mark.timeout(7200 if SOAK else 600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")
def test_a_process_killed_before_any_change_of_a_file_leaves_the_rest_to_another(tmp_path, members):
    step = "5" if SOAK else "499"
    script, pipeline = tmp_path / "kills.py", tmp_path / "pipeline.py"
    script.write_text(KILLS)
    pipeline.write_text(PIPELINE)
    arguments = [str(tmp_path / "folder"), str(pipeline), str(members), "40", step]
    ended = subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=7000 if SOAK else 550,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["kills"] >= 3
    sc.run(*targets(members), store=tmp_path / "serial", executor="serial", block=8)
    serial = content_of(tmp_path / "serial")
    assert told["files"] == {name: content.hex() for name, content in serial.items()}


@pytest.mark.parametrize("is_share", [True, False])
def test_who_is_waited_for_is_told_once_and_by_name(tmp_path, monkeypatch, is_share):
    image, _, entry = begun(tmp_path)
    lock, n_looks = Lock(entry.path), 0
    lock.path.touch()  # of a process that is just about to write its name

    def look(seconds):
        nonlocal n_looks
        n_looks += 1
        if n_looks == 2:
            lock.path.unlink()
            assert lock.acquire()
        if n_looks == 5:
            lock.release()
        sleep(0.03)

    class Waits:
        said: ClassVar[list] = []

        def on_event(self, event):
            if isinstance(event, StepAwaited):
                self.said.append(event.owner)

    sleep = time.sleep
    monkeypatch.setattr("time.sleep", look)
    monkeypatch.setattr("scutoid.steps.running._element._LONGEST_WAIT", 0.02)  # plans each time
    monkeypatch.setattr("scutoid.steps.running._claim._TOLD_SECONDS", 0.02)
    monkeypatch.setattr("scutoid.steps.running._claim._UNNAMED_SECONDS", 0.02)
    chosen = {"store": tmp_path, "executor": "serial", "listeners": [Waits()]}
    done = run_share(image, share=(1, 1), **chosen) if is_share else sc.run(image, **chosen)
    assert done.ok
    assert Waits.said == [f"process {os.getpid()} on {socket.gethostname()}"]


def test_workers_stay_while_a_process_takes_share_after_share(tmp_path, monkeypatch):
    """Each round of shares began with new ones, which import all that they need anew."""
    started, rounds = [], []
    make, share = Process.__init__, Element._share

    def counted(self, number, *args):
        started.append(number)
        make(self, number, *args)

    def noted(self, *args):
        rounds.append(args)
        return share(self, *args)

    monkeypatch.setattr(Process, "__init__", counted)
    monkeypatch.setattr(Element, "_share", noted)
    image = np.arange(24 * 20, dtype="float32").reshape(24, 20)
    result = halved(halved(sc.open(image)))
    options = {"workers": 1, "executor": "processes", "block": 4, "check_halo": False}
    assert run_share(result, store=tmp_path, share=(1, 1), **options).ok
    np.testing.assert_array_equal(np.asarray(result), image / 4)
    assert len(rounds) > 2
    assert started == [0]
