"""Replace some steps of a pipeline by given results, to test what comes after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scutoid.arrays import open_source
from scutoid.errors import ParameterError
from scutoid.steps.graph import (
    Call,
    CollectionRef,
    Constant,
    ConstantCollection,
    Gathered,
    ImageRef,
    MappedCall,
    Member,
    Opened,
    Outputs,
    Ref,
    Rewriting,
)
from scutoid.steps.handles._lazy import Lazy, handle_of


def with_given(targets: Any, given: Mapping[str, object]) -> Any:
    """Return the same results, with some steps replaced by what they would have made.

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
    """Puts given results in the place of calls, by the names of their steps."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self.given = dict(given)
        self._used: set[str] = set()
        self._rewriting = Rewriting(self._outputs, lambda call: call.spec)

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
            return {name: self._replace(value) for name, value in item.items()}
        if isinstance(item, (tuple, list)):
            return type(item)(map(self._replace, item))
        if isinstance(item, Gathered):
            return self._rewriting.item(item)
        if not isinstance(item, Lazy) or not isinstance(item.ref.node, (Call, Member)):
            return item
        replaced = self._rewriting.item(item.ref)
        return item if replaced == item.ref else handle_of(replaced)  # type: ignore[arg-type]

    def _outputs(self, call: Call) -> Outputs | None:
        """Return what is given for the outputs of a call."""
        spec = call.spec
        if spec.label not in self.given:
            return None
        self._used.add(spec.label)
        given = self.given[spec.label]
        values = tuple(given) if spec.packed and isinstance(given, (tuple, list)) else (given,)
        if len(values) != len(spec.outputs):
            raise ParameterError(
                f"the step has {len(spec.outputs)} outputs", value=len(values), place=spec.label
            )
        return tuple(_as_result(call, number, value) for number, value in enumerate(values))


def _as_result(call: Call, output: int, value: object) -> Ref | CollectionRef:
    kind, name = call.spec.outputs[output], call.spec.label
    if isinstance(call, MappedCall):
        if kind == "image" or not isinstance(value, Mapping) or set(value) != set(call.keys):
            raise ParameterError(
                "for a step on a collection a dict of values or tables by key is given",
                value=type(value).__name__,
                place=f"step {name!r}",
            )
        return CollectionRef(ConstantCollection(dict(value), name), kind)
    if kind != "image":
        return Ref(Constant(value, name), kind)
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
        voxel_size=spec.voxel_size or spec.known_sizes,
        unit=spec.unit,
        origin=spec.origin,
        time=spec.time,
    )
    return ImageRef(Opened(source, name, framed.offset))
