"""Instance labels of any segmenter over any number of blocks, each block segmented once.

Three passes: each block is segmented with its halo, writes what lies in it, and keeps what it says
of its halo; each block compares that with what its neighbours wrote there; one step unites what is
one object, and each block looks its numbers up.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Literal,
    Protocol,
    Required,
    TypedDict,
    Unpack,
    overload,
)

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.errors import GeometryError, ParameterError, StepError
from scutoid.kernels import Match, Runs
from scutoid.ops._composed import TypedAs, as_one, opened, with_call_options
from scutoid.ops._extent import image_part, sparse, unpadded
from scutoid.ops._label import check_count, images_of
from scutoid.ops._types import Array, Arrays, ImageLike
from scutoid.steps import (
    BlockParts,
    CallOptions,
    Cropped,
    Image,
    Images,
    StepBlock,
    Table,
    Tables,
    blockwise,
    injected,
    is_lazy,
    step,
)

if TYPE_CHECKING:
    import pandas as pd

_PLACE = "stitch"


@dataclass(frozen=True, slots=True)
class Versioned:
    """A segmenter whose code is replaced by a version."""

    function: Callable[..., object]
    """The segmenter."""
    version: str
    """What enters the key instead."""

    def __call__(self, *images: Array, **loaded: object) -> object:
        """Segment."""
        return self.function(*images, **loaded)

    def __scutoid_key__(self) -> object:
        return (getattr(self.function, "__qualname__", ""), self.version)


class _How(TypedDict):
    """When objects are one."""

    match: Match
    threshold: float


class _Options(TypedDict, total=False):
    """What `stitch` takes besides images and report=."""

    segment: Required[Callable[..., Array]]
    halo: Required[object]
    match: Match
    threshold: float
    block: object
    setup: Mapping[str, Callable[[], object]] | None
    requires: Mapping[str, int] | None
    retries: int
    timeout: float | None
    version: str | None
    environment: Sequence[str]


class _Stitch(Protocol):
    """The type of `stitch`: with report=True it returns a table as well."""

    __name__: str

    @overload
    def __call__(
        self,
        first: Images,
        /,
        *images: ImageLike,
        report: Literal[False] = ...,
        **options: Unpack[_Options],
    ) -> Images: ...
    @overload
    def __call__(
        self,
        first: Images,
        /,
        *images: ImageLike,
        report: Literal[True],
        **options: Unpack[_Options],
    ) -> tuple[Images, Tables]: ...
    @overload
    def __call__(
        self,
        first: Image,
        /,
        *images: Image | Array,
        report: Literal[False] = ...,
        **options: Unpack[_Options],
    ) -> Image: ...
    @overload
    def __call__(
        self,
        first: Image,
        /,
        *images: Image | Array,
        report: Literal[True],
        **options: Unpack[_Options],
    ) -> tuple[Image, Table]: ...
    @overload
    def __call__(
        self,
        first: Array,
        /,
        *images: Array,
        report: Literal[False] = ...,
        **options: Unpack[_Options],
    ) -> Array: ...
    @overload
    def __call__(
        self,
        first: Array,
        /,
        *images: Array,
        report: Literal[True],
        **options: Unpack[_Options],
    ) -> tuple[Array, pd.DataFrame]: ...

    def options(self, **options: Unpack[CallOptions]) -> _Stitch:
        """Return the same operation with options for this call; see `scutoid.blockwise`."""
        ...


@TypedAs[_Stitch]()
@with_call_options
def stitch(
    *images: ImageLike,
    segment: Callable[..., Array],
    halo: object,
    match: Match = "iou",
    threshold: float = 0.5,
    block: object = None,
    setup: Mapping[str, Callable[[], object]] | None = None,
    requires: Mapping[str, int] | None = None,
    retries: int = 2,
    timeout: float | None = None,
    version: str | None = None,
    environment: Sequence[str] = (),
    report: bool = False,
) -> object:
    """Segment block by block by any function, and give objects that cross blocks one number.

    **Approximate**: each voxel gets what the block that writes it says of it, and a segmenter may
    see an object in another way at the edge of what it gets.  The result depends on the block
    shape, but not on the order of blocks, on executor and number of workers, or on the numbers
    that the segmenter gives.  Where blocks agree in what both see of an object, as they do when the
    halo is as long as objects and what the segmenter looks at around them, it is that of the whole
    array.

    Parameters
    ----------
    *images : Image, Images or ndarray
        What the segmenter gets, such as one channel each; spatial axes are segmented together,
        others iterated.
    segment : function
        Gets an array of each image, and what `setup` made by name; returns integers of the same
        shape, 0 for background, one number an object, in any order.  It is called once a block.
        Its code enters the key; `functools.partial` binds parameters.
    halo : int, sequence or length
        Voxels that the segmenter gets around each block, as in `blockwise`.
    match : {"iou", "containment"}
        When two blocks' objects are one, judged where both blocks have seen the image, that is
        within the halo on both sides of the face between them.  "iou": what both have is at least
        `threshold` of what either has, and each is the other's best.  "containment": it is at least
        `threshold` of what the smaller has, so that one object unites all pieces within it.
    threshold : float
        More than 0, up to 1.
    block : int, sequence or mapping, optional
        Block shape, as in `blockwise`.
    setup : mapping of str to function, optional
        Called once a worker, such as ``{"model": load}``; passed to `segment` by name.
    requires, retries, timeout
        As in `blockwise`, such as ``requires={"gpu": 1}``.
    version : str, optional
        Replaces the code of `segment` and `setup` in the key.
    environment : sequence of str
        Packages whose versions enter the key, such as ``["cellpose"]``.
    report : bool
        Return a table of what met at the faces of blocks as well.

    Returns
    -------
    labels : Image, Images or ndarray of uint32
        Numbered from 1 by first voxel in C order.  An array is segmented whole.
    table : Table or DataFrame, with `report`
        A row for each two objects of different blocks that overlap: ``label`` and ``other`` (their
        numbers in the result, equal if they were united), ``n_voxels`` (that both have), ``iou``,
        ``containment``, ``united``.  Axes that are iterated have a column each.

    Raises
    ------
    ParameterError
        If a parameter is out of range.
    StepError
        If the segmenter returns anything but integers of 0 or more, of the shape that it got.

    Notes
    -----
    An object that only a neighbour sees in a block's write region is cut at the face; an object
    that lies in the halo alone is the neighbour's.  Pieces are united over chains of blocks.  Of
    several that overlap one to the same best part, "iou" unites all.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> from skimage.measure import label
    >>> row = sc.open(np.array([[0, 1, 1, 1, 1, 1, 1, 0, 1, 0]]))
    >>> objects = sc.stitch(row, segment=label, halo=2, block=(1, 4))
    >>> np.asarray(objects)
    array([[0, 1, 1, 1, 1, 1, 1, 0, 2, 0]], dtype=uint32)
    """
    _check(images, segment, halo, match, threshold, setup)
    given = [as_one(opened(image)) for image in images]
    if not any(map(is_lazy, given)):
        whole = step(setup=setup)(_segment_whole)(*given, segment=segment)
        return (whole, _table([])) if report else whole
    find = blockwise(
        halo=halo,
        border=0,
        out=("image", "parts"),
        dtype=np.uint64,
        labels=True,
        check_halo=False,  # blocks segment on their own, and are stitched after that
        setup=setup,
        block=block,
        requires=requires,
        retries=retries,
        timeout=timeout,
        version=version,
        environment=environment,
    )(_segment_block).options(name="stitch_segment")
    compare = blockwise(halo=halo, border=0, out="parts", version="1", threadsafe=True)(
        _compare_block
    )
    find, compare = unpadded(find), sparse(unpadded(compare), found="rim")
    function = segment if version is None else Versioned(segment, version)
    found, pieces = find(*given, segment=function)
    overlaps = compare.options(name="stitch_overlaps")(found, pieces)
    how: _How = {"match": match, "threshold": float(threshold)}
    labels = stitch_apply(found, stitch_merge(pieces, overlaps, **how))
    return (labels, stitch_report(pieces, overlaps, **how)) if report else labels


def _check(
    images: Sequence[object],
    segment: object,
    halo: object,
    match: str,
    threshold: object,
    setup: object,
) -> None:
    entries = halo if isinstance(halo, (tuple, list)) else [halo]
    sides = [
        s for entry in entries for s in (entry if isinstance(entry, (tuple, list)) else [entry])
    ]
    for is_right, rule, value, remedy in (
        (images, "stitch has at least one image", "none", "stitch(image, segment=..., halo=...)"),
        (callable(segment), "segment is a function of arrays", type(segment).__name__, None),
        (
            any(not isinstance(side, (int, float)) or side > 0 for side in sides),
            "objects are compared in the halo: it is 1 voxel or more",
            halo,
            "give the length of the largest object",
        ),
        (match in ("iou", "containment"), "match is 'iou' or 'containment'", match, None),
        (
            isinstance(threshold, (int, float)) and 0 < threshold <= 1,
            "threshold is a part, above 0 and up to 1",
            threshold,
            None,
        ),
        (
            setup is None or isinstance(setup, Mapping),
            "setup maps names to functions",
            type(setup).__name__,
            "setup={'model': load}",
        ),
    ):
        if not is_right:
            raise ParameterError(rule, value=value, place=_PLACE, remedy=remedy)


def _segment_whole(
    *images: Array, segment: Callable[..., object], **loaded: object
) -> NDArray[np.uint32]:
    """Segment arrays as they are."""
    shape = np.shape(images[0])
    others = [np.shape(image) for image in images[1:]]
    if any(other != shape for other in others):
        raise GeometryError(
            "images that are segmented together have one shape",
            value=f"{shape} and {', '.join(map(str, others))}",
            place=_PLACE,
            remedy="crop them first",
        )
    found = _checked(segment(*images, **loaded), shape, "the whole array")
    return kernels.renumbered(found, tuple(slice(None) for _ in shape))[0]


def _checked(found: object, shape: tuple[int, ...], where: str) -> Array:
    """Return what a segmenter returned, if it is labels."""
    labels = np.asarray(found)
    if labels.shape != shape or labels.dtype.kind not in "iu":
        raise StepError(
            "a segmenter returns integers, one number an object, of the shape that it got",
            value=f"{labels.dtype} of shape {labels.shape}; it got {shape}",
            place=f"{_PLACE}, {where}",
            remedy="number the objects of a mask first, by skimage.measure.label",
        )
    if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
        raise StepError(
            "a segmenter's labels are 0 or more",
            value=int(labels.min()),
            place=f"{_PLACE}, {where}",
        )
    return labels


def _segment_block(
    *images: Array,
    segment: Callable[..., object],
    block: StepBlock = injected,
    **loaded: object,
) -> tuple[Cropped, Arrays]:
    """Segment one block; what is written carries the block's number in its upper half."""
    inside, inner, _ = image_part(block)
    parts = [image[inside] for image in images]
    shape = tuple(where.stop - where.start for where in inside)
    labels = _checked(segment(*parts, **loaded), shape, f"block {block.index}")
    pieces = kernels.Pieces.of(labels, inner)
    axes = [axis for axis in block.function_axes if axis in block.axes]
    places = [block.axes.index(axis) for axis in axes]
    start = [block.write_roi.offset[p] - block.image_roi.offset[p] for p in places]
    seen = kernels.global_first(
        pieces.first,
        start,
        [block.write_roi.shape[p] for p in places],
        [block.image_roi.shape[p] for p in places],
    )
    # Background carries it too: what a block says of its halo is compared with "nothing" as well
    size = tuple(where.stop - where.start for where in inner)
    written = Cropped(pieces.own.painted(size, (block.index + 1) << 32))
    return written, {
        "first": seen,
        "label": pieces.halo.label.astype(np.uint32),
        "start": pieces.halo.start,
        "length": pieces.halo.length.astype(np.uint32),
    }


