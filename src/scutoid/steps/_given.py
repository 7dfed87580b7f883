"""A pipeline with results put in the place of some of its steps, to test what comes after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scutoid.arrays import open_source
from scutoid.errors import ParameterError
from scutoid.steps._collections import COLLECTION, Gathered
from scutoid.steps._lazy import SINGLE, Image, Lazy
from scutoid.steps._producers import Call, Constant, ConstantCollection, Opened


def with_given(targets: Any, given: Mapping[str, Any]) -> Any:
    """Return the same results, with what some steps would have made put in their place.

    The steps that are replaced, and what only they need, do not run.

    Parameters
    ----------
    targets : Image, Table, Value, a collection of these, or a tuple, list or dict of them
        Results of a pipeline.
    given : mapping of str to value
        By the name of a step what it shall have made: an array for an image, a DataFrame, or a
        value; a tuple where it has several outputs, a dict by key where it ran on a collection (of
        values or tables).

    Returns
    -------
    The same kind as `targets`.

    Raises
    ------
    ParameterError
        If there is no such step, or what is given is not what it makes.

    Examples
    --------
    >>> import scutoid as sc
    >>> from scutoid.testing import with_given
    >>> @sc.blockwise(dtype="float32")
    ... def denoise(image):
    ...     raise RuntimeError("takes hours")
    >>> @sc.step
    ... def brightest(image):
    ...     return float(image.max())
    >>> result = brightest(denoise(sc.open(np.zeros((2, 2)))))
    >>> with_given(result, {"denoise": np.array([[1, 2], [3, 4]], "float32")}).get()
    4.0
    """
    return _Replacement(given).apply(targets)


class _Replacement:
    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = dict(given)
        self._used: set[str] = set()
        self._made: dict[int, Any] = {}
        self._alive: list[object] = []

    def apply(self, targets: Any) -> Any:
        replaced = self._replace(targets)
        missing = self.given.keys() - self._used
        if missing:
            raise ParameterError(
                "given results are those of steps of the pipeline",
                value=min(missing),
                remedy="check the name: sc.plan(...) lists them",
            )
        return replaced

    def _replace(self, item: Any) -> Any:
        if isinstance(item, dict):
            return {name: self._replace(one) for name, one in item.items()}
        if isinstance(item, (tuple, list)):
            return type(item)(map(self._replace, item))
        if isinstance(item, Gathered):
            return Gathered(self._replace(item.collection))
        if not isinstance(item, Lazy) or not isinstance(item.producer, Call):
            return item
        made = self._outputs(item.producer)[item.output]
        if isinstance(item, Image) and item.view is not None:
            return Image(made.producer, made.output, item.view)
        return made

    def _outputs(self, call: Call) -> Sequence[Any]:
        """Return the results of a call, or what is given for them."""
        if id(call) not in self._made:
            self._alive.append(call)
            if call.spec.label in self.given:
                self._used.add(call.spec.label)
                found = self._given(call)
            else:
                inputs = [self._replace(each) for each in call.inputs]
                params = {name: self._replace(value) for name, value in call.params.items()}
                results = Call(call.spec, inputs, params).outputs()
                found = results if call.spec.packed else (results,)
            self._made[id(call)] = found
        return self._made[id(call)]  # type: ignore[no-any-return]

    def _given(self, call: Call) -> Sequence[Any]:
        spec = call.spec
        values = self.given[spec.label]
        values = values if spec.packed else (values,)
        if len(values) != len(spec.outputs):
            raise ParameterError(
                f"the step has {len(spec.outputs)} outputs", value=len(values), place=spec.label
            )
        return [
            _as_result(call, number, value)
            for number, (value, _) in enumerate(zip(values, spec.outputs, strict=True))
        ]


def _as_result(call: Call, output: int, value: Any) -> Lazy:
    kind, name = call.spec.outputs[output], call.spec.label
    if call.keys is not None:
        if kind == "image" or not isinstance(value, Mapping) or set(value) != set(call.keys):
            raise ParameterError(
                "for a step on a collection a dict of values or tables by key is given",
                value=type(value).__name__,
                place=f"step {name!r}",
            )
        return COLLECTION[kind](ConstantCollection(value, name))
    if kind != "image":
        return SINGLE[kind](Constant(value, name))
    framed = call.framed(output)
    array = np.asarray(value)
    if array.shape != framed.spec.shape:
        raise ParameterError(
            "a given image has the shape of what the step makes",
            value=f"{array.shape}; expected {framed.spec.shape}",
            place=f"step {name!r}",
        )
    spec = framed.spec
    source = open_source(
        array.astype(spec.dtype, copy=False),
        axes=spec.axes,
        voxel_size=spec.voxel_size,
        unit=spec.unit,
        origin=spec.origin,
    )
    return Image(Opened(source, name, framed.offset))
