"""Files of parameters: what was tuned, for later runs and other images.

::

    {
        "scutoid_parameters": 1,
        "of": "cells",
        "kind": "pipeline",
        "versions": {"scutoid": "0.1.0", "python": "3.11.2", "numpy": "2.3.5"},
        "parameters": {"sigma": 2.0, "level": 300},
    }

Values stand there as in ``value.json`` of a store.
"""

from __future__ import annotations

import difflib
import inspect
import json
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scutoid._version import __version__
from scutoid.durable import writing
from scutoid.errors import ParameterError, SourceError, SourceNotFound
from scutoid.regular import read_regular
from scutoid.steps.handles._pipeline import Pipeline
from scutoid.steps.handles._step import Step
from scutoid.store import from_json, is_json, to_json
from scutoid.texts import parse_json

_VERSION_FIELD, _VERSION = "scutoid_parameters", 1


def save_parameters(
    path: str | os.PathLike[str], values: Mapping[str, object], of: Callable[..., object]
) -> Path:
    """Write parameters to a file, as JSON.

    Parameters
    ----------
    path : path
        The file; one that is there is replaced.
    values : mapping of str to object
        Parameters by name: numbers, truth values, text, None, and lists and tuples of these.
    of : Pipeline, Step or operation
        What they are parameters of.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ParameterError
        If it has no such parameter, or JSON does not hold a value.
    StoreError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import scutoid as sc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sc.save_parameters(Path(folder) / "smooth.json", {"sigma": 2.0}, sc.gaussian)
    ...     sc.read_parameters(path, sc.gaussian)
    {'sigma': 2.0}
    """
    path = Path(path)
    _check_names(values, of, str(path))
    unwritten = [name for name, value in values.items() if not is_json(value)]
    if unwritten:
        raise ParameterError(
            "a file of parameters holds numbers, truth values, text, None, lists and tuples",
            value=f"{unwritten[0]}={values[unwritten[0]]!r}",
            place=str(path),
            remedy="leave it out, and give it where the pipeline is called",
        )
    content = {
        _VERSION_FIELD: _VERSION,
        "of": name_of(of),
        "kind": _kind_of(of),
        "versions": {
            "scutoid": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "parameters": {name: to_json(value) for name, value in values.items()},
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    with writing(path, "a file of parameters") as beside:
        beside.write_text(text, encoding="utf-8")
    return path


def read_parameters(
    path: str | os.PathLike[str], of: Callable[..., object] | None = None
) -> dict[str, Any]:
    """Read parameters from a file that `save_parameters` or `scutoid.tune` has written.

    Parameters
    ----------
    path : path
        The file.
    of : Pipeline, Step or operation, optional
        What gets them; default: they are returned as they are.

    Returns
    -------
    dict
        Values by name, of the types that they had: ``cells(**sc.read_parameters("cells.json"))``.

    Raises
    ------
    SourceNotFound
        If there is no such file.
    SourceError
        If it is no file of parameters, or of a later version.
    ParameterError
        If they are those of another pipeline or step, or `of` does not take one of them.
    """
    path = Path(path)
    content = _content(path)
    if of is not None:
        written_for = (content["kind"], content["of"])
        if written_for != (_kind_of(of), name_of(of)):
            raise ParameterError(
                f"parameters are read for the {_kind_of(of)} that they were saved for",
                value=f"those of the {content['kind']} {content['of']!r}",
                place=str(path),
                remedy=f"give the file of {name_of(of)!r}, or correct its fields `kind` and `of`",
            )
        _check_names(content["parameters"], of, str(path))
    try:
        return {name: from_json(value) for name, value in content["parameters"].items()}
    except (LookupError, TypeError, ValueError) as error:
        raise _no_file(path, f"a value that cannot be read: {error!r}") from error


def name_of(target: Callable[..., object]) -> str:
    """Return the name of a pipeline, step or operation."""
    if isinstance(target, Step):
        return target.spec.label
    return target.name if isinstance(target, Pipeline) else target.__name__


def parameter_names(target: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of the parameters of a pipeline, step or operation."""
    if isinstance(target, Step):
        return tuple(target.spec.parameters.defaults)
    parameters = inspect.signature(target).parameters.values()
    if isinstance(target, Pipeline):
        return tuple(item.name for item in parameters)
    return tuple(item.name for item in parameters if item.kind is item.KEYWORD_ONLY)


def _kind_of(target: Callable[..., object]) -> str:
    return "pipeline" if isinstance(target, Pipeline) else "step"


def _check_names(values: Mapping[str, object], of: Callable[..., object], place: str) -> None:
    names = parameter_names(of)
    unknown = [name for name in values if name not in names]
    if unknown:
        close = difflib.get_close_matches(unknown[0], names, n=1)
        raise ParameterError(
            f"the {_kind_of(of)} {name_of(of)!r} takes the parameters "
            f"({', '.join(names) or 'none'})",
            value=unknown[0],
            place=place,
            remedy=f"did you mean {close[0]!r}?" if close else "remove it from the file",
        )


def _content(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(read_regular(path))
    except FileNotFoundError as error:
        raise SourceNotFound(
            "a file of parameters exists",
            value=str(path),
            place=str(path.absolute().parent),
            remedy="check the path; sc.tune saves one",
        ) from error
    except (OSError, ValueError) as error:
        raise _no_file(path, str(error)) from error
    if not isinstance(content, dict) or _VERSION_FIELD not in content:
        raise _no_file(path, f"no field {_VERSION_FIELD!r}")
    if content[_VERSION_FIELD] != _VERSION:
        raise _no_file(path, f"{_VERSION_FIELD} {content[_VERSION_FIELD]!r}")
    are_there = isinstance(content.get("parameters"), dict)
    if not are_there or not all(isinstance(content.get(name), str) for name in ("of", "kind")):
        raise _no_file(path, "no fields `of`, `kind` and `parameters`")
    return content


def _no_file(path: Path, found: str) -> SourceError:
    return SourceError(
        f"a file of parameters is JSON with {_VERSION_FIELD} {_VERSION}, of, kind and parameters",
        value=found,
        place=str(path),
        remedy="save it again by sc.tune or sc.save_parameters",
    )
