"""Interval, unit and origin of time: read, carried, shown, written, and told in tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import ImageSpec, TimeScale, create_image, open_source, write_tiff
from scutoid.arrays._units import TIMES, long_unit, stored_unit
from scutoid.errors import MetadataError, ParameterError, ScutoidWarning

SERIES = np.arange(4 * 6 * 8, dtype="uint16").reshape(4, 6, 8)
EVERY = TimeScale(2.5, "s", 10)


def ome_tiff(path, *, planes=None, **metadata):
    if planes is not None:
        metadata["Plane"] = {"DeltaT": planes, "DeltaTUnit": ["s"] * len(planes)}
    options = {"ome": True, "photometric": "minisblack"}
    tifffile.imwrite(path, SERIES, metadata={"axes": "TYX", **metadata}, **options)
    return path


def ome_zarr(path, *, interval=1.0, unit=None, start=None, own=None):
    group = zarr.create_group(str(path), zarr_format=3, overwrite=True)
    group.create_array("0", data=SERIES, chunks=(1, 6, 8))
    axes = [{"name": "t", "type": "time"} | ({} if unit is None else {"unit": unit})]
    axes += [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    steps = [{"type": "scale", "scale": [interval, 0.5, 0.5]}]
    if start is not None:
        steps.append({"type": "translation", "translation": [start, 0, 0]})
    dataset = {"path": "0", "coordinateTransformations": steps}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
    return path


# ---- read

OME = {
    "nothing": ({}, None),
    "seconds unless it says otherwise": ({"TimeIncrement": 2.5}, TimeScale(2.5, "s")),
    "with a unit": ({"TimeIncrement": 2.5, "TimeIncrementUnit": "min"}, TimeScale(2.5, "min")),
    "with a first plane": (
        {"TimeIncrement": 2.5, "planes": [10, 12.4, 15, 17.5]},
        TimeScale(2.5, "s", 10),
    ),
    "in another unit than planes": (
        {"TimeIncrement": 0.5, "TimeIncrementUnit": "min", "planes": [60, 90, 120, 150]},
        TimeScale(0.5, "min", 1),
    ),
    "of planes alone": ({"planes": [1.0, 3.01, 5.0, 7.0]}, TimeScale(2.0, "s", 1.0)),
}


@pytest.mark.parametrize("name", OME)
def test_times_of_an_ome_tiff(tmp_path, name) -> None:
    metadata, wanted = OME[name]
    spec = open_source(ome_tiff(tmp_path / "a.ome.tif", **metadata)).spec
    assert (spec.time, spec.notes) == (wanted, ())


def planes_xml(deltas, *, sizes="", unit="s", size_t=4):
    """Write OME-XML with times of planes: pairs of what stands as place and as time."""
    planes = "".join(
        f'<Plane TheT="{place}" TheC="0" TheZ="0"'
        + (f' DeltaT="{delta}" DeltaTUnit="{unit}"/>' if delta is not None else "/>")
        for place, delta in deltas
    )
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="8" SizeY="6" SizeZ="1" '
        f'SizeC="1" SizeT="{size_t}" {sizes}><TiffData/>{planes}</Pixels></Image></OME>'
    )


def write_xml(path, xml):
    text = xml.encode()
    tifffile.imwrite(path, SERIES, photometric="minisblack", metadata=None, description=text)
    return path


PLACED = {
    "some of the planes": ([(0, 1), (2, 21), (3, 31)], "", TimeScale(10, "s", 1)),
    "all but the first": ([(2, 21), (3, 31)], "", TimeScale(10, "s", 1)),
    "in another order": ([(3, 6), (1, 2), (0, 0), (2, 4)], "", TimeScale(2, "s")),
    "one without a time": ([(0, 0), (1, None), (2, 4), (3, 6)], "", TimeScale(2, "s")),
    "planes that were cut off": ([(0, 0), (1, 2), (2, 4), (7, 90)], "", TimeScale(2, "s")),
    "a later plane and an increment": ([(2, 21)], 'TimeIncrement="10"', TimeScale(10, "s", 1)),
    "an increment of 0": ([(0, 1), (1, 3)], 'TimeIncrement="0"', TimeScale(2, "s", 1)),
    "nearly the increment": ([(0, 0), (3, 30.2)], 'TimeIncrement="10"', TimeScale(10, "s")),
}


@pytest.mark.parametrize("name", PLACED)
def test_times_of_planes_belong_to_their_places(tmp_path, name) -> None:
    deltas, sizes, wanted = PLACED[name]
    spec = open_source(write_xml(tmp_path / "a.ome.tif", planes_xml(deltas, sizes=sizes))).spec
    assert (spec.time, spec.notes) == (wanted, ())


def test_an_increment_that_the_planes_contradict_is_said(tmp_path) -> None:
    xml = planes_xml([(0, 0), (1, 2), (2, 4), (3, 6)], sizes='TimeIncrement="5"')
    path = write_xml(tmp_path / "a.ome.tif", xml)
    with pytest.warns(ScutoidWarning, match=r"5 s as the increment .*planes that are 2 s apart"):
        assert sc.open(path).time == TimeScale(5, "s")
    assert sc.open(path, time=(2, "s")).time == TimeScale(2, "s")


BAD_TIMES = {
    "an increment": planes_xml([], sizes='TimeIncrement="2,5"'),
    "a time of a plane": planes_xml([(0, "0,5")]),
}


@pytest.mark.parametrize("name", BAD_TIMES)
def test_bad_times_keep_no_one_from_the_pixels(tmp_path, name) -> None:
    path = write_xml(tmp_path / "a.ome.tif", BAD_TIMES[name])
    with pytest.raises(MetadataError, match=r"(?s)its pixels may be good.*give time="):
        sc.open(path)
    assert sc.open(path, time=(2, "s")).time == TimeScale(2, "s")
    with pytest.warns(ScutoidWarning, match="its times are unknown"):
        image = sc.open(path, axes="tyx", voxel_size=1)
    assert image.time is None
    np.testing.assert_array_equal(np.asarray(image), SERIES)


@pytest.mark.filterwarnings("ignore:.*its times are unknown")
def test_a_plane_at_no_place_keeps_no_one_from_the_pixels(tmp_path) -> None:
    path = write_xml(tmp_path / "a.ome.tif", planes_xml([("first", 0)]))
    with pytest.raises(MetadataError, match="its pixels may be good"):
        sc.open(path)
    image = sc.open(path, axes="tyx", voxel_size=1)  # newer tifffiles follow no such OME-XML
    assert image.time is None
    np.testing.assert_array_equal(np.asarray(image), SERIES)


def test_planes_at_uneven_times_are_said(tmp_path) -> None:
    path = ome_tiff(tmp_path / "a.ome.tif", planes=[0, 1, 2, 9])
    with pytest.warns(ScutoidWarning, match=r"not equally far apart.*from 1 to 7 s; give time="):
        assert sc.open(path).time is None
    assert sc.open(path, time=(3, "s")).time == TimeScale(3, "s")


def test_times_of_an_image_without_times_are_not_looked_at(tmp_path) -> None:
    options = {"ome": True, "photometric": "minisblack"}
    metadata = {"axes": "ZYX", "TimeIncrement": "2,5"}
    tifffile.imwrite(tmp_path / "a.ome.tif", SERIES, metadata=metadata, **options)
    assert sc.open(tmp_path / "a.ome.tif").time is None
    path = ome_tiff(tmp_path / "b.ome.tif", TimeIncrement="2,5")
    with pytest.raises(MetadataError, match=r"(?s)TimeIncrement='2,5'.*give time="):
        sc.open(path)
    assert sc.open(path, time=(2.5, "s")).time == TimeScale(2.5, "s")


IMAGEJ = {
    "nothing": ({}, None),
    "zero": ({"finterval": 0}, None),
    "seconds": ({"finterval": 2.5}, TimeScale(2.5, "s")),
    "another unit": ({"finterval": 2.5, "tunit": "min"}, TimeScale(2.5, "min")),
    "how fast it is shown": ({"fps": 7.0}, None),
}


@pytest.mark.parametrize("name", IMAGEJ)
def test_times_of_imagej(tmp_path, name) -> None:
    metadata, wanted = IMAGEJ[name]
    metadata = {"axes": "TYX", **metadata}
    tifffile.imwrite(tmp_path / "a.tif", SERIES, imagej=True, metadata=metadata)
    assert open_source(tmp_path / "a.tif").spec.time == wanted


@given(
    unit=st.sampled_from([unit for unit in TIMES if stored_unit(unit) == unit]),
    interval=st.floats(0.1, 99),
    start=st.none() | st.floats(-9, 9),
)
def test_times_of_an_ome_zarr_in_each_unit(tmp_path_factory, unit, interval, start) -> None:
    path = tmp_path_factory.mktemp("t") / "a.zarr"
    ome_zarr(path, interval=interval, unit=long_unit(unit), start=start)
    assert open_source(path).spec.time == TimeScale(interval, unit, start or 0.0)


def test_an_interval_of_one_without_a_unit_is_what_is_not_known(tmp_path) -> None:
    assert open_source(ome_zarr(tmp_path / "a.zarr")).spec.time is None
    assert open_source(ome_zarr(tmp_path / "a.zarr", unit="second")).spec.time == TimeScale(1, "s")
    assert open_source(ome_zarr(tmp_path / "a.zarr", interval=2)).spec.time == TimeScale(2)


def test_a_unit_that_is_none_of_time_is_said(tmp_path) -> None:
    path = ome_zarr(tmp_path / "a.zarr", interval=2, unit="micrometer")
    with pytest.warns(ScutoidWarning, match="no known unit of time, 'micrometer'"):
        assert sc.open(path).time == TimeScale(2)
    for interval in (0.0, -1.0):
        with pytest.warns(ScutoidWarning, match="interval of times, which are unknown"):
            assert sc.open(ome_zarr(tmp_path / "a.zarr", interval=interval)).time is None


# ---- of several images


def series(*time, n=4):
    return sc.open(SERIES[:n], axes="tyx", time=time or None)


def test_images_of_one_step_have_one_interval_of_times() -> None:
    one = series(2, "min", 1)
    for other in (series(120, "s"), series(2.05, "min"), series(), series(2, None)):
        assert (one + other).time == TimeScale(2, "min", 1)
    for other in (series(3, "min"), series(2, "s"), series(60, "s")):
        with pytest.raises(MetadataError, match=r"(?s)same interval of times.*time="):
            (one + other).time  # noqa: B018
    assert (series() + one).time is None


JOINED = {
    "parts of one": ([series(2, "s", 1)[:1], series(2, "s", 1)[1:]], TimeScale(2, "s", 1)),
    "in another unit": ([series(60, "s"), series(1, "min", 4)], TimeScale(60, "s")),
    "each from 0": ([series(2, "s"), series(2, "s")], TimeScale(2, "s")),
    "a gap": ([series(2, "s")[:1], series(2, "s")[3:]], None),
    "the same twice": ([series(2, "s", 1), series(2, "s", 1)], None),
    "one unknown": ([series(2, "s"), series()], None),
    "the first unknown": ([series(), series(2, "s")], None),
    "one without a unit": ([series(2, "s"), series(2, None)], None),
}


@pytest.mark.parametrize("name", JOINED)
def test_times_of_joined_images_go_on_or_are_unknown(name) -> None:
    parts, wanted = JOINED[name]
    joined = sc.concatenate(parts, axis="t")
    assert joined.time == wanted
    np.testing.assert_array_equal(joined, np.concatenate([part.read() for part in parts]))
    assert sc.concatenate(parts[:1] * 2, axis="y").time == parts[0].time


# ---- given

GIVEN = {
    "a pair": ((2.5, "second"), TimeScale(2.5, "s")),
    "with an origin": ([2.5, "s", 10], EVERY),
    "of unknown unit": ((2.5, None), TimeScale(2.5)),
    "itself": (EVERY, EVERY),
}


@pytest.mark.parametrize("name", GIVEN)
def test_times_are_given(tmp_path, name) -> None:
    time, wanted = GIVEN[name]
    assert sc.open(SERIES, axes="tyx", time=time).time == wanted
    path = ome_tiff(tmp_path / "a.ome.tif", TimeIncrement=7)
    assert sc.open(path, time=time).time == wanted
    assert sc.open_folder(tmp_path / "*.tif", time=time)["a.ome.tif"].time == wanted


NO_TIMES = [2.5, "2.5 s", (2.5,), (0, "s"), (-1, "s"), (1, "um"), ("a", "s")]


@pytest.mark.parametrize("time", NO_TIMES)
def test_times_that_are_none_are_refused(time) -> None:
    with pytest.raises(MetadataError, match=r"time|unit"):
        sc.open(SERIES, axes="tyx", time=time)
    with pytest.raises(MetadataError, match='only along an axis "t"'):
        sc.open(SERIES, axes="zyx", time=(2.5, "s"))


# ---- carried and shown


def test_crops_carry_times() -> None:
    image = sc.open(SERIES, axes="tyx", time=EVERY)
    assert "every 2.5 s from 10 s" in repr(image)
    assert image[1:].time == TimeScale(2.5, "s", 12.5)
    assert image[1:, 2:][1:].time == TimeScale(2.5, "s", 15)
    assert image[:, 0].time == EVERY
    assert image[2].time is None
    assert image.time.at(2) == 15


@sc.blockwise
def keep(image):
    return image


@sc.blockwise(axes="tyx", halo={"t": 1}, border="crop")
def inner(image):
    return image


@sc.blockwise(out_axes="yx", axes="tyx")
def first(image):
    return image[0]


STEPS = {
    "a step over planes": (keep, EVERY),
    "arithmetic": (lambda image: image + 1, EVERY),
    "a crop by a halo": (inner, TimeScale(2.5, "s", 12.5)),
    "an axis that goes": (first, None),
    "a filter": (lambda image: sc.gaussian(image, sigma=1), EVERY),
    "coarser": (lambda image: sc.downsample(image, factors=2), EVERY),
    "labels": (lambda image: sc.label(image > 9), EVERY),
    "labels through time": (lambda image: sc.label(image > 9, axes="tyx"), EVERY),
    "flipped": (lambda image: sc.flip(image, axis="x"), EVERY),
    "transposed": (lambda image: sc.transpose(image, axes="tyx"), EVERY),
    "joined along time": (lambda image: sc.concatenate([image[:2], image[2:]], axis="t"), EVERY),
    "joined in space": (lambda image: sc.concatenate([image, image], axis="y"), EVERY),
    "projected in space": (lambda image: sc.project(image, axis="y"), EVERY),
    "projected in time": (lambda image: sc.project(image, axis="t"), None),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_carry_times(tmp_path, name) -> None:
    step, wanted = STEPS[name]
    image = step(sc.open(SERIES, axes="tyx", voxel_size=1, unit="um", time=EVERY))
    assert image.time == wanted
    run = sc.run(image, store=tmp_path / "store")
    assert run[image].time == wanted
    stored = next((tmp_path / "store").rglob("*.ome.zarr"))
    assert open_source(stored).spec.time == wanted  # as other programs find it


@pytest.mark.parametrize("storage", [None, "tiff", "zarr", "npy"])
def test_members_carry_times(tmp_path, storage) -> None:
    ome_tiff(tmp_path / "a.ome.tif", TimeIncrement=2.5, planes=[10, 12.5, 15, 17.5])
    step = keep if storage is None else keep.options(storage=sc.Storage(format=storage))
    images = step(sc.open_folder(tmp_path / "*.tif"))
    run = sc.run(images, store=tmp_path / "store")
    assert run[images]["a.ome.tif"].time == EVERY


def test_a_time_that_changes_makes_results_anew(tmp_path) -> None:
    keys = [
        sc.plan(keep(sc.open(SERIES, axes="tyx", time=time)), store=tmp_path / "s")["keep"].key
        for time in (None, (2.5, "s"), (2.5, "min"), (2.5, "s", 1))
    ]
    assert len(set(keys)) == 4


# ---- written

SCALES = [EVERY, TimeScale(0.5, "min"), TimeScale(1.0), TimeScale(2.0, None, 3.0), None]


@pytest.mark.parametrize("time", SCALES, ids=str)
@pytest.mark.parametrize("dtype", ["uint16", "int64"])
def test_times_are_read_back_as_they_were_written(tmp_path, time, dtype) -> None:
    spec = ImageSpec((4, 6, 8), dtype, "tyx", voxel_size=0.5, unit="um", time=time)
    write_tiff(tmp_path / "a.tif", SERIES.astype(dtype), spec)
    writer = create_image(tmp_path / "a.zarr", spec, storage=sc.Storage(levels=2))
    writer.write(spec.roi, SERIES.astype(dtype))
    for path in (tmp_path / "a.tif", tmp_path / "a.zarr"):
        assert open_source(path).spec == spec
    assert open_source(tmp_path / "a.zarr", level=1).spec.time == time


def test_others_read_what_is_written(tmp_path) -> None:
    image = sc.open(SERIES, axes="tyx", voxel_size=0.5, unit="um", time=TimeScale(0.5, "min", 2))
    sc.export(image, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert 'TimeIncrement="0.5"' in file.ome_metadata
        assert 'TimeIncrementUnit="min"' in file.ome_metadata
    sc.export(image, tmp_path / "a.ome.zarr")
    multiscale = zarr.open_group(tmp_path / "a.ome.zarr").attrs["ome"]["multiscales"][0]
    scale, translation = multiscale["datasets"][0]["coordinateTransformations"]
    assert multiscale["axes"][0] == {"name": "t", "type": "time", "unit": "minute"}
    assert (scale["scale"], translation["translation"]) == ([0.5, 0.5, 0.5], [2, 0, 0])


# ---- in tables

SPOTS = np.zeros((4, 20, 20), "uint8")
BLOBS = SPOTS.copy()
BLOBS[0, 3:12, 5:14] = BLOBS[2, 5:15, 2:9] = BLOBS[3, 8:14, 8:14] = 200
SPOTS[0, 5, 5] = SPOTS[2, 5:7, 9] = SPOTS[3, 12, 12] = 200


@pytest.mark.parametrize("block", [None, 7])
def test_tables_of_objects_have_a_column_of_time(block) -> None:
    image = sc.open(SPOTS, axes="tyx", voxel_size=0.5, unit="um", time=EVERY)
    measure = sc.measure if block is None else sc.measure.options(block=block)
    table = measure(sc.label(image > 9), intensity=image).to_pandas()
    assert list(table.columns[:2]) == ["t", "time"]
    assert table["t"].tolist() == [0, 2, 3]
    assert table["time"].tolist() == [10.0, 15.0, 17.5]
    assert table.attrs["time_unit"] == "s"
    crop = image[1:]
    table = measure(sc.label(crop > 9), intensity=crop).to_pandas()
    assert table["time"].tolist() == [15.0, 17.5]
    table = sc.detect_spots(image, sigma=1, threshold=1).to_pandas()
    assert table["time"].tolist() == [10.0 + 2.5 * t for t in table["t"]]
    assert table.attrs["time_unit"] == "s"


REGIONS = pd.DataFrame({"id": [1, 2], "parent_id": [None, 1]})
ATLAS = sc.open(np.ones((20, 20), "uint8"), voxel_size=0.5, unit="um")


def _objects(image):
    return sc.label(image > 9)


def _measured(image):
    return sc.measure(_objects(image))


def _by_region(cells):
    return sc.count_by_region(cells, ATLAS, regions=REGIONS)


TABLES = {
    "measure": _measured,
    "spots": lambda image: sc.detect_spots(image, sigma=1, threshold=1),
    "count of labels": lambda image: sc.count(_objects(image)),
    "count of a table": lambda image: sc.count(_measured(image)),
    "estimates": lambda image: sc.estimate_cells(_measured(image)),
    "regions of labels": lambda image: _by_region(_objects(image)),
    "regions of a table": lambda image: _by_region(_measured(image)),
    "regions of a density": lambda image: _by_region(sc.density(_objects(image), factors=2)),
    "report of watershed": lambda image: sc.watershed.options(block=7)(
        image, _objects(image), max_extent=2, report=True
    )[1],
    "report of split_touching": lambda image: sc.split_touching.options(block=7)(
        image > 9, max_extent=1, report=True
    )[1],
}


@pytest.mark.parametrize("unit", ["s", None])
@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_a_time_series_has_a_column_of_time(name, start, unit) -> None:
    image = sc.open(BLOBS, axes="tyx", voxel_size=0.5, unit="um", time=(2.5, unit, 10))[start:]
    table = TABLES[name](image).to_pandas()
    assert len(table)
    assert list(table.columns[:2]) == ["t", "time"]
    assert table["time"].tolist() == [10 + 2.5 * t for t in table["t"]]
    assert table["time"].dtype == "float64"
    assert table.attrs["time_unit"] == unit
    unknown = TABLES[name](sc.open(BLOBS, axes="tyx", voxel_size=0.5, unit="um")[start:])
    pd.testing.assert_frame_equal(unknown.to_pandas(), table.drop(columns="time"), check_like=False)
    assert "time_unit" not in unknown.to_pandas().attrs


@pytest.mark.parametrize("name", ["count of labels", "regions of labels"])
def test_times_of_members_stand_in_their_joined_table(tmp_path, name) -> None:
    for number in range(2):
        tifffile.imwrite(
            tmp_path / f"{number}.tif", BLOBS, metadata={"axes": "TYX"}, photometric="minisblack"
        )
    times = {"voxel_size": 0.5, "unit": "um", "axes": "tyx", "time": (2.5, "s", 10)}
    images = sc.open_folder(tmp_path / "*.tif", **times)
    table = TABLES[name](images).to_pandas()
    assert table["time"].tolist() == [10 + 2.5 * t for t in table["t"]]
    assert table.attrs["time_unit"] == "s"
    with pytest.raises(ParameterError, match="time"):
        TABLES[name](sc.open_folder(tmp_path / "{time:d}.tif", **times))


def test_a_column_of_time_of_the_user_is_left_alone() -> None:
    """It may be anything, of each object its own."""
    cells = pd.DataFrame(
        {"t": [0, 0, 1], "time": [3.0, 4.0, 5.0], "n_voxels": 9, "touches_edge": False}
    )
    assert list(sc.count(cells).columns)[:2] == ["t", "n_objects"]


def test_tables_without_times_are_as_they_were() -> None:
    for time in (None, (1.0, None)):
        image = sc.open(SPOTS, axes="tyx", time=time)
        table = sc.measure(sc.label(image > 9)).to_pandas()
        assert ("time" in table.columns) == (time is not None)
    image = sc.open(SPOTS[0], axes="yx")
    assert "time" not in sc.measure(sc.label(image > 9)).to_pandas().columns


def test_tables_of_members_have_their_own_times(tmp_path) -> None:
    for name, increment in (("a", 2.5), ("b", 1.0)):
        path = tmp_path / f"{name}.ome.tif"
        metadata = {"axes": "TYX", "TimeIncrement": increment}
        tifffile.imwrite(path, SPOTS, ome=True, photometric="minisblack", metadata=metadata)
    images = sc.open_folder(tmp_path / "*.tif")
    table = sc.measure(sc.label(images > 9)).to_pandas()
    wanted = pd.DataFrame({"key": ["a.ome.tif"] * 3 + ["b.ome.tif"] * 3, "t": [0, 2, 3] * 2})
    wanted["time"] = [0, 5, 7.5, 0, 2, 3]
    pd.testing.assert_frame_equal(
        table[["key", "t", "time"]], wanted, check_dtype=False, check_like=True
    )


def test_times_in_different_units_are_not_mixed(tmp_path) -> None:
    for name, unit in (("a", "s"), ("b", "min")):
        path = tmp_path / f"{name}.ome.tif"
        metadata = {"axes": "TYX", "TimeIncrement": 2, "TimeIncrementUnit": unit}
        tifffile.imwrite(path, SPOTS, ome=True, photometric="minisblack", metadata=metadata)
    images = sc.open_folder(tmp_path / "*.tif")
    with pytest.raises(MetadataError, match=r"(?s)times are in one unit.*time="):
        sc.measure(sc.label(images > 9)).to_pandas()
    images = sc.open_folder(tmp_path / "*.tif", time=(2, "s"))
    assert len(sc.measure(sc.label(images > 9)).to_pandas()) == 6


def test_steps_know_the_times_of_their_block() -> None:
    found = []

    @sc.blockwise(out="table")
    def times(image, *, block=sc.injected):
        found.append(block.time)
        return pd.DataFrame({"t": [block.coordinate("t")]})

    times(sc.open(SERIES, axes="tyx", time=EVERY)[2:]).to_pandas()
    assert set(found) == {EVERY}  # counted from the first of the uncropped image
