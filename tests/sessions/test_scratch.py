"""The folder of temporary files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from scutoid.errors import ParameterError, ScutoidWarning
from scutoid.sessions._scratch import Scratch

CHILD = """
import os, sys, tempfile
from pathlib import Path
from scutoid.sessions._scratch import Scratch
scratch = Scratch(Path(sys.argv[1]))
for name in sys.argv[3:]:
    exec(name)
print(scratch.folder, flush=True)
if sys.argv[2] == "wait":
    sys.stdin.read()
"""


@pytest.fixture
def above():
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="s-") as folder:
        yield Path(folder)


def child(above, *words):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", CHILD, str(above), *words], **pipes)


def test_temporary_files_of_all_lie_there_and_are_gone(above, monkeypatch):
    config = pytest.importorskip("dask.config")
    monkeypatch.setenv("TMPDIR", str(above))
    before = tempfile.gettempdir(), config.get("temporary-directory", None)
    scratch = Scratch(above / "new" / "deep")
    assert scratch.folder.stat().st_mode & 0o77 == 0
    assert Path(tempfile.mkdtemp()).parent == scratch.driver
    assert config.get("temporary-directory") == str(scratch.workers)
    code = "import tempfile; print(tempfile.mkdtemp())"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(made.stdout.strip()).parent == scratch.workers
    for left in scratch.driver.iterdir():
        left.rmdir()
    scratch.close()
    assert (tempfile.gettempdir(), config.get("temporary-directory", None)) == before
    assert os.environ["TMPDIR"] == str(above)
    assert "DASK_TEMPORARY_DIRECTORY" not in os.environ
    assert list((above / "new" / "deep").iterdir()) == []


def test_what_the_process_still_has_stays_until_it_ends(above):
    code = "open(tempfile.mkstemp()[1], 'w').write('kept'); scratch.close()"
    running = child(above, "wait", code)
    folder = Path(running.stdout.readline().strip())
    assert [file.read_text() for file in (folder / "driver").iterdir()] == ["kept"]
    assert not (folder / "workers").exists()
    running.communicate()
    assert list(above.iterdir()) == []


def test_what_a_killed_process_has_left_is_removed_by_the_next(above):
    killed, alive = child(above, "wait"), child(above, "wait")
    left, used = (Path(each.stdout.readline().strip()) for each in (killed, alive))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    foreign = above / "scutoid-01234567"
    foreign.mkdir()
    elsewhere = above / "scutoid-76543210"
    elsewhere.mkdir()
    (elsewhere / "session.lock").write_text("another-machine")
    scratch = Scratch(above)
    assert not left.exists()
    assert used.exists()
    assert foreign.exists()
    assert elsewhere.exists()
    scratch.close()
    alive.communicate()


def test_a_forked_process_leaves_it_alone(above):
    code = "f = tempfile.mkstemp(); scratch.close(); pid = os.fork(); pid or sys.exit(); os.wait()"
    running = child(above, "wait", code)
    folder = Path(running.stdout.readline().strip())
    assert len(list((folder / "driver").iterdir())) == 1
    running.communicate()


def test_settings_that_another_has_replaced_stay(above, monkeypatch):
    scratch = Scratch(above)
    os.environ["TMPDIR"] = tempfile.tempdir = str(above)
    scratch.close()
    assert os.environ.pop("TMPDIR") == tempfile.tempdir == str(above)


def test_a_folder_that_cannot_be_written_is_named(above):
    (above / "file").touch()
    with pytest.raises(ParameterError, match=r"temporary directory can be written[\s\S]*file"):
        Scratch(above / "file" / "more")
    assert tempfile.tempdir is None or "scutoid-" not in tempfile.tempdir


def test_a_path_too_long_for_sockets_is_told(above):
    with pytest.warns(ScutoidWarning, match="sockets"):
        scratch = Scratch(above / ("long" * 20))
    scratch.close()
