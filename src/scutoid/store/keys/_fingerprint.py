"""Fingerprint a step's code: what it does, not how it is written down.

A walk from a function over every helper, constant, class and default that it reaches in the user's
own modules.  Each becomes a part: its label ("helper `normalise`") and a digest of its normal form.
What lies in installed packages counts by its name, and the package's version is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scutoid.store.keys._follows import sha256
from scutoid.store.keys._input_hashes import HashMemo
from scutoid.store.keys._installed import version_of
from scutoid.store.keys._walk import Walk

VERSION_PART = "version"
"""The one part of a function whose code is replaced by a version."""


@dataclass(frozen=True, slots=True)
class CodeFingerprint:
    """What a function's result depends on, as far as code goes."""

    digest: str
    """Digest of all of it."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Digest of each function, class and constant that was reached, the function itself first."""
    opaque: tuple[str, ...] = ()
    """What could not be followed, and so does not count."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Those of `opaque` that are files which code names, and where these lie."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Installed packages that were reached, and their versions."""
    stale: tuple[str, ...] = ()
    """Functions whose file was edited after it was loaded: what runs is not what the file says."""


def fingerprint(
    function: object,
    *,
    version: str | None = None,
    environment: Sequence[str] = (),
    memo: HashMemo | None = None,
) -> CodeFingerprint:
    """Fingerprint a function, class, partial or callable object.

    Parameters
    ----------
    function : callable
        The function.
    version : str, optional
        Stands for the code, which is then not looked at.
    environment : sequence of str
        Packages whose versions count.
    memo : HashMemo, optional
        Remembers hashes of files, and is told which files the code reaches.

    Raises
    ------
    ParameterError
        If a package of `environment` is not installed.

    Examples
    --------
    >>> one = fingerprint(eval("lambda x: x + 1"), version="2")
    >>> one.digest == fingerprint(print, version="2").digest
    True
    """
    versions = {name: version_of(name) for name in environment}
    if version is not None:
        digest = sha256(f"version {version!r} {sorted(versions.items())}")
        return CodeFingerprint(digest, {VERSION_PART: sha256(version)}, packages=versions)
    return walked(Walk(memo), function, versions)


def walked(walk: Walk, function: object, versions: Mapping[str, str]) -> CodeFingerprint:
    """Return what a walk from a function has reached, with the versions that count."""
    walk.start(function)
    digest = sha256(f"{list(walk.parts.items())} {sorted(versions.items())}")
    packages = {**{name: version_of(name) for name in sorted(walk.packages)}, **versions}
    return CodeFingerprint(
        digest,
        walk.parts,
        opaque=tuple(sorted(walk.opaque)),
        files=walk.files,
        packages=packages,
        stale=tuple(sorted(walk.stale)),
    )
