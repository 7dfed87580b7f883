"""What notebooks show of results: a picture, what is known, the first rows; nothing is computed.

What is stored, or was opened, is read where that takes no more than some megabytes.  Of all else
only that is shown which is known before a voxel is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scutoid.arrays import ArraySource
from scutoid.errors import ScutoidError
from scutoid.steps.compute import UNIT
from scutoid.steps.declaration import is_table
from scutoid.steps.graph import (
    CollectionFromStore,
    CollectionRef,
    Constant,
    FromStore,
    ImageRef,
    Member,
    Node,
    Opened,
    OpenedFolder,
    Ref,
)
from scutoid.steps.handles._html import (
    beside,
    escaped,
    facts,
    grid,
    note,
    picture,
    rows_of,
    section,
)
from scutoid.steps.handles._latest import LATEST
from scutoid.steps.handles._thumbnail import Thumbnail, thumbnail
from scutoid.steps.layout import Framed
from scutoid.steps.results import StoredItem, StoredResult
from scutoid.texts import size_text

_BUDGET = 16 * 2**20
"""Bytes that are read for one picture."""
_OF_MEMBER = 8 * 2**20
"""Bytes that are read for the picture of a member."""
_OF_TABLE = 8 * 2**20
"""Bytes of the file of a table or a value that is read."""
OF_FILE = 64 * 2**20
"""Bytes of an image file that is checked as a whole before it is read."""
_ROWS = 8
_COLUMNS = 20
_MEMBERS = 4
"""Members whose pictures, rows or values are shown."""
_KEYS = 10
_NOT_RUN = "not run: computed when it is read"


@dataclass(frozen=True, slots=True)
class _There:
    """Where an output is read from, if it is anywhere."""

    state: str
    """In words."""
    stored: Any = None
    """The stored outputs, if it is stored."""
    opened: ArraySource | None = None
    """The image that was opened, if it is one."""
    given: Constant | None = None
    """The value that the user gave, if it is one."""

    @classmethod
    def of(cls, node: Node) -> _There:
        """Look where the outputs of a node are; of a member, nothing is made of its collection."""
        stored: Any = LATEST.of(node)
        single = node
        if stored is None and isinstance(node, Member):
            if not _is_there(node.collection):
                return cls(_NOT_RUN)
            single = node.single
        if stored is None and isinstance(single, FromStore):
            stored = single.stored
        if stored is not None:
            return cls("stored" if stored.is_there else "not finished", stored=stored)
        if isinstance(single, Opened):
            return cls("opened", opened=single.source)
        return cls("given", given=single) if isinstance(single, Constant) else cls(_NOT_RUN)


def _is_there(collection: Node) -> bool:
    """Whether members of a collection are opened without a function of the user's being called."""
    if isinstance(collection, OpenedFolder):
        return collection.opening.reader is None and collection.opening.kind == "image"
    return isinstance(collection, CollectionFromStore)


def _reading(read: Callable[[], str]) -> str:
    """Return what is read, or say why it cannot be."""
    try:
        return read()
    except (ScutoidError, OSError) as error:
        return note(f"not read: {error}")


def image_html(title: str, ref: ImageRef) -> str:
    """Show an image."""
    there = _There.of(ref.node)
    known = _reading(lambda: _facts_of_image(ref.framed, there.state))
    return section(title, ref.name, beside(_picture(ref, there, _BUDGET), known))


def _facts_of_image(framed: Framed, state: str) -> str:
    spec = framed.spec
    sizes = [f"{axis} {size:g}" for axis, size in spec.sizes.items()]
    channels, chunks = ", ".join(spec.channels), framed.chunks or ()
    return facts(
        [
            ("axes", spec.axes),
            ("shape", " x ".join(map(str, spec.shape))),
            ("dtype", spec.dtype),
            ("voxel size", f"{', '.join(sizes)} {spec.unit or ''}".rstrip() if sizes else None),
            ("times", spec.time),
            ("channels", channels or None),
            ("chunks", " x ".join(map(str, chunks)) if any(n > 1 for n in chunks) else None),
            ("size", size_text(spec.nbytes)),
            ("state", state),
        ]
    )


