"""One block again, in this process: the same voxels as in a run, and the function's own error."""

from __future__ import annotations

import shutil
import threading

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError, RunFailed

RAMP = np.arange(12 * 14, dtype="float32").reshape(12, 14)


@sc.blockwise(halo=1)
def softer(image):
    from scipy import ndimage

    return ndimage.uniform_filter(image, 3)


@sc.blockwise(retries=0, dtype="float32", check_halo=False)
def root(image, *, limit):
    if image.max() > limit:
        raise ValueError("too bright")
    return np.sqrt(image)


def where_it_runs(image):
    return threading.get_ident()


@pytest.mark.parametrize("is_run", [False, True])
def test_each_block_is_what_a_run_makes_there(tmp_path, is_run):
    soft = softer(sc.open(RAMP))
    smooth = softer.options(name="again")(soft)
    expected = smooth.read()
    if is_run:
        sc.run(smooth, store=tmp_path, block=5, executor="serial")
    for row in range(3):
        for column in range(3):
            part = expected[row * 5 : row * 5 + 5, column * 5 : column * 5 + 5]
            for at in ((row, column), 3 * row + column, f"{row},{column}", str(3 * row + column)):
                found = sc.debug(smooth, store=tmp_path, at=at, block=5)
                np.testing.assert_array_equal(found, part)


def test_inputs_that_are_stored_are_read(tmp_path):
    soft = softer(sc.open(RAMP))
    run = sc.run(soft, store=tmp_path, block=4, executor="serial")
    stored = next(run.store.glob("softer/*/*.zarr"), None) or next(
        run.store.glob("softer/*/image*")
    )
    assert stored.exists()
    rooted = root(soft, limit=1000)
    found = sc.debug(rooted, store=tmp_path, at=0, block=4)
    np.testing.assert_array_equal(found, np.sqrt(soft.read()[:4, :4]))


def test_without_a_place_it_is_the_block_that_failed(tmp_path):
    rooted = root(sc.open(RAMP), limit=95)
    with pytest.raises(RunFailed) as failed:
        sc.run(rooted, store=tmp_path, block=7, executor="serial")
    assert "scutoid.debug(..., step='root', at=1)" in str(failed.value)
    with pytest.raises(ValueError, match="too bright") as caught:
        sc.debug(rooted, store=tmp_path, block=7)
    assert caught.traceback[-1].name == "root"
    assert sc.debug(rooted, store=tmp_path, block=7, at=0).shape == (7, 7)


def test_members_by_key_and_number(tmp_path):
    for number in range(3):
        tifffile.imwrite(tmp_path / f"m{number}.tif", np.full((4, 4), number, "uint8"))
    total = sc.step(lambda image: int(image.sum()))(sc.open_folder(tmp_path / "*.tif"))
    store = tmp_path / "store"
    assert sc.debug(total, store=store, at="m2.tif") == 32
    assert sc.debug(total, store=store, at=1) == 16
    with pytest.raises(ParameterError, match="key of a member"):
        sc.debug(total, store=store, at="m7.tif")
    with pytest.raises(ParameterError, match="from 0 to 2"):
        sc.debug(total, store=store, at=3)


def test_steps_above_are_named_and_tables_tuples_and_files_come_back(tmp_path):
    labels = sc.label(sc.open(RAMP > 100))
    table = sc.measure(labels)
    both = sc.step(out=("image", "table"))(lambda image: (image, pd.DataFrame({"n": [image.size]})))
    image, rows = both(labels)
    files = sc.step(out="files")(lambda labels, *, folder: (folder / "a.txt").write_text("a"))
    found = sc.debug(table, store=tmp_path, step="label", at=0)
    np.testing.assert_array_equal(found, labels.read())
    again, counted = sc.debug(image, rows, store=tmp_path)
    np.testing.assert_array_equal(again, labels.read())
    assert counted["n"].tolist() == [RAMP.size]
    folder = sc.debug(files(labels), store=tmp_path)
    assert (folder / "a.txt").read_text() == "a"
    shutil.rmtree(folder)
    with pytest.raises(PipelineError, match="steps of its targets"):
        sc.debug(table, store=tmp_path, step="nothing")


def test_it_is_called_in_this_thread_and_nothing_is_kept(tmp_path):
    ident = sc.step(where_it_runs)(sc.open(RAMP))
    assert sc.debug(ident, store=tmp_path / "store") == threading.get_ident()
    assert not list((tmp_path / "store").glob("where_it_runs/*"))


@pytest.mark.parametrize("at", [-1, 6, (2, 0), (0, 0, 0), "x", "0,9"])
def test_a_place_that_is_none_is_refused_with_those_that_are(tmp_path, at):
    with pytest.raises(ParameterError, match=r"0 to 5|grid of \(2, 3\)"):
        sc.debug(softer(sc.open(RAMP)), store=tmp_path, block=(6, 5), at=at)


def test_blocks_that_see_their_neighbours_are_refused(tmp_path):
    step = sc.blockwise(sees_neighbours=True, halo=1, dtype="float32")(
        lambda image, *, neighbours: image
    )
    with pytest.raises(PipelineError, match="serial"):
        sc.debug(step(sc.open(RAMP)), store=tmp_path, at=0)


def test_what_is_no_step_is_refused(tmp_path):
    with pytest.raises(PipelineError):
        sc.debug(sc.open(RAMP), store=tmp_path)
