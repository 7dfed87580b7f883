"""What is damaged: a table of formats, each a good file and what a user does with it.

One more is an entry of `FORMATS` in a module of this folder that `MODULES` names, or in a file of
its own that the command names::

    FORMATS = {"png": Format(write_png, read_image)}
"""

from __future__ import annotations

import importlib
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MODULES = ("images", "tiffs", "microscopes", "values", "stores")
"""The modules that have formats, in groups that one process looks at."""


_MANY = 20_000


def leave(_path: Path) -> None:
    """Leave a file as it is."""


@dataclass(frozen=True)
class Format:
    """A kind of file or folder that is read."""

    write: Callable[[Path], Path]
    """Writes a good one into an empty folder, and returns its path."""
    read: Callable[[Path], object]
    """Does what a user does with it, to the last voxel or value."""
    seal: Callable[[Path], None] = leave
    """Makes checksums fit again, so that damage gets behind them; called for half of the seeds."""


def read_image(path: Path) -> None:
    """Open an image, read all of it, and its coarser levels; of very many chunks, the first voxel.

    To read a hundred thousand chunks takes its time, and is no hang.
    """
    import math

    import numpy as np

    import scutoid as sc
    from scutoid.arrays import open_source

    image = sc.open(path)
    chunks = open_source(path).chunks
    if math.prod(-(-n // c) for n, c in zip(image.shape, chunks, strict=True)) > _MANY:
        image = image[(slice(0, 1),) * len(image.shape)]
    np.asarray(image)
    for level in range(1, image.levels):
        np.asarray(sc.open(path, level=level))


def all_formats() -> dict[str, Format]:
    """Return the formats of all modules, by name."""
    found: dict[str, Format] = {}
    for module in MODULES:
        found |= importlib.import_module(module).FORMATS
    return found


def formats_of(names: list[str]) -> dict[str, Format]:
    """Return formats by the names of modules, files or their own; of no names, all.

    Raises
    ------
    KeyError
        If there is none of a name.
    """
    if not names:
        return all_formats()
    found: dict[str, Format] = {}
    for name in names:
        if name in MODULES:
            found |= importlib.import_module(name).FORMATS
        elif name.endswith(".py"):
            found |= runpy.run_path(name)["FORMATS"]
        else:
            found[name] = all_formats()[name]
    return found
