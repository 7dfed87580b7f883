"""What a step is, apart from what it is called with: its code and its declaration."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scutoid.errors import PipelineError
from scutoid.steps.declaration import StepSpec
from scutoid.store import CodeFingerprint, fingerprint
from scutoid.store.keys import first_module


@dataclass(frozen=True, slots=True)
class Code:
    """What is known of a step's code."""

    digest: str
    """Digest of all of it."""
    parts: Mapping[str, str]
    """Digest of each function, class and constant that was reached."""
    opaque: tuple[str, ...]
    """What could not be followed."""
    packages: Mapping[str, str]
    """Third-party packages that were reached, and their versions."""
    environment: Mapping[str, str]
    """Those whose versions enter the key."""


def declaration_of(spec: StepSpec) -> dict[str, object]:
    """Return what a decorator was told that counts, by either rule."""
    return {
        "outputs": spec.outputs,
        "packed": spec.packed,
        "halo": spec.halo,
        "axes": spec.axes,
        "out_axes": spec.out_axes,
        "border": spec.border,
        "dtype": None if spec.dtype is None else [str(item) for item in spec.dtypes],
        "position": spec.position,
        "where": spec.options.where,
        # only where it is so: keys of all other steps stay as they are
        **({"sees_neighbours": True} if spec.sees_neighbours else {}),
        **({"out_sizes": dict(spec.out_sizes)} if spec.out_sizes else {}),
        **({"scale": str(spec.scale)} if spec.scale != 1 else {}),
        **({"grid": spec.grid} if spec.grid is not None and spec.version is None else {}),
    }


class Fingerprint(Protocol):
    """Fingerprints a function, by one rule."""

    def __call__(
        self, function: object, *, version: str | None, environment: Sequence[str]
    ) -> CodeFingerprint:
        """Return the fingerprint of a function, or of the version that stands for it."""
        ...


def code_of(spec: StepSpec, fingerprint: Fingerprint = fingerprint) -> Code:
    """Return the fingerprint of all functions of a step."""
    functions = spec.functions if spec.version is None else {"function": spec.function}
    found: dict[str, CodeFingerprint] = {
        role: fingerprint(given, version=spec.version, environment=spec.environment)
        for role, given in functions.items()
    }
    stale = [name for one in found.values() for name in one.stale]
    if stale:
        raise PipelineError(
            "the code that runs is what its file says",
            value=f"edited since it was loaded: {', '.join(stale)}",
            place=f"step {spec.label!r}",
            remedy="start Python again, or reload the module, so that workers run the same code",
        )
    parts: dict[str, str] = {}
    packages: dict[str, str] = {}
    for role, one in found.items():
        own, *reached = one.parts.items()
        # By their roles, for the names of the others, often "<lambda>", do not tell them apart.
        parts[own[0] if role == "function" else role] = own[1]
        parts.update(reached)
        packages.update(one.packages)
    digests = [f"{role}={one.digest}" for role, one in sorted(found.items())]
    if spec.version is not None:  # it says which version, but not of what
        digests.append(_full_name(spec.function))
    return Code(
        digest=digest_of("code", *digests),
        parts=parts,
        opaque=tuple(dict.fromkeys(name for one in found.values() for name in one.opaque)),
        packages=packages,
        environment={name: packages.get(name, "") for name in spec.environment},
    )


def _full_name(function: Any) -> str:
    """Name a function, the same in a script, a notebook and on the command line."""
    module = str(getattr(function, "__module__", ""))
    name = str(getattr(function, "__qualname__", type(function).__qualname__))
    return name if module.startswith("__") else f"{first_module(module, name)}.{name}"


def digest_of(*parts: str) -> str:
    """Return one digest of some texts, in their order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
