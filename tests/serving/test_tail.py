"""Lines of a file that another process appends to."""

from __future__ import annotations

import itertools
import os

from hypothesis import given
from hypothesis import strategies as st

from scutoid.serving import _tail
from scutoid.serving._tail import Tail


@given(
    lines=st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=12),
    cuts=st.lists(st.integers(0, 300), max_size=6),
    most=st.integers(1, 50),
)
def test_each_line_comes_once_however_it_is_written(tmp_path_factory, lines, cuts, most):
    path = tmp_path_factory.mktemp("tail") / "events.jsonl"
    content = b"".join(line + b"\n" for line in lines)
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    tail, found = Tail(path), []
    for begin, end in itertools.pairwise(places):
        with path.open("ab") as file:
            file.write(content[begin:end])
        while True:
            found += tail.read(most)
            if tail.is_at_end:
                break
    assert found == lines


def test_a_file_that_was_cut_or_replaced_is_read_anew(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"one\ntwo\n")
    tail = Tail(path)
    assert tail.read() == [b"one", b"two"]
    os.truncate(path, 4)
    assert tail.read() == [b"one"]
    assert tail.is_new
    assert tail.read() == []
    assert not tail.is_new
    other = tmp_path / "new"
    other.write_bytes(b"three\nfour\nfive\n")
    other.replace(path)
    assert tail.read() == [b"three", b"four", b"five"]
    assert tail.is_new


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path):
    tail = Tail(tmp_path / "run" / "events.jsonl")
    assert tail.read() == []
    tail.path.parent.mkdir()
    tail.path.write_bytes(b"one\n")
    assert tail.read() == [b"one"]


def test_a_line_without_end_takes_no_more_memory_and_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(_tail, "_LONGEST", 100)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"one\n" + b"x" * 1000)
    tail = Tail(path)
    assert tail.read(50) == [b"one"]
    for _ in range(40):
        assert tail.read(50) == []
        assert len(tail._rest) <= 150
    with path.open("ab") as file:
        file.write(b"xxx\ntwo\n")
    assert tail.read() == [b"two"]
    assert tail.n_left_out == 1
