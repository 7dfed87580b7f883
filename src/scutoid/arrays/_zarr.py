"""Images of zarrs: one array, or the one that is meant of a group's.

What a group has is said by its metadata: levels of an OME-Zarr, several images, or a single array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays._axis_order import as_here, spec_here, stored_letters
from scutoid.arrays._guard import guarded
from scutoid.arrays._notes import NOTHING
from scutoid.arrays._ome import Multiscale, check_below, read_multiscale
from scutoid.arrays._ome_systems import no_systems
from scutoid.arrays._request import SeriesName, choose_one
from scutoid.arrays._source import SourceIdentity, SourceMode, outdated
from scutoid.arrays._spec import KNOWN_AXES, ImageSpec, unnamed_spec
from scutoid.arrays._zarr_array import ZarrArray
from scutoid.arrays._zarr_groups import zarr_images
from scutoid.arrays._zarr_metadata import array_metadata
from scutoid.arrays._zarr_nodes import Node, description, folders_in, read_node
from scutoid.arrays._zarr_zip import split_zip
from scutoid.errors import MetadataError, SourceError
from scutoid.geometry import Roi


@dataclass(frozen=True, slots=True, eq=False)
class ZarrSource:
    """A zarr array as an image."""

    threadsafe: ClassVar[bool] = True
    spec: ImageSpec
    """Description of the image."""
    array: ZarrArray
    """The array."""
    chunks: tuple[int, ...]
    """Shape of the voxels that are decoded together: the inner chunks of shards."""
    levels: int = 1
    """Number of pyramid levels of its image."""
    mode: SourceMode = "listing"
    """How a change is detected."""
    is_labels: bool = False
    """Whether its metadata say that voxels are object numbers."""
    pyramid: str = ""
    """Path or URL of the group that has its levels, where there are several."""

    @property
    def identity(self) -> SourceIdentity:
        """The array's folder."""
        zipped = split_zip(self.array.location)
        if zipped is not None:
            described = self.array.described
            return SourceIdentity(
                "files", (zipped[0],), mode=self.mode, detail=zipped[1], described=described
            )
        kind: Literal["url", "zarr"] = "url" if "://" in self.array.location else "zarr"
        array = self.array
        return SourceIdentity(
            kind,
            (array.location,),
            mode=self.mode,
            described=array.described,
            fills=array.fills,
        )

    @guarded
    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        is_whole = all(
            start % chunk == 0 and (stop % chunk == 0 or stop == size)
            for start, stop, chunk, size in zip(
                roi.offset, roi.end, self.chunks, self.spec.shape, strict=True
            )
        )
        return self.array.read(roi, self.spec.dtype, self.spec.shape, is_whole=is_whole)


def check_identity(identity: SourceIdentity) -> None:
    """Refuse a zarr whose chunks are no longer written as they were when it was opened.

    Raises
    ------
    SourceError
        If that is so.
    """
    if identity.described:
        (location,) = identity.locations
        node = read_node(location, fills=identity.fills)
        if node is None or description(node.metadata) != identity.described:
            raise outdated(location, "it is gone" if node is None else "its metadata have changed")


def _no_metadata(location: str) -> SourceError:
    remedy = "check the path: it names the folder that holds zarr.json or .zarray"
    if "://" in location:
        remote.check_bucket(location)
    return SourceError(
        "a zarr has metadata",
        value="neither zarr.json nor .zarray or .zgroup was found",
        place=location,
        remedy=remedy,
    )


