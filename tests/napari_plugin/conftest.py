"""A store with a run to list and open, and Qt's events."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc


@sc.blockwise
def brighter(image, *, by):
    return image + np.uint16(by)


@sc.blockwise(labels=True, dtype="uint16", out="image")
def objects(image):
    return (image > 500).astype("uint16")


@sc.step(out="table")
def centres(labels):
    return pd.DataFrame({"label": [1], "y": [3.0], "x": [4.0]})


@sc.step(out="table")
def counts(labels):
    return pd.DataFrame({"n": [int(labels.max())]})


@sc.step
def level(image):
    return int(image.mean())


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A store with one run: two images, two tables, one with positions, and a value."""
    folder = tmp_path_factory.mktemp("plugin") / "results"
    raw = np.zeros((3, 32, 40), "uint16")
    raw[:, 4:12, 8:20] = 1000
    bright = brighter(sc.open(raw, voxel_size=(2, 0.5, 0.5), unit="um"), by=5)
    found = objects(bright)
    targets = (bright, found, centres(found), counts(found), level(bright))
    sc.run(*targets, store=folder, executor="serial", check_halo=False)
    return folder


@pytest.fixture
def result_of(store):
    """Return the folder of the result of a step."""

    def find(name):
        (folder,) = (path for path in (store / name).iterdir() if path.is_dir())
        return folder

    return find


@pytest.fixture
def until():
    """Let Qt handle its events until something holds."""

    def wait(condition):
        from qtpy.QtCore import QDeadlineTimer, QEventLoop
        from qtpy.QtWidgets import QApplication

        end = QDeadlineTimer(120_000)
        while not condition():
            assert not end.hasExpired(), "it never came to that"
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 50)

    return wait
