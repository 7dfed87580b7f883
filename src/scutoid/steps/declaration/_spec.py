"""What a decorated function declared: its inputs, parameters, halo, outputs and options.

A `StepSpec` is frozen data.  It is made once by a decorator, and sent to the workers; what one call
adds (its inputs, its parameter values) is a `Call`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np

from scutoid.errors import ParameterError, PipelineError
from scutoid.steps.declaration._drafts import DraftRole
from scutoid.steps.declaration._options import Options
from scutoid.steps.declaration._parameters import NEIGHBOURS, Parameters
from scutoid.steps.declaration._view_options import check_view

Kind = Literal["blockwise", "step", "reduction"]
OutputKind = Literal["image", "table", "parts", "value", "files"]
Border = Literal["clip", "reflect", "nearest", "crop"] | float

_DECLARED = frozenset(
    [
        "halo",
        "axes",
        "out_axes",
        "out_sizes",
        "border",
        "out",
        "dtype",
        "scale",
        "grid",
        "position",
        "labels",
        "check",
        "setup",
        "merge",
        "finish",
        "sees_neighbours",
        "sees_all",
        "block_invariant",
        "check_halo",
        "renamed",
        "version",
        "environment",
        "threadsafe",
    ]
)
"""Arguments of decorators that no call sets differently."""
_LARGEST_VOXEL = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}
"""Bytes of a voxel of each kind that can be stored."""
_BORDERS = ("clip", "reflect", "nearest", "crop")

_OUTPUTS: dict[Kind, tuple[OutputKind, ...]] = {
    "blockwise": ("image", "table", "parts"),
    "step": ("value", "image", "table", "parts", "files"),
    "reduction": ("value", "table"),
}


@dataclass(frozen=True, slots=True, eq=False)
class StepSpec:
    """A step as its decorator declared it."""

    kind: Kind
    """Function of a block, of whole values, or a reduction over blocks."""
    name: str
    """The function's name."""
    function: Callable[..., object]
    """The user's function itself."""
    parameters: Parameters
    """Its signature, and old names in it, which are no part of a key."""
    outputs: tuple[OutputKind, ...]
    """What it returns, an entry an output."""
    packed: bool
    """Whether the function returns a tuple of outputs (also of one)."""
    halo: object = 0
    """As declared: int, sequence, mapping, `Length` or a function of the parameters."""
    axes: str | None = None
    """Axes that the function gets; None: the spatial axes of its inputs."""
    out_axes: str | None = None
    """Axes that it returns, if they differ."""
    out_sizes: Mapping[str, int] | None = None
    """Sizes of returned axes that are new, or change."""
    border: Border = "clip"
    """What lies beyond the image's edge."""
    pads: bool = True
    """Whether a border that is a number is there at all; else what is read is clipped."""
    scale: object = 1
    """Input voxels an output voxel."""
    grid: Callable[..., object] | None = None
    """Finds the grid of the output, where it is no scaled one."""
    check: Callable[..., None] | None = None
    """Raises what is wrong with the images and parameters of a call, before anything runs."""
    dtype: object = None
    """dtype of an image output, or one for each; None: what the function returns."""
    dtype_rule: Callable[..., object] | None = None
    """Tells, by the dtypes of the images, which the function returns; None: a trial call does."""
    position: tuple[str, ...] | None = None
    """Columns of a table output that hold a position in the block, in voxels."""
    labels: bool = False
    """Whether its images hold object numbers."""
    block_invariant: bool = False
    """Whether the result is the same for every block shape."""
    threadsafe: bool = False
    """Whether several threads of a process may call its functions at once."""
    check_halo: bool = True
    """Whether a run compares voxels with those of a block across the faces of others."""
    sees_neighbours: bool = False
    """Whether the function also gets what its neighbours have written."""
    sees_all: bool = False
    """Whether a result from parts depends on all of the image, and not on objects alone."""
    draft: DraftRole | None = None
    """How it takes part in working at blocks before objects are numbered; no part of a key."""
    sparse: Mapping[str, str] = field(default_factory=dict)
    """Inputs that the function takes as a `SparseArray` where blocks are large, in the order in
    which they are read: which "values" that are not 0 it has, just their "places", or the values at
    the places of the input of this name.  Or the one of whose labels it takes, in blocks of any
    size, what lies around the block, its "rim", as `Runs`.  No part of a key."""
    merge: Callable[[Any, Any], object] | None = None
    """Joins the values of two parts of the image; associative."""
    finish: Callable[..., object] | None = None
    """Makes the result from the merged value."""
    setup: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    """Called once a worker; the values are passed by name."""
    version: str | None = None
    """Replaces the code in the key."""
    environment: tuple[str, ...] = ()
    """Packages whose versions enter the key."""
    options: Options = field(default_factory=Options)
    """Options that a call may set differently."""

    def with_options(self, **options: object) -> StepSpec:
        """Return the same step with other options."""
        known = Options.__dataclass_fields__
        unknown = [item for item in options if item not in known]
        if unknown:
            remedy = None
            if unknown[0] in _DECLARED:
                remedy = f"give it where the step is declared: @sc.{self.kind}({unknown[0]}=...)"
            raise ParameterError(
                f"options are {', '.join(known)}",
                value=unknown[0],
                place=f"step {self.name!r}",
                remedy=remedy,
            )
        changed = replace(self.options, **cast("dict[str, Any]", options))
        if changed.view:
            check_view(changed.view, self.outputs, f"step {self.name!r}")
        return replace(self, options=changed)

    @property
    def functions(self) -> dict[str, object]:
        """The functions that compute its results, by their roles."""
        setup = {f"setup {name}": load for name, load in self.setup.items()}
        found = {"function": self.function, **setup, "merge": self.merge, "finish": self.finish}
        return {role: function for role, function in found.items() if function is not None}

    @property
    def label(self) -> str:
        """The name in the store and in reports."""
        return self.options.name or self.name

    @property
    def value_format(self) -> str | None:
        """Format of what is not an image, if one is asked for."""
        return None if "image" in self.outputs else self.options.storage.format

    @property
    def dtypes(self) -> tuple[object, ...]:
        """The declared dtype of each output (None: not declared)."""
        if isinstance(self.dtype, (tuple, list)):
            return tuple(self.dtype)
        return tuple(self.dtype if kind == "image" else None for kind in self.outputs)

    def dtypes_for(self, images: Sequence[np.dtype[Any]]) -> tuple[object, ...]:
        """Return the dtype of each output for images of these (None: no image, or not known)."""
        dtypes = self.dtypes
        if self.dtype_rule is not None:
            found = self.dtype_rule(*images)
            _check_dtype(found, ("image",), f"step {self.name!r}, for images of {images}")
            dtypes = tuple(found if kind == "image" else None for kind in self.outputs)
        return tuple(images[0] if dtype == "same" else dtype for dtype in dtypes)