def open_zarr(
    location: str,
    *,
    level: int,
    mode: SourceMode,
    axes: str | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
    given: Mapping[str, object] = NOTHING,
    fills: bool = False,
    series: SeriesName | None = None,
) -> ZarrSource:
    """Open an OME-Zarr image, a plain array, a group with one array, or one of several images.

    Parameters
    ----------
    location : str
        Path or URL.
    level : int
        Pyramid level.
    mode : {"listing", "content"}
        How a change is detected.
    axes : str, optional
        One letter an axis; default: what the metadata say.
    allow_outside : bool
        Whether the arrays that an OME-Zarr names may lie outside it.
    coordinate_system : str, optional
        Name of the one that an OME-Zarr is placed in.
    given : mapping
        What the user says of the image, by name.
    fills : bool
        Whether files that a server refuses are absent.
    series : int or str, optional
        Number of the image in a plate, in series or in a group, or its path below it.

    Raises
    ------
    SourceError, MetadataError
        If there is no zarr, or it is not clear which array is meant.
    """
    node = read_node(location, fills=fills)
    if node is None:
        raise _no_metadata(location)
    multiscale = None
    if not node.is_array:
        multiscale = read_multiscale(
            node.attributes,
            location,
            allow_outside=allow_outside,
            axes=axes,
            coordinate_system=coordinate_system,
            given=given,
            series=series,
        )
        images = None if multiscale is not None else zarr_images(location, fills=fills)
        if images is not None:
            paths = [each.path for each in images if each.is_there]
            return open_zarr(
                f"{location}/{paths[choose_one(paths, series, location)]}",
                level=level,
                mode=mode,
                axes=axes,
                allow_outside=allow_outside,
                coordinate_system=coordinate_system,
                given=given,
                fills=fills,
            )
    if multiscale is None:
        choose_one([""], series, location)
    n_levels = 1 if multiscale is None else len(multiscale.paths)
    if not 0 <= level < n_levels:
        raise MetadataError(
            f"the pyramid has levels 0 to {n_levels - 1}", value=level, place=location
        )
    if multiscale is None and coordinate_system is not None:
        raise no_systems(coordinate_system, location)
    if node.is_array:
        return _source(node, None, level, 1, mode, axes, fills=fills)
    if multiscale is None:
        return _source(_only_array(node, fills=fills), None, level, 1, mode, axes, fills=fills)
    place = _place_of(multiscale.paths[level], location.rstrip("/"))
    if not allow_outside and "://" not in location:
        check_below(multiscale.paths[level], place, location)
    inner = read_node(place, fills=fills)
    if inner is None or not inner.is_array:
        raise SourceError(
            "the arrays that OME-NGFF metadata names exist",
            value=multiscale.paths[level],
            place=location,
        )
    source = _source(inner, multiscale, level, n_levels, mode, axes, fills=fills)
    return replace(source, pyramid=location) if n_levels > 1 else source


def _place_of(path: str, location: str) -> str:
    """Return the path or URL of what a group names by a path of its own, or by a whole one."""
    if "://" in path:
        return path.removeprefix("file://")
    return path if path.startswith("/") and "://" not in location else f"{location}/{path}"


def _only_array(node: Node, *, fills: bool) -> Node:
    found = {
        name: read_node(f"{node.location}/{name}", fills=fills)
        for name in folders_in(node.location)
    }
    inner = {name: child for name, child in found.items() if child is not None}
    arrays = [child for child in inner.values() if child.is_array]
    if len(arrays) == 1:
        return arrays[0]
    listed = {
        kind: ", ".join(name for name, child in inner.items() if child.is_array == is_array)
        for kind, is_array in (("arrays", True), ("groups", False))
    }
    raise MetadataError(
        "a zarr group is an OME-Zarr image, or holds one array",
        value="; ".join(f"{kind}: {text or 'none'}" for kind, text in listed.items()),
        place=node.location,
        remedy=f"name one of them, such as {node.location}/{next(iter(inner), '0')}",
    )


def _source(
    node: Node,
    multiscale: Multiscale | None,
    level: int,
    n_levels: int,
    mode: SourceMode,
    axes: str | None = None,
    *,
    fills: bool = False,
) -> ZarrSource:
    shape, chunks, dtype, assumed = array_metadata(node)
    order = () if multiscale is None else multiscale.order
    described = description(node.metadata)
    array = ZarrArray(node.location, node.version, node.stamp, described, order, assumed, fills)
    if multiscale is not None:
        letters = stored_letters(axes, order)
        stored = multiscale.describe(level, shape, dtype, letters, node.location)
        spec, inner = spec_here(stored, order), as_here(chunks, order)
        return ZarrSource(spec, array, inner, n_levels, mode, multiscale.is_labels)
    names: Sequence[object]
    names = node.metadata.get("dimension_names") or node.attributes.get("_ARRAY_DIMENSIONS") or ()
    known = [name.lower() for name in names if isinstance(name, str)]
    is_named = len(known) == len(names) and all(letter in KNOWN_AXES for letter in known)
    if axes is None and is_named and len(set(known)) == len(known) == len(shape):
        axes = "".join(known)
    spec = unnamed_spec(shape, dtype, axes, place=node.location, is_said=True)
    return ZarrSource(spec, array, chunks, 1, mode)
