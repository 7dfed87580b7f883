"""Packs of small results: durable, checked, readable while they are written."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.errors import DamagedResult, ParameterError, StoreError
from scutoid.records import RecordLog
from scutoid.store import Pack

ITEMS = [(0, {"rows": 1}, b"zero"), ("A/01.tif", {}, b""), (7, {}, bytes(range(256)) * 10)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "values.pack"


@pytest.fixture
def written(path):
    with Pack(path, "a") as pack:
        for item in ITEMS:
            pack.append_many([item])
    return path


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 5) | st.text(max_size=2),
                st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
                st.binary(max_size=20),
            ),
            max_size=4,
        ),
        max_size=5,
    )
)
def test_what_is_appended_is_read_and_the_last_of_a_name_counts(tmp_path_factory, calls):
    path = tmp_path_factory.mktemp("pack") / "values.pack"
    model = {}
    for call in calls:
        with Pack(path, "a") as pack:
            pack.append_many(call)
        model.update({name: (meta, payload) for name, meta, payload in call})
    with Pack(path) as pack:
        assert set(pack) == set(model)
        for name, (meta, payload) in model.items():
            assert pack.read(name) == payload
            assert pack.meta(name) == meta


def test_ints_and_text_are_different_names(path):
    with Pack(path, "a") as pack:
        pack.append_many([(1, {}, b"int"), ("1", {}, b"text")])
        assert (pack.read(1), pack.read("1")) == (b"int", b"text")
    with Pack(path) as pack:
        assert (pack.read(1), pack.read("1")) == (b"int", b"text")


def test_a_missing_name_or_pack_is_a_clear_error(written, tmp_path):
    with Pack(written) as pack, pytest.raises(StoreError, match="that it holds"):
        pack.read("B")
    with Pack(tmp_path / "none.pack") as pack:
        assert len(pack) == 0
        with pytest.raises(StoreError, match="that it holds"):
            pack.read(0)
    assert not (tmp_path / "none.pack").exists()


def test_names_and_modes_are_checked(written):
    with Pack(written, "a") as pack, pytest.raises(ParameterError, match="text or int"):
        pack.append_many([(True, {}, b"")])
    with pytest.raises(ParameterError, match='"r" or "a"'):
        Pack(written, "w")
    with Pack(written) as pack, pytest.raises(StoreError, match="open for appending"):
        pack.append_many(ITEMS)


def test_the_index_torn_at_every_byte_loses_only_the_end(written):
    index = written.with_name("values.pack.index")
    whole, payload = index.read_bytes(), written.read_bytes()
    seen = set()
    for size in range(len(whole)):
        index.write_bytes(whole[:size])
        written.write_bytes(payload)
        with Pack(written) as pack:
            before = {name: pack.read(name) for name in pack}
        with Pack(written, "a") as pack:
            assert {name: pack.read(name) for name in pack} == before
            pack.append_many([("new", {}, b"appended")])
        with Pack(written) as pack:
            assert {name: pack.read(name) for name in pack} == {**before, "new": b"appended"}
        seen.add(len(before))
    assert seen == {0, 1, 2}


def test_the_payload_torn_at_any_byte_is_noticed(written):
    payload = written.read_bytes()
    for size in range(0, len(payload), 97):
        written.write_bytes(payload[:size])
        with Pack(written) as pack:
            for name, _, content in ITEMS:
                try:
                    assert pack.read(name) == content
                except DamagedResult:
                    assert name in pack.damaged()
        with Pack(written, "a") as pack:
            kept = {name: pack.read(name) for name in pack}
            pack.append_many([("new", {}, b"appended")])
        with Pack(written) as pack:
            for name, content in {**kept, "new": b"appended"}.items():
                assert pack.read(name) == content


def test_every_flipped_bit_of_a_payload_is_noticed(written):
    payload = written.read_bytes()
    for at in range(0, len(payload), 13):
        written.write_bytes(payload[:at] + bytes([payload[at] ^ 128]) + payload[at + 1 :])
        with Pack(written) as pack:
            assert len(pack.damaged()) == 1


def test_payloads_without_an_index_entry_do_not_exist(written):
    with written.open("ab") as file:
        file.write(b"half of a payload whose writer was killed")
    with Pack(written, "a") as pack:
        assert len(pack) == 3
        pack.append_many([("next", {}, b"next")])
        assert pack.read("next") == b"next"
    assert written.stat().st_size == sum(len(item[2]) for item in ITEMS) + 4


def test_a_pickled_pack_reads_in_another_process(written, tmp_path):
    with Pack(written) as pack:
        content = pickle.dumps(pack)
    script = "import pickle, sys; print(len(pickle.loads(sys.stdin.buffer.read()).read(7)))"
    done = subprocess.run(
        [sys.executable, "-c", script], input=content, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"2560"


def test_a_reader_sees_what_is_appended_later(path):
    with Pack(path, "a") as writer, Pack(path) as reader:
        assert 0 not in reader
        writer.append_many([(0, {}, b"zero")])
        assert reader.read(0) == b"zero"
        writer.append_many([(0, {}, b"again")])
        assert reader.read(0) == b"zero"
        reader.refresh()
        assert reader.read(0) == b"again"


def test_many_threads_read_at_once(written):
    found = []
    with Pack(written) as pack:
        threads = [
            threading.Thread(target=lambda: found.append([pack.read(7) for _ in range(50)]))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(one == [ITEMS[2][2]] * 50 for one in found)
    assert len(found) == 8


def test_closing_gives_the_descriptors_back(written):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for mode in ("a", "r"):
        pack = Pack(written, mode)
        pack.read(0)
        pack.close()
        pack.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert pack.read(0) == b"zero"
    pack.close()


KILLED = """
import os, sys
from scutoid.store import Pack
pack = Pack(sys.argv[1], "a")
for number in range(1000):
    pack.append_many([(number, {}, b"%d" % number * 100)])
    print(number, flush=True)
