"""The pages of a TIFF, followed through the bytes of the file before a library parses them.

::

    header -> page 0 -> page 1 -> ... -> 0      a page: | n | tag | tag | ... | next |
                 |         |
                 v         v
              values    values, smaller versions of the page, which may have some themselves

Programs that read TIFFs take what a broken chain still shows for the whole image, or say so only
in a log; or follow one that goes in a circle for ever.  Here each page takes its part of the bytes
of the file, and what needs more than there are is broken, so that time and memory are bounded.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from scutoid.arrays._parts import UrlBeginning, parts_at
from scutoid.regular import open_regular

_MOST_TAGS = 4096
_GUESS = 1024
"""Bytes that hold the tags of most pages: they are read at once."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
"""Bytes of a value, by the number of its type."""
_SMALLER = 330
"""The tag that names smaller versions of a page."""
_UPPER = 4
"""Bytes of the upper half of a value."""
_LEAST_PAGE = 6
"""Bytes of a page without tags."""
_SHARED = 16
"""How many times the bytes of a file its pages may name as values, for they may share some."""
_FREE = 2**28
"""Bytes of values that pages may always name: of a small file all may share one long text."""
_DEEPEST = 16
"""Levels of smaller versions of smaller versions."""
_BIG = 43
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF begins."""


_File: TypeAlias = tuple[Callable[[int, int], bytes], int]


class BrokenChain(Exception):
    """The chain leads nowhere, or into itself, or names more than the file holds.

    Parameters
    ----------
    n_whole : int
        Number of pages before that.
    what : str
        What is wrong.
    goes_on : bool
        Whether who follows it all the same may never come to an end.
    """

    def __init__(self, n_whole: int, what: str, *, goes_on: bool = False) -> None:
        super().__init__(what)
        self.n_whole = n_whole
        self.goes_on = goes_on


@dataclass(frozen=True, slots=True)
class _Form:
    """How numbers are written in a file."""

    head: struct.Struct
    """Number of tags."""
    tag: struct.Struct
    """A tag: its number, type, count and value."""
    stored: int
    """Bytes of a tag in the file."""
    place: struct.Struct
    """A place in the file."""
    start: int
    """Byte at which the place of the first page stands; bytes of a value that stands in a tag."""
    has_upper: bool
    """Whether upper halves of values stand apart, as Hamamatsu writes them."""


def count_pages(path: str) -> int:
    """Follow the chain of pages of a TIFF to its end; return the number of its pages.

    Raises
    ------
    BrokenChain
        If it leads out of the file or back into itself, values of a page lie outside the file, or
        pages or values overlap so often that they are more than the file holds.
    SourceError
        If it is no file that can be read: a named pipe, a device.
    OSError
        If the file cannot be read.
    """
    with _opened(path) as (file, form):
        return 0 if form is None else _Walk(file, form).count()


def first_tags(path: str, names: Collection[int]) -> dict[int, bytes] | None:
    """Return the content of some tags of the first page; None: the file is no TIFF.

    Of a tag that is there twice, as some programs write descriptions, all of it.

    Raises
    ------
    BrokenChain
        If the page or a tag lies outside the file.
    SourceError, OSError
        If the file cannot be read.
    """
    with _opened(path, is_any=True) as (file, form):
        return None if form is None else _Walk(file, form).first(names)


@contextmanager
def _opened(path: str, *, is_any: bool = False) -> Iterator[tuple[_File, _Form | None]]:
    """Open a file; with `is_any` its form is None where it is no TIFF."""
    with _reading(path) as file:
        head = file[0](4, 0)
        is_other = is_any and head not in _MAGIC
        form = None if is_other else _form(head, has_upper=path.lower().endswith(".ndpi"))
        yield file, form


@contextmanager
def _reading(path: str) -> Iterator[_File]:
    ranged = parts_at(path)
    if ranged is not None:
        yield ranged.pread, ranged.size
        return
    if "://" in path:
        beginning = UrlBeginning(path)
        yield beginning.pread, beginning.size
        return
    descriptor = open_regular(path)
    try:
        yield partial(os.pread, descriptor), os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _form(begin: bytes, *, has_upper: bool) -> _Form:
    order = ">" if begin[:2] == b"MM" else "<"
    is_big = _BIG in begin[2:4]
    letters = ("Q", "HHQQ", "Q") if is_big else ("H", "HHII", "I")
    if has_upper := has_upper and not is_big:
        letters = ("H", "HHIQ", "Q")
    head, tag, place = (struct.Struct(order + each) for each in letters)
    stored = tag.size - _UPPER * has_upper
    return _Form(head, tag, stored, place, 8 if is_big else 4, has_upper)


def _joined(tags: bytes, upper: bytes) -> bytes:
    """Return tags with the upper halves of their values."""
    size = len(tags) * _UPPER // len(upper) if upper else 1
    return b"".join(
        tags[at * size : (at + 1) * size] + upper[at * _UPPER : (at + 1) * _UPPER]
        for at in range(len(tags) // size)
    )


class _Walk:
    """One way through the pages of a file, which takes of its bytes what each page needs.

    Parameters
    ----------
    file : tuple
        What reads so many bytes from a place on, and the size of the file.
    form : _Form
        How its numbers are written.
    """

    def __init__(self, file: _File, form: _Form) -> None:
        self._pread, self._size = file
        self._form = form
        self._pages_left = self._size
        self._values_left = max(_SHARED * self._size, _FREE)
        self._number = 0

    def count(self) -> int:
        """Follow the chain to its end; return the number of its pages."""
        place, seen = self._start(), set[int]()
        while place:
            if place in seen:
                what = f"what follows page {self._number - 1} is an earlier page"
                raise self._broken(what, goes_on=True)
            seen.add(place)
            tags, after = self._tags(place)
            smaller = self._check(tags)
            if smaller is not None:
                self._follow(smaller, (place,))
            place = after
            self._number += 1
        return self._number

    def first(self, names: Collection[int]) -> dict[int, bytes]:
        """Return the content of some tags of the first page."""
        found: dict[int, bytes] = {}
        for tag in self._form.tag.iter_unpack(self._tags(self._start())[0]):
            if tag[0] in names:
                found[tag[0]] = found.get(tag[0], b"") + self._content(*tag[1:])
        return found

    def _broken(self, what: str, *, goes_on: bool = False) -> BrokenChain:
        return BrokenChain(self._number, what, goes_on=goes_on)

    def _start(self) -> int:
        form = self._form
        head = self._pread(form.place.size, form.start)
        if len(head) < form.place.size:
            raise self._broken("its header breaks off")
        place: int = form.place.unpack(head)[0]
        return place

    def _tags(self, place: int) -> tuple[bytes, int]:
        """Return the tags of a page, and the place of the next page."""
        form, size, number = self._form, self._size, self._number
        content = self._pread(_GUESS, place) if place < size else b""
        if len(content) < form.head.size:
            raise self._broken(f"page {number} should lie at byte {place} of {size}")
        (n_tags,) = form.head.unpack_from(content)
        if n_tags > _MOST_TAGS:
            raise self._broken(f"page {number} has {n_tags} tags")
        end = form.head.size + n_tags * form.stored
        stop = end + form.place.size + _UPPER * n_tags * form.has_upper
        if len(content) < stop:
            content = self._pread(stop, place)
        if len(content) < stop:
            raise self._broken(f"page {number} breaks off within its tags")
        self._pages_left -= stop
        if self._pages_left < 0:
            what = f"page {number} lies among others: all take more than the file has"
            raise self._broken(what, goes_on=True)
        (after,) = form.place.unpack_from(content, end)
        tags = content[form.head.size : end]
        return _joined(
            tags, content[end + form.place.size : stop]
        ) if form.has_upper else tags, after

    def _check(self, tags: bytes) -> bytes | None:
        """Check that the values of a page are in the file.

        Returns the tag that names smaller versions of the page; None: it has none.
        """
        form, size, sizes = self._form, self._size, _SIZES
        smaller, left, inline = None, self._size, form.start
        for at, (name, kind, count, value) in enumerate(form.tag.iter_unpack(tags)):
            nbytes = count * sizes.get(kind, 0)
            if nbytes > inline:
                left -= nbytes
                if value + nbytes > size:
                    raise self._broken(f"values of page {self._number} lie outside the file")
            if name == _SMALLER and nbytes:
                smaller = tags[at * form.tag.size : (at + 1) * form.tag.size]
        self._values_left -= size - left
        if left < 0 or self._values_left < 0:
            what = f"values of page {self._number} take more than the file has"
            raise self._broken(what, goes_on=True)
        return smaller

    def _follow(self, tag: bytes, above: tuple[int, ...]) -> None:
        """Go through the smaller versions of a page, and theirs."""
        _, kind, count, value = self._form.tag.unpack(tag)
        width = _SIZES[kind]
        if width not in (4, 8):
            return
        if count * _LEAST_PAGE > self._pages_left or len(above) > _DEEPEST:
            what = f"page {self._number} names more smaller versions than there can be"
            raise self._broken(what, goes_on=True)
        content = self._content(kind, count, value)
        form = f"{self._form.place.format[0]}{'IQ'[width // 8]}"
        for (place,) in struct.iter_unpack(form, content):
            if place in above:
                what = f"page {self._number} has a smaller version that is itself, or has itself"
                raise self._broken(what, goes_on=True)
            smaller = self._check(self._tags(place)[0])
            if smaller is not None:
                self._follow(smaller, (*above, place))

    def _content(self, kind: int, count: int, value: int) -> bytes:
        """Return the bytes of the values of a tag."""
        nbytes = count * _SIZES.get(kind, 0)
        if nbytes <= self._form.start:
            return self._form.place.pack(value)[:nbytes]
        if value + nbytes > self._size:
            raise self._broken(f"values of page {self._number} lie outside the file")
        return self._pread(nbytes, value)
