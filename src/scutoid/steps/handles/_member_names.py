"""Names of the members of a collection below the folder of an export.

::

    key                      C03_s1.tif                  B/01.tif
    a folder, qc             C03_s1                      B/01          and the ending of the format
    qc/{well}_{site}.png     C03_1.png                   ...
    qc/{key}_cells.csv       C03_s1_cells.csv            B/01_cells.csv

The ending of a file in a key says of what the member was made, and goes.  A name belongs to one
member, and all names are known before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from scutoid.arrays import IMAGE_ENDINGS
from scutoid.errors import ParameterError
from scutoid.paths import is_inner_name
from scutoid.steps.handles._collections import Collection
from scutoid.steps.handles._export_folder import MARK
from scutoid.steps.handles._name_part import Literal, Placeholder
from scutoid.steps.handles._name_pattern import KEY, NamePattern
from scutoid.store import FORMATS, SHEETS

_ENDINGS = tuple({*IMAGE_ENDINGS, *(one.ending for one in FORMATS.values()), *SHEETS})
"""Endings of files that scutoid reads or writes."""
_OME = ".ome"


def stem(key: str) -> str:
    """Return a key without the ending of a file.

    Examples
    --------
    >>> [stem(key) for key in ("C03_s1.tif", "a/1.ome.zarr", "B03/1", "dose_0.5", ".npy")]
    ['C03_s1', 'a/1', 'B03/1', 'dose_0.5', '.npy']
    """
    low = key.lower()
    if not low.endswith(_ENDINGS):
        return key
    longest = max((ending for ending in _ENDINGS if low.endswith(ending)), key=len)
    short = key[: -len(longest)]
    if not short or short.endswith("/"):  # it is a whole name
        return key
    return short[: -len(_OME)] if PurePosixPath(short).suffix.lower() == _OME else short


def is_file_ending(ending: str) -> bool:
    """Whether a file that scutoid reads or writes ends so."""
    return ending.lower() in _ENDINGS


@dataclass(frozen=True, slots=True)
class MemberNames:
    """The name of each member, and whether its ending is still to be found."""

    names: Mapping[str, str]
    """By key, a relative path."""
    is_whole: bool
    """Whether it is the name of the file; else the ending of its format is added."""

    @classmethod
    def of(cls, results: Collection[Any], template: NamePattern | None, ending: str) -> MemberNames:
        """Return the names of the members of a collection.

        Parameters
        ----------
        results : Collection
            What is exported.
        template : NamePattern, optional
            How they are named; default: by their keys.
        ending : str
            What most of them end in where the template does not say it.

        Raises
        ------
        ParameterError
            If two have one name, one has none below the folder, or a placeholder is no column.
        """
        if template is None:
            found = cls({key: stem(key) for key in results.keys}, is_whole=False)
        else:
            last = template.parts[-1].tokens[-1]
            is_whole = isinstance(last, Literal) and bool(Path(f"_{last.text}").suffix)
            found = cls(_formatted(results, template), is_whole)
        _check_apart(found.names, "" if found.is_whole else ending, repr(results))
        return found


def _check_apart(names: Mapping[str, str], ending: str, place: str) -> None:
    """Refuse names that are none below a folder, that are equal, or below one another."""
    owners = {MARK: ""}
    for key, name in names.items():
        full = f"{name}{ending}"
        if not is_inner_name(name):
            rule = "each member of a collection is exported to a place below the folder"
            raise _misnamed(rule, f"{full!r}, for {key!r}", place)
        if full in owners:
            rule = "each member of a collection is exported to a place of its own"
            other = f"{owners[full]!r}" if owners[full] else "the list of files"
            raise _misnamed(rule, f"{full!r}, for {other} and for {key!r}", place)
        owners[full] = key
    for full, key in owners.items():
        above = full.rpartition("/")[0]
        while above:
            if above in owners:
                rule = "no member of a collection is exported to a place below that of another"
                value = f"{above!r}, for {owners[above]!r}; {full!r}, for {key!r}"
                raise _misnamed(rule, value, place)
            above = above.rpartition("/")[0]


def _misnamed(rule: str, value: str, place: str) -> ParameterError:
    return ParameterError(
        rule,
        value=value,
        place=place,
        remedy="name them by placeholders that tell them apart, such as {key}: "
        '"final/{key}.tif"; or export them one by one: results[key]',
    )


def _formatted(results: Collection[Any], template: NamePattern) -> dict[str, str]:
    """Return the name that a template gives each member."""
    place, keys = f"template {template.text!r} of {results!r}", results.keys
    groups = results.ref.node.groups
    columns: dict[str, Sequence[object]] = {} if groups is None else dict(groups.of(keys))
    texts: dict[str, Sequence[str]] = {}
    for name, placeholder in template.placeholders.items():
        if name == KEY:
            texts[name] = [stem(key) for key in keys]
        elif name in columns:
            said = zip(keys, columns[name], strict=True)
            texts[name] = [_text(placeholder, value, key, place) for key, value in said]
        else:
            raise ParameterError(
                "a placeholder of a template is a column of the members' groups, or key",
                value=f"{{{name}}}",
                place=place,
                remedy="write " + " or ".join(f"{{{known}}}" for known in (*columns, KEY)),
            )
    rows = zip(*texts.values(), strict=True)
    return {
        key: template.joined(dict(zip(texts, row, strict=True)))
        for key, row in zip(keys, rows, strict=True)
    }


def _text(placeholder: Placeholder, value: object, key: str, place: str) -> str:
    """Return the text in which the value of a group stands in a name."""
    try:
        return placeholder.fitting_text(value)
    except ValueError as error:
        raise ParameterError(
            str(error),
            value=f"{placeholder.name}={value!r} of member {key!r}",
            place=place,
            remedy=f"write {{{placeholder.name}}}, or leave it out",
        ) from None
