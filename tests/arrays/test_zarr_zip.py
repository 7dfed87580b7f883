"""Zarrs in a zip, by the names of RFC-9 and of zarr-python."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.arrays import ImageSpec, Storage, create_image, open_source
from scutoid.errors import ParameterError, SourceError

SPEC = ImageSpec((6, 20, 30), "uint16", "zyx", (2, 0.5, 0.5), "um", channels=())
TRUTH = np.random.default_rng(0).integers(1, 99, SPEC.shape).astype("uint16")
NAMES = ["a.zarr.zip", "a.ome.zarr.zip", "a.ozx", "A.OZX"]


def zipped(path, folder, inside=""):
    with zipfile.ZipFile(path, "w") as file:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                file.write(each, inside + each.relative_to(folder).as_posix())
    return path


def ours(tmp_path, truth=TRUTH, spec=SPEC):
    writer = create_image(tmp_path / "own.zarr", spec, storage=Storage(levels=2))
    writer.write(spec.roi, truth)
    return tmp_path / "own.zarr"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("inside", ["", "own.zarr/"], ids=["all", "in a folder"])
def test_an_ome_zarr_in_a_zip_is_the_image(tmp_path, name, inside) -> None:
    path = zipped(tmp_path / name, ours(tmp_path), inside)
    image = sc.open(path)
    assert (image.axes, image.voxel_size, image.unit, image.levels) == (
        "zyx",
        (2, 0.5, 0.5),
        "um",
        2,
    )
    np.testing.assert_array_equal(image.read(), TRUTH)
    np.testing.assert_array_equal(image[2:5, 3:19, 7:].read(), TRUTH[2:5, 3:19, 7:])
    coarse, expected = sc.open(path, level=1), sc.open(tmp_path / "own.zarr", level=1)
    np.testing.assert_array_equal(coarse.read(), expected.read())
    source = pickle.loads(pickle.dumps(open_source(path)))
    np.testing.assert_array_equal(source.read(source.spec.roi), TRUTH)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("is_group", [False, True])
def test_what_zarr_python_writes_into_a_zip_is_read(tmp_path, zarr_format, is_group) -> None:
    store = zarr.storage.ZipStore(tmp_path / "a.zarr.zip", mode="w")
    name = None
    if is_group:
        zarr.create_group(store, zarr_format=zarr_format)
        name = "raw"
    zarr.create_array(store, name=name, data=TRUTH, chunks=(3, 10, 10), zarr_format=zarr_format)
    store.close()
    np.testing.assert_array_equal(sc.open(tmp_path / "a.zarr.zip", axes="zyx").read(), TRUTH)
    if is_group:
        inner = sc.open(tmp_path / "a.zarr.zip" / "raw", axes="zyx")
        np.testing.assert_array_equal(inner.read(), TRUTH)


def test_zarr_python_reads_codecs_that_tensorstore_lacks(tmp_path) -> None:
    import numcodecs

    store = zarr.storage.ZipStore(tmp_path / "a.zarr.zip", mode="w")
    options = {"filters": [numcodecs.Delta("u2")], "zarr_format": 2}
    zarr.create_array(store, data=TRUTH, chunks=(3, 10, 10), **options)
    store.close()
    image = sc.open(tmp_path / "a.zarr.zip", axes="zyx")
    np.testing.assert_array_equal(image.read(), TRUTH)


def test_an_image_of_another_order_of_axes(tmp_path) -> None:
    spec = ImageSpec((20, 30, 3), "uint8", "yxc")
    truth = np.random.default_rng(0).integers(0, 99, spec.shape).astype("uint8")
    image = sc.open(zipped(tmp_path / "a.ozx", ours(tmp_path, truth, spec)))
    assert image.axes == "yxc"
    np.testing.assert_array_equal(image.read(), truth)


@sc.blockwise(check_halo=False)
def doubled(image):
    return image * 2


def test_the_content_of_the_zip_is_the_key(tmp_path) -> None:
    folder = ours(tmp_path)
    path = zipped(tmp_path / "a.ozx", folder)
    image = sc.open(path)
    sc.run(doubled(image), store=tmp_path / "store")
    zipped(path, folder)
    assert sc.plan(doubled(sc.open(path)), store=tmp_path / "store").is_done
    writer = create_image(tmp_path / "other.zarr", SPEC)
    writer.write(SPEC.roi, TRUTH + 1)
    zipped(path, tmp_path / "other.zarr")
    with pytest.raises(SourceError, match="stays as it was"):
        image.read()
    again = doubled(sc.open(path))
    run = sc.run(again, store=tmp_path / "store")
    np.testing.assert_array_equal(run[again].read(), (TRUTH + 1) * 2)


def test_members_of_a_folder_may_be_zips(tmp_path) -> None:
    folder = ours(tmp_path)
    for name in ("a.ozx", "b.ozx"):
        zipped(tmp_path / name, folder)
    results = doubled(sc.open_folder(tmp_path / "*.ozx"))
    run = sc.run(results, store=tmp_path / "store")
    np.testing.assert_array_equal(run[results]["b.ozx"].read(), TRUTH * 2)


def test_a_zip_at_a_url_is_copied(tmp_path, web) -> None:
    zipped(web.folder / "a.ozx", ours(tmp_path))
    np.testing.assert_array_equal(sc.open(web.url("a.ozx")).read(), TRUTH)


@pytest.mark.parametrize("size", [0, 10, 1000, -30])
def test_a_zip_that_breaks_off_is_refused(tmp_path, size) -> None:
    whole = zipped(tmp_path / "a.ozx", ours(tmp_path)).read_bytes()
    (tmp_path / "a.ozx").write_bytes(whole[:size])
    with pytest.raises(SourceError, match=r"a\.ozx"):
        sc.open(tmp_path / "a.ozx")


def test_a_zip_of_something_else_is_refused(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "a.ozx", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(SourceError, match=r"readme\.txt"):
        sc.open(tmp_path / "a.ozx")


def test_no_zarr_is_exported_into_a_zip(tmp_path) -> None:
    with pytest.raises(ParameterError, match="ends as a format"):
        sc.export(sc.open(TRUTH, axes="zyx"), tmp_path / "a.zarr.zip")


@sc.step(version="1")
def total(image):
    return int(image.sum())


def plate(folder, values):
    """Write a plate of one field a well, with labels, as a folder."""
    for well, value in values.items():
        np.save(folder / f"{well}.npy", np.full((8, 9), value, "uint16"))
    images = sc.open_folder(folder / "{well}.npy", voxel_size=0.5, unit="um")
    return sc.export(images, folder / "p.ome.zarr", labels={"all": sc.label(images > 0)})


@pytest.mark.parametrize("inside", ["", "p.ome.zarr/"], ids=["all", "in a folder"])
def test_images_of_a_plate_in_a_zip_are_members(tmp_path, inside) -> None:
    (tmp_path / "in").mkdir()
    path = zipped(tmp_path / "p.ozx", plate(tmp_path / "in", {"A1": 3, "B2": 5}), inside)
    fields, labels = sc.open_folder(path), sc.open_folder(path, labels="all")
    assert fields.keys == labels.keys == ("A/1/0", "B/2/0")
    assert list(fields.groups["well"]) == list(labels.groups["well"]) == ["A1", "B2"]
    assert fields["B/2/0"].voxel_size == (0.5, 0.5)
    assert labels["B/2/0"].is_labels
    assert int(labels["B/2/0"].read().max()) == 1
    sums = total(fields)
    run = sc.run(sums, store=tmp_path / "store", executor="processes")
    assert run["total"].to_dict() == {"A/1/0": 216, "B/2/0": 360}
    assert sc.plan(sums, store=tmp_path / "store").is_done
    path.unlink()
    zipped(path, plate(tmp_path / "in", {"A1": 3, "B2": 7}), inside)
    run = sc.run(total(sc.open_folder(path)), store=tmp_path / "store", executor="serial")
    assert run["total"].to_dict() == {"A/1/0": 216, "B/2/0": 504}


def test_an_image_in_a_zip_is_a_collection_of_one(tmp_path) -> None:
    for inside in ("", "own.zarr/"):
        path = zipped(tmp_path / "a.ozx", ours(tmp_path), inside)
        members = sc.open_folder(path)
        assert members.keys == ("0",)
        np.testing.assert_array_equal(members["0"].read(), TRUTH)
