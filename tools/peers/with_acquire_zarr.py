"""Images, levels and plates streamed by acquire-zarr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import acquire_zarr as aqz
import numpy as np
from claims import Claim, noise, save

_KINDS = {"t": "TIME", "c": "CHANNEL", "z": "SPACE", "y": "SPACE", "x": "SPACE"}
_SIZES = {"t": 3.0, "z": 2.0, "y": 0.5, "x": 0.25}
_UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
_SHORT = {"t": "s", "z": "um", "y": "um", "x": "um"}
_SHAPES = {"zyx": (6, 32, 40), "tczyx": (2, 2, 6, 32, 40), "tyx": (4, 32, 40)}


def _settings(axes: str, **more: object) -> aqz.ArraySettings:
    dimensions = [
        aqz.Dimension(
            name=letter,
            kind=getattr(aqz.DimensionType, _KINDS[letter]),
            array_size_px=size,
            chunk_size_px=min(size, 16),
            shard_size_chunks=-(-size // 16),
            scale=_SIZES.get(letter, 1.0),
            unit=_UNITS.get(letter),
        )
        for letter, size in zip(axes, _SHAPES[axes], strict=True)
    ]
    return aqz.ArraySettings(
        dimensions=dimensions, data_type=np.dtype(np.uint16), is_ngff=True, **more
    )


def _claim(place: str, axes: str, voxels: np.ndarray, **columns: object) -> Claim:
    sizes = {letter: size for letter, size in _SIZES.items() if letter in axes}
    units = {letter: unit for letter, unit in _SHORT.items() if letter in axes}
    return Claim(place, axes, voxels, sizes, units, columns=columns)


def _stream(settings: aqz.StreamSettings, frames: dict[str | None, np.ndarray]) -> None:
    stream = aqz.ZarrStream(settings)
    for key, voxels in frames.items():
        stream.append(voxels, key=key)
    stream.close()


def write(folder: Path) -> Iterator[Claim]:
    """Write images of some axes, one with levels, one compressed, and a plate."""
    for seed, axes in enumerate(_SHAPES):
        voxels = noise(_SHAPES[axes], seed)
        store = str(folder / f"{axes}.zarr")
        _stream(
            aqz.StreamSettings(arrays=[_settings(axes)], store_path=store, overwrite=True),
            {None: voxels},
        )
        yield _claim(f"{axes}.zarr", axes, voxels)
    packed = aqz.CompressionSettings(
        codec=aqz.CompressionCodec.BLOSC_ZSTD, compressor=aqz.Compressor.BLOSC1, level=1, shuffle=1
    )
    array = _settings(
        "zyx", compression=packed, downsampling_method=aqz.DownsamplingMethod.DECIMATE
    )
    voxels = noise(_SHAPES["zyx"], 7)
    store = str(folder / "levels.zarr")
    _stream(aqz.StreamSettings(arrays=[array], store_path=store, overwrite=True), {None: voxels})
    yield _claim("levels.zarr", "zyx", voxels)
    yield from _plate(folder)


def _plate(folder: Path) -> Iterator[Claim]:
    wells = {("A", "01"): ("f0", "f1"), ("C", "12"): ("f0",)}
    listed = [
        aqz.Well(
            row_name=row,
            column_name=column,
            images=[
                aqz.FieldOfView(path=path, acquisition_id=0, array_settings=_settings("tczyx"))
                for path in paths
            ],
        )
        for (row, column), paths in wells.items()
    ]
    plate = aqz.Plate(
        path="plate",
        name="screen",
        row_names=["A", "B", "C"],
        column_names=["01", "12"],
        wells=listed,
        acquisitions=[aqz.Acquisition(id=0, name="first")],
    )
    settings = aqz.StreamSettings(
        store_path=str(folder / "screen.zarr"), hcs_plates=[plate], overwrite=True
    )
    keys = [(r, c, path) for (r, c), paths in wells.items() for path in paths]
    voxels = {key: noise(_SHAPES["tczyx"], seed) for seed, key in enumerate(keys)}
    _stream(settings, {f"plate/{'/'.join(key)}": each for key, each in voxels.items()})
    for (row, column, path), each in voxels.items():
        columns = {"well": f"{row}{column}", "field": path, "acquisition": 0}
        yield _claim(f"screen.zarr/plate:{row}/{column}/{path}", "tczyx", each, **columns)


if __name__ == "__main__":
    save(write(Path(sys.argv[2])), Path(sys.argv[3]))
