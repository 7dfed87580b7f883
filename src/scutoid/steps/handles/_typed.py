"""Types of steps for editors and mypy: what a call takes and returns, and what options there are.

A step keeps the type of its function, and the result kinds of its outputs::

    @sc.blockwise
    def bright(image: NDArray[Any], *, level: float) -> NDArray[np.bool_]: ...

    bright(Image, level=3)    Image                 parameters: those of the function
    bright(Images, level=3)   Images                inputs: lazy results
    bright(array, level=3)    NDArray[np.bool_]     as the function says

Nothing here is looked at when a step runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Required,
    TypedDict,
    TypeVar,
    overload,
)

from scutoid.arrays import Storage
from scutoid.steps.declaration import Border
from scutoid.steps.graph import Gathered
from scutoid.steps.handles._collections import Collection
from scutoid.steps.handles._lazy import Lazy
from scutoid.steps.layout import OutputGrid

P = ParamSpec("P")
R = TypeVar("R")
First = TypeVar("First")
One = TypeVar("One")
Many = TypeVar("Many")
Function = TypeVar("Function", bound=Callable[..., object])
Function_co = TypeVar("Function_co", bound=Callable[..., object], covariant=True)
One_co = TypeVar("One_co", covariant=True)
Many_co = TypeVar("Many_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)

OneInput = Callable[Concatenate[First, P], R]
TwoInputs = Callable[Concatenate[First, Any, P], R]
ThreeInputs = Callable[Concatenate[First, Any, Any, P], R]
AnyInputs = Callable[Concatenate[Any, Any, Any, Any, Any, Any, Any, Any, P], R]
"""A function of ``*images``."""

injected: Any = None
"""Default of what the engine passes by name, such as ``block: StepBlock = sc.injected``.

Names decide what it passes, and the default is never used.  It is None, so that no key holds it."""


class TypedCall(Generic[Function_co, One_co, Many_co]):
    """What a call of a step returns: lazy results of lazy inputs, one or a collection of them.

    The first input decides; a second and a third one may be lazy where the function says array.
    """

    @overload
    def __call__(
        self: TypedCall[ThreeInputs[First, P, R], One, Many],
        first: Collection[Any],
        second: Any,
        third: Any,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Many: ...
    @overload
    def __call__(
        self: TypedCall[TwoInputs[First, P, R], One, Many],
        first: Collection[Any],
        second: Any,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Many: ...
    @overload
    def __call__(
        self: TypedCall[OneInput[First, P, R], One, Many],
        first: Collection[Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Many: ...
    @overload
    def __call__(
        self: TypedCall[TwoInputs[First, P, R], One, Many],
        first: Lazy | Gathered,
        second: Collection[Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Many: ...
    @overload
    def __call__(
        self: TypedCall[ThreeInputs[First, P, R], One, Many],
        first: Lazy | Gathered,
        second: Any,
        third: Any,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> One: ...
    @overload
    def __call__(
        self: TypedCall[TwoInputs[First, P, R], One, Many],
        first: Lazy | Gathered,
        second: Any,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> One: ...
    @overload
    def __call__(
        self: TypedCall[OneInput[First, P, R], One, Many],
        first: Lazy | Gathered,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> One: ...
    @overload
    def __call__(
        self: TypedCall[TwoInputs[First, P, R], One, Many],
        first: First,
        second: Collection[Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Many: ...
    @overload
    def __call__(
        self: TypedCall[TwoInputs[First, P, R], One, Many],
        first: First,
        second: Lazy | Gathered,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> One: ...
    @overload
    def __call__(
        self: TypedCall[AnyInputs[P, R], One, Many],
        first: Lazy | Gathered,
        /,
        *more: Lazy | Gathered,
        **parameters: Any,
    ) -> One: ...
    @overload
    def __call__(
        self: TypedCall[Callable[P, R], One, Many], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run on arrays, or return a lazy result."""
        return self._call(*args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class StepOptions(TypedDict, total=False):
    """What all decorators take; see `scutoid.blockwise`."""

    setup: Mapping[str, Callable[[], object]] | None
    requires: Mapping[str, int] | None
    retries: int
    timeout: float | None
    renamed: Mapping[str, str] | None
    version: str | None
    environment: Sequence[str]
    threadsafe: bool
    keep: bool | Literal["memory"]
    storage: Storage | None


class WholeOptions(StepOptions, total=False):
    """What `scutoid.step` takes besides out=."""

    dtype: object
    labels: bool
    sees_all: bool


class BlockOptions(StepOptions, total=False):
    """What `scutoid.blockwise` and `scutoid.reduction` take."""

    halo: object
    axes: str | None
    block: object
    block_invariant: bool


class BlockwiseOptions(BlockOptions, total=False):
    """What `scutoid.blockwise` takes besides out=."""

    check_halo: bool
    out_axes: str | None
    out_sizes: Mapping[str, int] | None
    border: Border
    dtype: object
    scale: object
    grid: Callable[..., OutputGrid] | None
    position: tuple[str, ...] | None
    labels: bool
    check: Callable[..., None] | None
    sees_neighbours: bool


class ReductionOptions(BlockOptions, total=False):
    """What `scutoid.reduction` takes besides out= and finish=."""

    merge: Required[Callable[[Any, Any], Any]]
