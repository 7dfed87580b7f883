"""Numbers in the names of files that are places of one image: gaps, and more than one numbering.

::

    Z1.tif Z2.tif Z4.tif            a plane is missing: Z4 would lie beside Z2
    c0_z0.tif c0_z1.tif c1_z0.tif   two numberings: these are no planes of one stack
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from scutoid.arrays._notes import Note

_NUMBER = re.compile(r"(\d+)")
_DECIMAL = re.compile(r"-?\d+(?:\.\d+)?")
_ONE_NUMBER = 3
"""Pieces of a text that holds one number: what is before it, it, and what is after it."""


def gap_among(texts: Sequence[str]) -> tuple[str, str] | None:
    """Return two neighbours that are further apart than others, of texts that hold one number.

    Examples
    --------
    >>> gap_among(["Z8", "Z9", "Z11"]), gap_among(["0", "20", "40"]), gap_among(["a", "b"])
    (('Z9', 'Z11'), None, None)
    """
    pieces = [_NUMBER.split(text) for text in texts]
    if len({(len(each), *each[::2]) for each in pieces}) != 1 or len(pieces[0]) != _ONE_NUMBER:
        return None
    return _gap([int(each[1]) for each in pieces], texts)


def notes_of_names(names: Sequence[str]) -> tuple[Note, ...]:
    """Return what is unexpected of the names of the files of a folder, which are planes in order.

    Examples
    --------
    >>> [str(note) for note in notes_of_names(["Z1.tif", "Z2.tif", "Z4.tif"])]
    ['planes are missing between Z2.tif and Z4.tif, or are not equally far apart: they are taken \
to lie side by side; restore them, or give open_folder a pattern, stack= and missing="fill"']
    """
    columns = _varying([tuple(map(int, _NUMBER.findall(name))) for name in names])
    numbering = next((column for column in columns if len(set(column)) == len(names)), None)
    if numbering is not None:
        gap = _gap(numbering, names)
        n_lacking = (max(numbering) - min(numbering)) / _least_step(numbering) + 1 - len(names)
        is_gap = gap is not None and n_lacking <= len(names) / 2  # else they may be dates
        return (_gap_note(*gap),) if gap is not None and is_gap else ()
    decimals = _varying([tuple(map(float, _DECIMAL.findall(name))) for name in names])
    if not columns or any(len(set(column)) == len(names) for column in decimals):
        return ()
    note = Note(
        "axes",
        f"its files are numbered in more than one way, from {names[0]} to {names[-1]}: all are "
        "taken for planes along one axis",
        "give axes= if that is right, else open_folder a pattern such as "
        '"c{c}_z{z:d}.tif" and stack={"c": "c", "z": "z"}',
    )
    return (note,)


def _varying(rows: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Return the columns of rows that are not the same in all; none where rows differ in length."""
    if len(set(map(len, rows))) != 1:
        return []
    return [column for column in zip(*rows, strict=True) if len(set(column)) > 1]


def _least_step(numbers: Sequence[float]) -> float:
    return min(b - a for a, b in itertools.pairwise(sorted(numbers)))


def _gap(numbers: Sequence[float], texts: Sequence[str]) -> tuple[str, str] | None:
    """Return the texts of neighbours that are further apart than others; numbers differ."""
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    steps = [numbers[b] - numbers[a] for a, b in itertools.pairwise(order)]
    wide = next((n for n, step in enumerate(steps) if step > min(steps)), None)
    return None if wide is None else (texts[order[wide]], texts[order[wide + 1]])


def _gap_note(before: str, after: str) -> Note:
    return Note(
        "planes",
        f"planes are missing between {before} and {after}, or are not equally far apart: they are "
        "taken to lie side by side",
        'restore them, or give open_folder a pattern, stack= and missing="fill"',
    )
