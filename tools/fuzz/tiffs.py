"""TIFF of all kinds: plain, OME-XML, ImageJ, LSM, pyramids, sets of files, stacks, folders."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from formats import Format, read_image

_TESTS = Path(__file__).parents[2] / "tests"
TRUTH = np.random.default_rng(0).integers(0, 200, (3, 20, 24)).astype("uint16")


def _tiff(name: str = "a.tif", **options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        import tifffile

        path = folder / name
        tifffile.imwrite(path, TRUTH, photometric="minisblack", **options)
        return path

    return write


def _pyramid(folder: Path) -> Path:
    import tifffile

    path = folder / "a.ome.tif"
    options: dict[str, Any] = {"photometric": "minisblack", "tile": (16, 16)}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(TRUTH.repeat(2, 1).repeat(2, 2), subifds=1, **options)
        file.write(TRUTH, subfiletype=1, **options)
    return path


def _lone_pages(folder: Path) -> Path:
    import tifffile

    with tifffile.TiffWriter(folder / "a.tif") as file:
        for page in TRUTH:
            file.write(page, photometric="minisblack", contiguous=False, metadata=None)
    return folder / "a.tif"


def _lsm(folder: Path) -> Path:
    write = runpy.run_path(str(_TESTS / "arrays" / "test_lsm.py"))["write"]
    write(folder / "a.lsm", TRUTH[:, None], "zcyx")
    return folder / "a.lsm"


def _made(maker: str, folder: Path) -> Path:
    """Write a file of several images, or a folder of files that are one image."""
    makers = runpy.run_path(str(_TESTS / "ome_files.py"))
    if maker == "positions":
        return Path(makers[maker](folder / "a.ome.tif"))
    makers[maker](folder / "set")
    return folder / "set"


def _planes(folder: Path, *, within: str = "planes") -> Path:
    import tifffile

    (folder / within).mkdir()
    for number, page in enumerate(TRUTH):
        tifffile.imwrite(folder / within / f"z{number}.tif", page, photometric="minisblack")
    return folder / within


def _read_series(path: Path) -> None:
    """Open each image of a file as a member, and read it."""
    import scutoid as sc

    images = sc.open_folder(path)
    for key in images:
        np.asarray(images[key])


def _read_stack(path: Path) -> None:
    """Open the files of a folder as one image, by a pattern."""
    import scutoid as sc

    images = sc.open_folder(path / "z{z:d}.tif", stack={"z": "z"})
    for key in images:
        np.asarray(images[key])


_ZLIB: dict[str, Any] = {"compression": "zlib", "metadata": None}
FORMATS = {
    "tiff": Format(_tiff(metadata=None), read_image),
    "tiff shaped": Format(_tiff(), read_image),
    "tiff compressed": Format(_tiff(**_ZLIB), read_image),
    "tiff tiled": Format(_tiff(tile=(16, 16), **_ZLIB), read_image),
    "tiff big": Format(_tiff(bigtiff=True, metadata=None), read_image),
    "tiff pages": Format(_lone_pages, read_image),
    "tiff imagej": Format(_tiff(imagej=True, metadata={"axes": "ZYX"}), read_image),
    "ome-tiff": Format(_tiff("a.ome.tif", ome=True), read_image),
    "ome-tiff compressed": Format(_tiff("a.ome.tif", ome=True, compression="zlib"), read_image),
    "ome-tiff pyramid": Format(_pyramid, read_image),
    "ome-tiff series": Format(partial(_made, "positions"), _read_series),
    "ome-tiff files": Format(partial(_made, "plane_files"), read_image),
    "ome-tiff companion": Format(partial(_made, "companion"), read_image),
    "lsm": Format(_lsm, read_image),
    "planes": Format(_planes, read_image),
    "stack": Format(_planes, _read_stack),
}
