"""CZI files of ZEISS, read by region with their own library, pylibCZIrw (extra ``czi``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._request import Request
from scutoid.arrays._source import SourceFiles, SourceIdentity, check_inside, owned
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._world_sizes import AxisSize, world_sizes
from scutoid.errors import MetadataError, MissingExtra, SourceError
from scutoid.geometry import Roi

CZI_ENDINGS = (".czi",)
_LEAD = "TCZ"
_EDGE = 512
"""Voxels along y and x of what is best read together."""
_TYPES = {
    "Gray8": ("uint8", 1),
    "Gray16": ("uint16", 1),
    "Gray32Float": ("float32", 1),
    "Bgr24": ("uint8", 3),
    "Bgr48": ("uint16", 3),
    "Bgr96Float": ("float32", 3),
}
_UM = 1e6
"""Micrometres in a metre, the unit of sizes in these files."""


@dataclass(frozen=True, slots=True, eq=False)
class CziSource:
    """A scene of a CZI file."""

    spec: ImageSpec
    """Description of the image."""
    files: SourceFiles
    """The file."""
    corner: tuple[int, ...]
    """Where it begins in the file along t, c, z, y and x."""
    scene: int | None = None
    """Number of the scene; None: the file has none."""
    levels: int = 1
    """1: levels are not read."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """A part of a plane."""
        edges = {"y": _EDGE, "x": _EDGE, "c": 3 if self.has_colours else 1}
        pairs = zip(self.spec.axes, self.spec.shape, strict=True)
        return tuple(max(min(edges.get(axis, 1), n), 1) for axis, n in pairs)

    @property
    def has_colours(self) -> bool:
        """Whether pixels are colours."""
        return self.spec.axes.endswith("yxc")

    @property
    def identity(self) -> SourceIdentity:
        """The file."""
        return SourceIdentity("files", self.files.paths, detail=f"scene {self.scene}")

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region; where no tile lies it is 0."""
        check_inside(roi, self.spec)
        self.files.stamps_now()
        voxels = np.zeros(tuple(roi.shape), self.spec.dtype)
        if not voxels.size:
            return voxels
        at = dict(zip(self.spec.axes, zip(roi.offset, roi.shape, strict=True), strict=True))
        (y, height), (x, width) = at["y"], at["x"]
        place = (self.corner[4] + x, self.corner[3] + y, width, height)
        n_lead = self.spec.axes.index("y")
        lead = self.spec.axes[:n_lead].upper()
        begin = dict(zip(_LEAD, self.corner, strict=False))
        path = self.files.paths[0]
        with _opened(path) as file:
            for number in np.ndindex(*roi.shape[:n_lead]):
                plane = dict(begin)
                for letter, n, first in zip(lead, number, roi.offset, strict=False):
                    plane[letter] += n + first
                pixels = file.read(roi=place, plane=plane, scene=self.scene)
                if self.has_colours:
                    first, size = at["c"]
                    voxels[number] = pixels[..., ::-1][..., first : first + size]
                else:
                    voxels[number] = pixels[..., 0]
        return owned(voxels, self.spec.dtype)


