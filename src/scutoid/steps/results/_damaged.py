"""The error about damage in what a store holds."""

from __future__ import annotations

from pathlib import Path

from scutoid.errors import DamagedResult
from scutoid.store import distrust_around


def damaged(rule: str, value: str, path: Path, url: str | None = None) -> DamagedResult:
    """Return an error about damage, and mark the result that it is in, unless it is at a URL."""
    if url is not None:
        remedy = "make it again, by a run with force= and the name of its step"
        return DamagedResult(rule, value=value, place=url, remedy=remedy)
    distrust_around(path)
    return DamagedResult(
        rule, value=value, place=str(path), remedy="run again: what is damaged is made again"
    )
