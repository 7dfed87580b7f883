"""Labels beside a truth: how many objects match, how labels split and merge, by one contingency.

Two steps: each block counts the pairs of labels at its voxels; one step adds them up, image by
image, to sums of which scores are made.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, Unpack, cast, overload

import numpy as np

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels import Contingency, ObjectPairs, agreement_scores, agreement_sums
from scutoid.ops._columns import check_groups
from scutoid.ops._composed import TypedAs, as_one, opened, operation, with_call_options
from scutoid.ops._inputs import first_of
from scutoid.ops._label import images_of
from scutoid.ops._measure import check_label_voxels, check_labels
from scutoid.ops._times import (
    place_columns,
    place_of,
    times_of_part,
    with_time_unit,
    with_times,
)
from scutoid.ops._types import Array, Arrays, ImageLike, TableLike
from scutoid.steps import (
    BlockParts,
    CallOptions,
    Described,
    Image,
    Images,
    Parts,
    StepBlock,
    Table,
    Tables,
    Values,
    blockwise,
    gather,
    injected,
    step,
)
from scutoid.steps import open as open_image

if TYPE_CHECKING:
    import pandas as pd

Thresholds = float | Sequence[float]
_PLACE = "compare"


class _Compare(Protocol):
    """The type of `compare`: with total=True it returns one table of a collection."""

    __name__: str

    @overload
    def __call__(
        self,
        labels: Images,
        truth: ImageLike,
        *,
        thresholds: Thresholds = ...,
        total: Literal[False] = ...,
    ) -> Tables: ...
    @overload
    def __call__(
        self,
        labels: Image,
        truth: Image | Array,
        *,
        thresholds: Thresholds = ...,
        total: Literal[False] = ...,
    ) -> Table: ...
    @overload
    def __call__(
        self,
        labels: Image | Images,
        truth: ImageLike,
        *,
        thresholds: Thresholds = ...,
        total: Literal[True],
    ) -> Table: ...
    @overload
    def __call__(
        self, labels: Array, truth: Array, *, thresholds: Thresholds = ..., total: bool = ...
    ) -> pd.DataFrame: ...

    def options(self, **options: Unpack[CallOptions]) -> _Compare:
        """Return the same operation with options for this call; see `scutoid.blockwise`."""
        ...


@TypedAs[_Compare]()
@with_call_options
def compare(
    labels: ImageLike, truth: ImageLike, *, thresholds: Thresholds = 0.5, total: bool = False
) -> TableLike:
    """Score labels against a truth: objects that match, splits and merges, overlap.

    **Exact**: pairs of labels are counted as integers, so the table is the same, bit for bit, for
    every block shape, executor and number of workers.  Within rounding the scores are those that
    StarDist's `matching` and scikit-image give of whole arrays.

    Parameters
    ----------
    labels, truth : Image, Images or ndarray of bool or integer
        What was found, and what is there: 0 is background, each other number an object.  Of one
        shape, voxel size and place; of one folder each, or one image for all members of the other.
    thresholds : float or sequence of float
        Least intersection over union (IoU) of objects that match, above 0 and up to 1.
    total : bool
        Return the scores of all members, time points and channels together: those of one image in
        which all lie side by side, each with objects of its own.  They are made of sums, of ``tp``,
        of sizes and of the contingency; they are no means of scores.

    Returns
    -------
    Table or DataFrame
        A row a threshold; with iterated axes one for each place (``t``, and ``time`` where times
        are known) and threshold.

        ``threshold``.  Objects, matched one to one: ``tp``, ``fp``, ``fn``, ``n_pred`` and
        ``n_true`` count them; ``precision`` is tp / n_pred, ``recall`` tp / n_true, ``f1`` their
        harmonic mean, ``accuracy`` tp / (tp + fp + fn); ``mean_matched_score`` is the mean IoU of
        the pairs that match, ``mean_true_score`` their sum of IoU / n_true, ``panoptic_quality``
        their sum of IoU / (tp + fp/2 + fn/2).

        Voxels, whatever the threshold: ``vi_split`` and ``vi_merge``, the variation of information
        in bits: what is unknown of the labels where the truth is known, and the other way round,
        over all voxels, the background counting as one more object.  ``adapted_rand_error``, over
        the voxels that are not background in the truth, where no label counts as one more object;
        ``adapted_rand_precision`` of pairs of voxels of one label, those of one object of the
        truth; ``adapted_rand_recall`` the other way round.  ``dice``, of the masks of all objects.

    Raises
    ------
    ParameterError
        If labels are not integers of 0 or more, or a threshold is out of range.
    GeometryError, PipelineError, MetadataError
        If the two differ in axes, in shape, or in voxel size or place where these are known.

    Notes
    -----
    Objects match by the highest number of pairs whose IoU is at least the threshold, and of those
    that can be had, by the highest sum of IoU of all objects that meet.  Above 1/2 no object has
    two partners.

    Where there is nothing to divide by, as there are no objects, scores of objects are 0, as
    StarDist has it, and ``adapted_rand_...`` and ``dice`` NaN; the variation of information is 0.
    Empty images add nothing to a total but their background.

    scikit-image 0.26 returns the precision and the recall of the adapted Rand error in each other's
    place.

    All pairs of labels that meet in one image are held in one process: some 24 bytes each, 100
    while they are added up.

    References
    ----------
    U. Schmidt et al., Cell Detection with Star-Convex Polygons, MICCAI 2018.  A. Kirillov et al.,
    Panoptic Segmentation, CVPR 2019.  M. Meila, Comparing clusterings: an information based
    distance, Journal of Multivariate Analysis 98, 2007.  I. Arganda-Carreras et al., Crowdsourcing
    the creation of image segmentation algorithms for connectomics, Frontiers in Neuroanatomy 9,
    2015.  L. R. Dice, Measures of the Amount of Ecologic Association Between Species, Ecology 26,
    1945.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> labels, truth = np.array([[7, 7, 0, 8]]), np.array([[1, 1, 0, 0]])
    >>> table = sc.compare(labels, truth, thresholds=(0.5, 0.9))
    >>> table[["threshold", "tp", "fp", "fn", "precision", "recall", "f1"]]
       threshold  tp  fp  fn  precision  recall        f1
    0        0.5   1   1   0        0.5     1.0  0.666667
    1        0.9   1   1   0        0.5     1.0  0.666667
    """
    is_eager = isinstance(labels, np.ndarray) and isinstance(truth, np.ndarray)
    wanted = _checked_thresholds(thresholds, _PLACE)
    pairs = _counted_pairs(labels, truth, _PLACE, _score_columns())
    table: Table = compare_scores(pairs, thresholds=wanted)
    if total:
        sums = compare_sums(pairs, thresholds=wanted)
        is_many = isinstance(cast("object", sums), Values)
        members = gather(cast("Values", sums)) if is_many else sums
        table = compare_total(members, thresholds=wanted, of_members=is_many)
    return table.to_pandas() if is_eager else table


@operation
def match_objects(labels: ImageLike, truth: ImageLike, *, threshold: float = 0.5) -> TableLike:
    """List the objects of labels and truth that match, one to one: a row a pair.

    **Exact**: the table is the same, bit for bit, whatever the blocks.

    Parameters
    ----------
    labels, truth : Image, Images or ndarray of bool or integer
        As in `compare`.
    threshold : float
        Least intersection over union, above 0 and up to 1.

    Returns
    -------
    Table or DataFrame
        ``label`` and ``truth``, the numbers of the two; ``intersection``, the voxels that both
        have; ``iou``, these over the voxels that either has.  Ordered by label, with iterated axes
        by their place first, which has a column each (and ``time``).  What is in neither column is
        not matched.

    Raises
    ------
    ParameterError, GeometryError, PipelineError, MetadataError
        As in `compare`, whose rule of matching it is.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.match_objects(np.array([[7, 7, 0, 8]]), np.array([[1, 1, 1, 0]]))
       label  truth  intersection       iou
    0      7      1             2  0.666667
    """
    place = "match_objects"
    is_eager = isinstance(labels, np.ndarray) and isinstance(truth, np.ndarray)
    (wanted,) = _checked_thresholds(threshold, place)
    pairs = _counted_pairs(labels, truth, place, ("label", "truth", "intersection", "iou"))
    table: Table = matched_objects(pairs, threshold=wanted)
    return table.to_pandas() if is_eager else table


def _counted_pairs(
    labels: ImageLike, truth: ImageLike, place: str, columns: Sequence[str]
) -> Parts:
    """Check labels and truth, and count their pairs in each block."""
    given = [opened(labels), opened(truth)]
    for image, name in zip(given, ("labels", "truth"), strict=True):
        check_labels(image, f"{place}, {name}")
    first, second = _opened_alike(*given)
    check_groups([first, second], lambda: (*place_columns(first_of(first)), *columns), place)
    return compare_blocks(as_one(first), as_one(second))


def _opened_alike(labels: ImageLike, truth: ImageLike) -> tuple[Image | Images, Image | Images]:
    """Open arrays; one beside an image has the axes of that, if it has as many."""

    def as_image(given: ImageLike, other: ImageLike) -> Image | Images:
        if not isinstance(given, np.ndarray):
            return given
        axes = None if isinstance(other, np.ndarray) else first_of(other).axes
        return open_image(given, axes=axes if axes and len(axes) == given.ndim else None)

    return as_image(labels, truth), as_image(truth, labels)


def _checked_thresholds(thresholds: object, place: str) -> tuple[float, ...]:
    given = np.asarray(thresholds)
    several = np.atleast_1d(given) if given.dtype.kind in "iuf" else np.zeros(1)
    if several.ndim > 1 or not len(several) or not np.all((several > 0) & (several <= 1)):
        raise ParameterError(
            "a threshold is an intersection over union, above 0 and up to 1",
            value=repr(thresholds),
            place=place,
            remedy="give one, such as 0.5, or several: (0.5, 0.7, 0.9)",
        )
    return tuple(dict.fromkeys(several.astype(float).tolist()))


def _check_axes(images: list[Described]) -> None:
    labels, truth = images
    if set(labels.axes) != set(truth.axes):
        raise GeometryError(
            "labels and truth have the same axes",
            value=f"{labels.axes!r} and {truth.axes!r}",
            place=f"{_PLACE}, {labels.name!r} and {truth.name!r}",
            remedy="open them with axes=, or take the part of one that the other shows",
        )
    for image in images:
        check_label_voxels(image, f"{_PLACE}, {image.name!r}")


@blockwise(out="parts", check=_check_axes, block_invariant=True, version="1", threadsafe=True)
def compare_blocks(labels: Array, truth: Array, *, block: StepBlock = injected) -> Arrays:
    """Count the pairs of labels at the voxels of one block."""
    table = Contingency.of(labels, truth)
    counted = {"label": table.label, "truth": table.truth, "n_voxels": table.n_voxels}
    return {**counted, **place_of(block)}


def _tables(pieces: BlockParts) -> Iterator[tuple[Arrays, Contingency]]:
    """Go through the images of a grid: what its first block keeps, and the pairs of all."""
    for blocks, _ in images_of(pieces):
        first = pieces[blocks[0]]
        parts = itertools.chain([first], (pieces[index] for index in blocks[1:]))
        pairs = (Contingency(part["label"], part["truth"], part["n_voxels"]) for part in parts)
        yield first, Contingency.merged(pairs)


def _at_place(part: Mapping[str, Array], columns: Mapping[str, Array]) -> pd.DataFrame:
    """Make rows of one place along the iterated axes."""
    import pandas as pd

    times = times_of_part(part)
    n_rows = len(next(iter(columns.values())))
    axes = zip(str(part["iterated"]).strip(), part["place"].tolist(), strict=True)
    places = with_times({axis: np.full(n_rows, at) for axis, at in axes}, times)
    return with_time_unit(pd.DataFrame({**places, **columns}), times)


@step(out="table", version="1", threadsafe=True)
def compare_scores(pieces: BlockParts, *, thresholds: tuple[float, ...]) -> pd.DataFrame:
    """Add up the pairs of all blocks of each image, and make its scores."""
    rows = [
        _at_place(part, _scores(agreement_sums(table, thresholds), thresholds))
        for part, table in _tables(pieces)
    ]
    return _joined(rows)


@step(version="1", threadsafe=True)
def compare_sums(pieces: BlockParts, *, thresholds: tuple[float, ...]) -> Arrays:
    """Add up the pairs of all blocks, to what the scores of all images together are made of."""
    return _added_up(agreement_sums(table, thresholds) for _, table in _tables(pieces))


@step(out="table", version="1", threadsafe=True)
def compare_total(
    sums: Arrays | Mapping[str, Arrays], *, thresholds: tuple[float, ...], of_members: bool
) -> pd.DataFrame:
    """Make the scores of one image, or of all members, together."""
    import pandas as pd

    members = cast("Mapping[str, Arrays]", sums).values() if of_members else [sums]
    return pd.DataFrame(_scores(_added_up(cast("Iterable[Arrays]", members)), thresholds))


def _scores(sums: Mapping[str, Array], thresholds: Sequence[float]) -> Arrays:
    return {"threshold": np.array(thresholds), **agreement_scores(sums)}


def _added_up(sums: Iterable[Mapping[str, Array]]) -> Arrays:
    total: Arrays = {}
    for one in sums:
        total = {name: total[name] + rows if total else rows for name, rows in one.items()}
    return total


@step(out="table", version="1", threadsafe=True)
def matched_objects(pieces: BlockParts, *, threshold: float) -> pd.DataFrame:
    """List the pairs of objects that match, of each image in turn."""
    rows = []
    for part, table in _tables(pieces):
        pairs = ObjectPairs.of(table).matched(threshold)
        columns = {"label": pairs.label, "truth": pairs.truth}
        rows.append(
            _at_place(part, {**columns, "intersection": pairs.intersection, "iou": pairs.iou})
        )
    found = _joined(rows)
    for name in ("label", "truth"):  # int64 where it holds them, as in the table of `measure`
        if not (found[name] > np.iinfo(np.int64).max).any():
            found[name] = found[name].astype(np.int64)
    return found


def _joined(rows: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    table = pd.concat(rows, ignore_index=True)
    table.attrs = rows[0].attrs
    return table


def _score_columns() -> list[str]:
    """Return the names of the columns of scores."""
    none = np.zeros(0, np.uint64)
    table = Contingency(none, none, np.zeros(0, np.int64))
    return [*_scores(agreement_sums(table, ()), ())]


compare_scores = compare_scores.options(name="compare")
matched_objects = matched_objects.options(name="match_objects")
