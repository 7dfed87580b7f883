"""Images, labels and plates written and read by ngio."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ngio
import numpy as np
from claims import Claim, load, noise, objects, save

_UNITS = {"t": "s", "z": "um", "y": "um", "x": "um"}
_LONG = {"micrometer": "um", "nanometer": "nm", "second": "s"}
_AXES = {"yx": (32, 40), "zyx": (6, 32, 40), "cyx": (2, 32, 40), "tczyx": (2, 2, 6, 32, 40)}


def _image(store: Any, axes: str, version: str, seed: int = 0) -> Claim:
    voxels = noise(_AXES[axes], seed)
    names = ["DAPI", "GFP"] if "c" in axes else []
    made = ngio.create_ome_zarr_from_array(
        store,
        voxels,
        pixelsize=(0.5, 0.25),
        z_spacing=2.0,
        time_spacing=3.0,
        axes_names=list(axes),
        channels_meta=names or None,
        levels=2,
        ngff_version=version,
        overwrite=True,
    )
    sizes = {"t": 3.0, "z": 2.0, "y": 0.5, "x": 0.25}
    known = {letter: size for letter, size in sizes.items() if letter in axes}
    units = {letter: unit for letter, unit in _UNITS.items() if letter in axes}
    labels = made.derive_label("nuclei", overwrite=True)
    labels.set_array(_labels(labels, seed))
    labels.consolidate()
    return Claim("", axes, voxels, known, units, names)


def _labels(labels: Any, seed: int) -> Any:
    return objects(labels.shape, seed).astype(labels.dtype)


def _beside(claim: Claim, seed: int) -> Claim:
    """Describe the labels of an image."""
    axes = claim.axes.replace("c", "")
    shape = tuple(n for n, a in zip(claim.voxels.shape, claim.axes, strict=True) if a != "c")
    return Claim("", axes, objects(shape, seed), claim.sizes, claim.units)


def _at(claim: Claim, place: str, **columns: object) -> Claim:
    return Claim(place, claim.axes, claim.voxels, claim.sizes, claim.units, claim.channels, columns)


def write(folder: Path) -> Iterator[Claim]:
    """Write images of all axes, and a plate, in both versions, each with labels."""
    for version in ("0.4", "0.5"):
        for axes in _AXES:
            name = f"{axes}-{version}.zarr"
            claim = _image(str(folder / name), axes, version)
            yield _at(claim, name)
            yield _at(_beside(claim, 0), f"{name}/labels/nuclei")
        yield from _plate(folder, version)


def _plate(folder: Path, version: str) -> Iterator[Claim]:
    wells = [("A", "01", "0"), ("A", "01", "1"), ("C", "12", "0")]
    images = [
        ngio.ImageInWellPath(row=row, column=column, path=path, acquisition_id=int(path))
        for row, column, path in wells
    ]
    name = f"plate-{version}.zarr"
    plate = ngio.create_empty_plate(
        str(folder / name), "screen", images=images, ngff_version=version, overwrite=True
    )
    for seed, (row, column, path) in enumerate(wells):
        claim = _image(plate.get_image_store(row, column, path), "cyx", version, seed)
        key = f"{row}/{column}/{path}"
        said = {"well": f"{row}{column}", "field": path, "acquisition": int(path)}
        yield _at(claim, f"{name}:{key}", **said)
        yield _at(_beside(claim, seed), f"{name}:{key}#nuclei", **said)


def read(folder: Path) -> Iterator[Claim]:
    """Read images that are claimed: by path, by level, labels beside them, and fields of plates."""
    for place in load(folder):
        path, _, key = place.partition(":")
        key, _, table = key.partition("!")
        key, _, labels = key.partition("#")
        path, _, level = path.partition("@")
        path, _, own = path.partition("/labels/")
        if key:
            row, column, image = key.split("/")
            plate = ngio.open_ome_zarr_plate(str(folder / path))
            container = plate.get_image(row, column, image)
        else:
            container = ngio.open_ome_zarr_container(str(folder / path))
        if table:
            yield _table(place, container.get_table(table).dataframe)
            continue
        name = labels or own
        found = container.get_label(name) if name else container.get_image(path=level or "0")
        yield _seen(place, found, list(container.channel_labels) if not name else [])


def _seen(place: str, image: Any, channels: list[str]) -> Claim:
    axes = "".join(image.axes)
    size = image.pixel_size
    known = {"t": size.t, "z": size.z, "y": size.y, "x": size.x}
    unit = _LONG.get(size.space_unit, str(size.space_unit))
    return Claim(
        place,
        axes,
        np.asarray(image.get_as_numpy()),
        {letter: float(known[letter]) for letter in axes if letter in known},
        {letter: unit for letter in axes if letter in "zyx"},
        channels,
    )


def _table(place: str, frame: Any) -> Claim:
    numbers = frame.select_dtypes("number")
    return Claim(place, ",".join(sorted(numbers)), numbers[sorted(numbers)].to_numpy(float))


if __name__ == "__main__":
    work, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    save({"write": write, "read": read}[work](source), target)
