"""Images of xarray: axes, sizes, times and channels, there and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.errors import MetadataError, MissingExtra, ParameterError, ScutoidWarning

xr = pytest.importorskip("xarray")
SIZES = st.floats(1e-3, 1e3).map(lambda size: float(f"{size:.6g}"))
AXES = ["yx", "zyx", "tyx", "czyx", "tczyx", "zcyx"]


@st.composite
def described(draw: st.DrawFn) -> sc.Image:
    axes = draw(st.sampled_from(AXES))
    shape = [draw(st.integers(2, 4)) for _ in axes]
    kwargs: dict[str, Any] = {
        "voxel_size": [draw(SIZES) for axis in axes if axis in "zyx"],
        "unit": draw(st.sampled_from(["um", "nm", "mm"])),
        "origin": [float(draw(st.integers(-50, 50))) for axis in axes if axis in "zyx"],
    }
    if "t" in axes:
        kwargs["time"] = (draw(SIZES), "s", draw(st.integers(0, 9)))
    voxels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    return sc.open(voxels, axes=axes, **kwargs)


@given(described(), st.sampled_from([None, "auto"]))
def test_an_image_comes_back_as_it_was(image: sc.Image, chunks: object) -> None:
    back = sc.open(image.to_xarray(chunks=chunks))
    spec, found = image.framed.spec, back.framed.spec
    np.testing.assert_array_equal(np.asarray(back), np.asarray(image))
    assert (found.axes, found.unit, found.dtype) == (spec.axes, spec.unit, spec.dtype)
    assert found.voxel_size == pytest.approx(spec.voxel_size, rel=1e-9)
    assert (found.origin or (0,)) == pytest.approx(spec.origin or (0,))
    assert (found.time is None) == (spec.time is None)
    if found.time is not None and spec.time is not None:
        assert found.time.to_list() == [
            pytest.approx(spec.time.interval),
            "s",
            pytest.approx(spec.time.origin),
        ]


def test_coordinates_are_centres_of_voxels_also_of_a_part() -> None:
    image = sc.open(np.zeros((4, 5)), voxel_size=(2, 0.5), unit="um", origin=(10, 0))
    part = image[1:, 2:].to_xarray(chunks=None)
    assert part.coords["y"].values.tolist() == [12, 14, 16]
    assert part.coords["x"].values.tolist() == [1, 1.5, 2]
    assert part.coords["x"].attrs == {"units": "um"}
    assert part.sel(y=14, x=1.5).shape == ()


def test_axes_of_unknown_size_have_no_coordinates() -> None:
    assert not sc.open(np.zeros((4, 5))).to_xarray(chunks=None).coords


def test_names_of_channels_travel() -> None:
    array = xr.DataArray(np.zeros((2, 3, 4)), dims=("channel", "y", "x"))
    image = sc.open(array.assign_coords(channel=["DAPI", "GFP"]))
    assert (image.axes, image.channels) == ("cyx", ("DAPI", "GFP"))
    assert image.to_xarray(chunks=None).coords["c"].values.tolist() == ["DAPI", "GFP"]


def test_units_of_axes_that_differ_are_made_one() -> None:
    array = xr.DataArray(
        np.zeros((2, 3)),
        dims=("y", "x"),
        coords={
            "y": ("y", [0.0, 1.0], {"units": "um"}),
            "x": ("x", [0.0, 500.0, 1000.0], {"units": "nm"}),
        },
    )
    assert (sc.open(array).voxel_size, sc.open(array).unit) == ((1.0, 0.5), "um")


@pytest.mark.parametrize("kind", ["datetime64[ns]", "timedelta64[ns]"])
def test_dates_and_durations_are_times_in_seconds(kind: str) -> None:
    values = (np.arange(3) * 90_000_000_000).astype(kind)
    array = xr.DataArray(np.zeros((3, 2, 2)), dims=("time", "y", "x"), coords={"time": values})
    time = sc.open(array).framed.spec.time
    assert time is not None
    assert (time.interval, time.unit, time.origin) == (90.0, "s", 0.0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.0, 1.0, 3.0], "do not ascend in equal steps"),
        ([2.0, 1.0, 0.0], "do not ascend in equal steps"),
        ([1.0, 1.0, 1.0], "do not ascend in equal steps"),
        ([0.0, np.nan, 2.0], "do not ascend in equal steps"),
    ],
)
def test_uneven_coordinates_are_told_and_left_out(values: list[float], said: str) -> None:
    array = xr.DataArray(np.zeros((2, 3)), dims=("y", "x"), coords={"x": values})
    with pytest.warns(ScutoidWarning, match=said):
        image = sc.open(array)
    assert image.voxel_size is None


def test_a_unit_that_is_none_of_length_is_told() -> None:
    array = xr.DataArray(
        np.zeros((2, 2)), dims=("y", "x"), coords={"x": ("x", [0.0, 1.0], {"units": "degrees"})}
    )
    with pytest.warns(ScutoidWarning, match="no known unit of length, 'degrees'"):
        sc.open(array)


@pytest.mark.parametrize("attrs", [{"units": "furlong"}, {"units": "pixel"}, {}])
def test_an_axis_takes_its_unit_from_no_other(attrs: dict[str, str]) -> None:
    coords = {"y": ("y", [0.0, 2.0], {"units": "um"}), "x": ("x", [5.0, 6.0], attrs)}
    array = xr.DataArray(np.zeros((2, 2)), dims=("y", "x"), coords=coords)
    with pytest.warns(ScutoidWarning, match="along x"):
        image = sc.open(array)
    assert (image.framed.spec.known_sizes, image.unit) == ((2.0, None), "um")
    assert sc.open(array, voxel_size=(2.0, 0.5), unit="um").voxel_size == (2.0, 0.5)


def test_an_array_in_memory_is_one_chunk_of_dask_and_a_stored_one_keeps_its_own(
    tmp_path: Path,
) -> None:
    array = np.zeros((40, 60), "uint8")
    image = sc.open(array)
    assert image.to_dask().chunks == ((40,), (60,))
    assert image.to_xarray().chunks == ((40,), (60,))
    assert image.to_dask(chunks=(20, 30)).numblocks == (2, 2)
    stored = sc.create(tmp_path / "a.zarr", like=array, block=16)
    stored.write(sc.Roi((0, 0), (40, 60)), array)
    assert sc.open(tmp_path / "a.zarr").to_dask().chunksize == (16, 16)


def test_what_the_user_says_wins() -> None:
    array = xr.DataArray(np.zeros((2, 3)), dims=("lat", "lon"), coords={"lat": [5.0, 6.0]})
    image = sc.open(array, axes="yx", voxel_size=(0.25, 0.25), unit="mm")
    assert (image.axes, image.voxel_size, image.unit) == ("yx", (0.25, 0.25), "mm")


def test_axes_without_names_are_read_as_those_of_numpy() -> None:
    assert sc.open(xr.DataArray(np.zeros((2, 3)))).axes == "yx"


@pytest.mark.parametrize("dims", [("lat", "x"), ("Y", "y"), ("time", "t")])
def test_axes_that_no_image_knows_are_refused(dims: tuple[str, str]) -> None:
    with pytest.raises(MetadataError, match="give axes=, or rename them"):
        sc.open(xr.DataArray(np.zeros((2, 3)), dims=dims))


def test_a_dataset_is_not_one_image() -> None:
    with pytest.raises(ParameterError, match=r"open one of its arrays: dataset\['raw'\]"):
        sc.open(xr.Dataset({"raw": (("y", "x"), np.zeros((2, 3)))}))
    with pytest.raises(ParameterError, match="give a DataArray"):
        sc.open(xr.Variable(("y", "x"), np.zeros((2, 3))))


def test_voxels_of_dask_stay_lazy_and_run(tmp_path: Any) -> None:
    da = pytest.importorskip("dask.array")
    computed: list[tuple[int, ...]] = []

    def block(voxels: Any) -> Any:
        computed.append(voxels.shape)
        return voxels + 1

    lazy = da.zeros((8, 8), chunks=4).map_blocks(block, meta=np.zeros((0, 0)))
    image = sc.open(xr.DataArray(lazy, dims=("y", "x")))
    assert not computed
    smooth = sc.gaussian(image, sigma=1.0)
    run = sc.run(smooth, store=tmp_path / "store", executor="serial")
    np.testing.assert_allclose(run[smooth].read(), 1.0)


@pytest.mark.parametrize("chunks", ["many", 0, (1, 2, 3)])
def test_chunks_that_dask_does_not_take_are_refused(chunks: Any) -> None:
    with pytest.raises(ParameterError, match="chunks are such as dask takes"):
        sc.open(np.zeros((4, 4))).to_dask(chunks=chunks)


def test_a_missing_xarray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(MissingExtra, match=r"scutoid\[xarray\]"):
        sc.open(np.zeros((2, 2))).to_xarray()
