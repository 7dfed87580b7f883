"""Region trees as people have them: tables, CSV files, and the nested JSON of atlases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from scutoid.errors import ParameterError, SourceError, SourceNotFound
from scutoid.kernels import LARGEST_IN_FLOAT64, RegionTree
from scutoid.regular import check_regular, read_regular
from scutoid.texts import parse_json

if TYPE_CHECKING:
    import pandas as pd

_PARENTS = ("parent_id", "parent_structure_id", "parent")
_PATHS = ("structure_id_path", "id_path")
_ACRONYMS = ("acronym", "abbreviation")
_NAMES = ("name", "safe_name")
_PLACE = "regions"
_LONGEST = 200
"""Characters that are shown of what is no region."""
Node = Mapping[str, Any]
Regions: TypeAlias = (
    "RegionTree | pd.DataFrame | Mapping[str, object] | Sequence[Mapping[str, object]] | str | Path"
)
"""A tree of regions, in any of its forms."""


def read_regions(regions: object) -> RegionTree:
    """Read a tree of regions, now: it is small, and what is wrong with it is said at once.

    Parameters
    ----------
    regions : RegionTree, DataFrame, mapping, list, str or Path
        A table, or a CSV file, with the columns ``id`` and ``parent_id`` (or
        ``parent_structure_id``, ``parent``), and if there are any ``acronym`` and ``name``, empty
        or missing for regions that have none; where a
        parent is empty, the path of ids in ``structure_id_path`` or ``id_path`` says it.  Or
        nested mappings, or a JSON file, with ``id``, ``children`` and the same names.

    Raises
    ------
    SourceNotFound, SourceError
        If the file does not exist, or is neither JSON nor CSV.
    ParameterError
        If a column is missing, an id is no whole number, or the regions are no tree.
    """
    if isinstance(regions, RegionTree):
        return regions
    if isinstance(regions, (str, Path)):
        regions = _of_file(Path(regions))
    if type(regions).__name__ == "DataFrame":
        return _of_table(cast("pd.DataFrame", regions))
    if isinstance(regions, (Mapping, list, tuple)):
        return _of_nodes(regions)
    raise ParameterError(
        "regions are a table, a CSV or JSON file, or nested mappings",
        value=type(regions).__name__,
        place=_PLACE,
    )


def _of_file(path: Path) -> Any:
    import pandas as pd

    check_regular(path)
    if not path.is_file():
        raise SourceNotFound("a tree of regions is a file", value=str(path), place=_PLACE)
    is_json = path.suffix.lower() == ".json"
    try:
        if is_json:
            return parse_json(read_regular(path))
        # As text: "NA" is an acronym, and an id of many digits is no float
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise SourceError(
            "a tree of regions is a file of JSON, or a table in CSV: UTF-8, with commas",
            value=str(error).strip(),
            place=f"{_PLACE}, {path}",
            remedy="restore it from its source, or save it as UTF-8; a file of JSON ends in .json",
        ) from error


def _of_table(table: pd.DataFrame) -> RegionTree:
    if table.index.name == "id" and "id" not in table.columns:
        table = table.reset_index()
    parents = next((name for name in _PARENTS if name in table.columns), None)
    if "id" not in table.columns or parents is None:
        raise ParameterError(
            f"a table of regions has the columns id and {' or '.join(_PARENTS)}",
            value=", ".join(map(str, table.columns)),
            place=_PLACE,
        )
    texts = [
        next(
            ([_text(item) for item in table[name]] for name in names if name in table.columns), None
        )
        for names in (_ACRONYMS, _NAMES)
    ]
    above = [None if _is_missing(entry) else _whole(entry) for entry in table[parents]]
    path = next((name for name in _PATHS if name in table.columns), None)
    if path is not None:
        above = [
            _above(row) if entry is None else entry
            for entry, row in zip(above, table[path], strict=True)
        ]
    return RegionTree.of([_whole(entry) for entry in table["id"]], above, *texts)


def _above(path: object) -> int | None:
    """Return the last but one id of a path such as "/0/997/": some tables say it only there."""
    ids = [part for part in str(path).split("/") if part.strip()]
    return _whole(ids[-2]) if len(ids) > 1 else None


def _of_nodes(tree: Node | Sequence[Node]) -> RegionTree:
    if isinstance(tree, Mapping) and "id" not in tree:
        tree = tree.get("msg", tree.get("children", []))  # the envelope of the Allen Institute
    rows = list(_walk([tree] if isinstance(tree, Mapping) else tree, None))
    return RegionTree.of(
        [id_ for id_, *_ in rows],
        [parent for _, parent, *_ in rows],
        [acronym for *_, acronym, _ in rows],
        [name for *_, name in rows],
    )


def _walk(nodes: object, parent: int | None) -> Iterator[tuple[int, int | None, str, str]]:
    if not isinstance(nodes, (list, tuple)):
        raise ParameterError(
            "the regions of a nested tree, and the children of each, are a list",
            value=_shortened(nodes),
            place=_PLACE,
        )
    for node in nodes:
        if not isinstance(node, Mapping) or "id" not in node:
            raise ParameterError(
                "each region of a nested tree has an id", value=_shortened(node), place=_PLACE
            )
        own = _whole(node["id"])
        texts = [
            next((_text(node[name]) for name in names if name in node), "")
            for names in (_ACRONYMS, _NAMES)
        ]
        yield own, parent, texts[0], texts[1]
        yield from _walk(node.get("children") or [], own)


def _shortened(found: object) -> str:
    return repr(found)[:_LONGEST]


def _text(entry: object) -> str:
    """Return a name, empty where there is none."""
    return "" if _is_missing(entry) else str(entry)


def _is_missing(entry: object) -> bool:
    import pandas as pd

    return (
        entry is None
        or entry is pd.NA
        or entry == ""
        or (isinstance(entry, float) and np.isnan(entry))
    )


def _whole(entry: Any) -> int:
    try:
        number = int(entry) if isinstance(entry, (int, np.integer)) else int(str(entry).strip())
    except ValueError:
        try:
            number = int(float(entry))
            is_whole = number == float(entry) and abs(number) <= LARGEST_IN_FLOAT64
        except (TypeError, ValueError, OverflowError):
            is_whole = False
        if not is_whole:
            raise ParameterError("an id is a whole number", value=entry, place=_PLACE) from None
    return number
