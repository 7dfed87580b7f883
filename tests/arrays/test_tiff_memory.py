"""TIFFs are read and written in pieces, also where axes have one voxel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import (
    ImageSpec,
    _tiff_layout,
    _tiff_stream,
    open_source,
    stream_tiff,
    write_tiff,
)
from scutoid.geometry import Roi

KINDS = ["smooth", "noise"]  # what is compressed, and what is not


def content(spec, kind):
    high = 250 if kind == "noise" else 2
    values = np.random.default_rng(0).integers(0, high, spec.shape)
    return (values % 2 if spec.dtype == bool else values).astype(spec.dtype)


@st.composite
def specs(draw, n_least=1):
    axes = draw(
        st.sampled_from(["yx", "zyx", "czyx", "tczyx", "tzyxc", "yxc", "pyx", "xyz", "tcyx"])
    )
    shape = [draw(st.sampled_from([1, 1, 2, 7, 40])) for _ in axes]
    while math.prod(shape) > 50_000:  # some hundred pages show what thousands would
        shape[shape.index(40)] = 7
    if axes.endswith("yxc"):
        shape[-1] = draw(st.sampled_from([1, 3, 4]))
    dtype = draw(st.sampled_from(["uint8", "uint16", "bool", "float32"]))
    sizes = draw(st.sampled_from([None, 0.5]))
    return ImageSpec(tuple(shape), dtype, axes, sizes, "um" if sizes else None)


def check_crops(source, truth, data):
    np.testing.assert_array_equal(source.read(source.spec.roi), truth)
    corner = tuple(data.draw(st.integers(0, n - 1)) for n in truth.shape)
    sizes = [data.draw(st.integers(1, n - c)) for n, c in zip(truth.shape, corner, strict=True)]
    part = Roi(corner, sizes)
    np.testing.assert_array_equal(source.read(part), truth[part.to_slices()])


@settings(max_examples=80, deadline=None)
@given(specs(), st.sampled_from(KINDS), st.data())
def test_images_with_axes_of_one_voxel_are_read_in_pieces(tmp_path_factory, spec, kind, data):
    path = tmp_path_factory.mktemp("a") / "a.tif"
    truth = content(spec, kind)
    write_tiff(path, truth, spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tiff_layout, "SMALL", data.draw(st.sampled_from([0, 200, 3000])))
        slab = data.draw(st.sampled_from([8, 64, 1000]))
        # not a million pieces, each of which opens the file
        patch.setattr(_tiff_layout, "_SLAB", max(slab, spec.nbytes // 100))
        source = open_source(path)
    check_crops(source, truth, data)


@pytest.mark.parametrize("axes", ["yx", "zyx", "zyxc", "tzyxc", "tzcyx", "ptzcyx", "ptzyxc"])
@pytest.mark.parametrize("dtype", ["uint8", "int64"])  # OME knows one of them
def test_an_image_of_one_voxel_comes_back(tmp_path, axes, dtype):
    spec = ImageSpec((1,) * len(axes), dtype, axes)
    write_tiff(tmp_path / "a.tif", np.full(spec.shape, 7, dtype), spec)
    source = open_source(tmp_path / "a.tif")
    assert source.spec == spec
    assert source.read(spec.roi).ravel() == [7]


@pytest.mark.parametrize(
    "shape", [(30, 20, 24), (1, 30, 20, 24), (30, 1, 20, 24), (1, 30, 1, 20, 24)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_crop_reads_no_more_where_axes_have_one_voxel(tmp_path, monkeypatch, shape, kind) -> None:
    monkeypatch.setattr(_tiff_layout, "SMALL", 1000)
    monkeypatch.setattr(_tiff_layout, "_SLAB", 480)
    spec = ImageSpec(shape, "uint8", {3: "zyx", 4: "czyx", 5: "tzcyx"}[len(shape)])
    if shape[1] == 1:
        spec = ImageSpec(shape, "uint8", "zcyx")
    write_tiff(tmp_path / "a.tif", content(spec, kind), spec)
    source = open_source(tmp_path / "a.tif")
    assert np.prod(source.chunks) == 480


@pytest.mark.parametrize("shape", [(1, 6, 40, 40), (6, 1, 40, 40), (1, 1, 40, 40), (6, 40, 40)])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_tiles_and_strips_are_read_one_by_one(tmp_path, monkeypatch, shape, tile) -> None:
    monkeypatch.setattr(_tiff_layout, "SMALL", 100)
    truth = np.random.default_rng(0).integers(0, 250, shape).astype("uint8")
    how = {"tile": tile} if tile else {"rowsperstrip": 8}
    axes = {4: "ZCYX", 3: "ZYX"}[len(shape)]
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        truth,
        compression="zlib",
        photometric="minisblack",
        metadata={"axes": axes},
        **how,
    )
    source = open_source(tmp_path / "a.ome.tif", axes=None)
    assert np.prod(source.chunks) < 40 * 40
    stored = truth.reshape(source.spec.shape)
    np.testing.assert_array_equal(source.read(source.spec.roi), stored)


@settings(max_examples=80, deadline=None)
@given(specs(), st.sampled_from(KINDS), st.data())
def test_streamed_images_come_back_and_hold_little(tmp_path_factory, spec, kind, data):
    path = tmp_path_factory.mktemp("a") / "a.tif"
    truth = content(spec, kind)
    chunks = tuple(data.draw(st.integers(1, n)) for n in spec.shape)
    limit = data.draw(st.sampled_from([50, 2000, 20_000]))
    read = []

    def read_part(roi):
        read.append(roi)
        return truth[roi.to_slices()]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tiff_stream, "_AT_ONCE", limit)
        patch.setattr(_tiff_stream, "_TILE", 16)
        stream_tiff(path, spec, read_part, chunks)
    found = open_source(path)
    assert (found.spec.shape, found.spec.axes, found.spec.dtype) == (
        spec.shape,
        spec.axes,
        spec.dtype,
    )
    np.testing.assert_array_equal(found.read(found.spec.roi), truth)
    band = 16 * 40 * 4  # rows of tiles
    held = max(limit, int(np.prod(chunks)) * spec.dtype.itemsize, band * spec.dtype.itemsize)
    assert max(roi.size for roi in read) * spec.dtype.itemsize <= held


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_streams(tmp_path, monkeypatch, kind) -> None:
    monkeypatch.setattr(_tiff_stream, "_AT_ONCE", 5000)
    spec = ImageSpec((9, 30, 40), "uint16", "zyx", (2, 1, 1), "um", (4, 0, 0))
    truth = content(spec, kind)
    image = sc.open(truth, axes="zyx", voxel_size=(2, 1, 1), unit="um")[2:]
    read = []
    monkeypatch.setattr(
        sc.Image,
        "read",
        lambda self, roi=None, _read=sc.Image.read: read.append(roi) or _read(self, roi),
    )
    sc.export(image, tmp_path / "a.tif")
    assert len(read) > 3
    assert None not in read
    again = sc.open(tmp_path / "a.tif")
    assert (again.axes, again.voxel_size, again.origin) == ("zyx", (2, 1, 1), (4, 0, 0))
    np.testing.assert_array_equal(np.asarray(again), truth[2:])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), truth[2:])
