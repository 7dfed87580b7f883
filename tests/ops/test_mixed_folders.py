"""Members that differ from the first of their folder: each as it is alone, or refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.arrays import ImageSpec, create_image
from scutoid.errors import MetadataError, ParameterError, RunFailed, ScutoidError, ScutoidWarning
from scutoid.geometry import Roi

HOW = {"executor": "serial", "workers": 1}
AXES = {
    "zyx": (5, 6, 7),
    "yxz": (6, 7, 5),
    "yx": (6, 7),
    "tyx": (3, 6, 7),
    "cyx": (2, 6, 7),
    "zcyx": (4, 2, 6, 7),
}
UNITS = {
    "um": {"voxel_size": (2.0, 1.0, 1.0), "unit": "um"},
    "nm": {"voxel_size": (2000.0, 1000.0, 1000.0), "unit": "nm"},
    "no unit": {"voxel_size": (2.0, 1.0, 1.0)},
    "voxel": {},
}


def written(path, array, axes, **scale):
    """Write an OME-Zarr."""
    path.parent.mkdir(exist_ok=True, parents=True)
    image = create_image(path, ImageSpec(array.shape, array.dtype, axes, **scale))
    image.write(Roi((0,) * array.ndim, array.shape), array)


def objects(shape, start=0):
    array = np.zeros(shape, "uint16")
    array[..., 1:3, 1:4] = 1 + start
    array[..., 4:6, 4:6] = 2 + start
    return array


def folder(tmp_path, name, members):
    """Open a folder of members, in this order, each an array and its axes."""
    for number, (array, axes) in enumerate(members):
        written(tmp_path / name / f"{number}.ome.zarr", array, axes)
    return sc.open_folder(tmp_path / name / "*.zarr")


def of_units(tmp_path, *units):
    """Open a folder of the same labels in different units."""
    for number, unit in enumerate(units):
        path = tmp_path / "raw" / f"{number}-{unit}.ome.zarr"
        written(path, objects(AXES["zyx"]), "zyx", **UNITS[unit])
    return sc.open_folder(tmp_path / "raw" / "*.zarr")


def read(image):
    return image.axes, image.read()


BY_NUMBER = {
    "flip": lambda i: sc.flip(i, axis=-2),
    "flip several": lambda i: sc.flip(i, axis=(-1, -2)),
    "project": lambda i: sc.project(i, axis=0),
    "project the last": lambda i: sc.project(i, axis=-1, method="mean"),
    "transpose": lambda i: sc.transpose(i, axes=range(3)[::-1]),
    "reverse": sc.transpose,
    "concatenate": lambda i: sc.concatenate([i, i], axis=0),
    "concatenate the last": lambda i: sc.concatenate([i, i], axis=-1),
}


@pytest.mark.parametrize("operation", BY_NUMBER.values(), ids=BY_NUMBER)
@pytest.mark.parametrize("other", [axes for axes in AXES if axes != "zyx"])
def test_axes_by_number_are_those_of_each_member_or_refused(tmp_path, operation, other):
    first, second = (objects(AXES[axes]) for axes in ("zyx", other))
    images = folder(tmp_path, "raw", [(first, "zyx"), (second, other), (first + 1, "zyx")])
    found = operation(images)
    keys = images.keys
    axes, array = read(operation(sc.open(first + 1, axes="zyx")))
    assert found[keys[2]].axes == axes
    np.testing.assert_array_equal(found[keys[2]].read(), array)
    with pytest.raises(ScutoidError) as caught:
        found[keys[1]].read()
    assert repr(other) in str(caught.value)
    assert "'zyx'" in str(caught.value)


def test_a_number_is_not_taken_for_the_letter_that_it_stood_for(tmp_path):
    first, second = objects(AXES["zyx"]), objects(AXES["yxz"])
    images = folder(tmp_path, "raw", [(first, "zyx"), (second, "yxz")])
    store = tmp_path / "results"
    assert sc.run(sc.flip(images, axis="z"), store=store, **HOW).ok
    done = sc.run(sc.flip(images, axis=0), store=store, on_failure="return", **HOW)
    assert [step.n_failed for step in done.steps] == [1]


def test_axes_by_letter_are_those_of_each_member(tmp_path):
    members = [(objects(AXES[axes]), axes) for axes in ("zyx", "yxz", "tyx", "zcyx")]
    images = folder(tmp_path, "raw", members)
    for key, (array, axes) in zip(images.keys, members, strict=True):
        alone = sc.open(array, axes=axes)
        np.testing.assert_array_equal(
            sc.flip(images, axis="y")[key].read(), sc.flip(alone, axis="y").read()
        )
        found, expected = sc.project(images, axis="y")[key], sc.project(alone, axis="y")
        order = [expected.axes.index(axis) for axis in found.axes]
        np.testing.assert_array_equal(found.read(), expected.read().transpose(order))


def test_images_that_are_joined_by_number_have_the_same_axes():
    one, two = sc.open(objects(AXES["zyx"])), sc.open(objects(AXES["yxz"]), axes="yxz")
    with pytest.raises(ParameterError, match="by number"):
        sc.concatenate([one, two], axis=0)
    assert sc.concatenate([one, two], axis="z").shape == (10, 6, 7)


@pytest.mark.parametrize(("first", "second"), [("zyx", "yx"), ("yx", "zyx"), ("zyx", "cyx")])
def test_members_that_are_joined_have_the_axes_of_the_first(tmp_path, first, second):
    members = [(objects(AXES[axes]), axes) for axes in (first, second)]
    images = folder(tmp_path, "raw", members)
    with pytest.raises(ParameterError, match="have the axes of its first member"):
        sc.concatenate([images, images], axis="y")[images.keys[1]].read()


PAIRS = [
    ("yx", "cyx"),
    ("yx", "yx"),
    ("zyx", "zyx"),
    ("tyx", "tyx"),
    ("tyx", "cyx"),
    ("cyx", "cyx"),
]


@pytest.mark.parametrize("second", PAIRS, ids="-".join)
@pytest.mark.parametrize("first", PAIRS, ids="-".join)
def test_a_member_is_measured_as_it_is_alone_or_refused(tmp_path, first, second):
    arrays = [[objects(AXES[axes], n) for axes in pair] for n, pair in enumerate((first, second))]
    pairs = [*zip((first, second), arrays, strict=True)]
    labels = folder(tmp_path, "labels", [(own[0], axes[0]) for axes, own in pairs])
    raw = folder(tmp_path, "raw", [(own[1] * 10, axes[1]) for axes, own in pairs])
    key = labels.keys[1]
    own, intensity = arrays[1]
    alone = sc.measure(
        sc.open(own, axes=second[0]), intensity=sc.open(intensity * 10, axes=second[1])
    )
    try:
        found = sc.measure(labels, intensity=raw)[key].to_pandas()
    except ScutoidError as error:
        assert "folder" in str(error)  # noqa: PT017
        assert first != second
    else:
        pd.testing.assert_frame_equal(found, alone.to_pandas())


def test_what_a_step_refuses_is_refused_of_each_member(tmp_path):
    def check(images, *, level):
        for image in images:
            if image.ndim > 2:
                raise ParameterError("planes only", value=f"{image.axes} above {level}")

    @sc.blockwise(check=check, dtype=bool, version="1")
    def above(image, *, level):
        return image > level

    members = [(objects(AXES[axes]), axes) for axes in ("yx", "zyx")]
    found = above(folder(tmp_path, "raw", members), level=1)
    assert found["0.ome.zarr"].read().any()
    with pytest.raises(ParameterError, match=r"planes only(.|\n)*zyx above 1"):
        found["1.ome.zarr"].read()
    with pytest.raises(RunFailed, match="planes only"):
        sc.run(found, store=tmp_path / "results", **HOW)


TABLES = {
    "measure": sc.measure,
    "measure in channels": lambda i: sc.measure(i, intensity=i),
    "spots": lambda i: sc.detect_spots(i, sigma=1, threshold=0.01),
    "count by size": lambda i: sc.count(i, by="size", cell_size=4),
    "count rows by size": lambda i: sc.count(sc.measure(i), by="size", cell_size=4),
    "cells": lambda i: sc.estimate_cells(sc.measure(i), by="size", cell_size=4),
}


@pytest.mark.parametrize("operation", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("units", [("um", "nm"), ("um", "no unit"), ("voxel", "um")])
def test_lengths_in_different_units_are_not_joined(tmp_path, operation, units):
    tables = operation(of_units(tmp_path, *units))
    with pytest.warns(ScutoidWarning, match="not as one"):
        done = sc.run(tables, store=tmp_path / "results", **HOW)
    assert any("one unit" in text for text in done.warnings)
    stored = sc.Store(tmp_path / "results")
    name = tables.name
    for found in (tables, done[name], stored[name]):
        with pytest.raises(MetadataError, match="one unit") as caught:
            found.to_pandas()
        for number, unit in enumerate(units):
            assert f"'{number}-{unit}.ome.zarr'" in str(caught.value)
        for key, unit in zip(found.keys, units, strict=True):
            said = None if unit == "no unit" else unit
            assert found[key].to_pandas().attrs == {"unit": said}
    with pytest.raises(MetadataError):
        sc.export(stored[name], tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()
    assert stored.verify().ok
    assert sc.run(tables, store=tmp_path / "results", **HOW).ok


@pytest.mark.parametrize("operation", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("unit", UNITS)
def test_lengths_in_one_unit_are_joined_and_say_it(tmp_path, operation, unit):
    tables = operation(of_units(tmp_path, unit, unit))
    done = sc.run(tables, store=tmp_path / "results", **HOW)
    assert done.warnings == ()
    said = None if unit == "no unit" else unit
    for found in (tables, done[tables.name], sc.Store(tmp_path / "results")[tables.name]):
        assert found.to_pandas().attrs == {"unit": said}


def test_tables_without_rows_are_in_no_unit(tmp_path):
    written(tmp_path / "raw" / "0.ome.zarr", objects(AXES["zyx"]), "zyx", **UNITS["um"])
    written(tmp_path / "raw" / "1.ome.zarr", np.zeros(AXES["zyx"], "uint16"), "zyx")
    table = sc.measure(sc.open_folder(tmp_path / "raw" / "*.zarr")).to_pandas()
    assert len(table) == 2
    assert table.attrs == {"unit": "um"}


@pytest.mark.parametrize("form", ["labels", "tables", "counted tables"])
@pytest.mark.parametrize("unit", ["um", "nm", "mm", "voxel"])
def test_members_are_placed_in_an_atlas_by_their_own_units(tmp_path, form, unit):
    scale = {"nm": 1000, "um": 1, "mm": 0.001, "voxel": 1}
    for number, own in enumerate(("um", unit)):
        size = tuple(s * scale[own] for s in (2.0, 1.0, 1.0))
        known = {} if own == "voxel" else {"voxel_size": size, "unit": own}
        written(tmp_path / "raw" / f"{number}.ome.zarr", objects(AXES["zyx"]), "zyx", **known)
    images = sc.open_folder(tmp_path / "raw" / "*.zarr")
    cells = {
        "labels": images,
        "tables": sc.measure(images),
        "counted tables": sc.estimate_cells(sc.measure(images)),
    }[form]
    ids = np.repeat([[[1] * 4 + [2] * 3]], 6, 1).repeat(5, 0)
    atlas = sc.open(ids, voxel_size=(2, 1, 1), unit="um")
    tree = pd.DataFrame({"id": [1, 2], "parent_id": [None, 1]})
    counts = sc.count_by_region(cells, atlas, regions=tree)
    first = counts["0.ome.zarr"].to_pandas()
    assert first["n"].tolist() == [1, 1, 0, 0]
    if unit == "voxel":
        with pytest.raises(MetadataError, match="voxel size"):
            counts["1.ome.zarr"].to_pandas()
    else:
        pd.testing.assert_frame_equal(counts["1.ome.zarr"].to_pandas(), first)


def test_positions_in_another_unit_are_not_counted_in_an_image(tmp_path):
    tables = sc.measure(of_units(tmp_path, "um", "nm"))
    like = sc.open(objects(AXES["zyx"]), **UNITS["um"])
    counts = sc.density(tables, like=like, factors=2, outside="drop")
    assert counts["0-um.ome.zarr"].read().sum() == 2
    with pytest.raises(MetadataError, match="positions in nm, an image in um"):
        counts["1-nm.ome.zarr"].read()
    table = tables["1-nm.ome.zarr"].to_pandas().assign(z=4.0, y=1.0, x=1.0)
    table.attrs = {}  # of somebody who knows
    assert np.asarray(sc.density(table, like=like, factors=2)).sum() == 2