def make_spec(
    kind: Kind,
    function: Callable[..., object],
    *,
    out: str | Sequence[str],
    setup: Mapping[str, Callable[[], object]] | None,
    renamed: Mapping[str, str] | None = None,
    options: Options,
    **declared: Any,
) -> StepSpec:
    """Check what a decorator was given, and freeze it.

    Raises
    ------
    PipelineError
        If an option cannot be what it is declared to be.
    """
    name = getattr(function, "__name__", type(function).__name__)
    name = "step" if name == "<lambda>" else name
    place = f"step {name!r}"
    outputs = (out,) if isinstance(out, str) else tuple(out)
    dtype = declared.get("dtype")
    if kind == "blockwise" and callable(dtype) and not isinstance(dtype, type):
        # No part of the key: blocks are held to it, so it changes no voxel.
        declared |= {"dtype": None, "dtype_rule": dtype}
    _check_outputs(kind, outputs, place)
    _check_border(declared.get("border", "clip"), place)
    _check_dtype(declared.get("dtype"), outputs, place)
    for option in ("axes", "out_axes"):
        _check_axes(option, declared.get(option), place)
    declared["environment"] = _packages(declared.get("environment", ()), place)
    injected = tuple(setup or ())
    if declared.get("grid") is not None or declared.get("scale", 1) != 1:
        _check_grid(outputs, declared, place)
    if declared.get("sees_neighbours"):
        _check_neighbours(outputs, declared, place)
        injected = (*injected, NEIGHBOURS)
    parameters = Parameters.of(function, injected, name, renamed)
    if not parameters.inputs and not parameters.variadic and kind != "step":
        raise PipelineError(
            f"a {kind} has at least one input",
            value="no positional parameter",
            place=place,
            remedy=f"write def {name}(image, *, ...)",
        )
    return StepSpec(
        kind=kind,
        name=name,
        function=function,
        parameters=parameters,
        outputs=cast("tuple[OutputKind, ...]", outputs),
        packed=not isinstance(out, str),
        setup=dict(setup or {}),
        options=options,
        **declared,
    )


