"""What this process prints goes to files too."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from scutoid.errors import ParameterError
from scutoid.sessions._recorded import Recording


def replaced(monkeypatch):
    """Put streams of a test in the place of those that pytest gives each phase of it."""
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    return streams


def log(folder, name):
    return (folder / f"{name}.log").read_text().splitlines()[1:]


def test_both_get_it_and_streams_are_given_back(tmp_path, monkeypatch):
    streams = replaced(monkeypatch)
    recording = Recording(tmp_path / "new" / "logs")
    sys.stdout.write("to stdout\n")
    sys.stdout.writelines(["a\n", "b\n"])
    sys.stderr.write("careful\n")
    sys.stderr.write("no end")
    assert sys.stdout.isatty() is False
    assert sys.stdout.getvalue() == streams["stdout"].getvalue()  # all else is the stream's own
    recording.close()
    assert sys.stdout is streams["stdout"]
    assert sys.stderr is streams["stderr"]
    sys.stdout.write("afterwards\n")
    assert streams["stdout"].getvalue() == "to stdout\na\nb\nafterwards\n"
    assert log(tmp_path / "new" / "logs", "stdout") == ["to stdout", "a", "b"]
    assert log(tmp_path / "new" / "logs", "stderr") == [
        "careful",
        "no end",
    ]


def test_an_earlier_log_goes_on(tmp_path, monkeypatch):
    replaced(monkeypatch)
    for text in ("first", "second"):
        recording = Recording(tmp_path)
        sys.stdout.write(f"{text}\n")
        recording.close()
    lines = (tmp_path / "stdout.log").read_text().splitlines()
    assert [line for line in lines if not line.startswith("---")] == ["first", "second"]
    assert len(lines) == 4


def test_a_stream_that_another_has_replaced_stays(tmp_path, monkeypatch):
    streams = replaced(monkeypatch)
    recording = Recording(tmp_path)
    handler = logging.StreamHandler()  # it keeps the stream of now
    mine = io.StringIO()
    sys.stdout = mine
    recording.close()
    assert sys.stdout is mine
    handler.emit(logging.makeLogRecord({"msg": "late"}))
    assert streams["stderr"].getvalue() == "late\n"
    assert log(tmp_path, "stderr") == []


def test_no_stream_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    recording = Recording(tmp_path)
    sys.stdout.write("heard\n")
    recording.close()
    assert sys.stdout is None
    assert log(tmp_path, "stdout") == ["heard"]


def test_a_full_disk_does_not_end_the_program(tmp_path, monkeypatch):
    streams = replaced(monkeypatch)
    monkeypatch.setattr(sys, "__stderr__", said := io.StringIO())
    (tmp_path / "stdout.log").symlink_to("/dev/full")
    recording = Recording(tmp_path)
    sys.stdout.write("one\n")
    sys.stdout.write("two\n")
    recording.close()
    assert streams["stdout"].getvalue() == "one\ntwo\n"
    assert said.getvalue().count("stdout.log is not written any more: No space left") == 1


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    streams = replaced(monkeypatch)
    (tmp_path / "file").touch()
    with pytest.raises(ParameterError, match=r"a folder of logs can be written[\s\S]*logs="):
        Recording(tmp_path / "file" / "logs")
    assert sys.stdout is streams["stdout"]
