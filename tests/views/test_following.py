"""A viewer follows a run: each step is shown once it is finished."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError
from scutoid.views._following import Following

components = pytest.importorskip("napari.components", reason="napari is not installed")


@pytest.fixture
def raw():
    array = np.zeros((6, 20, 30), "u2")
    array[2:4, 5:9, 6:11] = 100
    return sc.open(array, voxel_size=1, unit="um")


@sc.step(out="table")
def by_half(table):
    return table.groupby("touches_edge", as_index=False)["n_voxels"].sum()


def results(raw, sigma=1):
    smooth = sc.gaussian(raw, sigma=sigma)
    labels = sc.label(smooth > 20)
    table = sc.measure(labels)
    return smooth, labels, table, by_half(table)


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_steps_that_a_user_wrote_are_shown_as_they_are_finished(raw, tmp_path):
    viewer = components.ViewerModel()
    done = sc.run(
        *results(raw),
        store=tmp_path,
        executor="serial",
        listeners=[sc.views.follow(viewer)],
    )
    assert done.ok
    written = [layer for layer in names(viewer) if layer != "greater"]
    assert written == ["gaussian", "label", "measure"]
    assert viewer.layers["label"].features["index"].tolist() == [1]


def test_what_is_up_to_date_is_shown_too_and_a_step_once(raw, tmp_path):
    sc.run(*results(raw), store=tmp_path, executor="serial")
    viewer = components.ViewerModel()
    for sigma in (1, 2):
        listeners = [sc.views.follow(viewer)]
        sc.run(*results(raw, sigma), store=tmp_path, executor="serial", listeners=listeners)
        viewer.layers["gaussian"].visible = False
    assert sorted(names(viewer)) == ["gaussian", "greater", "label", "measure"]
    sc.run(*results(raw), store=tmp_path, executor="serial", listeners=listeners)
    assert not viewer.layers["gaussian"].visible
    np.testing.assert_array_equal(
        np.asarray(viewer.layers["gaussian"].data), np.asarray(sc.gaussian(raw, sigma=1))
    )


class Broken:
    """A viewer that cannot show anything."""

    @property
    def layers(self):
        raise RuntimeError("wrapped C/C++ object has been deleted")


def test_a_viewer_that_fails_does_not_end_the_run(raw, tmp_path, caplog):
    listeners = [Following(Broken())]  # as of a window that was closed in the meantime
    done = sc.run(*results(raw), store=tmp_path, executor="serial", listeners=listeners)
    assert done.ok
    assert "could not be shown" in caplog.text


def test_a_listener_that_fails_gets_no_more_results(raw, tmp_path, caplog):
    class Failing:
        told = 0

        def on_event(self, event):
            pass

        def on_result(self, name, result, within):
            self.told += 1
            raise ValueError(name)

    failing = Failing()
    assert sc.run(*results(raw), store=tmp_path, executor="serial", listeners=[failing]).ok
    assert failing.told == 1


@pytest.mark.gui
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_in_another_thread_is_followed_in_that_of_the_window(display, raw, tmp_path):
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=False)
    threads = set()
    viewer.layers.events.inserted.connect(lambda _: threads.add(threading.current_thread()))
    try:
        running = threading.Thread(
            target=sc.run,
            args=results(raw),
            kwargs={
                "store": tmp_path,
                "executor": "serial",
                "listeners": [sc.views.follow(viewer)],
            },
        )
        running.start()
        stop = time.monotonic() + 60
        while (running.is_alive() or "measure" not in names(viewer)) and time.monotonic() < stop:
            QApplication.processEvents()
        running.join()
        assert {"gaussian", "label", "measure"} <= set(names(viewer))
        assert threads == {threading.main_thread()}
    finally:
        viewer.close()


@pytest.mark.parametrize("viewer", [None, 3], ids=str)
def test_what_is_no_viewer_cannot_follow(viewer):
    with pytest.raises(ParameterError, match="viewer of napari"):
        sc.views.follow(viewer)
