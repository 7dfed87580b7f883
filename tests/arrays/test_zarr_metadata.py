"""Zarr 3 in the forms in which others write its metadata: read, or refused by the feature."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.arrays import files_of_array
from scutoid.arrays._zarr_metadata import written_out
from scutoid.errors import SourceError

TRUTH = np.random.default_rng(0).integers(0, 99, (4, 6))
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
INDEX = [LITTLE, {"name": "crc32c"}]


def rewritten(path, dtype, change, **options):
    """Write an array, and change what stands in its metadata."""
    array = zarr.create_array(path, shape=(4, 6), dtype=dtype, fill_value=0, **options)
    array[:] = TRUTH
    place = path / "zarr.json"
    metadata = json.loads(place.read_text())
    change(metadata)
    place.write_text(json.dumps(metadata))
    return path


def name_only(codec):
    return codec["name"]


def bare(codec):
    return {"name": codec["name"]}


@pytest.mark.parametrize("form", [name_only, bare])
@pytest.mark.parametrize(
    "compressor", ["zstd", "gzip", "blosc", None], ids=lambda name: name or "none"
)
def test_codecs_without_a_configuration(tmp_path, form, compressor) -> None:
    made = {
        "zstd": zarr.codecs.ZstdCodec(),
        "gzip": zarr.codecs.GzipCodec(),
        "blosc": zarr.codecs.BloscCodec(),
    }

    def change(metadata):
        first, *others = metadata["codecs"]
        metadata["codecs"] = [first, *map(form, others)]

    compressors = (made[compressor],) if compressor else (zarr.codecs.Crc32cCodec(),)
    path = rewritten(tmp_path / "a", "uint16", change, chunks=(2, 3), compressors=compressors)
    np.testing.assert_array_equal(sc.open(path).read(), TRUTH)


@pytest.mark.parametrize("form", [name_only, bare])
def test_codecs_inside_of_shards_without_a_configuration(tmp_path, form) -> None:
    def change(metadata):
        inside = metadata["codecs"][0]["configuration"]
        inside["codecs"] = [form(codec) for codec in inside["codecs"]]
        first, *others = inside["index_codecs"]
        inside["index_codecs"] = [first, *map(form, others)]

    path = rewritten(tmp_path / "a", "uint8", change, chunks=(2, 3), shards=(4, 6))
    image = sc.open(path)
    assert image.framed.chunks == (2, 3)
    np.testing.assert_array_equal(image.read(), TRUTH)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float64", "bool"])
@pytest.mark.parametrize("extra", [{}, {"configuration": {}}])
def test_a_type_as_an_object(tmp_path, dtype, extra) -> None:
    def change(metadata):
        metadata["data_type"] = {"name": dtype, **extra}

    path = rewritten(tmp_path / "a", dtype, change, chunks=(2, 3))
    image = sc.open(path)
    assert image.dtype == dtype
    np.testing.assert_array_equal(image.read(), TRUTH.astype(dtype))


def test_an_encoding_of_keys_by_its_name(tmp_path) -> None:
    def change(metadata):
        metadata["chunk_key_encoding"] = "default"

    path = rewritten(tmp_path / "a", "uint8", change, chunks=(2, 3))
    np.testing.assert_array_equal(sc.open(path).read(), TRUTH)
    assert "c/1/1" in files_of_array(str(path))


def test_what_is_written_out_stays_as_it_is(tmp_path) -> None:
    zarr.create_array(tmp_path / "a", shape=(4, 6), dtype="uint16", chunks=(2, 3), shards=(4, 6))
    metadata = json.loads((tmp_path / "a" / "zarr.json").read_text())
    assert written_out(metadata) == metadata


RECTILINEAR = {
    "name": "rectilinear",
    "configuration": {"kind": "inline", "chunk_shapes": [[1, 3], [2, 4]]},
}
TIMES = {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("chunk_grid", RECTILINEAR, "a chunk grid 'rectilinear'"),
        ("data_type", TIMES, "a type 'numpy.datetime64'"),
        ("data_type", "int4", "a type 'int4'"),
        ("data_type", "r24", "a type 'r24'"),
        ("data_type", "string", "a type 'string'"),
        ("storage_transformers", [{"name": "mirror"}], "storage transformers 'mirror'"),
        ("chunk_key_encoding", {"name": "suffix"}, "an encoding of chunk keys 'suffix'"),
        ("statistics", {"name": "mean"}, "a field 'statistics'"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name_and_version(tmp_path, field, value, said) -> None:
    path = rewritten(
        tmp_path / "a", "uint8", lambda metadata: metadata.update({field: value}), chunks=(2, 3)
    )
    with pytest.raises(SourceError) as refused:
        sc.open(path)
    text = str(refused.value)
    assert said in text
    assert "zarr format 3; read by tensorstore" in text
    assert f"zarr {zarr.__version__}" in text
    assert "restore" not in text


def test_another_format_of_zarr_is_refused_by_its_number(tmp_path) -> None:
    path = rewritten(tmp_path / "a", "uint8", lambda m: m.update(zarr_format=4), chunks=(2, 3))
    with pytest.raises(SourceError, match=r"in zarr format 4; read by tensorstore"):
        sc.open(path)


def test_readers_without_metadata_of_their_own_are_named_without_a_version(
    tmp_path, monkeypatch
) -> None:
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    path = rewritten(tmp_path / "a", "uint8", lambda m: m.update(zarr_format=4), chunks=(2, 3))
    with pytest.raises(SourceError, match="read by tensorstore and zarr\n"):
        sc.open(path)


CHANGES = {
    "a field that need not be understood": {"statistics": {"must_understand": False}},
    "axes of one name": {"dimension_names": ["x", "x"]},
    "axes without names": {"dimension_names": [None, None]},
    "no storage transformers": {"storage_transformers": []},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_says_nothing_of_the_voxels_keeps_no_one_from_them(tmp_path, name) -> None:
    rewritten(tmp_path / "a", "uint8", lambda m: m.update(CHANGES[name]), chunks=(2, 3))
    plain = rewritten(tmp_path / "b", "uint8", lambda m: None, chunks=(2, 3))
    np.testing.assert_array_equal(sc.open(tmp_path / "a").read(), sc.open(plain).read())


def test_chunks_of_shards_that_are_named_but_not_described(tmp_path) -> None:
    path = rewritten(
        tmp_path / "a", "uint8", lambda m: m.update(codecs=["sharding_indexed"]), chunks=(2, 3)
    )
    with pytest.raises(SourceError, match="configuration"):
        sc.open(path)
