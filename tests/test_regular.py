"""What is no file is refused before it is opened, so that nothing waits for it."""

from __future__ import annotations

import os
import socket

import pytest

from scutoid import regular
from scutoid.errors import SourceError
from scutoid.regular import check_regular, kind_of_other, open_regular, read_regular

KINDS = {"pipe": "a named pipe", "socket": "a socket", "device": "a character device"}


@pytest.fixture
def other(tmp_path, request):
    """Something that is no file, or a link to it."""
    path, link = tmp_path / "other", tmp_path / "link"
    kind, is_link = request.param
    with socket.socket(socket.AF_UNIX) as listening:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            listening.bind(str(path))
        else:
            path.symlink_to("/dev/null")
        link.symlink_to(path)
        yield (link if is_link else path), KINDS[kind]


@pytest.mark.parametrize("look", [check_regular, open_regular, read_regular])
@pytest.mark.parametrize("other", [(k, n) for k in KINDS for n in (0, 1)], indirect=True)
def test_what_is_no_file_is_refused_and_named(other, look) -> None:
    path, kind = other
    with pytest.raises(SourceError, match=kind) as caught:
        look(path)
    assert str(path) in str(caught.value)
    assert kind_of_other(path) == kind


def test_a_pipe_in_the_place_of_a_file_that_was_looked_at_is_refused_too(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    os.mkfifo(path)
    monkeypatch.setattr(regular, "check_regular", lambda _: None)
    with pytest.raises(SourceError, match="named pipe"):
        open_regular(path)


def test_a_file_that_grows_or_does_not_say_its_size_is_read_to_its_end(tmp_path, monkeypatch):
    assert read_regular("/proc/self/status").startswith(b"Name:")
    path = tmp_path / "a"
    path.write_bytes(b"abc")

    def growing(descriptor, status=os.fstat):
        before = status(descriptor)
        path.write_bytes(b"abcdef")
        return before

    monkeypatch.setattr(regular.os, "fstat", growing)
    assert read_regular(path) == b"abcdef"


def test_files_and_folders_and_what_is_not_there_are_no_others(tmp_path) -> None:
    path = tmp_path / "a"
    with pytest.raises(FileNotFoundError):
        read_regular(path)
    path.write_bytes(b"abc")
    assert read_regular(path) == b"abc"
    descriptor = open_regular(path)
    assert os.read(descriptor, 10) == b"abc"
    os.close(descriptor)
    for each in (path, tmp_path, tmp_path / "none", tmp_path / "a\0b"):
        check_regular(each)
        assert kind_of_other(each) is None
