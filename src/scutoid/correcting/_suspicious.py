"""Objects that are likely wrong: those unlike the others, and those that something has cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.ops import measure
from scutoid.steps import Image, Table, blockwise, making, step
from scutoid.steps import open as open_image

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
LIMIT = 3.5
"""Iglewicz and Hoaglin's, for scores of the median and the median absolute deviation."""
_PLACE = "suspicious"


@overload
def suspicious(
    objects: Image | Table,
    image: Image | NDArray[Any] | None = ...,
    *,
    limit: float = ...,
    block: int | Sequence[int] | None = ...,
    width: int = ...,
) -> Table: ...
@overload
def suspicious(
    objects: NDArray[Any] | pd.DataFrame,
    image: Image | NDArray[Any] | None = ...,
    *,
    limit: float = ...,
    block: int | Sequence[int] | None = ...,
    width: int = ...,
) -> pd.DataFrame: ...
def suspicious(
    objects: Image | NDArray[Any] | Table | pd.DataFrame,
    image: Image | NDArray[Any] | None = None,
    *,
    limit: float = LIMIT,
    block: int | Sequence[int] | None = None,
    width: int = 3,
) -> Table | pd.DataFrame:
    """List objects that are likely wrong, worst first, to look at and to correct.

    Parameters
    ----------
    objects : Image or ndarray of labels, Table or DataFrame
        Labels, or a table of them as `measure` makes it.
    image : Image or ndarray, optional
        With labels: intensities, without channels.
    limit : float
        An object is too large or too small if the logarithm of its number of voxels is this many
        robust standard deviations (1.4826 times the median absolute deviation) from the median;
        likewise contrast and brightness below the median.  Where more than half of all objects are
        alike, the mean absolute deviation stands for it (times 1.2533).
    block : int or sequence of int, optional
        Block shape over the spatial axes of the step that may have cut objects at its seams, such
        as `stitch`: objects that end where a block does are listed.
    width : int
        Voxels around an object that its contrast is measured against, where no object is.

    Returns
    -------
    Table or DataFrame
        The rows of the objects that have a reason, with columns ``reasons`` (text: touches the
        edge, ends at a seam, too large, too small, low contrast; dim, of a table with ``mean``) and
        ``score``, by which they are sorted: 1 for each of the first two, and for each of the others
        how many limits it lies from the median.  With `image` also ``contrast``: the mean in the
        object less that around it.

    Raises
    ------
    ParameterError
        If the table has no ``n_voxels``, or what is asked for cannot be told from it.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> labels = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((4, 4), int))
    >>> labels[labels == 6] = 7
    >>> labels = np.pad(labels, 2)
    >>> found = sc.suspicious(labels)
    >>> found[["label", "reasons"]].values.tolist()
    [[7, 'too large (2 times the median)']]
    """
    for is_right, rule, value in (
        (limit > 0, "limit is a number of robust standard deviations above 0", limit),
        (width >= 1, "width is a number of voxels, 1 or more", width),
    ):
        if not is_right:
            raise ParameterError(rule, value=value, place=_PLACE)
    is_table = isinstance(objects, Table) or hasattr(objects, "iloc")
    if is_table and image is not None:
        raise ParameterError(
            "contrast is measured from labels and an image",
            value="a table and an image",
            place=_PLACE,
            remedy="give the labels: suspicious(labels, image)",
        )
    if is_table:
        return suspicious_objects(cast("Table", objects), None, limit=limit, seams=block)
    is_eager = isinstance(objects, np.ndarray)
    with making("suspicious"):
        found = _of_labels(cast("Image", objects), image, limit, block, width)
    return found.to_pandas() if is_eager else found


def _of_labels(
    objects: Image | NDArray[Any],
    image: Image | NDArray[Any] | None,
    limit: float,
    block: int | Sequence[int] | None,
    width: int,
) -> Table:
    """Measure labels, and what lies around them where there is an image."""
    labels = open_image(objects)
    if image is None:
        table = measure(labels, properties=[])
        around = None
    else:
        shown = open_image(image)
        _check_channels(shown)
        table = measure(labels, intensity=shown, properties=[])
        shells = object_shells(labels, width=width)
        around = measure(shells, intensity=shown, properties=[])
    return suspicious_objects(table, around, limit=limit, seams=block)


def _check_channels(image: Image) -> None:
    if "c" in image.axes:
        raise ParameterError(
            "contrast is that of one channel",
            value=f"axes {image.axes!r}",
            place=_PLACE,
            remedy="take one: image.channel(0)",
        )


def _width(width: int) -> int:
    return width


@blockwise(halo=_width, dtype="same", labels=True, block_invariant=True, version="1")
def object_shells(labels: NDArray[Any], *, width: int) -> NDArray[Any]:
    """Return where no object is and one is near, by the number of that, the greatest of several."""
    from scipy import ndimage

    near = ndimage.maximum_filter(labels, 2 * width + 1, mode="constant")
    return np.where(labels == 0, near, 0).astype(labels.dtype)


