"""What a decorated function declared: its inputs, parameters, halo, outputs and options.

A `StepSpec` is frozen data.  It is made once by a decorator, and sent to the workers; what one call
adds (its inputs, its parameter values) is a `Call`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any, Literal, cast

from scutoid.arrays import Storage
from scutoid.errors import ParameterError, PipelineError

Kind = Literal["blockwise", "step", "reduction"]
OutputKind = Literal["image", "table", "parts", "value", "files"]
Border = Literal["clip", "reflect", "nearest", "crop"] | float

INJECTED = ("block", "key", "voxel_size", "origin", "folder")
NEIGHBOURS = "neighbours"
"""The keyword by which a step that sees its neighbours gets what they have written."""
_OUTPUTS: dict[Kind, tuple[OutputKind, ...]] = {
    "blockwise": ("image", "table", "parts"),
    "step": ("value", "image", "table", "parts", "files"),
    "reduction": ("value", "table"),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The signature of a step's function, read once."""

    inputs: tuple[str, ...]
    """Positional parameters: inputs."""
    required: int
    """How many of `inputs` have no default."""
    variadic: bool
    """Whether the function takes ``*images`` as well."""
    defaults: Mapping[str, object]
    """Keyword-only parameters and their defaults (``inspect.Parameter.empty`` where none)."""
    injected: tuple[str, ...]
    """Which of `INJECTED` and of the set-up's names the engine passes."""
    open_ended: bool = False
    """Whether the function takes ``**parameters``."""

    @classmethod
    def of(cls, function: Callable[..., object], setup: Sequence[str], name: str) -> Parameters:
        """Read the signature of `function`."""
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                "a step is a Python function whose signature can be read",
                value=function,
                place=f"step {name!r}",
                remedy="wrap it: def step(image): return f(image)",
            ) from error
        inputs, defaults, injected, required, variadic, open_ended = [], {}, [], 0, False, False
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                variadic = True
            elif parameter.kind is parameter.VAR_KEYWORD:
                open_ended = True
            elif parameter.kind is not parameter.KEYWORD_ONLY:
                inputs.append(parameter.name)
                required += parameter.default is parameter.empty
            elif parameter.name in setup or parameter.name in INJECTED:
                injected.append(parameter.name)
            else:
                defaults[parameter.name] = parameter.default
        missing = [item for item in setup if item not in injected and not open_ended]
        if missing:
            raise ParameterError(
                "what the engine passes by name (setup=, neighbours) is a keyword-only parameter",
                value=missing,
                place=f"step {name!r}",
                remedy=f"write def {name}(..., *, {missing[0]})",
            )
        return cls(tuple(inputs), required, variadic, defaults, tuple(injected), open_ended)

    def bind(
        self, name: str, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        """Split the arguments of one call into inputs and parameters, defaults filled in.

        Raises
        ------
        ParameterError
            If an input is missing or one too many, or a parameter is unknown or missing.
        """
        place = f"step {name!r}"
        given = dict(kwargs)
        values = list(args)
        for item in self.inputs[len(values) :]:
            if item not in given:
                break
            values.append(given.pop(item))
        if len(values) < self.required or (len(values) > len(self.inputs) and not self.variadic):
            raise ParameterError(
                f"this step takes the inputs ({', '.join(self.inputs)})",
                value=f"{len(values)} given",
                place=place,
                remedy="parameters are passed by keyword: step(image, sigma=2)",
            )
        unknown = [item for item in given if item not in self.defaults]
        if unknown and not self.open_ended:
            close = difflib.get_close_matches(unknown[0], list(self.defaults), n=1)
            names = ", ".join(self.defaults) or "none"
            raise ParameterError(
                f"a step takes only the parameters in its signature ({names})",
                value=unknown[0],
                place=place,
                remedy=f"did you mean {close[0]!r}?" if close else None,
            )
        params = {**self.defaults, **given}
        missing = [item for item, value in params.items() if value is inspect.Parameter.empty]
        if missing:
            raise ParameterError(
                "a parameter without a default must be given",
                value=missing[0],
                place=place,
                remedy=f"{name}(..., {missing[0]}=...)",
            )
        return tuple(values), params


@dataclass(frozen=True, slots=True)
class Options:
    """What a call may set anew; names and storage stay out of the key."""

    name: str | None = None
    """Name in the store and in reports; default: the function's."""
    keep: bool | Literal["memory"] = True
    """Whether the result is stored."""
    storage: Storage = field(default_factory=Storage)
    """Format, chunks and compression of the stored result."""
    block: object = None
    """Block shape in voxels; default: chosen by the planner."""
    where: object = None
    """Which blocks run at all: regions, or a coarse mask; what lies outside stays zero."""
    join: Literal["equal", "inner"] = "equal"
    """What happens to collections of different keys: an error, or those keys that all have."""
    retries: int = 2
    """How often a failed block is tried again."""
    timeout: float | None = None
    """Seconds one block may take."""
    requires: Mapping[str, int] | None = None
    """Resources one block holds while it runs."""

    def __post_init__(self) -> None:
        for option, is_right, rule in (
            ("name", self.name != "", "a name is not empty"),
            ("keep", self.keep in (True, False, "memory"), 'keep is True, False or "memory"'),
            ("storage", isinstance(self.storage, Storage), "storage is a scutoid.Storage"),
            ("join", self.join in ("equal", "inner"), 'join is "equal" or "inner"'),
            ("retries", _is_count(self.retries), "a block is retried 0 times or more"),
            ("timeout", _is_time(self.timeout), "a timeout is a number of seconds above 0"),
            ("requires", _is_resources(self.requires), 'requires is like {"gpu": 1}'),
        ):
            if not is_right:
                raise ParameterError(rule, value=getattr(self, option), place=f"option {option!r}")


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and int(value) >= 0


def _is_time(value: Any) -> bool:
    return value is None or (isinstance(value, Real) and float(value) > 0)


def _is_resources(value: Any) -> bool:
    return value is None or (
        isinstance(value, Mapping)
        and all(isinstance(name, str) and _is_count(n) for name, n in value.items())
    )


@dataclass(frozen=True, slots=True, eq=False)
class StepSpec:
    """A step as its decorator declared it."""

    kind: Kind
    """Function of a block, of whole values, or a reduction over blocks."""
    name: str
    """The function's name."""
    function: Callable[..., Any]
    """The user's function itself."""
    parameters: Parameters
    """Its signature."""
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
    scale: object = 1
    """Input voxels an output voxel."""
    grid: Callable[..., Any] | None = None
    """Finds the grid of the output, where it is no scaled one."""
    check: Callable[..., None] | None = None
    """Raises what is wrong with the images and parameters of a call, before anything runs."""
    dtype: object = None
    """dtype of an image output, or one for each; None: found by a trial call."""
    position: tuple[str, ...] | None = None
    """Columns of a table output that hold a position in the block, in voxels."""
    labels: bool = False
    """Whether its images hold object numbers."""
    block_invariant: bool = False
    """Whether the result is the same for every block shape."""
    sees_neighbours: bool = False
    """Whether the function also gets what its neighbours have written."""
    merge: Callable[[Any, Any], Any] | None = None
    """Joins the values of two parts of the image; associative."""
    finish: Callable[..., Any] | None = None
    """Makes the result from the merged value."""
    setup: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    """Called once a worker; the values are passed by name."""
    version: str | None = None
    """Replaces the code in the key."""
    environment: tuple[str, ...] = ()
    """Packages whose versions enter the key."""
    options: Options = field(default_factory=Options)
    """Defaults of what a call may set anew."""

    def with_options(self, **options: object) -> StepSpec:
        """Return the same step with other options."""
        known = Options.__dataclass_fields__
        unknown = [item for item in options if item not in known]
        if unknown:
            raise ParameterError(
                f"options are {', '.join(known)}", value=unknown[0], place=f"step {self.name!r}"
            )
        changed = replace(self.options, **cast("dict[str, Any]", options))
        return replace(self, options=changed)

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


def make_spec(
    kind: Kind,
    function: Callable[..., Any],
    *,
    out: str | Sequence[str],
    setup: Mapping[str, Callable[[], object]] | None,
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
    for item in outputs:
        if item not in _OUTPUTS[kind]:
            raise PipelineError(
                f"out= of a {kind} is one of {', '.join(_OUTPUTS[kind])}, or a tuple of these",
                value=item,
                place=place,
            )
    border = declared.get("border", "clip")
    if not isinstance(border, (int, float)) and border not in (
        "clip",
        "reflect",
        "nearest",
        "crop",
    ):
        raise PipelineError(
            "border= is 'clip', 'reflect', 'nearest', 'crop' or a number", value=border, place=place
        )
    for option in ("axes", "out_axes"):
        axes = declared.get(option)
        if axes is not None and (not isinstance(axes, str) or len(set(axes)) != len(axes)):
            raise PipelineError(
                f"{option}= is a string of different letters, one an axis, such as 'zyx'",
                value=axes,
                place=place,
            )
    given = tuple(setup or ())
    if declared.get("grid") is not None or declared.get("scale", 1) != 1:
        _check_grid(outputs, declared, place)
    if declared.get("sees_neighbours"):
        _check_neighbours(outputs, declared, place)
        given = (*given, NEIGHBOURS)
    parameters = Parameters.of(function, given, name)
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
