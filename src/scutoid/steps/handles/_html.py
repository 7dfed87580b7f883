"""Pieces of HTML that notebooks show: facts, tables, pictures; all text in them is escaped.

They have no colours of their own, no scripts and no links, so they fit light and dark pages and
stay as they are in a saved notebook.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

from scutoid.printable import html_text

_LONGEST = 300
"""Characters of one text."""
_CELL = "padding:2px 8px;text-align:left;vertical-align:top"
_HEAD = f"{_CELL};border-bottom:1px solid rgba(128,128,128,0.5)"
_TABLE = "border-collapse:collapse;margin:4px 0"


def escaped(value: object) -> str:
    """Write a value as text of a page: numbers as they are, long text cut off."""
    text = as_text(value)
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return html_text(cut)


def as_text(value: object) -> str:
    """Write a value: whole numbers with all digits, others with 6, nothing for a missing one.

    Examples
    --------
    >>> as_text(2**63 + 5), as_text(1 / 3), as_text(float("nan"))
    ('9223372036854775813', '0.333333', '')
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        number = float(value)
        return "" if math.isnan(number) else f"{number:.6g}"
    return str(value)


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Return a table of a name and a value a row; values that are None are left out."""
    rows = "".join(
        f'<tr><th style="{_CELL}">{escaped(name)}</th><td style="{_CELL}">{escaped(value)}</td>'
        "</tr>"
        for name, value in pairs
        if value is not None
    )
    return f'<table style="{_TABLE}"><tbody>{rows}</tbody></table>'


def grid(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with the names of its columns."""
    head = "".join(f'<th style="{_HEAD}">{escaped(name)}</th>' for name in header)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escaped(cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div style="overflow-x:auto"><table style="{_TABLE}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def note(text: object) -> str:
    """Return a line of small text."""
    return f'<div style="font-size:smaller;opacity:0.8">{escaped(text)}</div>'


def lines(texts: Iterable[object]) -> str:
    """Return a list with a text an item; nothing without texts."""
    items = "".join(f"<li>{escaped(text)}</li>" for text in texts)
    return f'<ul style="margin:4px 0">{items}</ul>' if items else ""


def picture(encoded: str, size: tuple[int, int], caption: str) -> str:
    """Return a figure of a PNG in base 64 that is shown so wide and high, in pixels."""
    width, height = size
    return (
        f'<div style="max-width:{max(width, 160)}px"><img alt="{escaped(caption)}" width="{width}" '
        f'height="{height}" style="image-rendering:pixelated;max-width:none;margin:0" '
        f'src="data:image/png;base64,{encoded}"/>{note(caption)}</div>'
    )


def beside(*pieces: str) -> str:
    """Return pieces side by side, below one another where the page is narrow."""
    there = "".join(f"<div>{piece}</div>" for piece in pieces if piece)
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start">{there}</div>'


def section(title: str, name: str, *pieces: str) -> str:
    """Return what is shown of one thing: what it is, its name, and pieces."""
    heading = f"<div><b>{escaped(title)}</b> {escaped(name)}</div>"
    return f"<div>{heading}{''.join(pieces)}</div>"


def rows_of(frame: Any, count: int, columns: int) -> str:
    """Return the first rows of a DataFrame, column by column, so that ids stay whole numbers."""
    first = frame.head(count)
    if first.index.name is not None or first.index.nlevels > 1:
        first = first.reset_index()
    shown = first.iloc[:, :columns]
    cells = [shown.iloc[:, place].tolist() for place in range(shown.shape[1])]
    more = first.shape[1] - shown.shape[1]
    rest = f", {more} further columns" if more > 0 else ""
    below = f"{len(first)} of {len(frame)} rows{rest}"
    return grid([*shown.columns], zip(*cells, strict=True)) + note(below)
