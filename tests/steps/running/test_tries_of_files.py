"""A step that writes files gets an empty folder for each try, whatever the try before has left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc

IMAGE = np.arange(12.0).reshape(3, 4)


def fail_by(how: str) -> None:
    if how == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError("the licence server is away")


@sc.step(out="files", version="1")
def report(image, *, folder, tries, how, n_failures):
    """Write a folder and a file for each number, other ones on each try."""
    number = len(list(Path(tries).iterdir()))
    (Path(tries) / f"try-{number}").touch()
    (folder / "parts").mkdir()
    if number < n_failures:
        (folder / "link").symlink_to(tries)
    for n in range(5 - number):
        (folder / "parts" / f"{number}-{n}.txt").write_text(str(image.sum()))
    if number < n_failures:
        fail_by(how)


def names(folder):
    return sorted(path.name for path in (folder / "parts").iterdir())


@pytest.fixture
def tries(tmp_path):
    path = tmp_path / "tries"
    path.mkdir()
    return path


@pytest.mark.parametrize("how", ["exception", "SIGKILL"])
@pytest.mark.parametrize("retries", [0, 2], ids=["by a later run", "by a retry"])
@pytest.mark.parametrize("kind", ["one result", "members"])
def test_each_try_begins_with_an_empty_folder(tmp_path, tries, how, retries, kind) -> None:
    (tmp_path / "plate").mkdir()
    np.save(tmp_path / "plate" / "a.npy", IMAGE)
    images = sc.open_folder(tmp_path / "plate") if kind == "members" else sc.open(IMAGE)
    step = report.options(retries=retries)
    written = step(images, tries=str(tries), how=how, n_failures=2)
    for _ in range(3 - retries):
        run = sc.run(
            written, store=tmp_path / "store", executor="processes", workers=1, on_failure="return"
        )
    assert run.ok, run.summary()
    folder = (written["a.npy"] if kind == "members" else written).path
    assert names(folder) == ["2-0.txt", "2-1.txt", "2-2.txt"]
    assert len(list(tries.iterdir())) == 3  # what a link led to is as it was
    assert sc.Store(tmp_path / "store").verify().ok
