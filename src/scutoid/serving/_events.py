"""Events of a run as they stand in `events.jsonl`, read again as events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, cast, get_args

from scutoid import events
from scutoid.spent import Spent
from scutoid.texts import parse_json

_KINDS = {kind.__name__: kind for kind in get_args(events.Event)}


def event_of(line: bytes) -> events.Event | None:
    """Read an event; None for one of a kind that this version does not know.

    Raises
    ------
    ValueError, TypeError, KeyError
        If it is none.

    Examples
    --------
    >>> event_of(b'{"event": "WorkerStarted", "time": 1.5, "worker": 3, "later": true}')
    WorkerStarted(time=1.5, worker=3)
    """
    record = parse_json(line)
    kind = _KINDS.get(record["event"])
    if kind is None:
        float(record["time"])
        return None
    return cast("events.Event", _made(kind, record))


def _made(kind: Any, record: Mapping[str, Any]) -> Any:
    """Make a value of its fields; those that are not known are passed over."""
    found = {}
    for name, read, has_default in _readers(kind):
        if name in record:
            found[name] = read(record[name])
        elif not has_default:
            raise KeyError(name)
    return kind(**found)


@cache
def _readers(kind: Any) -> tuple[tuple[str, Callable[[Any], Any], bool], ...]:
    """Return of each field its name, what reads it, and whether it may be missing."""
    return tuple(
        (field.name, _READ[str(field.type)], field.default is not MISSING) for field in fields(kind)
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


_READ: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "float | None": lambda value: None if value is None else float(value),
    "int": int,
    "str": _text,
    "bool": _truth,
    "Spent": lambda seconds: _made(Spent, seconds),
    "tuple[str, ...]": lambda texts: tuple(_text(one) for one in texts),
    "tuple[TaskInfo, ...]": lambda infos: tuple(_made(events.TaskInfo, one) for one in infos),
    "tuple[tuple[int, int], ...]": lambda pairs: tuple((int(a), int(b)) for a, b in pairs),
    "tuple[tuple[int, float], ...]": lambda pairs: tuple((int(a), float(b)) for a, b in pairs),
}
