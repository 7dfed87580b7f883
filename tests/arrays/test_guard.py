"""What files claim is compared with memory; what libraries raise of them is an error of ours."""

from __future__ import annotations

import errno
import json
import math
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import scutoid as sc
import scutoid.arrays._guard as guard
from scutoid.arrays import open_source
from scutoid.errors import (
    MemoryLimitError,
    MetadataError,
    MissingExtra,
    SourceError,
)

GB = 2**30
HUGE = 2**40
ORDERS = st.sampled_from("<>")


@pytest.fixture
def free(monkeypatch):
    """Says how much memory is free."""

    def say(nbytes):
        monkeypatch.setattr(guard, "free_memory", lambda: nbytes)

    say(4 * GB)
    return say


def zarr_metadata(shape, chunk):
    grid = {"name": "regular", "configuration": {"chunk_shape": chunk}}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint16",
        "chunk_grid": grid,
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    }


def written(path, metadata):
    path.mkdir(parents=True)
    (path / "zarr.json").write_text(json.dumps(metadata))
    return path


def claims_png(path, width, height):
    """Write a PNG that is nothing but a header."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    data = zlib.compress(b"\0")
    rest = struct.pack(">I", len(data)) + b"IDAT" + data
    rest += struct.pack(">I", zlib.crc32(b"IDAT" + data))
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + rest + end)
    return path


def test_a_chunk_that_claims_more_than_is_free_is_not_asked_for(tmp_path, free) -> None:
    image = sc.open(written(tmp_path / "a.zarr", zarr_metadata([8, 9], [2**31 - 1, 2**29])))
    with pytest.raises(MemoryLimitError, match=r"(?s)decoded as a whole.*smaller chunks") as caught:
        image.read()
    assert "a.zarr" in str(caught.value)


def test_a_region_that_does_not_fit_names_one_that_does(tmp_path, free) -> None:
    free(2**28)
    metadata = zarr_metadata([1000, 2**12, 2**12], [1, 64, 64])
    image = sc.open(written(tmp_path / "a.zarr", metadata), axes="zyx")
    with pytest.raises(MemoryLimitError, match=r"image\[0:2, 0:4096, 0:4096\]") as caught:
        np.asarray(image)
    text = caught.value.remedy
    part = eval(f"np.s_[{text.partition('image[')[2].partition(']')[0]}]")  # noqa: S307
    assert image[part].read().nbytes == 2**26


def test_a_coarser_level_is_named_where_there_is_one(tmp_path, free) -> None:
    group = {
        "axes": [{"name": a, "type": "space"} for a in "yx"],
        "datasets": [
            {"path": p, "coordinateTransformations": [{"type": "scale", "scale": [s, s]}]}
            for p, s in (("0", 1.0), ("1", 2.0))
        ],
    }
    path = tmp_path / "a.zarr"
    attributes = {"ome": {"version": "0.5", "multiscales": [group]}}
    written(path, {"zarr_format": 3, "node_type": "group", "attributes": attributes})
    written(path / "0", zarr_metadata([2**17, 2**17], [64, 64]))
    written(path / "1", zarr_metadata([64, 64], [64, 64]))
    with pytest.raises(MemoryLimitError, match="level=1"):
        sc.open(path).read()
    assert sc.open(path, level=1).read().shape == (64, 64)


def test_what_is_small_is_read_however_little_is_free(tmp_path, free) -> None:
    free(0)
    image = sc.open(written(tmp_path / "a.zarr", zarr_metadata([8, 9], [4, 4])))
    assert image.read().shape == (8, 9)


def test_what_is_large_and_fits_is_read(tmp_path, free) -> None:
    image = sc.open(np.broadcast_to(np.uint8(3), (2**14, 2**13)))
    assert image.read().sum(dtype=int) == 3 * 2**27
    free(2**26)
    with pytest.raises(MemoryLimitError):
        image.read()


LONG = (500, 512, 1024)
"""Shape of an image that takes more than is free, where that is half a GB."""


def large_npy(path):
    """Write an npy of zeros, which take no room on a disk."""
    with path.open("wb") as file:
        fields = {"descr": "<u2", "fortran_order": False, "shape": LONG}
        np.lib.format.write_array_header_1_0(file, fields)
        file.truncate(file.tell() + math.prod(LONG) * 2)
    return path


def large_tiff(path):
    """Write a TIFF of one piece, the same."""
    page = np.zeros(LONG[1:], "uint16")
    text = f"ImageJ=1.11a\nimages={LONG[0]}\nslices={LONG[0]}\n"
    options = {"metadata": None, "software": False, "photometric": "minisblack"}
    tifffile.imwrite(path, page, description=text, **options)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + (LONG[0] - 1) * page.nbytes)
    return path


@pytest.mark.parametrize("write", [large_npy, large_tiff])
def test_of_what_lies_in_one_piece_the_region_alone_is_weighed(tmp_path, free, write) -> None:
    free(2**28)
    image = sc.open(write(tmp_path / f"a.{write.__name__[-4:].strip('_')}"), axes="zyx")
    assert image[3:5, :, :1000].read().shape == (2, 512, 1000)
    with pytest.raises(MemoryLimitError, match=r"image\[0:64"):
        image.read()


def test_a_stack_of_plain_files_is_weighed_as_they_are(tmp_path, free) -> None:
    for time in range(2):
        large_npy(tmp_path / f"t{time}.npy")
    images = sc.open_folder(tmp_path / "t{t:d}.npy", stack={"t": "t"})
    (key,) = images.keys
    free(2**28)
    assert images[key][:, 3:5, 8:10, :9].read().shape == (2, 2, 2, 9)


@pytest.mark.parametrize("write", [large_npy, large_tiff])
def test_a_limit_of_addresses_does_not_keep_a_region_from_being_read(tmp_path, write) -> None:
    path = write(tmp_path / f"a.{write.__name__[-4:].strip('_')}")
    code = (
        "import re, resource, sys\n"
        "from pathlib import Path\n"
        "import scutoid as sc\n"
        "image = sc.open(sys.argv[1], axes='zyx')\n"
        "image[:1].read()\n"
        "used = int(re.search(r'VmSize:\\s*(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "limit = used * 1024 + 2**28\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "assert image[400:402].read().shape == (2, 512, 1024)\n"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=120)


@given(
    array=hnp.arrays("<u2", hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)),
    order=st.sampled_from("CF"),
    data=st.data(),
)
def test_a_region_of_an_npy_is_that_of_the_array(array, order, data) -> None:
    array = np.asarray(array, order=order).view(array.dtype.newbyteorder(data.draw(ORDERS)))
    spans = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2)))
             for n in array.shape]  # fmt: skip
    region = tuple(slice(*span) for span in spans)
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/a.npy", array)
        axes = "tzyx"[-array.ndim :]
        found = np.asarray(sc.open(f"{folder}/a.npy", axes=axes)[region])
    np.testing.assert_array_equal(found, array[region])
    assert found.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (2**17, 2**15)])
def test_a_picture_is_weighed_by_its_header(tmp_path, free, width, height) -> None:
    with pytest.raises((MemoryLimitError, SourceError)) as caught:
        sc.open(claims_png(tmp_path / "a.png", width, height))
    assert isinstance(caught.value, MemoryLimitError)
    assert "a.png" in str(caught.value)


def test_a_dask_array_is_weighed_too(free) -> None:
    import dask.array as da

    image = sc.open(da.zeros((2**20, 2**20), chunks=(1000, 1000), dtype="u1"))
    with pytest.raises(MemoryLimitError, match=r"image\["):
        image.read()


ODD = {
    "a shape of numbers with fractions": {"shape": [8.5, 9]},
    "a shape of text": {"shape": ["8", "9"]},
    "a shape that is text": {"shape": "89"},
    "a negative shape": {"shape": [-8, 9]},
    "a shape past all": {"shape": [2**70, 9]},
    "a truth value as a length": {"shape": [True, 9]},
    "chunks of fewer axes": {"chunk_grid": zarr_metadata([], [4])["chunk_grid"]},
    "chunks of more axes": {"chunk_grid": zarr_metadata([], [4, 4, 4])["chunk_grid"]},
    "no chunks": {"chunk_grid": zarr_metadata([], None)["chunk_grid"]},
    "attributes that are a number": {"attributes": 3},
    "attributes that are a list": {"attributes": [1]},
    "codecs that are a number": {"codecs": 3},
    "codecs of numbers": {"codecs": [3]},
    "codecs that are a deep list": {"codecs": "deep"},
    "a fill value that does not fit": {"fill_value": 2**62},
    "a type of a list": {"data_type": [["x", "u2"]]},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_metadata_of_a_zarr_are_refused(tmp_path, name) -> None:
    path = written(tmp_path / "a.zarr", zarr_metadata([8, 9], [4, 4]) | ODD[name])
    file = path / "zarr.json"
    file.write_text(file.read_text().replace('"deep"', "[" * 5000 + "]" * 5000))
    with pytest.raises((SourceError, MetadataError), match=r"a\.zarr"):
        sc.open(path).read()


@pytest.mark.parametrize("text", ["3", "[]", '"a"', "null", "[" * 50_000])
@pytest.mark.parametrize("name", ["zarr.json", ".zarray", ".zattrs", ".zgroup"])
def test_metadata_of_a_zarr_that_are_no_object_are_refused(tmp_path, name, text) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / name).write_text(text)
    with pytest.raises(SourceError, match=r"a\.zarr"):
        sc.open(tmp_path / "a.zarr")


@pytest.mark.parametrize("codec", ["zlib", "lzma", "bz2", "gzip"])
def test_filters_that_fail_are_damage(tmp_path, codec) -> None:
    import numcodecs
    import zarr

    array = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=(8, 9),
        dtype="u2",
        chunks=(8, 9),
        zarr_format=2,
        compressors=None,
        filters=[numcodecs.get_codec({"id": codec})],
    )
    array[:] = 7
    image = sc.open(tmp_path / "a.zarr")
    assert (image.read() == 7).all()
    (chunk,) = (tmp_path / "a.zarr").glob("0*")
    chunk.write_bytes(b"\0" * 40)
    with pytest.raises(SourceError, match=r"a\.zarr"):
        sc.open(tmp_path / "a.zarr").read()


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY\x01\x00\x10\x00{'descr': [[[(((",
        b"\x93NUMPY\x01\x00v\x00" + b"(" * 118,
        b"PK\x03\x04" + b"\0" * 100,
        b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<u2', 'fortran_order': False, 'shape': (1, -3), }",
        b"\x93NUMPY\x07\x00v\x00",
    ],
)
def test_headers_of_npy_that_are_none_are_refused(tmp_path, content) -> None:
    (tmp_path / "a.npy").write_bytes(content.ljust(200))
    with pytest.raises(SourceError, match=r"a\.npy"):
        sc.open(tmp_path / "a.npy")


class Library:
    """Stands for a library that fails at what it reads."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *args, **options):
        raise self.error


