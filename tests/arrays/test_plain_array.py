"""Arrays that lie plainly in a file are read and written plainly: a failing disk is an error."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import _plain_array, _tiff_layout
from scutoid.arrays._plain_array import PlainArray, read_mapped
from scutoid.errors import RunFailed, SourceError, StoreError

SHAPE = (3, 5, 40, 60)
COUNT = np.arange(np.prod(SHAPE), dtype="uint16").reshape(SHAPE)


@st.composite
def regions(draw):
    """Draw a shape, bytes between the numbers of each axis, and a region."""
    shape = draw(st.lists(st.integers(0, 5), max_size=4))
    strides, step = [], 2
    for n in reversed(shape):
        strides.insert(0, step)
        step = step * max(n, 1) + draw(st.sampled_from([0, 0, 6]))
    spans = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    return tuple(shape), tuple(strides), step, tuple(slice(*span) for span in spans)


@given(
    drawn=regions(), start=st.integers(0, 9), gap=st.integers(0, 20), together=st.integers(1, 90)
)
def test_a_region_is_that_of_the_array(drawn, start, gap, together):
    shape, strides, size, region = drawn
    content = np.random.default_rng(0).integers(0, 256, start + size, "uint8").tobytes()
    truth = np.ndarray(shape, "<u2", content, start, strides)
    values = np.array(truth[region] ^ 0xFFFF, order="C")
    with (
        tempfile.NamedTemporaryFile() as file,
        mock.patch.object(_plain_array, "_GAP", gap),
        mock.patch.object(_plain_array, "_TOGETHER", together),
    ):
        file.write(content)
        file.flush()
        array = PlainArray(file.name, start, np.dtype("<u2"), shape, strides)
        np.testing.assert_array_equal(array.read(region), truth[region])
        array.write(region, values)
        written = bytearray(content)
        np.ndarray(shape, "<u2", written, start, strides)[region] = values
        assert Path(file.name).read_bytes() == bytes(written)  # and nothing between them


@given(
    region=st.tuples(*(st.tuples(st.integers(0, n), st.integers(0, n)) for n in SHAPE)),
    order=st.permutations(range(4)),
)
def test_what_a_library_maps_is_read_without_its_map(region, order):
    spans = tuple(slice(*sorted(region[axis])) for axis in order)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"head" + COUNT.tobytes())
        file.flush()
        mapped = np.memmap(file.name, "uint16", "r", 4, SHAPE).transpose(order)
        found = read_mapped(file.name, mapped, spans)
    np.testing.assert_array_equal(found, COUNT.transpose(order)[spans])


def reads(monkeypatch, change):
    """Have each plain read call a function before it, with the file."""
    read = os.preadv

    def changed(descriptor, buffers, start):
        change(Path(f"/proc/self/fd/{descriptor}").resolve())
        return read(descriptor, buffers, start)

    monkeypatch.setattr(os, "preadv", changed)


def cut(path):
    """Cut a file off while it is read."""
    os.truncate(path, 300)


def fail(path):
    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


@pytest.fixture
def written(tmp_path, microscope, monkeypatch):
    """Write an image in a format whose voxels lie in the file as they are."""
    monkeypatch.setattr(_tiff_layout, "SMALL", 1)  # else it is decoded in one piece
    monkeypatch.setattr(_tiff_layout, "_SLAB", 4800)

    def write(kind):
        path = tmp_path / f"a.{kind}"
        if kind == "npy":
            np.save(path, COUNT)
        elif kind == "tif":
            tifffile.imwrite(path, COUNT, imagej=True, metadata={"axes": "TZYX"})
        elif kind == "nd2":
            microscope.write_nd2(path, COUNT[:, :, np.newaxis], "TZ")
        elif kind == "lif":
            microscope.write_lif(path, {"one": microscope.lif_image("one", COUNT, "tzyx")})
        return path

    return write


KINDS = ("npy", "tif", "nd2", "lif")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "said"),
    [(cut, "the file ends at byte"), (fail, "Input/output error")],
    ids=["is cut", "fails"],
)
def test_a_file_that_fails_while_it_is_read_is_an_error(written, monkeypatch, kind, change, said):
    path = written(kind)
    image = sc.open(path, axes="tzyx")
    np.testing.assert_array_equal(image[1, 2, 3:30].read(), COUNT[1, 2, 3:30])
    image = sc.open(path, axes="tzyx")
    reads(monkeypatch, change)
    with pytest.raises(SourceError, match=rf"(?s){said}.*a\.{kind}|a\.{kind}.*{said}"):
        image[2, 1:, 5:].read()


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_failure_of_its_block(written, tmp_path, monkeypatch, kind, executor):
    @sc.blockwise(block=(1, 5, 40, 60), dtype="uint16", version="1", check_halo=False, retries=0)
    def same(image):
        return image

    result = same(sc.open(written(kind), axes="tzyx"))
    with monkeypatch.context() as failing:
        reads(failing, fail)
        with pytest.raises(RunFailed, match="Input/output error"):
            sc.run(result, store=tmp_path / "store", executor=executor)
    sc.run(result, store=tmp_path / "store", executor=executor)
    np.testing.assert_array_equal(np.asarray(result), COUNT)


def test_a_disk_that_fails_while_a_tiff_is_written_is_an_error(tmp_path, monkeypatch):
    @sc.blockwise(block=30, dtype="uint16", version="1", check_halo=False, retries=0)
    def same(image):
        return image

    def failing(descriptor, values, start):
        fail(Path(f"/proc/self/fd/{descriptor}").resolve())

    stored = same.options(storage=sc.Storage(format="tiff"))
    result = stored(sc.open(COUNT, axes="tzyx"))
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", failing)
        with pytest.raises((RunFailed, StoreError), match="Input/output error"):
            sc.run(result, store=tmp_path / "store", executor="serial")
    sc.run(result, store=tmp_path / "store", executor="serial")
    np.testing.assert_array_equal(np.asarray(result), COUNT)
