"""Axes are stored in the order of OME-NGFF, and read in their own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import ImageSpec, Storage, create_image, open_source
from scutoid.arrays._axis_order import as_here, as_stored, is_ngff, order_of
from scutoid.errors import DamagedResult, MetadataError, ParameterError
from scutoid.geometry import BlockGrid, Roi


@st.composite
def any_axes(draw):
    return "".join(draw(st.permutations("tcpzyx"))[: draw(st.integers(1, 5))])


@settings(max_examples=200, deadline=None)
@given(any_axes())
def test_what_is_put_into_the_order_comes_back(axes) -> None:
    order = order_of(axes)
    stored = "".join(as_stored(axes, order))
    kinds = ["space" if a in "zyx" else "time" if a == "t" else "other" for a in stored]
    assert kinds == sorted(kinds, key=["time", "other", "space"].index)
    assert [a for a in stored if a in "zyx"] == [a for a in axes if a in "zyx"]
    assert "".join(as_here(stored, order)) == axes
    assert (order == ()) == (stored == axes)


@settings(max_examples=40, deadline=None)
@given(any_axes(), st.data())
def test_an_image_of_any_axes_comes_back_and_is_valid_for_others(tmp_path_factory, axes, data):
    shape = tuple(data.draw(st.integers(1, 7)) for _ in axes)
    block = tuple(data.draw(st.integers(1, n + 1)) for n in shape)
    sizes = tuple(2.0 + n for n in range(sum(a in "zyx" for a in axes)))
    spec = ImageSpec(shape, "uint16", axes, sizes or None, "um" if sizes else None)
    truth = np.random.default_rng(0).integers(0, 99, shape).astype("uint16")
    path = tmp_path_factory.mktemp("a") / "a.zarr"
    writer = create_image(path, spec, block=block)
    grid = BlockGrid(spec.roi, block)
    for index in range(grid.n_blocks):
        roi = grid.write_roi(index)
        notes = writer.write_noted(roi, truth[roi.to_slices()])
        assert len(notes or ()) == truth[roi.to_slices()].any()
    for given_axes in (None, axes):
        source = open_source(path, axes=given_axes)
        assert (source.spec.axes, source.spec.shape) == (axes, shape)
        assert (source.spec.voxel_size, source.spec.unit) == (spec.voxel_size, spec.unit)
        np.testing.assert_array_equal(source.read(source.spec.roi), truth)
        corner = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
        part = Roi(corner, tuple(n - c for n, c in zip(shape, corner, strict=True)))
        np.testing.assert_array_equal(source.read(part), truth[part.to_slices()])
    group = zarr.open_group(path, mode="r")
    names = list(group["0"].metadata.dimension_names)
    np.testing.assert_array_equal(np.asarray(group["0"]), truth.transpose(*map(axes.index, names)))
    if is_ngff(axes):
        yaozarrs.validate_zarr_store(path)
    else:
        assert "ome" not in group.attrs


@pytest.mark.parametrize("axes", ["yxc", "xcy", "cyx", "zyxc"])
def test_levels_of_a_pyramid_are_stored_alike(tmp_path, axes) -> None:
    shape = {"c": 3, "z": 4, "y": 40, "x": 48}
    spec = ImageSpec(tuple(shape[a] for a in axes), "uint8", axes, 0.5, "um")
    truth = np.random.default_rng(0).integers(0, 99, spec.shape).astype("uint8")
    writer = create_image(tmp_path / "a.zarr", spec, storage=Storage(levels=2))
    writer.write(spec.roi, truth)
    yaozarrs.validate_zarr_store(tmp_path / "a.zarr")
    coarse = open_source(tmp_path / "a.zarr", level=1)
    assert coarse.spec.axes == axes
    canonical = create_image(
        tmp_path / "b.zarr",
        ImageSpec(tuple(shape[a] for a in sorted(axes)), "uint8", "".join(sorted(axes)), 0.5, "um"),
        storage=Storage(levels=2),
    )
    canonical.write(canonical.spec.roi, truth.transpose([axes.index(a) for a in sorted(axes)]))
    other = open_source(tmp_path / "b.zarr", level=1)
    np.testing.assert_array_equal(
        coarse.read(coarse.spec.roi),
        other.read(other.spec.roi).transpose([sorted(axes).index(a) for a in axes]),
    )


def test_zarr_python_reads_another_order_where_tensorstore_does_not(tmp_path) -> None:
    spec = ImageSpec((6, 7, 3), "uint8", "yxc")
    truth = np.random.default_rng(0).integers(0, 99, spec.shape).astype("uint8")
    create_image(tmp_path / "a.zarr", spec, block=(4, 4, 3)).write(
        Roi((0, 0, 0), (4, 4, 3)), truth[:4, :4]
    )
    create_image(tmp_path / "a.zarr", spec, block=(4, 4, 3)).write(
        Roi((4, 4, 0), (2, 3, 3)), truth[4:, 4:]
    )
    odd = os.fsencode(tmp_path) + b"/\xff.zarr"  # no UTF-8
    Path(os.fsdecode(odd)).parent.mkdir(exist_ok=True)
    (tmp_path / "a.zarr").rename(os.fsdecode(odd))
    source = open_source(os.fsdecode(odd))
    expected = truth.copy()
    expected[4:, :4] = expected[:4, 4:] = 0
    np.testing.assert_array_equal(source.read(source.spec.roi), expected)


def test_a_note_that_does_not_fit_the_axes_does_not_count(tmp_path) -> None:
    spec = ImageSpec((6, 7, 3), "uint8", "yxc")
    create_image(tmp_path / "a.zarr", spec).write(spec.roi, np.ones(spec.shape, "uint8"))
    place = tmp_path / "a.zarr" / "zarr.json"
    group = json.loads(place.read_text())
    assert open_source(tmp_path / "a.zarr").spec.axes == "yxc"
    for axes in ("xyc", "yxcc", "zyx", 5, None):
        group["attributes"]["scutoid"]["axes"] = axes
        place.write_text(json.dumps(group))
        found = open_source(tmp_path / "a.zarr").spec
        assert (found.axes, found.shape) == ("cyx", (3, 6, 7))


@pytest.mark.parametrize("options", [{}, {"voxel_size": 2.0}])
def test_axes_that_the_user_gives_are_those_of_the_image(tmp_path, options) -> None:
    spec = ImageSpec((6, 7, 3), "uint8", "yxc")
    create_image(tmp_path / "a.zarr", spec).write(spec.roi, np.ones(spec.shape, "uint8"))
    found = open_source(tmp_path / "a.zarr", axes="zyx", **options).spec
    assert (found.axes, found.shape) == ("zyx", (6, 7, 3))
    with pytest.raises(MetadataError):
        open_source(tmp_path / "a.zarr", axes="yx", **options)


@sc.blockwise(out_axes="yxc", block=16, check_halo=False)
def coloured(image):
    return np.stack([image, image + 1, image * 2], axis=-1).astype("uint16")


def test_a_result_in_another_order_is_looked_after_shard_by_shard(tmp_path) -> None:
    raw = np.random.default_rng(0).integers(1, 99, (48, 32)).astype("uint16")
    result = coloured(sc.open(raw, axes="yx"))
    run = sc.run(result, store=tmp_path / "store")
    truth = np.stack([raw, raw + 1, raw * 2], axis=-1)
    np.testing.assert_array_equal(run[result].read(), truth)
    (image,) = (tmp_path / "store").rglob("image.ome.zarr")
    yaozarrs.validate_zarr_store(image)
    shards = sorted(path for path in (image / "0" / "c").rglob("*") if path.is_file())
    assert len(shards) == 6
    shards[3].unlink()
    again = coloured(sc.open(raw, axes="yx"))
    planned = sc.plan(again, store=tmp_path / "store")["coloured"]
    assert (planned.n_blocks, planned.n_done) == (6, 5)
    run = sc.run(again, store=tmp_path / "store")
    np.testing.assert_array_equal(run[again].read(), truth)
    shards[1].write_bytes(shards[4].read_bytes())
    with pytest.raises(DamagedResult):
        sc.Store(tmp_path / "store").image("coloured").read()


def test_colours_are_exported_as_others_read_them(tmp_path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (64, 65, 3)).astype("uint8")
    image = sc.open(colours, axes="yxc")
    sc.export(image, tmp_path / "a.ome.zarr")
    yaozarrs.validate_zarr_store(tmp_path / "a.ome.zarr")
    again = sc.open(tmp_path / "a.ome.zarr")
    assert again.axes == "yxc"
    np.testing.assert_array_equal(again.read(), colours)
    np.testing.assert_array_equal(
        zarr.open_array(tmp_path / "a.ome.zarr" / "0")[:], colours.transpose(2, 0, 1)
    )


def test_an_image_of_one_axis_is_a_zarr_and_no_ome_zarr(tmp_path) -> None:
    line = sc.open(np.arange(9.0), voxel_size=0.5, unit="um")
    with pytest.raises(ParameterError, match=r"line\.zarr"):
        sc.export(line, tmp_path / "line.ome.zarr")
    sc.export(line, tmp_path / "line.zarr")
    again = sc.open(tmp_path / "line.zarr")
    assert (again.axes, again.voxel_size, again.unit) == ("x", (0.5,), "um")
    np.testing.assert_array_equal(again.read(), np.arange(9.0))
    assert "ome" not in zarr.open_group(tmp_path / "line.zarr").attrs
