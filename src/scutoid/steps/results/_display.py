"""How the channels of a result's images are shown, where that is known from their voxels only."""

from __future__ import annotations

from scutoid.arrays import add_limits
from scutoid.steps.results._missing_shards import zarr_images
from scutoid.store import Entry


def settle_display(entry: Entry) -> None:
    """Write it down, before the result is committed."""
    for image in zarr_images(entry):
        url = None if entry.remote is None else entry.image(image.file)
        add_limits(entry.path / image.file, url=url)
