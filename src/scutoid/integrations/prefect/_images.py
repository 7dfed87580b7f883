"""Images of tasks: numpy arrays and scutoid's own, as TIFF, or as OME-Zarr if they are large.

They are identified by their voxels and not by the bytes of their files, which depend on compressors
and identifiers.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ImageSpec, create_image, open_source, write_tiff
from scutoid.errors import ScutoidError
from scutoid.geometry import Roi
from scutoid.steps import Image

_SLAB = 2**26
"""Bytes of an image that are in memory at once."""
_EDGE = 256


@dataclass(frozen=True, slots=True)
class Voxels:
    """The voxels of an image, read piece by piece."""

    spec: ImageSpec
    """Description of the image."""
    read: Callable[[Roi], NDArray[Any]]
    """Reads a region, counted from its first voxel."""

    @classmethod
    def stored(cls, path: Path) -> Voxels:
        """Return the voxels of a file.

        Raises
        ------
        SourceError
            If it cannot be read.
        """
        source = open_source(path)
        return cls(source.spec, source.read)

    @classmethod
    def of(cls, value: Image | NDArray[Any]) -> Voxels | None:
        """Return the voxels of an image; None for an array that no image format holds exactly."""
        if isinstance(value, Image):
            offset = value.roi.offset
            return cls(value.framed.spec, lambda roi: value.read(roi.shift(offset)))
        is_plain = type(value) is np.ndarray and value.dtype.kind in "biuf" and value.dtype.isnative
        if value.ndim < 2 or not value.size or not is_plain:
            return None
        try:
            spec = open_source(value).spec
        except ScutoidError:  # more axes than images have, or another type
            return None
        return cls(spec, lambda roi: value[roi.to_slices()])

    def save_tiff(self, path: Path) -> None:
        """Write a TIFF."""
        write_tiff(path, np.ascontiguousarray(self.read(self.spec.roi)), self.spec)

    def save_zarr(self, path: Path) -> None:
        """Write an OME-Zarr block by block."""
        spatial = self.spec.spatial_axes
        edges = [
            max(min(size, _EDGE if letter in spatial else 1), 1)
            for size, letter in zip(self.spec.shape, self.spec.axes, strict=True)
        ]
        writer = create_image(path, self.spec, format="zarr", block=edges)
        starts = (range(0, n, edge) for n, edge in zip(self.spec.shape, edges, strict=True))
        for start in itertools.product(*starts):
            roi = Roi(start, edges).intersect(self.spec.roi)
            writer.write(roi, np.ascontiguousarray(self.read(roi)))

    def digest(self) -> str:
        """Digest all voxels and their description, whatever the file."""
        spec = self.spec
        sizes = spec.voxel_size or spec.known_sizes
        scale: list[object] = [sizes, spec.unit, spec.origin, list(spec.channels)]
        if spec.time is not None:
            scale.append(spec.time.to_list())
        metadata = json.dumps([spec.axes, list(spec.shape), spec.dtype.str, scale])
        digest = hashlib.sha256(metadata.encode())
        if spec.size:
            step = max(_SLAB * spec.shape[0] // spec.nbytes, 1)
            for start in range(0, spec.shape[0], step):
                size = min(step, spec.shape[0] - start)
                roi = Roi((start, *(0,) * (spec.ndim - 1)), (size, *spec.shape[1:]))
                digest.update(np.ascontiguousarray(self.read(roi)).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()