@step(out="table", version="1")
def suspicious_objects(
    table: pd.DataFrame,
    around: pd.DataFrame | None,
    *,
    limit: float,
    seams: int | Sequence[int] | None,
) -> pd.DataFrame:
    """Give the rows of a table that have one the reasons, worst first."""
    if "n_voxels" not in table.columns:
        raise ParameterError(
            "a table of objects has their number of voxels",
            value=f"columns {', '.join(map(str, table.columns))}",
            place=_PLACE,
            remedy="give the table that sc.measure makes",
        )
    found = table.copy()
    if around is not None:
        places = [axis for axis in table.columns if len(str(axis)) == 1 and axis in "tc"]
        keys = [*places, "label"]
        background = around.set_index(keys)["mean"].reindex(table.set_index(keys).index)
        found["contrast"] = table["mean"].to_numpy() - background.to_numpy(np.float64)
    score = np.zeros(len(table))
    reasons: list[list[str]] = [[] for _ in range(len(table))]
    for mask, said in _cut_off(table, seams):
        score += mask
        _say(reasons, mask, [said] * len(table))
    for values, below, above, is_logarithm in _unlike(found):
        numbers = found[values].to_numpy(np.float64)
        distance = robust_scores(np.log(numbers) if is_logarithm else numbers) / limit
        middle = np.nanmedian(numbers) if np.isfinite(numbers).any() else np.nan
        for mask, said in ((distance <= -1, below), (distance >= 1, above)):
            if said:
                score[mask] += np.abs(distance[mask])
                _say(reasons, mask, [_beside(said, n, middle) for n in numbers])
    found["reasons"] = ["; ".join(texts) for texts in reasons]
    found["score"] = score
    found = found[np.array([bool(texts) for texts in reasons], bool)]
    return found.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def _unlike(table: pd.DataFrame) -> list[tuple[str, str, str, bool]]:
    """Return columns, what is said below and above the limit, and whether by the logarithm."""
    bright = "contrast" if "contrast" in table.columns else "mean"
    columns = [("n_voxels", "too small", "too large", True)]
    if bright in table.columns:
        columns.append((bright, "low contrast" if bright == "contrast" else "dim", "", False))
    return columns


def _cut_off(
    table: pd.DataFrame, block: int | Sequence[int] | None
) -> list[tuple[NDArray[np.bool_], str]]:
    """Return which objects touch the edge, and which end at a seam between blocks."""
    found = []
    if "touches_edge" in table.columns:
        found.append((table["touches_edge"].to_numpy(bool), "touches the edge"))
    if block is None:
        return found
    axes = [axis for axis in "zyx" if f"bbox_{axis}0" in table.columns]
    sizes = [block] * len(axes) if isinstance(block, int) else list(block)
    if not axes or len(sizes) != len(axes) or min(sizes) < 1:
        raise ParameterError(
            "seams lie between blocks of 1 voxel or more along each spatial axis of a measured "
            "table",
            value=f"block {block!r}; boxes along {''.join(axes) or 'no axis'!r}",
            place=_PLACE,
            remedy="give the block shape of the step, over its spatial axes",
        )
    at_seam = np.zeros(len(table), bool)
    for axis, size in zip(axes, sizes, strict=True):
        low, high = (table[f"bbox_{axis}{end}"].to_numpy(np.int64) for end in (0, 1))
        at_seam |= ((low > 0) & (low % size == 0)) | (high % size == 0)
    if "touches_edge" in table.columns:
        at_seam &= ~table["touches_edge"].to_numpy(bool)
    found.append((at_seam, "ends at a seam"))
    return found


def robust_scores(values: Floats) -> Floats:
    """Return how many robust standard deviations values lie from their median.

    Examples
    --------
    >>> robust_scores(np.array([9.0, 10.0, 11.0, 10.0, 12.0, 40.0])).round(1).tolist()
    [-1.0, -0.3, 0.3, -0.3, 1.0, 19.9]
    """
    scores = np.zeros(len(values))
    known = np.isfinite(values)
    if not known.any():
        return scores
    away = values[known] - np.median(values[known])
    spread = 1.4826 * np.median(np.abs(away)) or 1.2533 * np.mean(np.abs(away))
    if spread > 0:
        scores[known] = away / spread
    return scores


def _beside(said: str, number: float, middle: float) -> str:
    """Say a reason, with what the number is beside the median where both are positive."""
    if not (number > 0 and middle > 0):
        return said
    times = number / middle
    return f"{said} ({times:.2g} times the median)"


def _say(reasons: list[list[str]], mask: NDArray[np.bool_], texts: Sequence[str]) -> None:
    for row in np.flatnonzero(mask).tolist():
        reasons[row].append(texts[row])
