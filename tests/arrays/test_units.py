"""Units of length and time: what OME-NGFF and OME-XML know, converted and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.arrays import ImageSpec
from scutoid.arrays._units import known_unit, long_unit, ome_unit, ratio, short_unit, stored_unit
from scutoid.errors import MetadataError

PREFIXES = {
    "yotta": 1e24, "zetta": 1e21, "exa": 1e18, "peta": 1e15, "tera": 1e12, "giga": 1e9,
    "mega": 1e6, "kilo": 1e3, "hecto": 1e2, "": 1.0, "deci": 1e-1, "centi": 1e-2, "milli": 1e-3,
    "micro": 1e-6, "nano": 1e-9, "pico": 1e-12, "femto": 1e-15, "atto": 1e-18, "zepto": 1e-21,
    "yocto": 1e-24,
}  # fmt: skip
NGFF_LENGTHS = {
    **{f"{prefix}meter": size for prefix, size in PREFIXES.items()},
    "angstrom": 1e-10, "foot": 0.3048, "inch": 0.0254, "mile": 1609.344, "yard": 0.9144,
    "parsec": 3.0856775814913673e16,
}  # fmt: skip
NGFF_TIMES = {
    **{f"{prefix}second": size for prefix, size in PREFIXES.items()},
    "minute": 60.0, "hour": 3600.0, "day": 86400.0,
}  # fmt: skip
OME_LENGTHS = {
    "Ym": 1e24, "Zm": 1e21, "Em": 1e18, "Pm": 1e15, "Tm": 1e12, "Gm": 1e9, "Mm": 1e6, "km": 1e3,
    "hm": 1e2, "dam": 10.0, "m": 1.0, "dm": 1e-1, "cm": 1e-2, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9,
    "pm": 1e-12, "fm": 1e-15, "am": 1e-18, "zm": 1e-21, "ym": 1e-24, "Å": 1e-10, "thou": 2.54e-5,
    "li": 0.0254 / 12, "in": 0.0254, "ft": 0.3048, "yd": 0.9144, "mi": 1609.344,
    "ua": 149597870700.0, "ly": 9460730472580800.0, "pc": 3.0856775814913673e16, "pt": 0.0254 / 72,
}  # fmt: skip
OME_TIMES = {
    "Ys": 1e24, "Zs": 1e21, "Es": 1e18, "Ps": 1e15, "Ts": 1e12, "Gs": 1e9, "Ms": 1e6, "ks": 1e3,
    "hs": 1e2, "das": 10.0, "s": 1.0, "ds": 1e-1, "cs": 1e-2, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9,
    "ps": 1e-12, "fs": 1e-15, "as": 1e-18, "zs": 1e-21, "ys": 1e-24, "min": 60.0, "h": 3600.0,
    "d": 86400.0,
}  # fmt: skip
TABLES = {
    "length": (NGFF_LENGTHS | OME_LENGTHS, "m"),
    "time": (NGFF_TIMES | OME_TIMES, "s"),
}
EACH = [(kind, text) for kind, (units, _) in TABLES.items() for text in units]


@pytest.mark.parametrize(("kind", "text"), EACH)
def test_each_unit_of_ome_is_known_and_converted(kind, text) -> None:
    sizes, base = TABLES[kind]
    unit = known_unit(text, kind)
    assert unit is not None
    assert ratio(unit, base) == pytest.approx(sizes[text], rel=1e-15)
    stored = stored_unit(unit)
    assert ratio(unit, stored) * ratio(stored, base) == pytest.approx(sizes[text], rel=1e-15)
    assert long_unit(stored) in (NGFF_LENGTHS | NGFF_TIMES)
    assert ome_unit(stored) in (OME_LENGTHS | OME_TIMES)


@pytest.mark.parametrize("kind", TABLES)
def test_a_unit_is_read_back_as_it_is_written(kind) -> None:
    for text in TABLES[kind][0]:
        unit = stored_unit(known_unit(text, kind))
        assert known_unit(long_unit(unit), kind) == known_unit(ome_unit(unit), kind) == unit
        assert short_unit(unit, kind) == unit


@given(data=st.data(), kind=st.sampled_from(["length", "time"]))
def test_a_ratio_there_and_back_is_one(data, kind) -> None:
    one, other = (
        known_unit(data.draw(st.sampled_from(sorted(TABLES[kind][0]))), kind) for _ in range(2)
    )
    assert ratio(one, other) * ratio(other, one) == pytest.approx(1.0, rel=1e-15)


def test_ratios_of_decimal_units_are_exact() -> None:
    assert (ratio("um", "nm"), ratio("mm", "um"), ratio("cm", "um")) == (1000.0, 1000.0, 10000.0)


SPELLED = {"micron": "um", "Microns": "um", "\\u00B5m": "um", "μm": "um", "MM": "mm", "Mm": "Mm"}
SPELLED |= {"\\u03BCm": "um", "\\u00c5": "angstrom", "\\u212B": "angstrom"}


@pytest.mark.parametrize("text", SPELLED)
def test_units_as_people_and_programs_spell_them(text) -> None:
    assert ImageSpec((2,), "u1", "x", voxel_size=1, unit=text).unit == SPELLED[text]


@pytest.mark.parametrize("text", ["pixel", "reference frame", "", "second", "furlong", "thou", 3])
def test_what_is_no_unit_of_length_that_is_written_is_refused(text) -> None:
    with pytest.raises(MetadataError, match="a unit is the name of a length"):
        ImageSpec((2,), "u1", "x", voxel_size=1, unit=text)
