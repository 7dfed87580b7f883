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

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid.errors import ParameterError
from scutoid.paths import is_inner_name
from scutoid.steps.handles._collections import Collection
from scutoid.steps.handles._export_folder import MARK
from scutoid.steps.handles._member_stems import stem
from scutoid.steps.handles._name_part import Literal
from scutoid.steps.handles._name_pattern import NamePattern
from scutoid.steps.handles._templates import formatted


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
            place = f"template {template.text!r} of {results!r}"
            names = formatted(template, results.keys, results.ref.node.groups, place)
            found = cls(names, is_whole)
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
