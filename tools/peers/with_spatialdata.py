"""Images and labels written by spatialdata, in one store, with places in coordinate systems."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import spatialdata as sd
from claims import Claim, noise, objects, save
from spatialdata.models import Image2DModel, Image3DModel, Labels2DModel, Labels3DModel
from spatialdata.transformations import Scale

_NAME = "data.zarr"


def write(folder: Path) -> Iterator[Claim]:
    """Write images and labels of two and three axes, with and without levels."""
    planes, volume = noise((2, 32, 40)), noise((2, 6, 32, 40), 1)
    flat, deep = objects((32, 40)), objects((6, 32, 40), 1)
    two, three = {"y": 0.5, "x": 0.25}, {"z": 2.0, "y": 0.5, "x": 0.25}
    names = ["DAPI", "GFP"]
    images = {
        "plain": Image2DModel.parse(
            planes, dims=("c", "y", "x"), c_coords=names, transformations=_placed(two)
        ),
        "levels": Image2DModel.parse(
            planes,
            dims=("c", "y", "x"),
            c_coords=names,
            scale_factors=[2],
            transformations=_placed(two),
        ),
        "deep": Image3DModel.parse(
            volume, dims=("c", "z", "y", "x"), c_coords=names, transformations=_placed(three)
        ),
    }
    labels = {
        "flat": Labels2DModel.parse(flat, dims=("y", "x"), transformations=_placed(two)),
        "solid": Labels3DModel.parse(deep, dims=("z", "y", "x"), transformations=_placed(three)),
    }
    sd.SpatialData(images=images, labels=labels).write(folder / _NAME, overwrite=True)
    for name, axes, voxels, sizes in (
        ("plain", "cyx", planes, two),
        ("levels", "cyx", planes, two),
        ("deep", "czyx", volume, three),
    ):
        yield Claim(
            f"{_NAME}:images/{name}",
            axes,
            voxels,
            sizes,
            channels=names,
            columns={"element": "images", "name": name},
        )
    for name, axes, voxels, sizes in (("flat", "yx", flat, two), ("solid", "zyx", deep, three)):
        columns = {"element": "labels", "name": name}
        yield Claim(f"{_NAME}:labels/{name}", axes, voxels, sizes, columns=columns)


def _placed(sizes: dict[str, float]) -> dict[str, Scale]:
    return {"global": Scale(list(sizes.values()), axes=tuple(sizes))}


if __name__ == "__main__":
    save(write(Path(sys.argv[2])), Path(sys.argv[3]))