def _compare_block(
    found: NDArray[np.uint64] | Runs, pieces: Arrays, *, block: StepBlock = injected
) -> Arrays:
    """Compare what one block said of its halo with what its neighbours wrote."""
    if not isinstance(found, Runs):
        inside, inner, _ = image_part(block)
        others = found[inside]  # an array of this block alone
        others[inner] = 0
        found = Runs.of(others)
    own = Runs(
        pieces["label"].astype(np.uint64), pieces["start"], pieces["length"].astype(np.int64)
    )
    return {"counts": kernels.count_overlaps(own, found)}


def _matched(
    pieces: BlockParts, overlaps: BlockParts, match: Match, threshold: float
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64], kernels.Overlaps]:
    """Return the first voxels of each block's pieces, where its pieces begin, and what met."""
    n_blocks = pieces.grid.n_blocks
    first = [pieces[index]["first"] for index in range(n_blocks)]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in first])]).astype(np.int64)
    counts = [overlaps[index]["counts"] for index in range(n_blocks)]
    return first, offsets, kernels.match_pieces(counts, offsets, match, threshold)


def _numbered(
    pieces: BlockParts,
    first: list[NDArray[np.int64]],
    offsets: NDArray[np.int64],
    found: kernels.Overlaps,
) -> NDArray[np.uint64]:
    """Number all pieces, in each image of its own along the iterated axes."""
    images = [
        np.concatenate([np.arange(offsets[b], offsets[b + 1]) for b in blocks])
        for blocks, _ in images_of(pieces)
    ]
    place, image = np.zeros((2, offsets[-1]), np.int64)
    for number, own in enumerate(images):
        place[own], image[own] = np.arange(len(own)), number
    pairs = found.pairs[found.is_same]
    pairs = pairs[np.argsort(image[pairs[:, 0]], kind="stable")]
    bounds = np.searchsorted(image[pairs[:, 0]], np.arange(len(images) + 1))
    voxels = np.concatenate([np.zeros(0, np.int64), *first])
    numbers = np.zeros(offsets[-1], np.uint64)
    for own, (start, stop) in zip(images, itertools.pairwise(bounds), strict=True):
        numbers[own], n_objects = kernels.number_unions(voxels[own], place[pairs[start:stop]])
        check_count(n_objects, "uint32")
    return numbers


