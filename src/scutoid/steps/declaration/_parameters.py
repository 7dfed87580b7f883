"""The signature of the function of a step: its inputs and its parameters."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
