"""Images of a plate as one OME-Zarr, with their labels beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir()
    for number, name in enumerate(("B03_s1", "B03_s2", "C12_s1")):
        np.save(folder / f"{name}.npy", np.full((40, 48), number + 1, "uint16"))
    return sc.open_folder(folder / "{well}_s{site:d}.npy", voxel_size=0.5, unit="um")


def checked(path):
    """Have other programs check a plate."""
    yaozarrs = pytest.importorskip("yaozarrs")
    models = pytest.importorskip("ome_zarr_models")
    import zarr

    yaozarrs.validate_zarr_store(str(path))
    group = models.open_ome_zarr(zarr.open_group(path, mode="r"))
    assert type(group).__name__ == "HCS"
    return group


def test_results_of_a_plate_are_a_plate_that_opens_again(images, tmp_path) -> None:
    smooth = sc.gaussian(images, sigma=1)
    nuclei = sc.label(images > 1)
    path = sc.export(smooth, tmp_path / "out.ome.zarr", labels={"nuclei": nuclei})
    checked(path)
    fields = sc.open_folder(path)
    assert fields.keys == ("B/03/1", "B/03/2", "C/12/1")
    assert list(fields.groups["well"]) == ["B03", "B03", "C12"]
    for key, own in zip(fields.keys, images.keys, strict=True):
        assert fields[key].voxel_size == (0.5, 0.5)
        np.testing.assert_array_equal(fields[key].read(), smooth[own].read())
        labels = sc.open_folder(path, labels="nuclei")[key]
        assert labels.is_labels
        np.testing.assert_array_equal(labels.read(), nuclei[own].read())


def test_a_plate_is_written_again_where_it_changed(images, tmp_path) -> None:
    path = sc.export(images, tmp_path / "out.ome.zarr")
    before = {each: each.stat().st_mtime_ns for each in path.rglob("*") if each.is_file()}
    sc.export(images, path)
    assert {each: each.stat().st_mtime_ns for each in before} == before
    few = sc.open_folder(
        tmp_path / "plate" / "{well}_s{site:d}.npy", select=lambda place: "B03" in place
    )
    sc.export(few, path)
    assert sc.open_folder(path).keys == ("B/03/1", "B/03/2")
    assert not (path / "C").exists()


def test_fields_of_a_plate_that_was_opened_keep_their_places(images, tmp_path) -> None:
    path = sc.export(images, tmp_path / "out.ome.zarr")
    again = sc.export(sc.open_folder(path) + 1, tmp_path / "again.ome.zarr")
    checked(again)
    assert sc.open_folder(again).keys == sc.open_folder(path).keys
    said = json.loads((again / "zarr.json").read_text())["attributes"]["ome"]["plate"]
    assert [row["name"] for row in said["rows"]] == ["B", "C"]
    assert said["field_count"] == 2


def test_an_image_with_labels(tmp_path) -> None:
    image = sc.open(np.arange(64, dtype="uint16").reshape(8, 8))
    objects = sc.label(image > 30)
    path = sc.export(image, tmp_path / "a.ome.zarr", labels={"high": objects})
    np.testing.assert_array_equal(sc.open(path / "labels" / "high").read(), objects.read())
    assert sc.open_folder(path / "labels").keys == ("high",)
    pytest.importorskip("yaozarrs").validate_zarr_store(str(path))


def test_what_is_no_plate_is_refused(images, tmp_path) -> None:
    plain = sc.open_folder(tmp_path / "plate" / "*.npy")
    with pytest.raises(ParameterError, match="columns row and column"):
        sc.export(plain, tmp_path / "out.ome.zarr")
    same = sc.open_folder(tmp_path / "plate" / "{well}_s[12].npy")
    assert len(set(same.keys)) == 3
    sc.export(same, tmp_path / "counted.ome.zarr")
    assert sc.open_folder(tmp_path / "counted.ome.zarr").keys == ("B/03/0", "B/03/1", "C/12/0")
    with pytest.raises(ParameterError, match="are for images that are exported as OME-Zarr"):
        sc.export(images, tmp_path / "out", labels={"n": images})
    few = sc.open_folder(tmp_path / "plate" / "B*.npy")
    with pytest.raises(ParameterError, match="the same keys"):
        sc.export(images, tmp_path / "b.ome.zarr", labels={"n": sc.label(few > 1)})
    with pytest.raises(ParameterError, match="object numbers"):
        sc.export(images, tmp_path / "b.ome.zarr", labels={"n": images})
    assert not (tmp_path / "b.ome.zarr").exists()


def test_wells_of_numbered_rows_are_told_apart(tmp_path) -> None:
    for name in ("r02c11f1", "r21c01f1"):
        np.save(tmp_path / f"{name}.npy", np.ones((4, 5), "uint8"))
    images = sc.open_folder(tmp_path / "r{row:d}c{column:d}f{field:d}.npy")
    sc.export(images, tmp_path / "plate.ome.zarr")
    plate = sc.open_folder(tmp_path / "plate.ome.zarr")
    assert plate.keys == ("2/11/1", "21/1/1")
    assert list(plate.groups["well"]) == ["2-11", "21-1"]
