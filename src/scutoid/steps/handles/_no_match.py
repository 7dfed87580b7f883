"""Why a pattern matches no file, as far as its text and its folder say."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from scutoid.errors import SourceNotFound
from scutoid.steps.handles._name_pattern import NamePattern

_EXPRESSION = re.compile(r"\(\?|\(\.|\\[.dw]|[.\])}][+*]\)|\)[+*]")
_SHOWN = 3


def nothing_found(pattern: NamePattern, found: Mapping[str, str], n_found: int) -> SourceNotFound:
    """Return the error of a pattern that matches nothing.

    Parameters
    ----------
    pattern : NamePattern
        The pattern.
    found : mapping
        What its glob finds, and its placeholders do not match.
    n_found : int
        How many files its glob finds, of which select= may have left out all.
    """
    return SourceNotFound(
        "a pattern matches at least one file",
        value=pattern.text,
        place=os.path.realpath(pattern.root),
        remedy=next(_remedies(pattern, found, n_found)),
    )


def _remedies(pattern: NamePattern, found: Mapping[str, str], n_found: int) -> Iterator[str]:
    """Yield what may help, the likeliest first."""
    if found:
        yield f"the placeholders match none of {len(found)} names, such as {min(found)!r}"
    if n_found > len(found):
        yield f"select= leaves out all of {n_found} files"
    if _EXPRESSION.search(pattern.text):
        yield (
            "a pattern is no regular expression: write {name} for what differs, "
            "{name:[A-P][0-9]+} where it matches one, or give it as group="
        )
    if "\\" in pattern.text:
        yield "folders are written with / between them, not with a backslash"
    if not os.path.isdir(pattern.root):  # noqa: PTH112  # "no" of what is too long
        yield "the folder does not exist"
    elif not os.access(pattern.root, os.R_OK | os.X_OK):
        yield "you may not read the folder: change its rights"
    for folder in reversed(Path(pattern.text).parents):
        if "[" in folder.name and folder.is_dir():
            yield (
                f"the folder {folder.name!r} is there, but in a pattern [...] is one letter of "
                f"these: write {folder.name.replace('[', '[[]')!r}"
            )
    place = os.path.realpath(pattern.root)
    folders = glob.iglob(pattern.glob, root_dir=place, recursive=True)  # noqa: PTH207
    folder_found = next((name for name in folders if Path(place, name).is_dir() and name), None)
    if folder_found is not None:
        yield (
            f"it matches folders, such as {folder_found!r}, and members are files: write a pattern "
            f'of those in them, such as "{pattern.root / pattern.below_root}/*.tif", with '
            'stack={"z": ...} where each folder is one image'
        )
    inside = sorted(entry.name for entry in os.scandir(place) if entry.is_dir())
    endings = Counter(path.suffix for path in pattern.root.iterdir() if path.is_file())
    if endings:
        shown = ", ".join(f"{ending or 'none'} ({n})" for ending, n in endings.most_common(_SHOWN))
        yield f"check the folder, the ending, and select= if it is given: its files end in {shown}"
    yield "check the folder, the ending, and select= if it is given" + (
        f": it holds folders, such as {inside[0]!r}, and no files" if inside else ": it is empty"
    )