def open_czi(path: str, request: Request) -> CziSource:
    """Open a scene of a CZI file; reads metadata only.

    Raises
    ------
    SourceError
        If it is damaged, or of a kind that is not read.
    MetadataError
        If it has several scenes and none is chosen, or there is no such level.
    MissingExtra
        If pylibCZIrw is not installed.
    """
    if request.level:
        raise MetadataError("a CZI is read at level 0", value=request.level, place=path)
    with _opened(path) as file:
        box, scenes = file.total_bounding_box, file.scenes_bounding_rectangle
        scene = _scene(request.series, sorted(scenes), path)
        others = [f"{n}: {b - a}" for n, (a, b) in box.items() if n not in "TCZYX" and b - a > 1]
        kinds = set(file.pixel_types.values())
        names = _channels(file.metadata)
        sizes = _sizes(file.metadata)
        outline = file.total_bounding_rectangle if scene is None else scenes[scene]
    kind = _TYPES.get(next(iter(kinds), "")) if len(kinds) == 1 else None
    spans = {letter: box.get(letter, (0, 1)) for letter in _LEAD}
    n_channels = spans["C"][1] - spans["C"][0]
    if kind is None or others or (kind[1] > 1 and n_channels > 1):
        raise SourceError(
            "a CZI that is read has axes t, c, z, y, x, and pixels of one type for all channels",
            value=f"pixels {', '.join(sorted(kinds))}; {n_channels} channels; {others or ''}",
            place=path,
            remedy="export it from ZEN as OME-TIFF",
        )
    dtype, n_samples = kind
    lead = [(letter, b - a) for letter, (a, b) in spans.items() if b - a > 1]
    axes = "".join(letter for letter, _ in lead).lower() + "yx" + "c" * (n_samples > 1)
    shape = (*(n for _, n in lead), outline.h, outline.w, *((3,) if n_samples > 1 else ()))
    found = {axis: AxisSize(sizes.get(axis), "um") for axis in axes if axis in "zyx"}
    world = world_sizes(axes, found, "the CZI")
    spec = ImageSpec(
        shape,
        np.dtype(dtype),
        axes,
        known_sizes=world.sizes,
        unit=world.unit,
        channels=names if "c" in axes and len(names) == n_channels > 1 else (),
        notes=world.notes,
    )
    corner = (*(a for a, _ in spans.values()), outline.y, outline.x)
    return CziSource(spec, SourceFiles.of((path,)), corner, scene)


def scenes_of(path: str) -> tuple[tuple[int, str], ...]:
    """Return number and name of each scene."""
    with _opened(path) as file:
        return tuple((n, f"scene {n}") for n in sorted(file.scenes_bounding_rectangle))


def _scene(series: int | str | None, scenes: list[int], path: str) -> int | None:
    """Return the scene that is meant."""
    named = {f"scene {n}": n for n in scenes}
    chosen = named.get(series) if isinstance(series, str) else series
    if chosen in scenes or (chosen == 0 and not scenes):
        return chosen if scenes else None
    if series is None and len(scenes) <= 1:
        return scenes[0] if scenes else None
    raise MetadataError(
        "of a file with several scenes one is opened",
        value=f"series={series!r}, scenes {', '.join(map(str, scenes)) or 'none'}",
        place=path,
        remedy="give series= its number, or open each as a member with sc.open_folder",
    )


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    try:
        from pylibCZIrw import czi
    except ImportError as error:
        raise MissingExtra.of("pylibCZIrw", extra="czi") from error

    try:
        with czi.open_czi(path) as file:
            yield file
    except (RuntimeError, ValueError, OSError) as error:
        if isinstance(error, (SourceError, MetadataError)):
            raise
        raise SourceError(
            "a CZI can be read",
            value=f"{type(error).__name__}: {error}",
            place=path,
            remedy="the file is damaged, cut off or no CZI: restore it from its source",
        ) from error


def _below(metadata: object, *names: str) -> Any:
    for name in names:
        metadata = metadata.get(name) if isinstance(metadata, Mapping) else None
    return metadata


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [] if found is None else [found]


def _sizes(metadata: object) -> dict[str, float]:
    """Return the size of a voxel in um, by axis."""
    items = _below(metadata, "ImageDocument", "Metadata", "Scaling", "Items", "Distance")
    sizes = {}
    for item in _listed(items):
        size = float(_below(item, "Value") or 0) * _UM
        if size > 0:
            sizes[str(_below(item, "@Id")).lower()] = size
    return sizes


def _channels(metadata: object) -> tuple[str, ...]:
    image = _below(metadata, "ImageDocument", "Metadata", "Information", "Image")
    found = _listed(_below(image, "Dimensions", "Channels", "Channel"))
    names = [_below(channel, "@Name") for channel in found]
    return tuple(map(str, names)) if all(names) else ()
