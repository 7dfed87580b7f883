"""Units of length and time: the short names of scutoid, those of OME-NGFF and of OME-XML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from scutoid.errors import MetadataError

_PREFIXES = {
    "yotta": ("Y", 24),
    "zetta": ("Z", 21),
    "exa": ("E", 18),
    "peta": ("P", 15),
    "tera": ("T", 12),
    "giga": ("G", 9),
    "mega": ("M", 6),
    "kilo": ("k", 3),
    "hecto": ("h", 2),
    "deca": ("da", 1),
    "": ("", 0),
    "deci": ("d", -1),
    "centi": ("c", -2),
    "milli": ("m", -3),
    "micro": ("u", -6),
    "nano": ("n", -9),
    "pico": ("p", -12),
    "femto": ("f", -15),
    "atto": ("a", -18),
    "zepto": ("z", -21),
    "yocto": ("y", -24),
}
_INCH = Fraction(254, 10000)
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")
"""How ImageJ writes a letter that is not in ASCII, such as the micro sign."""
UNITLESS = frozenset(("", "pixel", "pixels", "reference frame", "unit", "null", "none"))
"""What files write where there is no unit."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit, and how it is written."""

    size: Fraction
    """In metres, or in seconds."""
    ngff: str | None
    """The UDUNITS name that OME-NGFF stores; None: it has none."""
    ome: str
    """The symbol that OME-XML stores."""
    spellings: tuple[str, ...] = ()
    """Other spellings that files and people use."""


def _with_prefixes(name: str, symbol: str, others: tuple[str, ...]) -> dict[str, _Unit]:
    """Return a unit with each prefix of SI, by its short form."""
    units = {}
    for prefix, (sign, power) in _PREFIXES.items():
        short = f"{sign}{symbol}"
        long, micro = f"{prefix}{name}", sign == "u"
        spellings = [f"{prefix}{other}" for other in others]
        if micro:
            spellings += [f"\N{MICRO SIGN}{symbol}", f"\N{GREEK SMALL LETTER MU}{symbol}"]
        units[short] = _Unit(
            Fraction(10) ** power,
            None if prefix == "deca" else long,
            f"\N{MICRO SIGN}{symbol}" if micro else short,
            (f"{long}s", *spellings),
        )
    return units


LENGTHS: dict[str, _Unit] = {
    **_with_prefixes("meter", "m", ("metre", "metres")),
    "angstrom": _Unit(
        Fraction(1, 10**10),
        "angstrom",
        "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}",
        (
            "\N{LATIN SMALL LETTER A WITH RING ABOVE}",
            "\N{ANGSTROM SIGN}",
            "angstroms",
        ),
    ),
    "inch": _Unit(_INCH, "inch", "in", ("inches",)),
    "ft": _Unit(12 * _INCH, "foot", "ft", ("feet",)),
    "yd": _Unit(36 * _INCH, "yard", "yd", ("yards",)),
    "mi": _Unit(63360 * _INCH, "mile", "mi", ("miles",)),
    "pc": _Unit(Fraction(30856775814913673), "parsec", "pc", ("parsecs",)),
    "thou": _Unit(_INCH / 1000, None, "thou", ("mil", "mils")),
    "li": _Unit(_INCH / 12, None, "li", ("line", "lines")),
    "pt": _Unit(_INCH / 72, None, "pt", ("point", "points")),
    "ua": _Unit(Fraction(149597870700), None, "ua", ("au", "astronomical unit")),
    "ly": _Unit(Fraction(9460730472580800), None, "ly", ("light year", "light years")),
}
LENGTHS["um"] = _Unit(
    LENGTHS["um"].size,
    "micrometer",
    "\N{MICRO SIGN}m",
    (*LENGTHS["um"].spellings, "micron", "microns"),
)
TIMES: dict[str, _Unit] = {
    **_with_prefixes("second", "s", ("sec", "secs")),
    "min": _Unit(Fraction(60), "minute", "min", ("minutes", "mins")),
    "h": _Unit(Fraction(3600), "hour", "h", ("hours", "hr", "hrs")),
    "d": _Unit(Fraction(86400), "day", "d", ("days",)),
}
_COMMON = {"length": "nm, um, mm, cm, m, inch", "time": "ms, s, min, h, d"}


def _spellings(units: Mapping[str, _Unit]) -> dict[str, str]:
    found: dict[str, str] = {}
    for short, unit in units.items():
        for text in (short, unit.ome, unit.ngff, *unit.spellings):
            if text is not None:
                found.setdefault(text, short)
    return found


_SHORT = {"length": _spellings(LENGTHS), "time": _spellings(TIMES)}
METRES = {short: float(unit.size) for short, unit in LENGTHS.items() if unit.ngff}
"""Length of each unit that an image may have in metres, by its short form."""
SECONDS = {short: float(unit.size) for short, unit in TIMES.items() if unit.ngff}
"""Length of each unit of time in seconds, by its short form."""


def known_unit(text: str, kind: str = "length") -> str | None:
    """The short form of a unit's name; None if it is no known length, or `kind` "time".

    Examples
    --------
    >>> known_unit("micrometer"), known_unit("Mm"), known_unit("pixel"), known_unit("sec", "time")
    ('um', 'Mm', None, 's')
    """
    stripped, spellings = _ESCAPED.sub(_unescaped, text).strip(), _SHORT[kind]
    return spellings.get(stripped) or spellings.get(stripped.lower())


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def short_unit(text: object, kind: str = "length") -> str:
    """The short form of a unit's name: "um" for "micrometer", "µm" and "micron".

    Raises
    ------
    MetadataError
        If it is no known unit of length, or `kind` "time", that OME-NGFF has a name for.
    """
    unit = known_unit(text, kind) if isinstance(text, str) else None
    if unit is None or unit != stored_unit(unit):
        raise MetadataError(
            f"a unit is the name of a {kind}",
            value=text,
            remedy=f"use one of {_COMMON[kind]}, or another of those that OME-NGFF has",
        )
    return unit


def ratio(unit: str, to: str) -> float:
    """How many of one unit another is, by their short forms; both are lengths, or times.

    Examples
    --------
    >>> ratio("um", "nm"), ratio("min", "s")
    (1000.0, 60.0)
    """
    units = LENGTHS if unit in LENGTHS else TIMES
    return float(units[unit].size / units[to].size)


def stored_unit(unit: str) -> str:
    """The unit itself, or where OME-NGFF has no name for it the usual one that it is given in."""
    known = LENGTHS.get(unit) or TIMES[unit]
    if known.ngff is not None:
        return unit
    if unit in TIMES:
        return "s"
    return "um" if known.size < 1 else "m"


def long_unit(short: str) -> str:
    """The UDUNITS name that OME-NGFF stores for a short form."""
    return (LENGTHS.get(short) or TIMES[short]).ngff or short


def ome_unit(short: str) -> str:
    """The symbol that OME-XML stores for a short form."""
    return (LENGTHS.get(short) or TIMES[short]).ome