def thumbnail_of(ref: ImageRef, budget: int = _BUDGET) -> Thumbnail | str:
    """Make a picture of an image that is stored or was opened; nothing is computed.

    Parameters
    ----------
    ref : ImageRef
        The image.
    budget : int
        Bytes of decoded chunks that may be read.

    Returns
    -------
    Thumbnail or str
        Or why there is none; "" of what is neither stored nor opened.

    Raises
    ------
    ScutoidError, OSError
        If it cannot be read.
    """
    return _thumbnail(ref, _There.of(ref.node), budget)


def _thumbnail(ref: ImageRef, there: _There, budget: int) -> Thumbnail | str:
    source = _source_there(ref, there)
    if isinstance(source, str):
        return source
    is_labels = ref.holds_labels and source.spec.dtype.kind in "iu"
    return thumbnail(source, ref.view, is_labels=is_labels, budget=budget)


def source_there(ref: ImageRef) -> ArraySource | str:
    """Return what reads an image that is stored or was opened; or say why it is not read."""
    return _source_there(ref, _There.of(ref.node))


def _source_there(ref: ImageRef, there: _There) -> ArraySource | str:
    if there.stored is not None and there.stored.is_there:
        if _bytes_to_read(there.stored, ref.output) > OF_FILE:
            return "no picture: its file is checked as a whole, and large"
        source: ArraySource = there.stored.image(ref.output)
        return source
    return there.opened or ""


def _picture(ref: ImageRef, there: _There, budget: int, key: str = "") -> str:
    def read() -> str:
        found = _thumbnail(ref, there, budget)
        if isinstance(found, str):
            return note(found) if found else ""
        return picture(found.png, found.size, f"{key}: {found.caption}" if key else found.caption)

    return _reading(read)


def collection_html(title: str, ref: CollectionRef) -> str:
    """Show a collection: how many members, the first of them, and what they hold."""
    known = facts(
        [
            ("members", len(ref.keys)),
            ("first", ", ".join(ref.keys[:_KEYS])),
            ("state", _state_of_collection(ref.node)),
        ]
    )
    first = "".join(_members(ref)) if ref.kind != "image" else beside(*_members(ref))
    return section(title, ref.name, known, first)


def _state_of_collection(node: Node) -> str:
    if isinstance(node, OpenedFolder):
        return "opened"
    is_stored = isinstance(node, CollectionFromStore)
    return "stored" if is_stored or LATEST.has_members(node) else _NOT_RUN


def _members(ref: CollectionRef) -> Iterator[str]:
    """Show the first members that are there."""
    is_known = _is_there(ref.node) or LATEST.has_members(ref.node)
    for key in ref.keys[:_MEMBERS] if is_known else ():

        def read(key: str = key) -> str:
            there = _There.of(Member.of(ref.node, key))
            if there.state == _NOT_RUN:
                return note(f"{key}: {there.state}")
            member = ref.member(key)
            if isinstance(member, ImageRef):
                return _picture(member, there, _OF_MEMBER, key)
            return note(key) + _content(member, there)

        yield _reading(read)


def value_html(title: str, ref: Ref) -> str:
    """Show a table, or another value, with what it holds."""
    there = _There.of(ref.node)
    content = _reading(lambda: _content(ref, there))
    return section(title, ref.name, facts([("state", there.state)]), content)


def _content(ref: Ref, there: _There) -> str:
    """Show what is stored or given, if it is small."""
    if there.given is not None:
        return _value(there.given.value)
    if there.stored is None or not there.stored.is_there:
        return ""
    nbytes = _bytes_to_read(there.stored, ref.output)
    if nbytes > _OF_TABLE:
        return note(f"not read: its file has {size_text(nbytes)}")
    return _value(there.stored.value(ref.output))


def _bytes_to_read(stored: object, output: int) -> int:
    """Return the size of what is read whole of an output."""
    if isinstance(stored, (StoredResult, StoredItem)):
        return stored.bytes_to_load(output)
    return 0


def _value(value: object) -> str:
    if is_table(value):
        frame: Any = value
        unit = frame.attrs.get(UNIT)
        known = facts([("rows", len(frame)), ("columns", frame.shape[1]), ("unit", unit)])
        return known + rows_of(frame, _ROWS, _COLUMNS)
    if isinstance(value, dict):
        return grid(("name", "value"), list(value.items())[:_KEYS])
    return f"<pre>{escaped(value)}</pre>"
