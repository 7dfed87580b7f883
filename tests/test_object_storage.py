"""Inputs in object storage: read right, known by their tags, and what becomes of faults."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import numpy as np
import pytest
import tifffile
import zarr

import scutoid as sc
from scutoid import remote
from scutoid.errors import ScutoidWarning, SourceError, SourceNotFound

VOXELS = np.arange(64 * 48, dtype="u2").reshape(64, 48)


@pytest.fixture
def folder(bucket, tmp_path):
    """An OME-Zarr in the bucket, and two TIFFs of a plate."""
    image = sc.open(VOXELS, voxel_size=0.5, unit="um")
    sc.export(image, tmp_path / "a.ome.zarr")
    bucket.put_folder(tmp_path / "a.ome.zarr", "plate/a.ome.zarr")
    for well in ("A1", "A2"):
        tifffile.imwrite(tmp_path / f"{well}.tif", VOXELS + int(well[1]))
        bucket.put(f"plate/{well}.tif", (tmp_path / f"{well}.tif").read_bytes())
    bucket.proxy.forget()
    return bucket.url("plate")


def arrays(path, version, *, is_sharded=False):
    array = zarr.create_array(
        path,
        shape=VOXELS.shape,
        chunks=(16, 16),
        shards=(32, 32) if is_sharded else None,
        dtype="u2",
        zarr_format=version,
        fill_value=7,
    )
    array[:] = VOXELS
    return path


KINDS = {
    "version 2": {"version": 2},
    "version 3": {"version": 3},
    "shards": {"version": 3, "is_sharded": True},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_zarr_in_a_bucket_is_read_right(bucket, tmp_path, kind):
    bucket.put_folder(arrays(tmp_path / "a.zarr", **KINDS[kind]), "x/a.zarr")
    image = sc.open(bucket.url("x/a.zarr"), axes="yx")
    np.testing.assert_array_equal(image.read(), VOXELS)
    np.testing.assert_array_equal(image[17:33, 5:40].read(), VOXELS[17:33, 5:40])


def test_chunks_that_are_not_there_have_the_fill_value(bucket, tmp_path):
    bucket.put_folder(arrays(tmp_path / "a.zarr", 2), "x/a.zarr")
    bucket.remove("x/a.zarr/0.1")
    expected = VOXELS.copy()
    expected[:16, 16:32] = 7
    np.testing.assert_array_equal(sc.open(bucket.url("x/a.zarr"), axes="yx").read(), expected)


def test_a_chunk_is_one_request(bucket, folder):
    image = sc.open(f"{folder}/a.ome.zarr")
    image.read()  # opens the array
    bucket.proxy.forget()
    image.read()
    assert [method for method, path, _ in bucket.proxy.asked] == ["GET"]


@pytest.mark.parametrize("use", ["read", "download"])
def test_a_file_of_many_blocks_is_read_in_one_version_by_one_request(
    bucket, monkeypatch, tmp_path, use
):
    """s3fs would ask for its size, and then for ranges of whatever is there by then."""
    monkeypatch.setattr(pytest.importorskip("s3fs").S3FileSystem, "default_block_size", 1000)
    content = bytes(range(250)) * 40
    bucket.put("x/large.bin", content)
    bucket.proxy.forget()
    if use == "read":
        assert remote.read(bucket.url("x/large.bin")) == content
    else:
        remote.download(bucket.url("x/large.bin"), str(tmp_path / "large.bin"))
        assert (tmp_path / "large.bin").read_bytes() == content
    assert [(method, ranges) for method, _, ranges in bucket.proxy.asked] == [("GET", None)]


def test_a_folder_of_a_bucket_is_opened_by_a_pattern(folder):
    images = sc.open_folder(f"{folder}/{{well}}.tif")
    assert images.groups["well"].tolist() == ["A1", "A2"]
    np.testing.assert_array_equal(images["A2.tif"].read(), VOXELS + 2)
    assert sc.open_folder(f"{folder}/*.tif").keys == ("A1.tif", "A2.tif")
    assert sc.open_folder(f"{folder}/*.zarr")["a.ome.zarr"].voxel_size == (0.5, 0.5)


@sc.step
def total(image):
    return {"sum": int(image.sum())}


def test_what_changed_in_a_bucket_is_computed_again_and_the_rest_is_known(bucket, folder, tmp_path):
    def table():
        return total(sc.open_folder(f"{folder}/*.tif"))

    def zarr_sum():
        return total(sc.open(f"{folder}/a.ome.zarr"))

    store = tmp_path / "results"
    sc.run([table(), zarr_sum()], store=store)
    plan = sc.plan([table(), zarr_sum()], store=store)
    assert {step.status for step in plan} == {"cached"}
    tifffile.imwrite(tmp_path / "A2.tif", VOXELS + 3)
    bucket.put("plate/A2.tif", (tmp_path / "A2.tif").read_bytes())
    chunk = "plate/a.ome.zarr/0/c/0/0"
    other = sc.open(VOXELS[::-1].copy(), voxel_size=0.5, unit="um")
    sc.export(other, tmp_path / "b.ome.zarr")
    bucket.put(chunk, (tmp_path / "b.ome.zarr/0/c/0/0").read_bytes())
    plan = sc.plan([table(), zarr_sum()], store=store)
    assert sorted(step.status for step in plan) == ["partial", "run"]
    assert any("1 of 2 members changed: A2.tif" in step.reason for step in plan)
    again = table()
    sc.run(again, store=store)
    sums = VOXELS.sum() + np.array([1, 3]) * VOXELS.size
    assert again.to_pandas()["sum"].tolist() == sums.tolist()


def test_what_comes_later_is_seen_in_the_same_process(bucket, folder):
    assert remote.read(bucket.url("plate/new.tif")) is None
    assert len(remote.globbed(f"{folder}/*.tif")) == 2
    bucket.put("plate/new.tif", b"new")
    assert remote.read(bucket.url("plate/new.tif")) == b"new"
    assert len(remote.globbed(f"{folder}/*.tif")) == 3
    bucket.remove("plate/A1.tif")
    assert remote.ask([f"{folder}/A1.tif"]) == [None]
    assert len(remote.globbed(f"{folder}/*.tif")) == 2


def test_the_tag_is_the_one_of_the_store(bucket):
    bucket.put("a", b"content")
    (said,) = remote.ask([bucket.url("a")])
    assert hashlib.md5(b"content").hexdigest() in said.tag  # noqa: S324  # what S3 calls it
    assert said == remote.listed(bucket.url(""))[bucket.url("a")]


WAYS = {
    "zarr": lambda place: sc.open(f"{place}/a.ome.zarr"),
    "tiff": lambda place: sc.open(f"{place}/A1.tif"),
    "pattern": lambda place: sc.open_folder(f"{place}/*.tif"),
    "plate": lambda place: sc.open_folder(f"{place}/plate.ome.zarr"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_bucket_that_is_missing_is_said(bucket, way):
    with pytest.raises(SourceNotFound, match=r"bucket of an input exists(.|\n)*s3://none"):
        WAYS[way]("s3://none/plate")


@pytest.mark.parametrize("way", WAYS)
def test_what_is_missing_in_a_bucket_is_said_of_itself(bucket, way):
    with pytest.raises((SourceError, SourceNotFound), match="s3://bucket/nothing") as raised:
        WAYS[way]("s3://bucket/nothing")
    assert "bucket of an input" not in str(raised.value)


REFUSALS = {
    "access denied": (403, "AccessDenied"),
    "unknown key": (403, "InvalidAccessKeyId"),
    "wrong secret": (403, "SignatureDoesNotMatch"),
    "expired": (400, "ExpiredToken"),
    "unauthorized": (401, "Unauthorized"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_refused_is_said_at_once_with_what_gives_the_right(bucket, folder, way, refusal):
    bucket.proxy.fault = lambda method, path: REFUSALS[refusal]
    status, _ = REFUSALS[refusal]
    with pytest.raises(SourceError, match=rf"status {status}(.|\n)*AWS_ACCESS_KEY_ID") as raised:
        WAYS[way](folder)
    assert "s3://bucket/plate" in str(raised.value)
    assert len(bucket.proxy.asked) <= 2


def test_wrong_credentials_are_no_absent_chunks(bucket, folder):
    image = sc.open(f"{folder}/a.ome.zarr", missing="fill")
    assert (image.read() == VOXELS).all()
    bucket.proxy.fault = lambda method, path: REFUSALS["unknown key"]
    with pytest.raises(SourceError, match="InvalidAccessKeyId"):
        image.read()
    bucket.proxy.fault = lambda method, path: REFUSALS["access denied"]
    assert (image.read() == 0).all()


def test_credentials_that_are_lacking_are_said(bucket, folder, monkeypatch, tmp_path):
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    remote._systems.forget()
    with pytest.raises(SourceError, match="FSSPEC_S3_ANON"):
        sc.open(f"{folder}/a.ome.zarr")
    assert not bucket.proxy.asked


FAULTS = [503, 500, (503, "SlowDown"), "drop", "cut", 0.05]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_that_passes_changes_nothing(bucket, folder, fault):
    def seen():
        image = sc.open(f"{folder}/a.ome.zarr")
        images = sc.open_folder(f"{folder}/*.tif")
        return [image.voxel_size, image.read().tolist(), images.keys, images["A1.tif"].shape]

    expected = seen()
    failed = set()

    def fails(method, path):
        if (method, path) in failed:
            return None
        failed.add((method, path))
        return fault

    bucket.proxy.fault = fails
    assert seen() == expected
    assert len(failed) > 4


@pytest.mark.parametrize("fault", [503, (503, "SlowDown"), "drop"], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_a_fault_without_end_is_an_error_after_few_tries(bucket, folder, way, fault):
    bucket.proxy.fault = lambda method, path: fault
    with pytest.raises(SourceError, match="in each of 4 tries") as raised:
        WAYS[way](folder)
    assert "s3://bucket/plate" in str(raised.value)
    assert len(bucket.proxy.asked) <= 9  # aiohttp asks again itself where a connection ends


@pytest.mark.parametrize("fault", [503, "drop", (403, "AccessDenied")], ids=str)
def test_a_fault_while_a_key_is_made_is_no_change(bucket, folder, tmp_path, fault):
    step = total(sc.open(f"{folder}/a.ome.zarr"))
    sc.run(step, store=tmp_path / "results")
    bucket.proxy.fault = lambda method, path: fault
    with pytest.raises(SourceError, match=r"s3://bucket/plate/a\.ome\.zarr"):
        sc.plan(step, store=tmp_path / "results")


def test_what_is_waited_for_is_told(bucket, folder, monkeypatch):
    monkeypatch.setattr("scutoid.remote._tries.PAUSES", (0, 0.02))
    monkeypatch.setattr("scutoid.remote._tries._TOLD_S", 0.01)
    bucket.proxy.fails(503, 503, of="a.ome.zarr/zarr.json")
    with pytest.warns(ScutoidWarning, match=r"s3://bucket fails \(status 503.*2 of 3 tries"):
        assert sc.open(f"{folder}/a.ome.zarr").shape == VOXELS.shape


def test_tries_take_bounded_time():
    from scutoid.remote import _tries

    assert sum(_tries.PAUSES) < 60


def test_a_file_is_copied_whole_though_connections_end(bucket, folder, tmp_path):
    due = bucket.proxy.fails("cut", "drop", of="A1.tif", method="GET")
    remote.download(f"{folder}/A1.tif", str(tmp_path / "copy.tif"))
    assert not due
    assert (tmp_path / "copy.tif").read_bytes() == bucket.get("plate/A1.tif")


def test_a_cost_foretells_the_requests_of_a_run(bucket, tmp_path):
    bucket.put_folder(arrays(tmp_path / "a.zarr", 3), "x/a.zarr")
    image = sc.open(bucket.url("x/a.zarr"), axes="yx")
    result = sc.threshold(image, level=1000)
    options = {"block": 16, "executor": "serial"}
    cost = sc.plan(result, store=tmp_path / "store", sample=4, **options).cost
    bucket.proxy.forget()
    sc.run(result, store=tmp_path / "store", check_halo=False, **options)
    n_chunks = sum("/c/" in path for _, path, *_ in bucket.proxy.asked)
    assert n_chunks == cost["threshold"].n_left == 7
    assert cost.n_requests == pytest.approx(n_chunks)
    assert "7 requests to servers" in cost.text()


@pytest.mark.parametrize("name", ["ques?tion", "a#b %41+c", "ünï"])
def test_odd_names_of_objects_are_names(bucket, folder, tmp_path, name):
    for kind in ("tif", "ome.zarr/zarr.json", "ome.zarr/s0/zarr.json"):
        bucket.put(quote(f"{name}/{name}.{kind}"), _content(bucket, kind))
    image = sc.open(bucket.url(f"{name}/{name}.tif"), axes="yx")
    np.testing.assert_array_equal(image.read(), VOXELS + 1)
    assert len(sc.open_folder(bucket.url("*/*.tif"), axes="yx")) == 3
    assert len(remote.listed(bucket.url(f"{name}/{name}.ome.zarr"))) == 2


def _content(bucket, kind):
    return bucket.get("plate/A1.tif") if kind == "tif" else b"{}"
