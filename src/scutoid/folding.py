"""Fold what is a part of something else under it: steps that an operation made under its result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Foldable(Protocol):
    """Something with a name that may be shown under others."""

    @property
    def name(self) -> str:
        """Its name, another than that of each other."""
        ...

    @property
    def within(self) -> tuple[str, ...]:
        """Names of those under which it is shown, the outermost first."""
        ...


F = TypeVar("F", bound=Foldable)


def fold(items: Iterable[F]) -> list[tuple[F, tuple[F, ...]]]:
    """Return those that are shown by themselves, each with all that is under it, in their order.

    What is within something that is not among the items is shown by itself.

    Examples
    --------
    >>> from scutoid.events import TaskInfo
    >>> pieces = TaskInfo("label_pieces", 8, 0, within=("label",))
    >>> [(head.name, len(under)) for head, under in fold([pieces, TaskInfo("label", 8, 0)])]
    [('label', 1)]
    """
    items = list(items)
    names = {item.name for item in items}
    under: dict[str, list[F]] = {}
    heads: list[F] = []
    for item in items:
        if item.within and item.within[0] in names:
            under.setdefault(item.within[0], []).append(item)
        else:
            heads.append(item)
    return [(head, tuple(under.get(head.name, ()))) for head in heads]


def folded_name(name: str, n_under: int) -> str:
    """Write the name of something with the number of steps that it stands for.

    Examples
    --------
    >>> folded_name("label", 2), folded_name("gaussian", 0)
    ('label (3 steps)', 'gaussian')
    """
    return f"{name} ({n_under + 1} steps)" if n_under else name
