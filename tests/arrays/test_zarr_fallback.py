"""What zarr-python reads in place of tensorstore, and what it must not be asked for."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zarr

from scutoid.arrays import ImageSpec, create_image, open_source
from scutoid.errors import SourceError, StoreError
from scutoid.geometry import Roi

IMAGE = np.arange(48, dtype="uint8").reshape(6, 8)
SPEC = ImageSpec((6, 8), "uint8", "yx")


def edit(path, change):
    metadata = json.loads(path.read_bytes())
    change(metadata)
    path.write_text(json.dumps(metadata))


def test_a_codec_that_only_zarr_python_knows_is_read_and_keeps_the_reason(tmp_path):
    from numcodecs import LZ4

    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=IMAGE, chunks=(3, 4), zarr_format=2, compressors=LZ4())
    (path / "1.1").write_bytes(b"not lz4")
    first = Roi((0, 0), (3, 8))
    np.testing.assert_array_equal(open_source(path).read(first), IMAGE[:3])
    with pytest.raises(SourceError, match=r'(?s)tensorstore: .*"lz4" is not registered'):
        open_source(path).read(SPEC.roi)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"zarr_format": 2}, id="zarr 2"),
        pytest.param(
            {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
            id="zarr 2 in folders",
        ),
        pytest.param({"zarr_format": 3}, id="zarr 3"),
        pytest.param({"zarr_format": 3, "shards": (6, 8)}, id="zarr 3 in shards"),
    ],
)
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
@pytest.mark.parametrize("roi", [SPEC.roi, Roi((2, 3), (3, 4))], ids=["all", "across chunks"])
def test_a_chunk_that_only_zarr_python_reads_is_read_anew_where_it_changed(tmp_path, options, roi):
    from numcodecs import LZ4
    from zarr.codecs.numcodecs import LZ4 as LZ4_OF_3

    codec = LZ4() if options["zarr_format"] == 2 else LZ4_OF_3()
    path, shape = tmp_path / "a.zarr", {"shape": IMAGE.shape, "dtype": IMAGE.dtype}
    array = zarr.create_array(path, chunks=(3, 4), compressors=codec, **shape, **options)
    for value in (IMAGE, IMAGE + 1):
        array[...] = value
        np.testing.assert_array_equal(open_source(path).read(roi), value[roi.to_slices()])
    for file in path.rglob("*"):
        if file.is_file() and not file.name.startswith((".z", "zarr.json")):
            file.unlink()
    assert not open_source(path).read(roi).any()


def test_a_codec_that_nobody_knows_is_told_with_both_reasons(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=IMAGE, chunks=(3, 4), zarr_format=2, compressors=None)
    edit(path / ".zarray", lambda said: said.update(compressor={"id": "nobodys"}))
    with pytest.raises(SourceError, match=r'(?s)nobodys.*tensorstore: .*"nobodys" is not regist'):
        open_source(path).read(SPEC.roi)


@pytest.mark.parametrize(
    ("harm", "of_reading", "of_writing"),
    [
        (lambda path: (path / "0/zarr.json").unlink(), "it is gone", "does not exist"),
        (
            lambda path: (path / "0/zarr.json").write_text('{"zarr_format": 3,'),
            "zarr metadata is JSON",
            "Invalid JSON",
        ),
        (shutil.rmtree, "it is gone", "does not exist"),
    ],
    ids=["no-metadata", "torn-metadata", "all-is-gone"],
)
def test_what_zarr_python_cannot_mend_is_told_as_it_is(tmp_path, harm, of_reading, of_writing):
    writer = create_image(tmp_path / "a.zarr", SPEC)
    source = open_source(tmp_path / "a.zarr")
    harm(tmp_path / "a.zarr")
    with pytest.raises(SourceError, match=of_reading):
        source.read(SPEC.roi)
    with pytest.raises(StoreError, match=of_writing):
        writer.write(SPEC.roi, IMAGE)


def test_an_array_that_tensorstore_does_not_know_is_not_written(tmp_path):
    writer = create_image(tmp_path / "a.zarr", SPEC)
    edit(
        tmp_path / "a.zarr/0/zarr.json",
        lambda said: said.update(codecs=[{"name": "numcodecs.lz4", "configuration": {}}]),
    )
    with pytest.raises(StoreError, match=r"numcodecs\.lz4"):
        writer.write(SPEC.roi, IMAGE)