def _packages(environment: object, place: str) -> tuple[str, ...]:
    """Return the names of packages that count, without repetition; refuse what is no list of them.

    Whether they are installed is looked up when a run is planned.
    """
    names = list(environment) if isinstance(environment, (list, tuple, set, frozenset)) else [None]
    if not all(isinstance(name, str) for name in names):
        raise ParameterError(
            "environment= is a list of names of packages whose versions count",
            value=environment,
            place=place,
            remedy='write environment=["scikit-image"]',
        )
    return tuple(dict.fromkeys(map(str, names)))


def _check_outputs(kind: Kind, outputs: Sequence[str], place: str) -> None:
    """Refuse outputs that a step of this kind does not make."""
    for item in outputs:
        if item not in _OUTPUTS[kind]:
            raise PipelineError(
                f"out= of a {kind} is one of {', '.join(_OUTPUTS[kind])}, or a tuple of these",
                value=item,
                place=place,
            )


def _check_border(border: object, place: str) -> None:
    """Refuse an unknown border."""
    if not isinstance(border, (int, float)) and border not in _BORDERS:
        raise PipelineError(
            "border= is 'clip', 'reflect', 'nearest', 'crop' or a number", value=border, place=place
        )


def _check_dtype(dtype: object, outputs: Sequence[str], place: str) -> None:
    """Refuse what is no dtype of voxels, or not one for each output."""
    if isinstance(dtype, (tuple, list)):
        if len(dtype) != len(outputs):
            raise PipelineError(
                "dtype= is one for all images, or one an output (None where that is no image)",
                value=f"{len(dtype)} for {len(outputs)} outputs",
                place=place,
            )
        listed = [item for item, kind in zip(dtype, outputs, strict=True) if kind == "image"]
    else:
        listed = [dtype]
    for item in listed:
        if item is None or (isinstance(item, str) and item == "same"):
            continue
        try:
            found = np.dtype(item)
        except (TypeError, ValueError):
            found = np.dtype(object)
        if found.kind not in "biufc" or found.itemsize > _LARGEST_VOXEL[found.kind]:
            raise PipelineError(
                "dtype= is 'same', or a type of numpy for booleans, integers, floating-point or "
                "complex numbers, of up to 64 bits a number",
                value=item if isinstance(item, str) else repr(item),
                place=place,
            )


def _check_axes(option: str, axes: object, place: str) -> None:
    """Refuse axes that are no different letters."""
    if axes is not None and (not isinstance(axes, str) or len(set(axes)) != len(axes)):
        raise PipelineError(
            f"{option}= is a string of different letters, one an axis, such as 'zyx'",
            value=axes,
            place=place,
        )


def _check_grid(outputs: Sequence[str], declared: Mapping[str, object], place: str) -> None:
    """See that a step that writes on another grid makes images, and says what cannot be found."""
    has_grid = declared.get("grid") is not None
    for is_right, rule, value in (
        (set(outputs) == {"image"}, "a step on another grid returns images", outputs),
        (
            not has_grid or declared.get("scale", 1) == 1,
            "a step has scale= or grid=, not both",
            declared.get("scale"),
        ),
        (
            not has_grid or declared.get("dtype") is not None,
            "a step with grid= declares the dtype of its images",
            None,
        ),
        (
            not declared.get("sees_neighbours"),
            "a step on another grid does not see its neighbours",
            "sees_neighbours=True",
        ),
    ):
        if not is_right:
            raise PipelineError(rule, value=value, place=place)


def _check_neighbours(outputs: Sequence[str], declared: Mapping[str, object], place: str) -> None:
    """See that it is clear what a step sees of its neighbours: voxels of its one image."""
    for is_right, rule, value, remedy in (
        (
            outputs.count("image") == 1,
            "a step that sees its neighbours has one image among its outputs",
            outputs,
            None,
        ),
        (
            declared.get("dtype") is not None,
            "a step that sees its neighbours declares the dtype of its image",
            None,
            "give dtype= to the decorator",
        ),
        (
            declared.get("out_axes") in (None, declared.get("axes")),
            "a step that sees its neighbours keeps the axes that it gets",
            declared.get("out_axes"),
            None,
        ),
        (
            not declared.get("block_invariant"),
            "what a block sees of its neighbours depends on the shape of the blocks",
            "block_invariant=True",
            "leave it out",
        ),
    ):
        if not is_right:
            raise PipelineError(rule, value=value, place=place, remedy=remedy)
