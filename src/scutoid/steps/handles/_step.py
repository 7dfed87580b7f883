"""The decorators that make a step of a function: `blockwise`, `step` and `reduction`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol, Unpack, overload

import numpy as np

from scutoid.arrays import Storage, open_source
from scutoid.blocks import Mask
from scutoid.errors import PipelineError
from scutoid.geometry import Roi
from scutoid.steps.compute import finish, merge_in_order, prepared, unpack
from scutoid.steps.declaration import NEIGHBOURS, Border, Options, StepBlock, StepSpec, make_spec
from scutoid.steps.graph import Gathered, ImageRef, Opened, make_call
from scutoid.steps.handles._collections import (
    FilesCollection,
    Images,
    PartsCollection,
    Tables,
    Values,
)
from scutoid.steps.handles._lazy import Lazy, handle_of
from scutoid.steps.handles._single import Files, Image, Parts, Table, Value
from scutoid.steps.handles._typed import (
    BlockwiseOptions,
    CallOptions,
    Function,
    Function_co,
    Many_co,
    One_co,
    P,
    R,
    R_co,
    ReductionOptions,
    TypedCall,
    WholeOptions,
)
from scutoid.steps.layout import MaskImage, OutputGrid, ask

Setup = Mapping[str, Callable[[], object]]
Out = str | Sequence[str]
Several = tuple[str, ...] | list[str]


class Step(TypedCall[Function_co, One_co, Many_co]):
    """A function that runs on arrays, and is put off on lazy inputs.

    Called with numpy arrays it just runs.  Called with an Image, Table, Value or a collection among
    its arguments it returns a lazy result.
    """

    def __init__(self, spec: StepSpec) -> None:
        self.spec = spec
        functools.update_wrapper(self, spec.function)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if not any(is_lazy(item) or _is_dask(item) for item in (*args, *kwargs.values())):
            return self._run(args, kwargs)
        arguments, params = self.spec.parameters.bind(self.spec.label, args, kwargs)
        inputs = [self._lazy(item) for item in arguments]
        images = [item for item in inputs if isinstance(item, Image)]
        if self.spec.check is not None and images:
            ask(self.spec.check, "check", images, params, f"step {self.spec.label!r}")
        call = make_call(
            self.spec,
            [_in_graph(item) for item in inputs],
            {name: _in_graph(value) for name, value in params.items()},
        )
        handles = tuple(handle_of(ref) for ref in call.outputs)
        return handles if self.spec.packed else handles[0]

    def options(self, **options: Unpack[CallOptions]) -> Step[Function_co, One_co, Many_co]:
        """Return the same step with options for this call.

        Parameters
        ----------
        **options
            name, keep, storage, block, where, join, retries, timeout, requires, as in
            `blockwise`; where: the blocks to compute at all, by a list of `Roi` in the frame of
            the image, or a coarse mask (an Image, placed by voxel size and origin, or by shape
            where these are unknown).  What lies outside stays zero, and has no rows.

        Examples
        --------
        >>> import numpy as np
        >>> import scutoid as sc
        >>> image = sc.open(np.zeros((8, 8), "uint8"))
        >>> sc.gaussian.options(name="smooth", block=4)(image, sigma=1)
        Image('smooth', yx, (8, 8), float32)
        """
        if "where" in options:
            options["where"] = frozen_where(options["where"])
            if options["where"] is not None and (
                self.spec.kind == "step" or "parts" in self.spec.outputs
            ):
                raise PipelineError(
                    "blocks are left out of images, tables and reductions",
                    value=f"a {self.spec.kind} with out={self.spec.outputs}",
                    place=f"where of step {self.spec.label!r}",
                )
        return Step(self.spec.with_options(**options))

    def along(self, axes: str) -> Step[Function_co, One_co, Many_co]:
        """Return the same step working on other axes."""
        return Step(replace(self.spec, axes=axes))

    def _lazy(self, item: object) -> object:
        """Take arrays among lazy inputs as images, where the step cuts its inputs into blocks."""
        is_array = isinstance(item, np.ndarray) and item.ndim > 0
        if self.spec.kind != "step" and (is_array or _is_dask(item)):
            return Image(ImageRef(Opened(open_source(item), "array")))
        return item

    def _run(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        spec = self.spec
        injected = {name: kwargs[name] for name in spec.parameters.injected if name in kwargs}
        named = {name: value for name, value in kwargs.items() if name not in injected}
        inputs, params = spec.parameters.bind(spec.label, args, named)
        missing = [name for name in spec.parameters.injected if name not in injected]
        for name in missing:
            if name == NEIGHBOURS and spec.sees_neighbours:
                injected[name] = _no_neighbours(spec, inputs[0])
            elif name not in spec.setup:
                injected[name] = _whole_block(inputs) if name == "block" else None
        with prepared(spec) as ready:
            loaded = {name: value for name, value in ready.items() if name not in kwargs}
            result = spec.function(*inputs, **{**params, **injected, **loaded})
        if spec.kind != "reduction":
            return result
        merged = merge_in_order([unpack(spec, result)[0]], spec.merge)  # type: ignore[arg-type]
        return finish(spec, merged, {"voxel_size": None, "origin": None, **params, **injected})

    def __repr__(self) -> str:
        return f"<{self.spec.kind} {self.spec.label!r}>"


def is_lazy(value: object) -> bool:
    """Whether a value is a result that has yet to be read."""
    return isinstance(value, (Lazy, Gathered))


def _in_graph(item: object) -> object:
    """Return an argument as a call holds it: of a handle its reference."""
    return item.ref if isinstance(item, Lazy) else item


def frozen_where(where: object) -> object:
    """What ``options(where=)`` got, as a value that can enter a key: images are read."""
    if isinstance(where, Image):
        spec = where.framed.spec
        return MaskImage(np.asarray(where) != 0, spec.axes, spec.voxel_size, spec.origin, spec.unit)
    if where is None or isinstance(where, (np.ndarray, Mask, MaskImage)):
        return where
    if isinstance(where, (list, tuple)):
        return tuple(Roi.of(region) for region in where)
    if isinstance(where, Roi):
        return (where,)
    raise PipelineError(
        "where= is a list of regions, an image or Mask, or an array of the blocks' grid",
        value=type(where).__name__,
        place="options(where=)",
    )


def _is_dask(item: object) -> bool:
    return type(item).__module__.startswith("dask.array")


def _whole_block(inputs: Sequence[Any]) -> StepBlock:
    """Describe a whole array as the one block that it is."""
    shape = np.shape(inputs[0])
    axes = "tczyx"[-len(shape) :] if shape else ""
    region = Roi((0,) * len(shape), shape)
    return StepBlock(0, axes, region, region, region, axes)


def _no_neighbours(spec: StepSpec, image: object) -> object:
    """What the one block of a whole array sees: nothing."""
    declared: Any = spec.dtypes[spec.outputs.index("image")]
    array = np.asarray(image)
    return np.zeros(array.shape, array.dtype if declared == "same" else declared)


class Decorator(Protocol[One_co, Many_co]):
    """Makes a step of a function; its results are of these kinds."""

    def __call__(self, function: Function, /) -> Step[Function, One_co, Many_co]:
        """Make the step."""
        ...


class FinishedDecorator(Protocol[One_co, Many_co, R_co]):
    """Makes a step of a reduction with finish=; on arrays it returns what that returns."""

    def __call__(
        self, function: Callable[P, object], /
    ) -> Step[Callable[P, R_co], One_co, Many_co]:
        """Make the step."""
        ...


@overload
def blockwise(function: Function, /) -> Step[Function, Image, Images]: ...
@overload
def blockwise(
    *, out: Literal["image"] = ..., **declared: Unpack[BlockwiseOptions]
) -> Decorator[Image, Images]: ...
@overload
def blockwise(
    *, out: Literal["table"], **declared: Unpack[BlockwiseOptions]
) -> Decorator[Table, Tables]: ...
@overload
def blockwise(
    *, out: Literal["parts"], **declared: Unpack[BlockwiseOptions]
) -> Decorator[Parts, PartsCollection]: ...
@overload
def blockwise(
    *, out: Several, **declared: Unpack[BlockwiseOptions]
) -> Decorator[tuple[Any, ...], tuple[Any, ...]]: ...
def blockwise(
    function: Callable[..., Any] | None = None,
    /,
    *,
    halo: object = 0,
    axes: str | None = None,
    out_axes: str | None = None,
    out_sizes: Mapping[str, int] | None = None,
    border: Border = "clip",
    out: Out = "image",
    dtype: object = None,
    scale: object = 1,
    grid: Callable[..., OutputGrid] | None = None,
    position: tuple[str, ...] | None = None,
    labels: bool = False,
    check: Callable[..., None] | None = None,
    setup: Setup | None = None,
    sees_neighbours: bool = False,
    block: object = None,
    block_invariant: bool = False,
    requires: Mapping[str, int] | None = None,
    retries: int = 2,
    timeout: float | None = None,
    renamed: Mapping[str, str] | None = None,
    version: str | None = None,
    environment: Sequence[str] = (),
    keep: bool | Literal["memory"] = True,
    storage: Storage | None = None,
) -> Any:
    """Make a step of a function of a block.

    Positional parameters of the function are inputs: images are cut into blocks with a halo, tables
    and values are given whole.  Keyword-only parameters are parameters: never cut.  Those named
    ``block``, ``key``, ``voxel_size``, ``origin`` or ``folder``, and what `setup` and
    `sees_neighbours` name, are passed by the engine; ``= sc.injected`` as their default tells
    editors and mypy that a call leaves them out.  A parameter that may be a lazy value, or one for
    each member, is annotated so: ``level: float | sc.Value | sc.Values``.

    Parameters
    ----------
    function : callable
        The function; without it, a decorator is returned.
    halo : int, sequence, mapping, Length or function
        Voxels read around each block: one int for the spatial axes, an entry an axis (int or
        ``(low, high)``), ``scutoid.um(2)``, or a function of the parameters.  Rounded up.
    axes : str, optional
        Axes that the function gets, in this order; others are iterated.  Default: the spatial axes.
    out_axes : str, optional
        Axes of the images that it returns, if they differ.
    out_sizes : mapping of str to int, optional
        Sizes of axes that it adds, or returns in another size, such as ``{"c": 3}``; default: found
        by calling the function on a small array.
    border : {"clip", "reflect", "nearest", "crop"} or number
        "clip" hands over the region clipped to the image, so that the function's own boundary mode
        acts at the true edge; "reflect" (as scipy), "nearest" and numbers pad it; "crop" shrinks
        the output.
    out : {"image", "table", "parts"} or tuple of these
        What the function returns: an image of the shape that it was given (scutoid crops the halo),
        a DataFrame, or a dict of small arrays a block.
    dtype : dtype or tuple, optional
        Of the image output(s), or "same" as the first image's; default: found by calling the
        function on a small array.
    scale : int, Fraction, sequence or mapping
        Input voxels an output voxel: 2 halves the size of the images, ``Fraction(1, 2)`` doubles
        it; one for the spatial axes, or one an axis.  The function returns, for a region of `n`
        voxels, ``ceil(n / scale)``; scutoid crops the halo, which is in voxels of the input.
    grid : function, optional
        For other grids: gets the list of the images and the parameters that it names, and returns
        an `OutputGrid`.  The function then returns the write region itself, and finds in ``block``
        what it was given of each input (`StepBlock.sources`).
    position : tuple of str, optional
        Columns of a table that hold a position, in voxels of the array that the function got: only
        rows inside the write region are kept, and positions are moved to the image's frame.
    labels : bool
        Whether its images hold object numbers, which are never averaged.
    check : function, optional
        Gets the list of the images, and the parameters that it names, when the step is called on
        lazy images; raises what is wrong with them, so that it is said before anything runs.
    setup : mapping of str to function, optional
        Called once a worker; the values are passed by name.
    sees_neighbours : bool
        Whether the function also gets, as keyword ``neighbours``, what blocks before it have
        written in its read region: an array of the image's dtype and the read region's shape, zero
        where nothing is written yet.  Which blocks come before it depends on the grid alone, so
        the result is the same for any number of workers; see `scutoid.blocks.Block.neighbours`.
    block : int, sequence or mapping, optional
        Block shape over the spatial axes; default: chosen from inputs, halo and storage.
    block_invariant : bool
        Whether the result is the same for every block shape, which then stays out of the key.
    requires, retries, timeout
        Resources a block holds, how often it is tried again, seconds it may take.
    renamed : mapping of str to str, optional
        Old names of inputs and parameters with the new ones: a call by an old name is refused with
        the new one.  No part of the key.
    version : str, optional
        Replaces the code in the key.
    environment : sequence of str
        Packages whose versions enter the key.
    keep : bool or "memory"
        Whether the result is stored.
    storage : Storage, optional
        Format, chunks and compression.

    Returns
    -------
    Step

    Raises
    ------
    PipelineError
        If an option cannot be what it is declared to be.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> @sc.blockwise
    ... def foreground(image, *, level):
    ...     return image > level
    >>> foreground(np.array([1, 5]), level=3)
    array([False,  True])
    >>> foreground(sc.open(np.zeros((4, 4))), level=3)
    Image('foreground', yx, (4, 4), bool)
    """
    options = Options(
        keep=keep,
        storage=storage or Storage(),
        block=block,
        retries=retries,
        timeout=timeout,
        requires=requires,
    )
    return _decorate(
        "blockwise",
        function,
        out=out,
        setup=setup,
        renamed=renamed,
        options=options,
        halo=halo,
        axes=axes,
        out_axes=out_axes,
        out_sizes=out_sizes,
        border=border,
        scale=scale,
        grid=grid,
        dtype=dtype,
        position=position,
        labels=labels,
        check=check,
        sees_neighbours=sees_neighbours,
        block_invariant=block_invariant,
        version=version,
        environment=tuple(environment),
    )


@overload
def step(function: Function, /) -> Step[Function, Value, Values]: ...
@overload
def step(
    *, out: Literal["value"] | None = ..., **declared: Unpack[WholeOptions]
) -> Decorator[Value, Values]: ...
@overload
def step(
    *, out: Literal["image"], **declared: Unpack[WholeOptions]
) -> Decorator[Image, Images]: ...
@overload
def step(
    *, out: Literal["table"], **declared: Unpack[WholeOptions]
) -> Decorator[Table, Tables]: ...
@overload
def step(
    *, out: Literal["parts"], **declared: Unpack[WholeOptions]
) -> Decorator[Parts, PartsCollection]: ...
@overload
def step(
    *, out: Literal["files"], **declared: Unpack[WholeOptions]
) -> Decorator[Files, FilesCollection]: ...
@overload
def step(
    *, out: Several, **declared: Unpack[WholeOptions]
) -> Decorator[tuple[Any, ...], tuple[Any, ...]]: ...
def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    out: Out | None = None,
    dtype: object = None,
    labels: bool = False,
    setup: Setup | None = None,
    requires: Mapping[str, int] | None = None,
    retries: int = 2,
    timeout: float | None = None,
    renamed: Mapping[str, str] | None = None,
    version: str | None = None,
    environment: Sequence[str] = (),
    keep: bool | Literal["memory"] = True,
    storage: Storage | None = None,
) -> Any:
    """Make a step of a function of whole values.

    Parameters
    ----------
    function : callable
        The function; without it, a decorator is returned.
    out : {"value", "table", "image", "parts", "files"} or tuple of these, optional
        What the function returns; default: "value" (a DataFrame is kept as a table all the same).
        An image has the shape of the first image among the inputs.
    dtype : dtype or tuple, optional
        Of the image output(s); default: found by calling the function on a small array.
    labels, setup, requires, retries, timeout, renamed, version, environment, keep, storage
        As in `blockwise`.

    Returns
    -------
    Step

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> @sc.step
    ... def brightest(image):
    ...     return int(image.max())
    >>> brightest(sc.open(np.arange(6).reshape(2, 3))).get()
    5
    """
    options = Options(
        keep=keep, storage=storage or Storage(), retries=retries, timeout=timeout, requires=requires
    )
    return _decorate(
        "step",
        function,
        out="value" if out is None else out,
        setup=setup,
        renamed=renamed,
        options=options,
        dtype=dtype,
        labels=labels,
        version=version,
        environment=tuple(environment),
    )


@overload
def reduction(
    *, out: Literal["value"] = ..., finish: None = ..., **declared: Unpack[ReductionOptions]
) -> Decorator[Value, Values]: ...
@overload
def reduction(
    *, out: Literal["table"], finish: None = ..., **declared: Unpack[ReductionOptions]
) -> Decorator[Table, Tables]: ...
@overload
def reduction(
    *,
    out: Literal["value"] = ...,
    finish: Callable[..., R],
    **declared: Unpack[ReductionOptions],
) -> FinishedDecorator[Value, Values, R]: ...
@overload
def reduction(
    *, out: Literal["table"], finish: Callable[..., R], **declared: Unpack[ReductionOptions]
) -> FinishedDecorator[Table, Tables, R]: ...
def reduction(
    function: Callable[..., Any] | None = None,
    /,
    *,
    merge: Callable[[Any, Any], Any],
    finish: Callable[..., Any] | None = None,
    out: Out = "value",
    halo: object = 0,
    axes: str | None = None,
    setup: Setup | None = None,
    block: object = None,
    block_invariant: bool = False,
    requires: Mapping[str, int] | None = None,
    retries: int = 2,
    timeout: float | None = None,
    renamed: Mapping[str, str] | None = None,
    version: str | None = None,
    environment: Sequence[str] = (),
    keep: bool | Literal["memory"] = True,
    storage: Storage | None = None,
) -> Any:
    """Make a step that maps each block to a value and merges the values.

    Parameters
    ----------
    function : callable
        The function of a block; without it, a decorator is returned.
    merge : function of two values
        Associative; applied in a fixed tree over the block numbers, never in order of completion.
    finish : function, optional
        Makes the result from the merged value; its keyword-only arguments that name parameters of
        the step, ``voxel_size`` or ``origin`` are passed.
    out : {"value", "table"}
        What `finish` returns.
    halo, axes, setup, block, block_invariant, requires, retries, timeout, renamed, version, \
environment, keep, storage
        As in `blockwise`.

    Returns
    -------
    Step

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> @sc.reduction(merge=max)
    ... def brightest(image):
    ...     return image.max()
    >>> int(brightest(sc.open(np.arange(6).reshape(2, 3))).get())
    5
    """
    options = Options(
        keep=keep,
        storage=storage or Storage(),
        block=block,
        retries=retries,
        timeout=timeout,
        requires=requires,
    )
    return _decorate(
        "reduction",
        function,
        out=out,
        setup=setup,
        renamed=renamed,
        options=options,
        halo=halo,
        axes=axes,
        merge=merge,
        finish=finish,
        block_invariant=block_invariant,
        version=version,
        environment=tuple(environment),
    )


def _decorate(kind: Any, function: Callable[..., Any] | None, **declared: Any) -> Any:
    if function is None:
        return lambda function: _decorate(kind, function, **declared)
    return Step(make_spec(kind, function, **declared))
