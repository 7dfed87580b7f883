"""Plates and images written by iohub, which needs zarr 2."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from claims import Claim, noise, save
from iohub import open_ome_zarr
from iohub.ngff import TransformationMeta

_SHAPE = (2, 2, 6, 32, 40)
_SIZES = {"t": 3.0, "z": 2.0, "y": 0.5, "x": 0.25}
_CHANNELS = ["DAPI", "GFP"]
_WELLS = (("A", "01", "0"), ("A", "01", "1"), ("C", "12", "0"))


def write(folder: Path) -> Iterator[Claim]:
    """Write an image and a plate."""
    scale = [TransformationMeta(type="scale", scale=[3.0, 1.0, 2.0, 0.5, 0.25])]
    name = "image.zarr"
    with open_ome_zarr(folder / name, layout="fov", mode="w-", channel_names=_CHANNELS) as image:
        image.create_image("0", noise(_SHAPE), transform=scale)
    yield Claim(name, "tczyx", noise(_SHAPE), _SIZES, channels=_CHANNELS)
    name = "plate.zarr"
    with open_ome_zarr(folder / name, layout="hcs", mode="w-", channel_names=_CHANNELS) as plate:
        for seed, (row, column, field) in enumerate(_WELLS):
            position = plate.create_position(row, column, field)
            position.create_image("0", noise(_SHAPE, seed), transform=scale)
            yield Claim(
                f"{name}:{row}/{column}/{field}",
                "tczyx",
                noise(_SHAPE, seed),
                _SIZES,
                channels=_CHANNELS,
                columns={"well": f"{row}{column}", "field": field},
            )


if __name__ == "__main__":
    save(write(Path(sys.argv[2])), Path(sys.argv[3]))
