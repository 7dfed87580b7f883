"""Exports to a bucket: what is at the URL is what an export to a folder has."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid import remote
from scutoid.errors import ParameterError, SourceError, StoreError, UnwritableStore

VOXELS = np.arange(40 * 30, dtype="u2").reshape(40, 30)


@sc.step
def rows(image):
    return pd.DataFrame({"sum": [int(image.sum())]})


@sc.blockwise
def doubled(image):
    return image * 2


def image_of(voxels=VOXELS):
    return doubled(sc.open(voxels, axes="yx", voxel_size=0.5, unit="um"))


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir()
    for number, well in enumerate(("A1", "A2", "B1")):
        np.save(folder / f"{well}.npy", VOXELS + number)
    return folder


def images_of(folder):
    return doubled(sc.open_folder(f"{folder}/{{well}}.npy", axes="yx"))


def content_of(bucket, key):
    """Return all objects below a key; of the list of an export what it lists."""
    found = {}
    for each in remote.objects(bucket.url(key)):
        name = each.url.removeprefix(f"{bucket.url(key)}/")
        content = remote.get(each.url)
        if name == ".scutoid-export":
            content = {k: v for k, v in json.loads(content).items() if k != "sha256"}
        found[name] = content
    return found


def content_in(folder):
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            content = path.read_bytes()
            found[name] = json.loads(content) if name == ".scutoid-export" else content
    return found


FILES = {
    "rows.csv": lambda: rows(image_of()),
    "deep/er/rows.parquet": lambda: rows(image_of()),
    "image.tif": image_of,
    "image.npy": image_of,
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_one_object(bucket, tmp_path, name):
    assert sc.export(FILES[name](), bucket.url(f"final/{name}")) == bucket.url(f"final/{name}")
    here = sc.export(FILES[name](), tmp_path / name)
    (found,) = remote.objects(bucket.url("final"))
    assert found.url == bucket.url(f"final/{name}")
    if name != "image.tif":  # which has an identifier of its own
        assert remote.get(found.url) == here.read_bytes()
    sc.export(rows(image_of(VOXELS + 1)), bucket.url("final/rows.csv"))
    assert str(2 * (VOXELS + 1).sum()).encode() in remote.get(bucket.url("final/rows.csv"))


def test_an_image_in_a_bucket_is_read_again(bucket, tmp_path):
    url = sc.export(image_of(), bucket.url("a.ome.zarr"))
    there = sc.open(url)
    np.testing.assert_array_equal(there.read(), VOXELS * 2)
    assert there.voxel_size == (0.5, 0.5)
    here = sc.export(image_of(), tmp_path / "a.ome.zarr")
    assert content_of(bucket, "a.ome.zarr") == content_in(here)


FOLDERS = {"members": "out", "template": "out/{well}/{key}.png", "braces": "o{{u}}t/{well}.npy"}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_collection_is_objects_that_are_named_as_files(bucket, plate, tmp_path, kind):
    url = sc.export(images_of(plate), bucket.url(FOLDERS[kind]))
    here = sc.export(images_of(plate), f"{tmp_path}/{FOLDERS[kind]}")
    assert url == bucket.url(here.name)
    found, expected = content_of(bucket, here.name), content_in(here)
    assert found.keys() == expected.keys()
    assert found[".scutoid-export"] == expected[".scutoid-export"]


def changed_by(bucket):
    return sorted(
        path.removeprefix("/bucket/out/")
        for method, path, _ in bucket.proxy.asked
        if method in ("PUT", "DELETE", "POST") and ".probe" not in path
    )


def test_only_what_differs_is_written_and_what_is_stale_removed(bucket, plate):
    url = bucket.url("out/{well}.npy")
    sc.export(images_of(plate), url)
    bucket.put("out/notes.txt", b"mine")
    bucket.proxy.forget()
    sc.export(images_of(plate), url)
    assert changed_by(bucket) == []
    np.save(plate / "A2.npy", VOXELS + 7)
    (plate / "B1.npy").unlink()
    sc.export(images_of(plate), url)
    assert changed_by(bucket) == [".scutoid-export", ".scutoid-export", "A2.npy", "B1.npy"]
    assert sorted(remote.names(bucket.url("out"))) == [
        ".scutoid-export", "A1.npy", "A2.npy", "notes.txt",
    ]  # fmt: skip
    bucket.remove("out/A1.npy")  # by somebody else
    sc.export(images_of(plate), url)
    assert "A1.npy" in remote.names(bucket.url("out"))


def test_what_no_export_made_stays(bucket, plate):
    bucket.put("out/notes.txt", b"mine")
    with pytest.raises(StoreError, match=r"folder that an export made(.|\n)*s3://bucket/out"):
        sc.export(images_of(plate), bucket.url("out"))
    bucket.put("file", b"mine")
    with pytest.raises(StoreError, match="folder that an export made"):
        sc.export(images_of(plate), bucket.url("file"))
    sc.export(images_of(plate), bucket.url("other/{well}.npy"))
    bucket.put("other/A1.png", b"mine")
    with pytest.raises(StoreError, match=r"'A1.png' is in the way"):
        sc.export(images_of(plate), bucket.url("other/{well}.png"))
    assert bucket.get("other/A1.png") == bucket.get("out/notes.txt") == b"mine"
    assert "B1.png" not in remote.names(bucket.url("other"))


def test_templates_share_a_folder(bucket, plate):
    for ending in ("npy", "png"):
        sc.export(images_of(plate), bucket.url(f"out/{{well}}.{ending}"))
    (plate / "B1.npy").unlink()
    sc.export(images_of(plate), bucket.url("out/{well}.png"))
    names = set(remote.names(bucket.url("out")))
    assert names == {".scutoid-export", "A1.npy", "A2.npy", "B1.npy", "A1.png", "A2.png"}


def test_an_export_that_was_cut_off_is_made_whole_by_the_next(bucket, plate):
    before = sc.export(images_of(plate), bucket.url("whole/{well}.npy"))
    bucket.proxy.fault = lambda method, path: (403, "AccessDenied") if "A2" in path else None
    with pytest.raises(UnwritableStore):
        sc.export(images_of(plate), bucket.url("out/{well}.npy"))
    bucket.proxy.fault = lambda method, path: None
    sc.export(images_of(plate), bucket.url("out/{well}.npy"))
    found = content_of(bucket, "out")
    assert found == content_of(bucket, before.rpartition("/")[2])


def test_an_image_that_is_replaced_in_part_is_no_image_until_it_is_whole(bucket):
    def exported(voxels):
        image = image_of(voxels)
        labels = sc.label(image > 2 * voxels.mean())
        return sc.export(image, bucket.url("a.ome.zarr"), labels={"cells": labels})

    url = exported(VOXELS)
    bucket.proxy.fault = lambda method, path: (
        (403, "AccessDenied") if method == "PUT" and "/labels/cells/0/c/" in path else None
    )
    said = r"labels/cells/0/c(.|\n)*AWS_ACCESS_KEY_ID(.|\n)*the same URL makes it whole"
    with pytest.raises(UnwritableStore, match=rf"a part is written(.|\n)*{said}"):
        exported(VOXELS[::-1])
    bucket.proxy.fault = lambda method, path: None
    for part in ("", "/labels/cells"):  # the image is new, its labels are old
        with pytest.raises(SourceError, match="metadata"):
            sc.open(url + part)
    assert exported(VOXELS[::-1]) == url
    np.testing.assert_array_equal(np.asarray(sc.open(url)), VOXELS[::-1] * 2)
    assert np.asarray(sc.open(f"{url}/labels/cells"))[0].all()


def test_only_the_image_whose_voxels_change_is_withdrawn_meanwhile(bucket, plate):
    url = bucket.url("out/{well}.ome.zarr")
    sc.export(images_of(plate), url)
    np.save(plate / "A2.npy", VOXELS + 7)
    bucket.proxy.forget()
    sc.export(images_of(plate), url)
    changed = {path.partition("/")[0] for path in changed_by(bucket)}
    assert changed - {""} == {".scutoid-export", "A2.ome.zarr"}
    np.testing.assert_array_equal(
        np.asarray(sc.open(bucket.url("out/A2.ome.zarr"))), (VOXELS + 7) * 2
    )


def test_metadata_of_an_image_come_last(bucket):
    sc.export(image_of(), bucket.url("out/a.ome.zarr"))
    written = [path for method, path, _ in bucket.proxy.asked if method == "PUT"]
    first = min(n for n, path in enumerate(written) if path.endswith("zarr.json"))
    last = max(n for n, path in enumerate(written) if "/c/" in path)
    assert first > last


@sc.step
def never(image):
    raise AssertionError("it was computed")


@pytest.mark.parametrize("fault", [(403, "AccessDenied"), (403, "InvalidAccessKeyId")])
def test_what_cannot_be_written_is_said_before_anything_is_computed(bucket, fault):
    bucket.proxy.fault = lambda method, path: fault
    with pytest.raises(UnwritableStore, match=r"s3://bucket/out(.|\n)*AWS_ACCESS_KEY_ID"):
        sc.export(never(sc.open(VOXELS, axes="yx")), bucket.url("out/a.tif"))


def test_a_bucket_that_is_missing_is_said_before_anything_is_computed(bucket):
    with pytest.raises(UnwritableStore, match=r"bucket of a store exists(.|\n)*s3://none"):
        sc.export(never(sc.open(VOXELS, axes="yx")), "s3://none/a.tif")


@pytest.mark.parametrize(
    "url", ["gs://bucket/a.csv", "http://there/a.csv", "file:///a.csv", "s3://bucket", "s3://"]
)
def test_other_urls_are_refused_before_anything_is_computed(url):
    with pytest.raises(ParameterError, match="an export goes to"):
        sc.export(never(sc.open(VOXELS, axes="yx")), url)
