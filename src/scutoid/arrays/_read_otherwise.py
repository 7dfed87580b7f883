"""What of the metadata of a file is read otherwise than when keys of members began.

The key of a member is made of the content of its file, so that a plan opens no file.  How that
content is read is no part of it: where a later version reads metadata better, what was computed
with the voxel size of before would be given for a member that now has another.  So each change of
reading is a rule here, which tells by the raw metadata the files that it concerns.  Its name enters
the keys of these alone; all others stay as they are.

A new rule has a new name, such as "sizes 3".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from scutoid.arrays._ome_companion import is_ome_xml
from scutoid.arrays._spec import SPATIAL
from scutoid.arrays._units import UNITLESS, known_unit
from scutoid.texts import parse_json

SIZES, TIMES, AXES, CHANNELS = "sizes 2", "times 2", "axes 2", "channels 2"
"""Names of the rules."""
DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, LSM = 270, 282, 283, 296, 34412
"""Tags of TIFF that they ask for."""
_FIRST_UNITS = re.compile(
    r"(?:[pnumcµμ]|\\u00b5)?m|(?:nano|micro|milli|centi)?met(?:er|re)s?|picomet(?:ers?|re)|"
    r"microns?|å|angstroms?|in|inch|inches"
)
"""Spellings of the units that were known at first."""
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b([^>]*)>")
_CHANNEL = re.compile(r"<(?:\w+:)?Channel\b([^>]*)>")
_ATTRIBUTE = re.compile(r"""\b(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_UNIT = re.compile(r"^unit=", re.MULTILINE)
_LENGTHS = {b"\2": "inch", b"\3": "cm"}
_OF_SCREENS = (72.0, 96.0)
_MARK = "scutoid"


def in_tiff(tags: Mapping[int, bytes]) -> tuple[str, ...]:
    """Return the rules that concern a TIFF, by tags of its first page."""
    text = tags.get(DESCRIPTION, b"").decode("utf-8", "replace")
    if LSM in tags:
        return (SIZES, TIMES, CHANNELS)
    if f'"{_MARK}"' in text or f"&quot;{_MARK}&quot;" in text:  # ours, read as it was written
        return ()
    if is_ome_xml(text) and not text.rstrip("\0 \r\n\t").endswith("OME>"):
        return (SIZES, TIMES, AXES, CHANNELS)  # taken for plain, by what stands after it
    if "<OME" in text or ":OME" in text:
        return tuple(dict.fromkeys(_in_ome_xml(text)))
    if text.startswith("ImageJ="):
        of_tags = (SIZES,) * (_UNIT.search(text) is None and any(_resolutions(tags)))
        return tuple(dict.fromkeys((*of_tags, *_in_imagej(text))))
    return (SIZES,) if any(_resolutions(tags)) else ()


def in_zarr(location: str) -> tuple[str, ...]:
    """Return the rules that concern the OME-Zarr in a folder, by its attributes."""
    # What cannot be read, or is no OME-Zarr, is for whoever opens it to say
    with suppress(OSError, KeyError, TypeError, IndexError, AttributeError, ValueError):
        attributes = _attributes_of(Path(location))
        if _MARK not in attributes:
            return tuple(dict.fromkeys(_in_ngff(attributes.get("ome", attributes))))
    return ()


def _attributes_of(folder: Path) -> Mapping[str, Any]:
    node = folder / "zarr.json"
    if node.is_file():
        attributes: Mapping[str, Any] = parse_json(node.read_bytes())["attributes"]
    else:
        attributes = parse_json((folder / ".zattrs").read_bytes())
    return attributes


def given_readings(options: Mapping[str, object]) -> frozenset[str]:
    """Return the rules that concern no image of which a user says so much, as `open` takes it."""
    size, unit = options.get("voxel_size"), options.get("unit")
    said = {
        SIZES: size is not None and not isinstance(size, Mapping) and unit is not None,
        TIMES: options.get("time") is not None,
        AXES: options.get("axes") is not None,
    }
    return frozenset(name for name, is_said in said.items() if is_said)


def _in_ome_xml(text: str) -> Iterator[str]:
    pixels = _PIXELS.search(text)
    said = {} if pixels is None else _attributes(pixels[1])
    sized = [axis for axis in SPATIAL if said.get(f"PhysicalSize{axis.upper()}")]
    wanted = SPATIAL if said.get("SizeZ", "1") != "1" else "yx"
    units = [said.get(f"PhysicalSize{axis.upper()}Unit", "um") for axis in sized]
    if _are_other(units) or (sized and not set(wanted) <= set(sized)):
        yield SIZES
    if said.get("SizeT", "1") != "1" and ("TimeIncrement" in said or "DeltaT" in text):
        yield TIMES
    named = [bool(_attributes(each[1]).get("Name")) for each in _CHANNEL.finditer(text)]
    if any(named) and not all(named):
        yield CHANNELS


def _is_one_at_first(scales: Sequence[Sequence[float]]) -> bool:
    """Whether a pyramid is of voxels of size 1, as programs write that know none."""
    ones = [set(scale) == {1} for scale in scales]
    return len(ones) > 1 and ones[0] and not all(ones)


def _attributes(text: str) -> dict[str, str]:
    import html  # it loads the names of all characters

    return {name: html.unescape(a or b) for name, a, b in _ATTRIBUTE.findall(text)}


def _in_imagej(text: str) -> Iterator[str]:
    said = dict(line.partition("=")[::2] for line in text.strip("\0").splitlines())
    units = [said[name] for name in ("unit", "yunit", "zunit") if name in said]
    known = [unit for unit in units if unit.strip().lower() not in UNITLESS]
    if _are_other(known) or "-" in said.get("spacing", ""):
        yield SIZES
    if said.get("finterval", "0").strip("0.") and said.get("frames", "1") != "1":
        yield TIMES


def _are_other(units: Iterable[str]) -> bool:
    """Whether units are several, or one that was not known at first."""
    spelled = {unit.strip().lower() for unit in units}
    are_several = len(set(map(known_unit, spelled))) > 1
    return are_several or not all(map(_FIRST_UNITS.fullmatch, spelled))


def _resolutions(tags: Mapping[int, bytes]) -> Iterator[bool]:
    """Yield whether the resolution of a page says a size, along x and y."""
    raw = tags.get(RESOLUTION_UNIT, b"")
    name = _LENGTHS.get(raw.strip(b"\0"))
    order = "little" if raw[:1] != b"\0" else "big"
    for tag in (X_RESOLUTION, Y_RESOLUTION):
        content = tags.get(tag, b"")
        above, below = (int.from_bytes(each, order) for each in (content[:4], content[4:8]))  # type: ignore[arg-type]
        if name and above and below:
            yield name != "inch" or round(above / below, 3) not in _OF_SCREENS


def _in_ngff(ome: Mapping[str, Any]) -> Iterator[str]:
    first = ome["multiscales"][0]
    axes = [{"name": each} if isinstance(each, str) else each for each in first["axes"]]
    if any(len(axis["name"]) > 1 for axis in axes):
        yield AXES
    spatial = [axis.get("unit") for axis in axes if axis["name"].lower() in SPATIAL]
    units = [unit for unit in spatial if unit]
    outer = first.get("coordinateTransformations", ())
    scales = [
        step["scale"]
        for item in (*first["datasets"], first)
        for step in item.get("coordinateTransformations", ())
        if step["type"] == "scale"
    ]
    is_half = 0 < len(units) < len(spatial)
    if _are_other(units) or is_half or len(outer) > 1 or (not units and _is_one_at_first(scales)):
        yield SIZES
    for n, axis in enumerate(axes):
        is_time = axis.get("type") == "time" or axis["name"].lower() == "t"
        if is_time and (axis.get("unit") or any(scale[n] != 1 for scale in scales)):
            yield TIMES
    labels = [channel.get("label") for channel in ome.get("omero", {}).get("channels", ())]
    if any(labels) and not all(labels):
        yield CHANNELS
