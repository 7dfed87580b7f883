"""Units of length: the short names of scutoid and the long names of OME-NGFF."""

from __future__ import annotations

from scutoid.errors import MetadataError

# short form: (UDUNITS name that OME-NGFF stores, other spellings that files and people use)
_LENGTHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pm": ("picometer", ("picometre", "picometers")),
    "angstrom": ("angstrom", ("å", "Å", "Å", "angstroms")),
    "nm": ("nanometer", ("nanometre", "nanometers", "nanometres")),
    "um": (
        "micrometer",
        ("µm", "μm", "micron", "microns", "micrometre", "micrometers", "micrometres", "\\u00b5m"),
    ),
    "mm": ("millimeter", ("millimetre", "millimeters", "millimetres")),
    "cm": ("centimeter", ("centimetre", "centimeters", "centimetres")),
    "m": ("meter", ("metre", "meters", "metres")),
    "inch": ("inch", ("in", "inches")),
}
_SHORT = {
    spelling: short
    for short, (long, others) in _LENGTHS.items()
    for spelling in (short, long, *others)
}
METRES = {
    "pm": 1e-12,
    "angstrom": 1e-10,
    "nm": 1e-9,
    "um": 1e-6,
    "mm": 1e-3,
    "cm": 1e-2,
    "m": 1.0,
    "inch": 0.0254,
}
"""Length of one unit in metres, by its short form."""


def known_unit(text: str) -> str | None:
    """The short form of a unit's name; None if it is no known length."""
    stripped = text.strip()
    return _SHORT.get(stripped) or _SHORT.get(stripped.lower())


def short_unit(text: str) -> str:
    """The short form of a unit's name: "um" for "micrometer", "µm" and "micron".

    Raises
    ------
    MetadataError
        If it is no known unit of length.
    """
    unit = known_unit(text)
    if unit is None:
        raise MetadataError(
            "a unit is the name of a length",
            value=text,
            remedy=f"use one of {', '.join(_LENGTHS)}",
        )
    return unit


def long_unit(short: str) -> str:
    """The UDUNITS name that OME-NGFF stores for a short form."""
    return _LENGTHS[short][0]