RAISED = [
    ZeroDivisionError("division"),
    RecursionError("deep"),
    UnicodeDecodeError("utf-8", b"a", 0, 1, "odd"),
    KeyError("shape"),
    NotImplementedError("a codec"),
    OSError(5, "Input/output error"),
    type("Own", (Exception,), {})("of the library's own"),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["open", "read"])
def test_what_a_library_raises_names_the_file(tmp_path, monkeypatch, error, where) -> None:
    Image.fromarray(np.zeros((3, 4), "uint8")).save(tmp_path / "a.png")
    image = sc.open(tmp_path / "a.png")
    monkeypatch.setattr("scutoid.arrays._pictures._load", Library(error))
    with pytest.raises(SourceError, match=r"a\.png") as caught:
        image.read() if where == "read" else sc.open(tmp_path / "a.png")
    assert caught.value.__cause__ is error


OUT_OF_MEMORY = [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["open", "read"])
def test_a_library_that_runs_out_of_memory_names_the_file(
    tmp_path, monkeypatch, error, where
) -> None:
    Image.fromarray(np.zeros((3, 4), "uint8")).save(tmp_path / "a.png")
    image = sc.open(tmp_path / "a.png")
    monkeypatch.setattr("scutoid.arrays._pictures._load", Library(error))
    with pytest.raises(MemoryLimitError, match=r"a\.png"):
        image.read() if where == "read" else sc.open(tmp_path / "a.png")


