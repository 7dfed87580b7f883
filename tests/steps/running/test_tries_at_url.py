"""Blocks that are tried again in a bucket: all that is kept of one comes from one call."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.steps import run_share

RAW = np.ones((8, 8), "u2")
QUIET = {"check_halo": False}


def number():
    return int.from_bytes(os.urandom(3), "big") + 1


@sc.blockwise(out=("image", "image", "table"), block=4, version="1", retries=3)
def drawn(image, *, block):
    n = number()
    return image * 0 + n, image * 0 + n + 1, pd.DataFrame({"block": [block.index], "n": [n]})


@sc.step(out=("image", "image", "value"), version="1", retries=3)
def drawn_whole(image):
    n = number()
    return image * 0 + n, image * 0 + n + 1, n


def by_run(*results, store, **options):
    return sc.run(*results, store=store, progress=False, **options, **QUIET)


def by_share(*results, store, **options):
    return run_share(*results, store=store, share=(1, 1), **options, **QUIET)


BY = pytest.mark.parametrize("by", [by_run, by_share])


def results():
    return drawn(sc.open(RAW.astype("u4"), axes="yx"))


def are_of_one_call(store, first, second, rows):
    by_run(first, second, rows, store=store, executor="serial")
    n = rows.to_pandas().sort_values("block")["n"].to_numpy().reshape(2, 2)
    expected = np.kron(n, np.ones((4, 4), int))
    np.testing.assert_array_equal(first.read(), expected)
    np.testing.assert_array_equal(second.read(), expected + 1)
    assert sc.Store(store).verify(heal=False).ok
    return True


@BY
def test_a_block_whose_second_image_could_not_be_written_begins_again(bucket, store, by):
    due = bucket.proxy.fails(*[503] * 4, of="/image-2.ome.zarr/0/c/0/0", method="PUT")
    made = results()
    assert by(*made, store=store, executor="serial").ok
    assert not due
    assert are_of_one_call(store, *made)


@BY
def test_what_another_process_writes_meanwhile_has_the_block_begin_again(bucket, store, by):
    planted = []

    def late(method, path):
        if method == "PUT" and path.endswith("/image.ome.zarr/0/c/1/1") and not planted:
            planted.append(path.removeprefix("/bucket/"))
            bucket.put(planted[0], bucket.get(f"{planted[0].removesuffix('1/1')}0/0"))

    bucket.proxy.fault = late
    made = results()
    assert by(*made, store=store, executor="serial").ok
    assert planted
    assert are_of_one_call(store, *made)


def test_a_whole_step_that_is_tried_again_begins_again(bucket, store):
    due = bucket.proxy.fails(*[503] * 4, of="/image-2.ome.zarr/0/c/0/0", method="PUT")
    made = drawn_whole(sc.open(RAW.astype("u4"), axes="yx"))
    assert by_run(*made, store=store, executor="serial").ok
    assert not due
    first, second, n = made
    assert (first.read() == n.get()).all()
    assert (second.read() == n.get() + 1).all()
    assert sc.Store(store).verify(heal=False).ok


@BY
def test_blocks_of_a_worker_that_is_killed_begin_again(bucket, store, by, tmp_path):
    workers = tmp_path / "workers"
    workers.mkdir()
    noted = drawn_there(sc.open(RAW.astype("u4"), axes="yx"), marks=str(workers))

    def kill(method, path):
        if method == "PUT" and "/image-2.ome.zarr/0/c/" in path and not killed:
            killed.append(path)
            for worker in {int(one.name) for one in workers.iterdir()} - {os.getpid()}:
                os.kill(worker, signal.SIGKILL)

    killed = []
    bucket.proxy.fault = kill
    assert by(*noted, store=store, executor="processes", workers=1).ok
    assert killed
    assert are_of_one_call(store, *noted)


@sc.blockwise(out=("image", "image", "table"), block=4, version="1", retries=3)
def drawn_there(image, *, block, marks):
    Path(marks, str(os.getpid())).touch()
    n = number()
    return image * 0 + n, image * 0 + n + 1, pd.DataFrame({"block": [block.index], "n": [n]})
