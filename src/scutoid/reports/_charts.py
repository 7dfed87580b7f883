"""Charts as SVG without scripts: histograms and bars, in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.printable import html_text as safe

_WIDTH, _HEIGHT = 300, 130
_LEFT, _BOTTOM, _TOP = 8, 24, 20
_BINS = 30
_BAR = 18
_NAME = 150
_LETTER = 6.4


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values of a column fall into bins of equal width."""

    column: str
    """Name of the column."""
    counts: tuple[int, ...]
    """By bin."""
    low: float
    """Where the first bin begins."""
    high: float
    """Where the last one ends, and takes in."""
    n_above: int = 0
    """Values beyond the last bin: the largest in a hundred, where they are far away."""
    unit: str = ""
    """Unit of the values."""

    @classmethod
    def of(cls, column: str, values: NDArray[np.float64], unit: str = "") -> Histogram | None:
        """Count values; None if there is nothing to see: fewer than two, or all the same."""
        known = values[np.isfinite(values)]
        if known.size < 2 or known.min() == known.max():
            return None
        low, high = float(known.min()), float(known.max())
        near = float(np.percentile(known, 99))
        if low < near and high - low > 3 * (near - low):
            high = near
        counts, _ = np.histogram(known, bins=_BINS, range=(low, high))
        n_above = int((known > high).sum())
        return cls(column, tuple(int(n) for n in counts), low, high, n_above, unit)

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "column": self.column,
            "counts": list(self.counts),
            "low": self.low,
            "high": self.high,
            "n_above": self.n_above,
            "unit": self.unit,
        }

    def svg(self) -> str:
        """Draw it."""
        most = max(self.counts)
        wide = (_WIDTH - 2 * _LEFT) / len(self.counts)
        floor = _HEIGHT - _BOTTOM
        bars = []
        for n, count in enumerate(self.counts):
            tall = (floor - _TOP) * count / most
            if count:
                bars.append(
                    f'<rect class="bin" x="{_LEFT + n * wide:.1f}" y="{floor - tall:.1f}" '
                    f'width="{max(wide - 1, 0.5):.1f}" height="{tall:.1f}">'
                    f"<title>{count}</title></rect>"
                )
        above = f" ({self.n_above} more above)" if self.n_above else ""
        title = f"{self.column}{f' ({self.unit})' if self.unit else ''}"
        return (
            f'<svg class="chart" role="img" aria-label="histogram of {safe(title)}" '
            f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
            f'<text class="title" x="{_LEFT}" y="13">{safe(title)}</text>{"".join(bars)}'
            f'<path class="axis" d="M{_LEFT} {floor}H{_WIDTH - _LEFT}"/>'
            f'<text x="{_LEFT}" y="{_HEIGHT - 8}">{self.low:.4g}</text>'
            f'<text x="{_WIDTH - _LEFT}" y="{_HEIGHT - 8}" text-anchor="end">'
            f"{self.high:.4g}{above}</text></svg>"
        )


@dataclass(frozen=True, slots=True)
class Bars:
    """A number by name, the largest first."""

    title: str
    """What the numbers are."""
    rows: tuple[tuple[str, float], ...]
    """Names and numbers."""
    n_more: int = 0
    """Rows that are left out."""

    def to_dict(self) -> dict[str, object]:
        """Return them as JSON has them."""
        rows = [{"name": name, "value": value} for name, value in self.rows]
        return {"title": self.title, "rows": rows, "n_more": self.n_more}

    def svg(self) -> str:
        """Draw them."""
        most = max((value for _, value in self.rows), default=0) or 1
        wide = 460
        tall = len(self.rows) * _BAR + 22 + (_BAR if self.n_more else 0)
        pieces = [f'<text class="title" x="0" y="13">{safe(self.title)}</text>']
        room = wide - _NAME - 70
        for n, (name, value) in enumerate(self.rows):
            y = 22 + n * _BAR
            long = room * value / most
            pieces.append(
                f"<g><title>{safe(name)}: {number_text(value)}</title>"
                f'<text x="{_NAME - 6}" y="{y + 12}" text-anchor="end">{safe(_short(name))}</text>'
                f'<rect class="bin" x="{_NAME}" y="{y + 2}" width="{max(long, 0):.1f}" '
                f'height="{_BAR - 5}" rx="2"/>'
                f'<text x="{_NAME + max(long, 0) + 5:.1f}" y="{y + 12}">{number_text(value)}</text>'
                "</g>"
            )
        if self.n_more:
            y = 22 + len(self.rows) * _BAR + 12
            pieces.append(f'<text x="{_NAME}" y="{y}">and {self.n_more} more</text>')
        return (
            f'<svg class="chart" role="img" aria-label="{safe(self.title)}" width="{wide}" '
            f'height="{tall}" viewBox="0 0 {wide} {tall}">{"".join(pieces)}</svg>'
        )


def bars(title: str, rows: Sequence[tuple[str, float]], most: int = 24) -> Bars | None:
    """Return the largest of named numbers; None where there are none."""
    ordered = sorted(rows, key=lambda row: -row[1])
    if not ordered:
        return None
    return Bars(title, tuple(ordered[:most]), max(len(ordered) - most, 0))


def number_text(value: float) -> str:
    """Write a number: whole ones with all digits.

    Examples
    --------
    >>> number_text(12345678.0), number_text(0.12345678), number_text(2**63 + 5)
    ('12345678', '0.1235', '9223372036854775813')
    """
    if isinstance(value, int) or float(value).is_integer():
        return str(int(value))
    return f"{value:.4g}"


def _short(name: str) -> str:
    most = int((_NAME - 6) / _LETTER)
    return name if len(name) <= most else f"{name[: most - 1]}…"
