"""The chain of pages of a TIFF, followed through the bytes of the file: whether it is whole.

::

    header -> page 0 -> page 1 -> ... -> 0      a page: | n | tag | tag | ... | next |
                 |         |
                 v         v
              values    values, smaller versions of the page

Programs that read TIFFs take what a broken chain still shows for the whole image, or say so only
in a log.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection
from dataclasses import dataclass

_MOST_TAGS = 4096
_GUESS = 1024
"""Bytes that hold the tags of most pages: they are read at once."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
"""Bytes of a value, by the number of its type."""
_SMALLER = 330
"""The tag that names smaller versions of a page."""
_BIG = 43
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF begins."""


class BrokenChain(Exception):
    """The chain leads nowhere, or into itself.

    Parameters
    ----------
    n_whole : int
        Number of pages before that.
    what : str
        What is wrong.
    """

    def __init__(self, n_whole: int, what: str) -> None:
        super().__init__(what)
        self.n_whole = n_whole


@dataclass(frozen=True, slots=True)
class _Form:
    """How numbers are written in a file."""

    head: struct.Struct
    """Number of tags."""
    tag: struct.Struct
    """A tag: its number, type, count and value."""
    place: struct.Struct
    """A place in the file."""
    start: int
    """Byte at which the place of the first page stands."""
    is_ndpi: bool
    """Whether upper halves of values stand apart, as Hamamatsu writes them."""


def count_pages(path: str) -> int:
    """Follow the chain of pages of a TIFF to its end; return the number of its pages.

    Raises
    ------
    BrokenChain
        If it leads out of the file or back into itself, or values of a page lie outside the file.
    OSError
        If the file cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _follow(descriptor, is_ndpi=path.lower().endswith(".ndpi"))
    finally:
        os.close(descriptor)


def _follow(descriptor: int, *, is_ndpi: bool) -> int:
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, 16, 0)
    form = _form(head, is_ndpi=is_ndpi)
    if len(head) < form.start + form.place.size:
        raise BrokenChain(0, "its header breaks off")
    (place,) = form.place.unpack_from(head, form.start)
    seen: set[int] = set()
    while place:
        if place in seen:
            raise BrokenChain(len(seen), f"what follows page {len(seen) - 1} is an earlier page")
        number = len(seen)
        seen.add(place)
        place, smaller = _page(descriptor, form, place, size, number)
        for inner in smaller:
            _page(descriptor, form, inner, size, number)
    return len(seen)


def _form(head: bytes, *, is_ndpi: bool) -> _Form:
    order = ">" if head[:2] == b"MM" else "<"
    is_big = len(head) >= 4 and _BIG in head[2:4]
    letters = ("Q", "HHQQ", "Q") if is_big else ("H", "HHII", "Q" if is_ndpi else "I")
    counted, tag, place = (struct.Struct(order + each) for each in letters)
    return _Form(counted, tag, place, 8 if is_big else 4, is_ndpi)


def _page(
    descriptor: int, form: _Form, place: int, size: int, number: int
) -> tuple[int, tuple[int, ...]]:
    """Return the place of the next page, and the places of smaller versions of this one."""
    tags, after = _tags(descriptor, form, place, size, number)
    smaller: tuple[int, ...] = ()
    if not form.is_ndpi:
        for tag in form.tag.iter_unpack(tags):
            smaller = _checked(descriptor, form, tag, size, number) or smaller
    return after, smaller


def _tags(descriptor: int, form: _Form, place: int, size: int, number: int) -> tuple[bytes, int]:
    """Return the tags of a page, and the place of the next page."""
    content = os.pread(descriptor, _GUESS, place) if place < size else b""
    if len(content) < form.head.size:
        raise BrokenChain(number, f"page {number} should lie at byte {place} of {size}")
    (n_tags,) = form.head.unpack_from(content)
    if n_tags > _MOST_TAGS:
        raise BrokenChain(number, f"page {number} has {n_tags} tags")
    end = form.head.size + n_tags * form.tag.size
    if len(content) < end + form.place.size:
        content = os.pread(descriptor, end + form.place.size, place)
    if len(content) < end + form.place.size:
        raise BrokenChain(number, f"page {number} breaks off within its tags")
    (after,) = form.place.unpack_from(content, end)
    return content[form.head.size : end], after


def _checked(
    descriptor: int, form: _Form, tag: tuple[int, int, int, int], size: int, number: int
) -> tuple[int, ...]:
    """Check that the values of a tag are in the file; return the pages that they name, if any."""
    name, kind, count, value = tag
    width = _SIZES.get(kind, 0)
    nbytes = count * width
    is_inline = nbytes <= form.start
    if not is_inline and value + nbytes > size:
        raise BrokenChain(number, f"values of page {number} lie outside the file")
    if name != _SMALLER or width not in (4, 8):
        return ()
    content = form.place.pack(value) if is_inline else os.pread(descriptor, nbytes, value)
    return struct.unpack_from(f"{form.place.format[0]}{count}{'IQ'[width // 8]}", content)


def first_tags(path: str, names: Collection[int]) -> dict[int, bytes] | None:
    """Return the content of some tags of the first page; None: the file is no TIFF.

    Of a tag that is there twice, as some programs write descriptions, all of it.

    Raises
    ------
    BrokenChain
        If the page or a tag lies outside the file.
    OSError
        If the file cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        head = os.pread(descriptor, 16, 0)
        if head[:4] not in _MAGIC:
            return None
        form = _form(head, is_ndpi=path.lower().endswith(".ndpi"))
        if len(head) < form.start + form.place.size:
            raise BrokenChain(0, "its header breaks off")
        (place,) = form.place.unpack_from(head, form.start)
        tags = _tags(descriptor, form, place, os.fstat(descriptor).st_size, 0)[0]
        found: dict[int, bytes] = {}
        for tag in form.tag.iter_unpack(tags):
            if tag[0] in names:
                found[tag[0]] = found.get(tag[0], b"") + _content_of(descriptor, form, tag)
        return found
    finally:
        os.close(descriptor)


def _content_of(descriptor: int, form: _Form, tag: tuple[int, int, int, int]) -> bytes:
    _, kind, count, value = tag
    nbytes = count * _SIZES.get(kind, 0)
    is_inline = nbytes <= form.start
    return form.place.pack(value)[:nbytes] if is_inline else os.pread(descriptor, nbytes, value)
