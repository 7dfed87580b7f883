"""The signature of the function of a step: its inputs and its parameters."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scutoid.errors import ParameterError

INJECTED = ("block", "key", "voxel_size", "origin", "folder")
NEIGHBOURS = "neighbours"
"""The keyword by which a step that sees its neighbours gets what they have written."""


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
    input_defaults: Mapping[str, object] = field(default_factory=dict)
    """Defaults of `inputs` that have one."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Old names of inputs and parameters, and what they are called now."""

    @classmethod
    def of(
        cls,
        function: Callable[..., object],
        setup: Sequence[str],
        name: str,
        renamed: Mapping[str, str] | None = None,
    ) -> Parameters:
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
        inputs, defaults, injected, variadic, open_ended = [], {}, [], False, False
        input_defaults = {}
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                variadic = True
            elif parameter.kind is parameter.VAR_KEYWORD:
                open_ended = True
            elif parameter.kind is not parameter.KEYWORD_ONLY:
                inputs.append(parameter.name)
                if parameter.default is not parameter.empty:
                    input_defaults[parameter.name] = parameter.default
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
        old = dict(renamed or {})
        _check_renamed(old, (*inputs, *defaults), f"step {name!r}")
        return cls(
            tuple(inputs),
            len(inputs) - len(input_defaults),
            variadic,
            defaults,
            tuple(injected),
            open_ended,
            input_defaults,
            old,
        )

    def defaults_after(self, given: int) -> list[object]:
        """Return the defaults of the inputs that a call with `given` inputs leaves out."""
        return [self.input_defaults[name] for name in self.inputs[given:]]

    def bind(
        self, name: str, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        """Split the arguments of one call into inputs and parameters, defaults filled in.

        Raises
        ------
        ParameterError
            If an input is missing or one too many, or a parameter is unknown, missing or given by
            an old name.
        """
        place = f"step {name!r}"
        refuse_renamed(self.renamed, kwargs, place)
        named = dict(kwargs)
        values = list(args)
        for item in self.inputs[len(values) :]:
            if item not in named:
                break
            values.append(named.pop(item))
        if len(values) < self.required or (len(values) > len(self.inputs) and not self.variadic):
            raise ParameterError(
                f"this step takes the inputs ({', '.join(self.inputs)})",
                value=f"{len(values)} given",
                place=place,
                remedy="parameters are passed by keyword: step(image, sigma=2)",
            )
        unknown = [item for item in named if item not in self.defaults]
        if unknown and not self.open_ended:
            close = difflib.get_close_matches(unknown[0], list(self.defaults), n=1)
            names = ", ".join(self.defaults) or "none"
            raise ParameterError(
                f"a step takes only the parameters in its signature ({names})",
                value=unknown[0],
                place=place,
                remedy=f"did you mean {close[0]!r}?" if close else None,
            )
        params = {**self.defaults, **named}
        missing = [item for item, value in params.items() if value is inspect.Parameter.empty]
        if missing:
            raise ParameterError(
                "a parameter without a default must be given",
                value=missing[0],
                place=place,
                remedy=f"{name}(..., {missing[0]}=...)",
            )
        return tuple(values), params


def refuse_renamed(renamed: Mapping[str, str], given: Mapping[str, object], place: str) -> None:
    """Refuse arguments by old names, with the new ones.

    Parameters
    ----------
    renamed : mapping of str to str
        For each old name the new one, or what to write now where that is more than a name.
    given : mapping
        Arguments by name.
    place : str
        What was called.

    Raises
    ------
    ParameterError
        If one of them has an old name.
    """
    for old in renamed.keys() & given.keys():
        new = renamed[old]
        now = f"{new}=" if new.isidentifier() else new
        raise ParameterError(
            f"`{old}=` is `{now}` now", value=given[old], place=place, remedy=f"write {now}"
        )


def _check_renamed(renamed: Mapping[str, str], names: Sequence[str], place: str) -> None:
    """See that old names are free, and new ones are there."""
    for old, new in renamed.items():
        if old in names:
            raise ParameterError(
                "renamed= has names that a step no longer takes", value=old, place=place
            )
        if new.isidentifier() and new not in names:
            raise ParameterError(
                f"renamed= gives one of the present names ({', '.join(names)}) for an old one",
                value=new,
                place=place,
            )