@step(out="parts", version="1", threadsafe=True)
def stitch_merge(
    pieces: BlockParts, overlaps: BlockParts, *, match: Match, threshold: float
) -> dict[int, Arrays]:
    """Unite what is one object, and give each piece of each block its number."""
    first, offsets, found = _matched(pieces, overlaps, match, threshold)
    numbers = _numbered(pieces, first, offsets, found)
    return {
        index: {"lut": kernels.lookup_table(numbers[start:stop]).astype(np.uint32)}
        for index, (start, stop) in enumerate(itertools.pairwise(offsets))
    }


@blockwise(dtype=np.uint32, labels=True, version="1", threadsafe=True)
def stitch_apply(
    found: NDArray[np.uint64], merged: dict[str, NDArray[np.uint32]]
) -> NDArray[np.uint32]:
    """Give the objects of one block their numbers in the whole image."""
    # The lower half of each is its number in the block
    return kernels.apply_lookup(merged["lut"], found.astype(np.uint32), in_place=True)


stitch_apply = stitch_apply.options(name="stitch")


@step(out="table", version="1", threadsafe=True)
def stitch_report(
    pieces: BlockParts, overlaps: BlockParts, *, match: Match, threshold: float
) -> pd.DataFrame:
    """List what met at the faces of blocks."""
    first, offsets, found = _matched(pieces, overlaps, match, threshold)
    numbers = _numbered(pieces, first, offsets, found).astype(np.int64)
    where, grid = pieces.where, pieces.grid
    block = np.searchsorted(offsets, found.pairs[:, 0], side="right") - 1
    at = np.array([grid.write_roi(int(index)).offset for index in block], np.int64)
    at = at.reshape(len(block), len(where.axes))
    places = {axis: at[:, where.axes.index(axis)] for axis in where.iterated}
    rows = {
        **places,
        "label": numbers[found.pairs[:, 0]],
        "other": numbers[found.pairs[:, 1]],
        "n_voxels": found.n_voxels,
        "iou": found.iou,
        "containment": found.containment,
        "united": numbers[found.pairs[:, 0]] == numbers[found.pairs[:, 1]],
    }
    return _table([rows])


def _table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    import pandas as pd

    none = np.zeros(0, np.int64)
    empty = {
        "label": none,
        "other": none,
        "n_voxels": none,
        "iou": none.astype(np.float64),
        "containment": none.astype(np.float64),
        "united": none.astype(bool),
    }
    return pd.DataFrame(rows[0] if rows else empty)
