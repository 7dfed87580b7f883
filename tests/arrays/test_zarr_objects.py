"""Shards in a bucket: the bytes of a folder, created once, noted as they are there."""

from __future__ import annotations

import numpy as np
import pytest

from scutoid import remote
from scutoid.arrays import ImageSpec, Storage, create_image, open_source, writer_to_url
from scutoid.errors import GeometryError, MetadataError
from scutoid.geometry import Roi

SHAPE, BLOCK = (70, 100), (32, 64)
BLOCKS = [Roi((y, x), (min(32, 70 - y), min(64, 100 - x))) for y in (0, 32, 64) for x in (0, 64)]


def created(path, axes="yx", **storage):
    shape, block = (SHAPE, BLOCK) if axes == "yx" else ((*SHAPE, 3), (*BLOCK, 3))
    spec = ImageSpec(shape, np.dtype("u2"), axes)
    return create_image(path, spec, block=block, storage=Storage(**storage), label=False)


def voxels(axes, seed=0):
    found = np.random.default_rng(seed).integers(1, 999, (*SHAPE, 3) if axes == "yxc" else SHAPE)
    return found.astype("u2")


def of_axes(roi, axes):
    return roi if axes == "yx" else Roi((*roi.offset, 0), (*roi.shape, 3))


@pytest.mark.parametrize("axes", ["yx", "yxc"])
@pytest.mark.parametrize(
    "storage", [{}, {"levels": 2}, {"compressor": "none"}, {"compressor": "blosc", "chunks": 16}]
)
def test_shards_and_notes_are_those_of_a_folder(bucket, tmp_path, axes, storage):
    here = created(tmp_path / "here.ome.zarr", axes, **storage)
    there = writer_to_url(created(tmp_path / "there.ome.zarr", axes, **storage), bucket.url("a"))
    data = voxels(axes)
    data[:32, :64] = 0  # a block of zeros
    for roi in (of_axes(block, axes) for block in BLOCKS):
        notes = [w.write_noted(roi, data[roi.to_slices()]) for w in (here, there)]
        assert (notes[0] is None) == (notes[1] is None)
        if notes[0] is not None:
            assert sorted(notes[0].tolist()) == sorted(notes[1].tolist())
    root = tmp_path / "here.ome.zarr"
    files = {p.relative_to(root).as_posix(): p for p in root.rglob("*") if p.is_file()}
    found = {o.url.removeprefix(bucket.url("a/")): o.url for o in remote.objects(bucket.url("a"))}
    assert found.keys() == files.keys()
    for name, path in files.items():
        assert remote.get(found[name]) == path.read_bytes()
    source = open_source(bucket.url("a"))
    np.testing.assert_array_equal(source.read(source.spec.roi), data)


@pytest.mark.parametrize("levels", [1, 2])
def test_the_first_writer_of_a_shard_holds_and_is_noted_by_all(bucket, tmp_path, levels):
    writers = [
        writer_to_url(created(tmp_path / f"{n}.ome.zarr", levels=levels), bucket.url("a"))
        for n in range(2)
    ]
    roi = BLOCKS[0]
    notes = [
        writer.write_noted(roi, voxels("yx", seed)[roi.to_slices()])
        for seed, writer in enumerate(writers)
    ]
    assert notes[0].tolist() == notes[1].tolist()
    np.testing.assert_array_equal(
        open_source(bucket.url("a")).read(roi), voxels("yx")[roi.to_slices()]
    )


@pytest.mark.parametrize("axes", ["yx", "yxc"])
def test_of_a_block_that_two_have_begun_all_levels_are_of_the_first(
    bucket, tmp_path, monkeypatch, axes
):
    dead, writer, alone = (
        writer_to_url(created(tmp_path / f"{name}.ome.zarr", axes, levels=3), bucket.url(name))
        for name in ("a", "a", "b")
    )
    roi = of_axes(BLOCKS[0], axes)
    first, other = (voxels(axes, seed)[roi.to_slices()] for seed in (0, 1))
    create = remote.create
    with monkeypatch.context() as patched:
        patched.setattr(remote, "create", lambda url, content: create(url, content) and 1 / 0)
        with pytest.raises(ZeroDivisionError):  # ends when it has created one shard
            dead.write(roi, first)
    notes, kept = writer.write_kept(roi, other)
    np.testing.assert_array_equal(kept, first)
    assert notes.tolist() == alone.write_noted(roi, first).tolist()
    for level in range(3):
        below = f"{level}/c/" + "/".join("0" * len(axes))
        assert remote.get(bucket.url(f"a/{below}")) == remote.get(bucket.url(f"b/{below}"))


def test_a_shard_is_one_request(bucket, tmp_path):
    writer = writer_to_url(created(tmp_path / "a.ome.zarr"), bucket.url("a"))
    bucket.proxy.forget()
    for roi in BLOCKS:
        writer.write(roi, voxels("yx")[roi.to_slices()])
    assert [method for method, *_ in bucket.proxy.asked] == ["PUT"] * len(BLOCKS)


def test_zeros_are_stored_where_they_are_asked_for(bucket, tmp_path):
    writer = writer_to_url(created(tmp_path / "a.ome.zarr"), bucket.url("a"))
    zeros = np.zeros((32, 64), "u2")
    assert writer.write_noted(BLOCKS[0], zeros) is None
    assert len(writer.write_noted(BLOCKS[0], zeros, stores_zeros=True)) == 1


def test_what_would_cut_a_shard_or_is_no_zarr_is_refused(bucket, tmp_path):
    writer = writer_to_url(created(tmp_path / "a.ome.zarr"), bucket.url("a"))
    with pytest.raises(GeometryError, match="whole shards"):
        writer.write(Roi((1, 0), (32, 64)), np.ones((32, 64), "u2"))
    spec = ImageSpec(SHAPE, np.dtype("u2"), "yx")
    with pytest.raises(MetadataError, match="zarrs"):
        writer_to_url(create_image(tmp_path / "a.tif", spec, format="tiff"), bucket.url("b"))
