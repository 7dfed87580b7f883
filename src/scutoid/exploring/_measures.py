"""What is measured of each choice of a sweep; objects that go on beyond a region are left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.exploring._preview import Preview
from scutoid.exploring._region import Looked
from scutoid.exploring._spans import roi_of
from scutoid.exploring._touching import TOUCHES, Objects
from scutoid.geometry import Roi
from scutoid.ops import compare
from scutoid.steps import Image
from scutoid.steps import open as open_image

MeasureFunction: TypeAlias = Callable[..., object]
_SCORES = (
    "precision",
    "recall",
    "f1",
    "accuracy",
    "mean_matched_score",
    "panoptic_quality",
    "vi_split",
    "vi_merge",
    "dice",
    "n_true",
)


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """Measures a preview.

    Parameters
    ----------
    functions : mapping of str to function
        What else is measured, by name of the column.
    truth : Image or ndarray, optional
        Labels that the first labels are compared with.
    threshold : float
        Least intersection over union of objects that match.
    """

    functions: Mapping[str, MeasureFunction]
    truth: Image | NDArray[Any] | None
    threshold: float

    def check(self, taken: Collection[str]) -> None:
        """Refuse what is no function, and names that other columns have.

        Raises
        ------
        ParameterError
            If there is such a one.
        """
        for name, function in self.functions.items():
            if not callable(function):
                raise ParameterError(
                    "a measure is a function of the result of the region",
                    value=function,
                    place=f"measures= of sweep, {name!r}",
                    remedy='write {"largest": lambda labels: np.bincount(labels.flat)[1:].max()}',
                )
            if name in taken:
                raise _taken(name)

    def of(self, preview: Preview) -> dict[str, object]:
        """Return what is measured of each preview, and scores against the truth, by name."""
        row: dict[str, object] = {}
        names = [ref.name for ref in preview.targets]
        for number, looked in enumerate(preview.looked):
            own = _measures(preview.targets[number].kind, looked)
            prefix = "" if len(names) == 1 else f"{names[number]}."
            row.update({f"{prefix}{name}": value for name, value in own.items()})
        if self.truth is not None:
            row.update(self._scores(preview))
        for name in self.functions:
            if name in row:
                raise _taken(name)
        return row

    def asked(self, preview: Preview) -> dict[str, object]:
        """Return what the functions of the user measure, by name."""
        results = complete(preview)
        result = results[0] if len(results) == 1 else results
        return {name: function(result) for name, function in self.functions.items()}

    def _scores(self, preview: Preview) -> dict[str, object]:
        objects = next((each.objects for each in preview.looked if _is_labels(each)), None)
        if objects is None:
            raise ParameterError(
                "a truth is compared with labels, which are among the targets",
                value=", ".join(ref.kind for ref in preview.targets),
                place="truth= of sweep",
                remedy="sweep the result of sc.label, or of another step with labels=True",
            )
        truth = _read(self.truth, objects)
        others = Objects(
            truth, objects.axes, objects.computed, objects.region, objects.edges, objects.joined
        )
        found, known = objects.complete(), others.complete()
        found, known = (
            _without_cut(found, truth, known),
            _without_cut(known, objects.array, found),
        )
        images = [open_image(array, axes=objects.axes) for array in (found, known)]
        table: Any = compare(images[0], images[1], thresholds=self.threshold, total=True)
        scores = table.to_pandas().iloc[0]
        return {name: scores[name].item() for name in _SCORES}


def _taken(name: str) -> ParameterError:
    return ParameterError(
        "measures have names that no other column of the table has",
        value=name,
        place="measures= of sweep",
        remedy="give it another name",
    )


def complete(preview: Preview) -> tuple[Any, ...]:
    """Return the results of a preview without the objects that go on beyond what was computed."""
    found: list[Any] = []
    for result, looked in zip(preview.results, preview.looked, strict=True):
        if _is_labels(looked):
            found.append(np.where(looked.mask(), 0, result).astype(result.dtype))
        elif TOUCHES in getattr(result, "columns", ()):
            found.append(result[~result[TOUCHES]].drop(columns=TOUCHES).reset_index(drop=True))
        else:
            found.append(result)
    return tuple(found)


def _is_labels(looked: Looked) -> bool:
    return looked.objects is not None and isinstance(looked.result, np.ndarray)


def _measures(kind: str, looked: Looked) -> dict[str, object]:
    result = looked.result
    if _is_labels(looked):
        assert looked.objects is not None  # noqa: S101 - as was asked
        return _of_sizes(looked.objects.sizes(), looked.n_touching)
    if kind == "image":
        if result.dtype == bool:
            return {"coverage": float(result.mean())}
        return {"mean": float(result.mean()), "std": float(result.std())}
    if kind == "table":
        touches = (
            np.asarray(result[TOUCHES]) if TOUCHES in result.columns else np.zeros(len(result))
        )
        if "n_voxels" in result.columns:
            sizes = np.asarray(result["n_voxels"])[touches == 0]
            return _of_sizes(sizes, int(touches.sum()))
        return {"n_rows": int((touches == 0).sum())}
    if isinstance(result, (Real, np.number)):
        return {"value": result}
    return {}


def _of_sizes(sizes: NDArray[Any], n_touching: int) -> dict[str, object]:
    return {
        "n_objects": len(sizes),
        "n_touching": n_touching,
        "mean_size": float(sizes.mean()) if len(sizes) else float("nan"),
        "median_size": float(np.median(sizes)) if len(sizes) else float("nan"),
    }


def _read(truth: Any, objects: Objects) -> NDArray[Any]:
    """Read the truth where labels were computed."""
    whole = Roi(
        [objects.edges[axis][0] for axis in objects.axes],
        [objects.edges[axis][1] - objects.edges[axis][0] for axis in objects.axes],
    )
    roi = roi_of(objects.axes, objects.computed, whole)
    axes = truth.axes if isinstance(truth, Image) else objects.axes
    if tuple(truth.shape) != tuple(whole.shape) or axes != objects.axes:
        raise ParameterError(
            "a truth has the axes and the shape of the labels",
            value=f"{tuple(truth.shape)}, {axes!r}; labels: {tuple(whole.shape)}, {objects.axes!r}",
            place="truth= of sweep",
            remedy="crop both alike",
        )
    local = roi.shift(-whole.offset)
    if isinstance(truth, Image):
        return truth.read(local.shift(truth.roi.offset))
    return np.ascontiguousarray(np.asarray(truth)[local.to_slices()])


def _without_cut(own: NDArray[Any], others: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
    """Leave out objects that lie, by more than half, in such of the others as were left out."""
    numbers, place = np.unique(own, return_inverse=True)
    cut = ((others != 0) & (whole == 0)).reshape(-1)
    sizes = np.bincount(place.reshape(-1), minlength=len(numbers))
    lost = np.bincount(place.reshape(-1), weights=cut, minlength=len(numbers))
    is_lost = 2 * lost > sizes
    return np.where(is_lost[place].reshape(own.shape), 0, own).astype(own.dtype)