def test_what_the_system_says_is_not_taken_for_damage(tmp_path, monkeypatch) -> None:
    Image.fromarray(np.zeros((3, 4), "uint8")).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 4), "uint8"), photometric="minisblack")
    error = OSError(errno.EMFILE, "Too many open files")
    for name, called in (
        ("a.png", "scutoid.arrays._pictures._kind_of"),
        ("a.tif", "scutoid.arrays._tiff_open.open_pages"),
        ("a.tif", "scutoid.arrays._tiff._whole"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(called, Library(error))
            with pytest.raises(SourceError) as caught:
                sc.open(tmp_path / name).read()
        assert "too many" in str(caught.value).lower()
        assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("error", [ImportError("broken"), KeyboardInterrupt(), MissingExtra("x")])
def test_what_says_nothing_of_the_file_passes(tmp_path, monkeypatch, error) -> None:
    Image.fromarray(np.zeros((3, 4), "uint8")).save(tmp_path / "a.png")
    monkeypatch.setattr("scutoid.arrays._pictures._load", Library(error))
    with pytest.raises(type(error)) as caught:
        sc.open(tmp_path / "a.png")
    assert caught.value is error


def test_errors_of_a_dask_graph_are_its_own() -> None:
    import dask.array as da

    def fail(block):
        raise ZeroDivisionError("mine")

    image = sc.open(da.zeros((3, 4)).map_blocks(fail, dtype=float, meta=np.zeros((0, 0))))
    with pytest.raises(ZeroDivisionError, match="mine"):
        image.read()


def test_backends_of_other_packages_are_guarded(tmp_path, monkeypatch) -> None:
    (tmp_path / "a.own").write_bytes(b"content")

    class Entry:
        name = "own"

        def load(self):
            return Library(ZeroDivisionError("theirs"))

    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Entry()])
    with pytest.raises(SourceError, match=r"theirs(.|\n)*a\.own"):
        open_source(tmp_path / "a.own")


def test_planes_that_a_file_claims_are_never_all_counted() -> None:
    from scutoid.arrays._scene import Lost

    lost = Lost.of("tz", (HUGE, HUGE), {(0, 0), (0, 2)})
    assert lost.places == ((0, 1), (0, 3), (0, 4))
    assert str(lost).startswith(f"{HUGE**2 - 2} of its {HUGE**2} planes are missing: t=0, z=1;")
    assert Lost.of("tz", (HUGE, 0), ()).n_lost == 0
    assert not Lost.of("t", (2,), {(0,), (1,)}).places
