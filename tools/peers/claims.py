"""What is known of images on disk: exchanged between scutoid and another program, as JSON.

A claim is of one image: where it is, its axes, its sizes, its voxels.  One side writes images with
claims, the other opens the images and makes claims of what it sees.  Needs numpy alone, for each
program imports it in an environment of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "claims.json"
_FACTS = ("sizes", "units", "columns")


@dataclass(frozen=True)
class Claim:
    """What one side says of an image."""

    place: str
    """Where it is, below the folder: of a collection ``plate.zarr:A/1/0``, of levels ``a.zarr@1``,
    of labels beside images ``plate.zarr:A/1/0#nuclei``, of tables ``plate.zarr:A/1/0!nuclei``."""
    axes: str
    """A letter each; of a table the names of its columns of numbers."""
    voxels: NDArray[Any]
    """All of them; of a table its numbers, a row each."""
    sizes: Mapping[str, float] = field(default_factory=dict)
    """Size of a voxel, by axis."""
    units: Mapping[str, str] = field(default_factory=dict)
    """The unit of an axis."""
    channels: Sequence[str] = ()
    """Names of channels."""
    columns: Mapping[str, object] = field(default_factory=dict)
    """What its collection says of it."""


def save(claims: Iterable[Claim], folder: Path) -> None:
    """Write claims into a folder."""
    (folder / "voxels").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, claim in enumerate(claims):
        np.save(folder / "voxels" / f"{number}.npy", claim.voxels)
        # voxels aside, which are large
        said = {name: value for name, value in vars(claim).items() if name != "voxels"}
        rows.append(said | {"channels": list(claim.channels)})
    (folder / NAME).write_text(json.dumps(rows, indent=1))


def load(folder: Path) -> dict[str, Claim]:
    """Read the claims that were written into a folder, by place."""
    rows = json.loads((folder / NAME).read_text())
    return {
        row["place"]: Claim(**row, voxels=np.load(folder / "voxels" / f"{number}.npy"))
        for number, row in enumerate(rows)
    }


def differences(
    said: Mapping[str, Claim], found: Mapping[str, Claim], *, knows_all: bool = True
) -> list[str]:
    """Return in words in what two sides differ; nothing: they agree.

    `knows_all` says that whatever one side said is to be found by the other; else what this one
    has no words for is passed over: units of a program that knows none.
    """
    lines = [f"{place}: not found" for place in said if place not in found]
    lines += [f"{place}: unexpected" for place in found if place not in said]
    for place, claim in said.items():
        if place in found:
            of_one = _of_one(claim, found[place], knows_all=knows_all)
            lines += [f"{place}: {line}" for line in of_one]
    return lines


def _of_one(said: Claim, found: Claim, *, knows_all: bool) -> Iterator[str]:
    if said.axes != found.axes:
        yield f"axes {said.axes}, found {found.axes}"
    if said.voxels.shape != found.voxels.shape:
        yield f"shape {said.voxels.shape}, found {found.voxels.shape}"
    elif not np.array_equal(said.voxels, found.voxels):
        yield f"{np.count_nonzero(said.voxels != found.voxels)} other voxels"
    facts = {name: (getattr(said, name), getattr(found, name)) for name in _FACTS}
    for name, (own, other) in facts.items():
        for key, value in own.items():
            if key in other and not _is_same(value, other[key]):
                yield f"{name} {key} = {value}, found {other[key]}"
            elif key not in other and knows_all:
                yield f"{name} {key} = {value}, found none"
    is_told = said.channels and (found.channels or knows_all)
    if is_told and list(said.channels) != list(found.channels):
        yield f"channels {list(said.channels)}, found {list(found.channels)}"


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return bool(np.isclose(float(one), float(other)))  # type: ignore[arg-type]
    return one == other


def noise(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint16]:
    """Return voxels of an image, each time the same."""
    return np.random.default_rng(seed).integers(1, 60000, shape).astype(np.uint16)


def objects(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint32]:
    """Return labels, each time the same."""
    return np.random.default_rng(seed).integers(0, 9, shape).astype(np.uint32)
