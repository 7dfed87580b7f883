"""The decorators that make a step of a function: `blockwise`, `step` and `reduction`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, Unpack, overload

from scutoid.arrays import Storage
from scutoid.steps.declaration import Border, Options, make_spec
from scutoid.steps.handles._collections import (
    FilesCollection,
    Images,
    PartsCollection,
    Tables,
    Values,
)
from scutoid.steps.handles._single import Files, Image, Parts, Table, Value
from scutoid.steps.handles._step import Step
from scutoid.steps.handles._typed import (
    BlockwiseOptions,
    Function,
    Many_co,
    One_co,
    P,
    R,
    R_co,
    ReductionOptions,
    WholeOptions,
)
from scutoid.steps.layout import OutputGrid

Setup = Mapping[str, Callable[[], object]]
Out = str | Sequence[str]
Several = tuple[str, ...] | list[str]


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
    check_halo: bool = True,
    requires: Mapping[str, int] | None = None,
    retries: int = 2,
    timeout: float | None = None,
    renamed: Mapping[str, str] | None = None,
    version: str | None = None,
    environment: Sequence[str] = (),
    threadsafe: bool = False,
    keep: bool | Literal["memory"] = True,
    storage: Storage | None = None,
) -> Any:
    """Make a step of a function of a block.

    Positional parameters of the function are inputs: images are cut into blocks with a halo, tables
    and values are given whole.  Keyword-only parameters are parameters: never cut.  What is given
    whole is each call's own: a change in place is seen by no other block, member or try, nor by the
    caller; an array of more than 1 MiB is read-only, and writing to it is an error that names the
    line.  Parameters named
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
    dtype : dtype, tuple or function, optional
        Of the image output(s), or "same" as the first image's; default: found by calling the
        function on a small array.  Floats are rounded to it; any other value that it does not hold
        is refused, so a cast that is meant stands in the function.  A function of the dtypes of
        the images tells which dtype is returned, and spares that call.
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
        lazy images; raises what is wrong with them, so that it is said before anything runs.  Of
        images all is known but their voxels.  Of a folder it is called for each member, before
        anything of that one is computed.
    setup : mapping of str to function, optional
        Called once a worker; the values are passed by name.  A step with it that returns images
        gives their `dtype`, for it is called in workers alone.
    sees_neighbours : bool
        Whether the function also gets, as keyword ``neighbours``, what blocks before it have
        written in its read region: an array of the image's dtype and the read region's shape, zero
        where nothing is written yet.  Which blocks come before it depends on the grid alone, so
        the result is the same for any number of workers; see `scutoid.blocks.Block.neighbours`.
    block : int, sequence or mapping, optional
        Block shape over the spatial axes; default: chosen from inputs, halo and storage.
    block_invariant : bool
        Whether the result is the same for every block shape, which then stays out of the key.
    check_halo : bool
        Whether the first run of a step that is not `block_invariant` computes some voxels anew in
        a block that lies across the faces of others, and warns where they differ; see
        `scutoid.run`.
    requires, retries, timeout
        Resources a block holds, how often it is tried again, seconds it may take.
    renamed : mapping of str to str, optional
        Old names of inputs and parameters with the new ones: a call by an old name is refused with
        the new one.  No part of the key.
    version : str, optional
        Replaces the code in the key.
    environment : sequence of str
        Packages whose versions enter the key.
    threadsafe : bool
        Whether several threads of one process may call the function at once, and nothing that it
        calls can end the process; such steps may run in threads of this process where a run chooses
        by itself (``executor="auto"``).  No part of the key.
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
        check_halo=check_halo,
        version=version,
        environment=environment,
        threadsafe=threadsafe,
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
    sees_all: bool = False,
    setup: Setup | None = None,
    requires: Mapping[str, int] | None = None,
    retries: int = 2,
    timeout: float | None = None,
    renamed: Mapping[str, str] | None = None,
    version: str | None = None,
    environment: Sequence[str] = (),
    threadsafe: bool = False,
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
    sees_all : bool
        Of a step that gets parts: whether its result depends on all of the image, as that of a
        background does, and not on objects that cross blocks.  `scutoid.preview` then computes it
        of the whole image, and else of a region.
    labels, setup, requires, retries, timeout, renamed, version, environment, threadsafe, keep, \
storage
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
        sees_all=sees_all,
        version=version,
        environment=environment,
        threadsafe=threadsafe,
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
    threadsafe: bool = False,
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
environment, threadsafe, keep, storage
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
        environment=environment,
        threadsafe=threadsafe,
    )


def _decorate(kind: Any, function: Callable[..., Any] | None, **declared: Any) -> Any:
    if function is None:
        return lambda function: _decorate(kind, function, **declared)
    return Step(make_spec(kind, function, **declared))
