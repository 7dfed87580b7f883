"""Names of what lies in the entry of a result."""

from __future__ import annotations

from collections.abc import Sequence

from scutoid.steps.declaration import OutputKind

BLOCKS = "blocks.pack"
ITEMS = "items.pack"
MEMBERS = "members.json"
ITEM_FOLDER = "items"
FILES_FOLDER = "files"


def output_names(outputs: Sequence[OutputKind]) -> tuple[str, ...]:
    """Name each output of a step: by its kind, numbered where there are several of it.

    Examples
    --------
    >>> output_names(("image", "table", "image"))
    ('image', 'table', 'image-2')
    """
    names = []
    for number, kind in enumerate(outputs):
        before = sum(other == kind for other in outputs[:number])
        names.append(kind if not before else f"{kind}-{before + 1}")
    return tuple(names)


def image_file(name: str, image_format: str) -> str:
    """Return the file name of an image output."""
    return f"{name}.tif" if image_format == "tiff" else f"{name}.ome.zarr"


def packed_slot(outputs: Sequence[OutputKind], output: int) -> int:
    """Return the place of an output among those of a block that are packed."""
    return sum(kind != "image" for kind in outputs[:output])
