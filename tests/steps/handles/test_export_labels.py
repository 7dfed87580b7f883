"""Labels become ROI sets of ImageJ and TIFFs of a narrow type."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import roifile
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import scutoid as sc
from scutoid.errors import MissingExtra, ParameterError

LABELS = arrays(
    "uint16",
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 0, 1, 2, 7, 60000]),
)


def filled(roi, shape):
    """Return the pixels inside of a ROI, by the rule of even and odd."""
    inside = np.zeros(shape, int)
    loops = roi.coordinates(multi=True)
    for loop in loops:
        points = np.asarray(loop).astype(int)
        for (x, y), (_, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
            for row in range(min(y, y2), max(y, y2)):
                inside[row, x:] += 1
    return inside % 2 == 1


@settings(max_examples=40, deadline=None)
@given(LABELS, st.integers(0, 2))
def test_rois_hold_their_objects(tmp_path_factory, labels, cut) -> None:
    path = tmp_path_factory.mktemp("a") / "cells.zip"
    image = sc.open(labels, axes="zyx")
    cut = min(cut, labels.shape[1] - 1)
    sc.export(image[:, cut:], path)
    labels = labels[:, cut:]
    found = np.zeros_like(labels)
    rois = [] if not labels.any() else roifile.roiread(path)
    for roi in rois:
        number, plane = roi.name.split("_z")
        assert roi.position == int(plane)
        mask = filled(roi, labels.shape[1:])
        rows, columns = np.nonzero(mask)
        assert (roi.top, roi.left) == (rows.min(), columns.min())
        assert (roi.bottom, roi.right) == (rows.max() + 1, columns.max() + 1)
        assert not found[int(plane) - 1][mask].any()
        found[int(plane) - 1][mask] = int(number)
    np.testing.assert_array_equal(found, labels)


def test_places_in_time_and_depth(tmp_path) -> None:
    labels = np.zeros((2, 3, 5, 6), "int64")
    labels[1, 2, 1:3, 2:4] = 5
    sc.export(sc.open(labels, axes="tzyx"), tmp_path / "a.zip")
    (roi,) = [roifile.roiread(tmp_path / "a.zip")]
    roi = roi[0] if isinstance(roi, list) else roi
    assert (roi.name, roi.t_position, roi.z_position) == ("5_t2_z3", 2, 3)
    first = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").unlink()
    sc.export(sc.open(labels, axes="tzyx"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == first


def test_a_plane_names_its_rois_by_number_alone(tmp_path) -> None:
    sc.export(sc.open(np.diag([3, 8, 9])), tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert file.namelist() == ["3.roi", "8.roi", "9.roi"]


@pytest.mark.parametrize(
    ("image", "axes"), [(np.ones((3, 4)), "yx"), (np.ones((3, 4, 2), int), "yxc")]
)
def test_what_is_no_set_of_rois_is_refused(tmp_path, image, axes) -> None:
    with pytest.raises(ParameterError, match=r"a\.zip"):
        sc.export(sc.open(image, axes=axes), tmp_path / "a.zip")
    assert not list(tmp_path.iterdir())


def test_a_plane_too_wide_for_imagej_is_refused(tmp_path) -> None:
    with pytest.raises(ParameterError, match="32767"):
        sc.export(sc.open(np.zeros((1, 40000), "uint8")), tmp_path / "a.zip")


def test_without_roifile_the_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "roifile", None)
    with pytest.raises(MissingExtra, match=r"scutoid\[imagej\]"):
        sc.export(sc.open(np.zeros((3, 4), "uint8")), tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("high", "dtype"),
    [(200, "uint16"), (2**16 - 1, "uint16"), (2**16, "uint32"), (2**32 - 1, "uint32")],
)
@pytest.mark.parametrize("own", ["uint64", "int64"])
def test_a_label_tiff_has_the_narrowest_type(tmp_path, high, dtype, own) -> None:
    labels = np.zeros((3, 20, 30), own)
    labels[1, 2:5, 3:9] = high
    sc.export(sc.open(labels, axes="zyx", voxel_size=2, unit="um"), tmp_path / "a.labels.tif")
    with tifffile.TiffFile(tmp_path / "a.labels.tif") as file:
        assert file.is_ome
        assert file.series[0].dtype == dtype
        np.testing.assert_array_equal(file.asarray(), labels)
    assert sc.open(tmp_path / "a.labels.tif").voxel_size == (2, 2, 2)


@pytest.mark.parametrize("number", [-1, 2**32])
def test_numbers_that_a_label_tiff_does_not_hold_are_named(tmp_path, number) -> None:
    with pytest.raises(ParameterError, match=str(number)):
        sc.export(sc.open(np.full((3, 4), number)), tmp_path / "a.labels.tif")
    assert not list(tmp_path.iterdir())
