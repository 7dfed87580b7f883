"""A folder of an export: which of its files the export made, and how these are brought up to date.

The folder holds a list of them, and no other file is touched::

    final/
        .scutoid-export      the list
        A01.tif, B/01.tif    in the list: replaced where they differ, removed where they are stale
        notes.txt            not in the list: the user's

Exports by templates share a folder: the list says which files each of them made, and each removes
stale ones of its own alone.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scutoid.durable import beside, replacing
from scutoid.errors import StoreError
from scutoid.regular import read_regular
from scutoid.texts import parse_json

MARK = ".scutoid-export"
"""Name of the file that says that an export made a folder, and lists what it made in it."""
_FILES = "files"
_TEMPLATES = "templates"
_WHOLE = ""
"""In the place of a template: an export of the folder as such."""


@contextmanager
def replacing_folder(target: Path, template: str = _WHOLE) -> Iterator[Path]:
    """Give a folder to make and fill; then bring what an earlier export made at its place up to it.

    A folder that holds nothing else is swapped for the new one at once.  In one to which the user
    has added something, files are replaced one by one.

    Parameters
    ----------
    target : Path
        The place; no link.
    template : str
        By which the files of the new folder are named; files of others stay beside them.

    Raises
    ------
    StoreError
        If something is there that no export made, at the place or at that of one of its files.
    """
    _refuse_foreign_folder(target)
    new = beside(target)
    try:
        yield new
        _refuse_own_list(new, target)
        _write_list(new, {template: leaves_of(new)})
        _Update(new, target, template).carry_out()
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _refuse_foreign_folder(target: Path) -> None:
    if not target.exists() or (target / MARK).is_file():
        return
    if not target.is_dir() or any(target.iterdir()):
        raise StoreError(
            "an export replaces only a folder that an export made",
            value="it holds something else" if target.is_dir() else "a file",
            place=str(target),
            remedy="choose another path, or move away what is there",
        )


def _refuse_own_list(new: Path, target: Path) -> None:
    if os.path.lexists(new / MARK):
        raise StoreError(
            "an export keeps a list of its files, by a name that no file of a result has",
            value=f"the result has a file {MARK!r}",
            place=str(target),
            remedy="let the step call it otherwise",
        )


@dataclass(frozen=True, slots=True)
class _Update:
    """What makes a folder of an earlier export that of the new one."""

    new: Path
    """The new folder, with its list."""
    target: Path
    """The folder of an earlier export, or where there is none yet."""
    template: str
    """By which the files of the new folder are named."""

    def carry_out(self) -> None:
        """Replace what differs, remove what is stale, and leave all else as it is."""
        if not self.target.exists():
            self.new.rename(self.target)
            return
        wanted, there = leaves_of(self.new), leaves_of(self.target)
        listed = _listed(self.target)
        same = {name for name in wanted & there if self._is_same(name)}
        others = of_others(listed or {}, self.template)
        own = same if listed is None else listed.get(self.template, set()) | (others & wanted)
        own = {name for name in there & own if not (self.target / name).is_symlink()}
        self._refuse_clash(wanted, there - own)
        if own == wanted == same:
            if listed is None or listed.get(self.template) != wanted:
                _write_list(self.target, self._list_of(wanted))
        elif own == there:
            self._swap(own)
        else:
            self._replace_each(wanted - same, own - wanted, own | wanted)

    def _list_of(self, own: set[str]) -> dict[str, set[str]]:
        """Return the list with these files as those of the template, and what others have."""
        listed = _listed(self.target) or {}
        left = {template: names - own for template, names in listed.items()}
        return {
            **{template: names for template, names in left.items() if names},
            self.template: own,
        }

    def _is_same(self, name: str) -> bool:
        new, old = self.new / name, self.target / name
        if new.is_dir() or old.is_dir() or old.is_symlink():
            return new.is_dir() and old.is_dir() and not old.is_symlink()
        return filecmp.cmp(new, old, shallow=False)

    def _refuse_clash(self, wanted: set[str], foreign: set[str]) -> None:
        """Refuse to write to the place of a file that no export made, below or above one."""
        folders = {above for name in wanted for above in _above(name)}
        clash = foreign & (wanted | folders)
        clash |= {name for name in foreign if any(above in wanted for above in _above(name))}
        if clash:
            raise StoreError(
                "an export writes only where nothing is, or a file that an export made",
                value=f"{min(clash)!r} is in the way"
                + (f", and {len(clash) - 1} more" if len(clash) > 1 else ""),
                place=str(self.target),
                remedy="choose another path, or move away what is there",
            )

    def _swap(self, own: set[str]) -> None:
        """Put the new folder in the place of the old one, which holds own files alone."""
        old = beside(self.target, ending=".old")
        try:
            self.target.rename(old)
            self.new.rename(self.target)
        except BaseException:  # Ctrl-C too
            if not self.target.exists() and old.exists():
                old.rename(self.target)
            raise
        _remove(old, [*own, MARK])
        with suppress(FileNotFoundError):
            try:
                old.rmdir()
            except OSError as error:
                raise StoreError(
                    "nobody adds to a folder while an export replaces it",
                    value="something was added; it is kept",
                    place=str(old),
                    remedy=f"move it to {self.target}",
                ) from error

    def _replace_each(self, changed: set[str], stale: set[str], listed: set[str]) -> None:
        """Replace files one by one; until all are, the list has the old and the new ones."""
        _write_list(self.target, self._list_of(listed))
        _remove(self.target, stale)
        for name in sorted(changed):
            new, place = self.new / name, self.target / name
            if place.exists() and place.is_dir() != new.is_dir():
                _remove(self.target, [name])
            place.parent.mkdir(parents=True, exist_ok=True)
            if new.is_dir():
                place.mkdir(exist_ok=True)
            else:
                new.replace(place)
        _write_list(self.target, self._list_of(listed - stale))


def leaves_of(folder: Path) -> set[str]:
    """Relative paths of all files, links and empty folders below a folder; not of its list."""

    def refuse(error: OSError) -> None:
        raise error

    found: set[str] = set()
    for root, folders, files in os.walk(folder, onerror=refuse):
        links = [name for name in folders if os.path.islink(f"{root}/{name}")]  # noqa: PTH114
        above = Path(root).relative_to(folder)
        found.update((above / name).as_posix() for name in (*files, *links))
        if not folders and not files and root != str(folder):
            found.add(above.as_posix())
    return found - {MARK}


def _above(name: str) -> Iterator[str]:
    """Folders above a relative path, without the first, in which all lies."""
    return (str(path) for path in PurePosixPath(name).parents if path.name)


def _listed(folder: Path) -> dict[str, set[str]] | None:
    """What exports list as their own, by template; None if nothing, as of earlier versions."""
    try:
        return parse_list(read_regular(folder / MARK))
    except OSError:
        return None


def parse_list(content: bytes) -> dict[str, set[str]] | None:
    """Return the files that a list names, by the template that made them; None: it is none."""
    try:
        record = parse_json(content)
        named = {_WHOLE: record[_FILES], **record.get(_TEMPLATES, {})}
        return {
            template: {name for name in names if isinstance(name, str)}
            for template, names in named.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def to_list(listed: Mapping[str, set[str]]) -> dict[str, object]:
    """Return a list as it is written, in JSON; see `parse_list`."""
    named = {template: sorted(names) for template, names in listed.items()}
    content: dict[str, object] = {"made by": "scutoid.export", _FILES: named.pop(_WHOLE, [])}
    return {**content, _TEMPLATES: named} if named else content


def of_others(listed: Mapping[str, set[str]], template: str) -> set[str]:
    """Files that exports by other templates made."""
    return {name for other, names in listed.items() if other != template for name in names}


def _write_list(folder: Path, listed: Mapping[str, set[str]]) -> None:
    with replacing(folder / MARK) as new:
        new.write_text(json.dumps(to_list(listed), indent=0) + "\n")


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files, and the folders above them that hold nothing any more."""
    folders: set[str] = set()
    for name in names:
        place = folder / name
        if place.is_dir() and not place.is_symlink():
            folders.add(name)
        else:
            place.unlink(missing_ok=True)
        folders.update(_above(name))
    for name in sorted(folders, key=len, reverse=True):  # the deepest first
        with suppress(OSError):  # it holds something of the user's
            (folder / name).rmdir()
