"""Presets: clusters by name, as the user has described them in a file of their own.

::

    ~/.config/scutoid/presets.toml          --preset FILE
        [slurm]                             a name, and what its kind of cluster takes
        cores = 4
        memory = "16GB"

A preset says which commands run on a batch system, so none is read from the folder that a command
is given in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scutoid.errors import ParameterError, SourceNotFound
from scutoid.executors._ours import OURS
from scutoid.paths import absolute
from scutoid.regular import opened_regular

KINDS: Mapping[str, str] = {
    "local": "",
    "slurm": "SLURMCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "pbs": "PBSCluster",
}
"""Kinds of clusters, and the class of dask-jobqueue for each that has one."""

_OWN = ("kind", "workers", "tls")


@dataclass(frozen=True, slots=True)
class Preset:
    """A cluster as it is described in a file."""

    name: str
    """Its name."""
    kind: str
    """One of `KINDS`."""
    workers: int | None = None
    """Number of workers, where a run does not say another."""
    tls: bool = True
    """Whether connections are encrypted, with credentials that are new for each run."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What the class of dask-jobqueue takes."""
    place: str | None = None
    """File and table; None: described nowhere, only its kind is known."""

    @property
    def named(self) -> str:
        """Where it is described, or its name, for messages."""
        return self.place or f"preset {self.name!r}"


def preset_file() -> Path:
    """Return the file of the user's own presets, whether it is there or not.

    It lies in ``$XDG_CONFIG_HOME``, or in ``~/.config`` where that is not an absolute path.
    """
    named = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    folder = named if named.is_absolute() else Path.home() / ".config"
    return folder / "scutoid" / "presets.toml"


def find_preset(name: str) -> Preset | None:
    """Return the user's preset of a name; a kind of its own right where none has it; else None.

    Raises
    ------
    ParameterError
        If the user's file of presets is wrong.
    """
    found = own_presets().get(name)
    return Preset(name, name) if found is None and name in KINDS else found


def own_presets() -> Mapping[str, Preset]:
    """Return the user's own presets by name; none where there is no file.

    Raises
    ------
    ParameterError
        If the file is wrong.
    """
    try:
        return _read(preset_file())
    except FileNotFoundError:
        return {}


def read_preset(path: str | os.PathLike[str], name: str | None = None) -> Preset:
    """Read a preset from a file.

    Parameters
    ----------
    path : path-like
        The file.
    name : str, optional
        Which of its presets; not needed where there is one.

    Raises
    ------
    SourceNotFound
        If there is no such file.
    ParameterError
        If the file is wrong, or has no such preset.
    """
    file = absolute(path)
    try:
        presets = _read(file)
    except FileNotFoundError as error:
        raise SourceNotFound(
            "a preset is in a file", value=str(file), place="--preset", remedy="check the path"
        ) from error
    if name is None and len(presets) == 1:
        return next(iter(presets.values()))
    if name not in presets:
        known = ", ".join(sorted(presets)) or "none"
        raise ParameterError(
            "a preset is one of those in its file"
            if name
            else "a file of several presets is given with the name of one",
            value=known if name is None else name,
            place=str(file),
            remedy=f"give --executor NAME, one of {known}",
        )
    return presets[name]


def _read(file: Path) -> dict[str, Preset]:
    import tomllib

    try:
        with opened_regular(file) as stream:
            tables = tomllib.load(stream)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(
            "a file of presets is TOML", value=str(error), place=str(file)
        ) from error
    except FileNotFoundError:
        raise
    except (IsADirectoryError, PermissionError) as error:
        raise ParameterError(
            "a file of presets can be read",
            value=error.strerror,
            place=str(file),
            remedy="change its rights, or move it away: without presets there need be none",
        ) from error
    return {name: _preset(name, table, file) for name, table in tables.items()}


def _preset(name: str, table: object, file: Path) -> Preset:
    place = f"{file}, [{name}]"

    def refuse(rule: str, value: object, remedy: str) -> ParameterError:
        return ParameterError(rule, value=value, place=place, remedy=remedy)

    if not isinstance(table, dict):
        example = f"write [{name}], and below it a line for each option"
        raise refuse("a preset is a table of options", table, example)
    if name in OURS:
        raise refuse(
            f"a preset has another name than an executor of scutoid ({', '.join(OURS)})",
            name,
            "rename it",
        )
    kind = table.get("kind", name)
    if kind not in KINDS:
        raise refuse(
            f"a preset says its kind: {', '.join(KINDS)}",
            table.get("kind", "none"),
            'write for example kind = "slurm"',
        )
    workers = table.get("workers")
    if workers is not None and (type(workers) is not int or workers < 1):
        raise refuse("a preset has 1 worker or more", workers, "write for example workers = 40")
    tls = table.get("tls", True)
    if not isinstance(tls, bool):
        raise refuse("tls is true or false", tls, "leave it out for true")
    options = {key: value for key, value in table.items() if key not in _OWN}
    if kind == "local" and (options or not tls):
        raise refuse(
            "a local cluster has no options but workers",
            next(iter(options), "tls = false"),
            "take it out",
        )
    return Preset(name, kind, workers, tls, options, place)
