"""Zarr of both versions, pyramids, zips, npy and pictures."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from formats import Format, read_image

TRUTH = np.random.default_rng(0).integers(0, 200, (3, 20, 24)).astype("uint16")
_PNG_MARK = 8


def _zarr(**options: Any) -> Any:
    def write(folder: Path) -> Path:
        import zarr

        path = folder / "a.zarr"
        array = zarr.create_array(str(path), shape=TRUTH.shape, dtype=TRUTH.dtype, **options)
        array[:] = TRUTH
        return path

    return write


def _pyramid(folder: Path) -> Path:
    import scutoid as sc

    image = sc.open(TRUTH, axes="zyx", voxel_size=(2, 1, 1), unit="um")
    path = folder / "a.ome.zarr"
    sc.export(image, path)
    return path


def _zipped(folder: Path) -> Path:
    made = _pyramid(folder)
    archive = shutil.make_archive(str(folder / "a.zarr"), "zip", made)
    shutil.rmtree(made)
    return Path(archive)


def _npy(folder: Path) -> Path:
    np.save(folder / "a.npy", TRUTH)
    return folder / "a.npy"


def _picture(name: str, dtype: str = "uint8", shape: tuple[int, ...] = (20, 24, 3)) -> Any:
    def write(folder: Path) -> Path:
        import imageio.v3 as iio

        voxels = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
        if dtype == "uint16" and len(shape) > 2:
            import imagecodecs

            (folder / name).write_bytes(imagecodecs.png_encode(voxels))
        else:
            iio.imwrite(folder / name, voxels, plugin="pillow")
        return folder / name

    return write


def _seal_png(path: Path) -> None:
    """Write the checksums of all pieces of a PNG anew."""
    content = bytearray(path.read_bytes())
    at = _PNG_MARK
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        end = at + 8 + length
        if end + 4 > len(content):
            break
        struct.pack_into(">I", content, end, zlib.crc32(content[at + 4 : end]))
        at = end + 4
    path.write_bytes(content)


_V2: dict[str, Any] = {"zarr_format": 2}
_ZLIB = {"id": "zlib", "level": 1}
_LZMA = {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None}


def _filtered(filters: list[dict[str, Any]]) -> Any:
    def write(folder: Path) -> Path:
        import numcodecs

        made = [numcodecs.get_codec(dict(each)) for each in filters]
        return _zarr(chunks=(2, 8, 8), filters=made, compressors=None, **_V2)(folder)

    return write


FORMATS = {
    "zarr 2": Format(_zarr(chunks=(2, 8, 8), **_V2), read_image),
    "zarr 2 with zlib": Format(_filtered([_ZLIB]), read_image),
    "zarr 2 with lzma": Format(_filtered([_LZMA]), read_image),
    "zarr 3": Format(_zarr(chunks=(2, 8, 8)), read_image),
    "zarr 3 raw": Format(_zarr(chunks=(2, 8, 8), compressors=None), read_image),
    "zarr 3 in shards": Format(_zarr(chunks=(1, 8, 8), shards=(2, 16, 16)), read_image),
    "ome-zarr": Format(_pyramid, read_image),
    "zarr in a zip": Format(_zipped, read_image),
    "npy": Format(_npy, read_image),
    "png": Format(_picture("a.png"), read_image, _seal_png),
    "png of 16 bits": Format(_picture("a.png", "uint16"), read_image, _seal_png),
    "jpeg": Format(_picture("a.jpg"), read_image),
    "bmp": Format(_picture("a.bmp"), read_image),
}
