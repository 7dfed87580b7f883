"""The range and the step of a slider, chosen so that it can say the value that it begins with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real

from scutoid.errors import ParameterError

_LARGEST = 2**31 - 1
"""Positions of a slider of Qt."""
_POSITIONS = 1000
"""Positions of a slider at least, along its range."""
_LEAST_INT = 10


@dataclass(frozen=True, slots=True)
class Range:
    """What a slider may say."""

    low: float
    """The least value."""
    high: float
    """The greatest value."""
    step: float
    """Between two values."""

    @property
    def has_slider(self) -> bool:
        """Whether a slider has as many positions."""
        sides = max(abs(self.low), abs(self.high))
        return sides <= _LARGEST and (self.high - self.low) / self.step <= _LARGEST


def range_of(start: float, given: object = None, *, place: str) -> Range:
    """Return the range of a number.

    Parameters
    ----------
    start : int or float
        The value that it begins with.
    given : (low, high) or (low, high, step), optional
        As the user gave it; default: from 0 to four times the value.
    place : str
        Name of the parameter, for errors.

    Returns
    -------
    Range
        Of whole numbers the step is 1; of others it is fine enough for the value and for a thousand
        positions.

    Raises
    ------
    ParameterError
        If the range is none, or the value lies outside.
    """
    low, high, step = _asked(given, place) if given is not None else _default(start)
    if not low <= start <= high:
        raise ParameterError(
            "a range has the value in it that the parameter begins with",
            value=f"{start!r}, and a range from {low!r} to {high!r}",
            place=place,
            remedy=f"widen it: ranges={{{place!r}: ({min(low, start)!r}, {max(high, start)!r})}}",
        )
    if isinstance(start, int):
        return Range(math.floor(low), math.ceil(high), max(int(step or 1), 1))
    finest = 10.0 ** math.floor(math.log10((high - low) / _POSITIONS))
    digits = max(_digits(number) for number in (start, low, high, step or start))
    return Range(low, high, step or min(finest, 10.0**-digits))


def _default(start: float) -> tuple[float, float, None]:
    end = max(_LEAST_INT, 4 * abs(start)) if isinstance(start, int) else 4 * abs(start) or 1.0
    return (0 if start >= 0 else -end), end, None


def _asked(given: object, place: str) -> tuple[float, float, float | None]:
    numbers = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    are_numbers = all(isinstance(n, Real) and math.isfinite(n) for n in numbers)
    if len(numbers) not in (2, 3) or not are_numbers or not numbers[0] < numbers[1]:
        raise ParameterError(
            "a range is (low, high) or (low, high, step)",
            value=repr(given),
            place=f"ranges= of tune, {place}",
        )
    return numbers[0], numbers[1], (numbers[2] if len(numbers) == 3 else None)


def _digits(number: float) -> int:
    """Return how many digits behind the point a number is written with."""
    exponent = Decimal(repr(float(number))).normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def check_names(ranges: Mapping[str, object], names: Sequence[str]) -> None:
    """Refuse ranges of parameters that are not there.

    Raises
    ------
    ParameterError
        With the names that there are.
    """
    unknown = [name for name in ranges if name not in names]
    if unknown:
        raise ParameterError(
            f"ranges= is by name of a parameter ({', '.join(names) or 'there is none'})",
            value=unknown[0],
            place="ranges= of tune",
        )