"""


def test_killed_while_appending_what_was_confirmed_is_there(path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        confirmed = [int(process.stdout.readline()) for _ in range(20)]
        process.kill()
    with Pack(path) as pack:
        assert set(confirmed) <= set(pack)
        assert pack.damaged() == []
        for number in pack:
            assert pack.read(number) == b"%d" % number * 100


def test_a_refresh_reads_only_what_is_new(path, monkeypatch):
    with Pack(path, "a") as writer, Pack(path) as reader:
        writer.append_many([(0, {}, b"zero")])
        assert reader.read(0) == b"zero"
        # The index is never read whole again, however often something new is asked for.
        monkeypatch.setattr(RecordLog, "read_to_end", None)
        for number in range(1, 20):
            writer.append_many([(number, {}, b"%d" % number)])
            assert reader.read(number) == b"%d" % number
        assert len(reader) == 20


def test_a_reader_of_a_pack_that_was_begun_again_does_not_mix_the_two(path):
    with Pack(path, "a") as writer:
        writer.append_many([(0, {}, b"old"), (1, {}, b"old")])
    with Pack(path) as reader:
        assert len(reader) == 2
        for file in (path, path.with_name("values.pack.index")):
            file.rename(file.with_name(f"{file.name}.aside"))
        with Pack(path, "a") as writer:
            writer.append_many([(2, {}, b"new")])
        reader.refresh()
        assert list(reader) == [2]


def test_what_no_index_entry_names_again_is_a_clear_error_after_a_refresh(written):
    with Pack(written) as reader:
        assert len(reader) == 3
        written.with_name("values.pack.index").unlink()
        with pytest.raises(StoreError, match="that it holds"):
            reader.read("B")


KILLED_INSIDE = """
import os, sys
from scutoid.store import Pack
pack = Pack(sys.argv[1], "a")
pack.append_many([("first", {}, b"first" * 100)])
count, stop = 0, int(sys.argv[2])
def counted(function):
    def wrapper(*args, **kwargs):
        global count
        count += 1
        if count == stop:
            os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return wrapper
for name in ("pwrite", "write", "fsync"):
    setattr(os, name, counted(getattr(os, name)))
pack.append_many([("second", {}, b"second" * 100), ("third", {}, b"third" * 100)])
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_killed_inside_an_append_all_of_it_is_there_or_none(path, stop):
    command = [sys.executable, "-c", KILLED_INSIDE, str(path), str(stop)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    second = {"second": b"second" * 100, "third": b"third" * 100}
    with Pack(path) as pack:
        found = {name: pack.read(name) for name in pack}
    assert found.pop("first") == b"first" * 100
    assert found in ({}, second)
    with Pack(path, "a") as pack:
        pack.append_many([(name, {}, payload) for name, payload in second.items()])
        assert pack.damaged() == []
        assert set(pack) == {"first", "second", "third"}


def test_a_pack_of_another_key_holds_nothing(path):
    with Pack(path, "a", key="one") as pack:
        pack.append_many(ITEMS)
        assert set(pickle.loads(pickle.dumps(pack))) == {0, "A/01.tif", 7}
    assert set(Pack(path, key="one")) == set(Pack(path)) == {0, "A/01.tif", 7}
    assert list(Pack(path, key="two")) == []
    with pytest.raises(DamagedResult, match="its own"):
        Pack(path, key="two").damaged()
    with Pack(path, "a", key="two") as pack:
        pack.append_many(ITEMS[:1])
    assert list(Pack(path, key="two")) == [0]


def test_a_pack_without_a_key_is_read_and_continued_by_any(written):
    with Pack(written, "a", key="one") as pack:
        pack.append_many([("new", {}, b"new")])
    assert set(Pack(written, key="two")) == {0, "A/01.tif", 7, "new"}
