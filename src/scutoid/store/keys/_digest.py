"""Digest a value: its content, the files that it names and the code that it holds."""

from __future__ import annotations

import functools
import hashlib
import logging
from pathlib import PurePath

from scutoid.store.keys._attributes import is_bag
from scutoid.store.keys._encoder import Encoder, encode_simple
from scutoid.store.keys._fingerprint import fingerprint
from scutoid.store.keys._holders import is_known_holder
from scutoid.store.keys._input_hashes import HashMemo, encode_path
from scutoid.store.keys._ownership import is_own
from scutoid.store.keys._pickled import encode_pickled
from scutoid.store.keys._tagged import refuse, tagged


def canonical_digest(
    value: object,
    where: str = "value",
    *,
    memo: HashMemo | None = None,
    unseen: set[str] | None = None,
) -> str:
    """Digest a value so that the same value has the same digest in every process.

    Parameters
    ----------
    value : object
        None, bool, numbers, text, bytes, tuples, lists, dicts, sets, enums, dataclasses, slices,
        ranges, dates, numpy arrays and scalars, DataFrames and Series, paths (by content),
        functions and classes (by code), values of classes derived from these, namespaces and other
        objects of installed classes that pickle could keep, and objects with a method
        ``__scutoid_key__``.
    where : str
        What the value is called in errors, such as the parameter's name.
    memo : HashMemo, optional
        Remembers the hashes of files, for paths.
    unseen : set of str, optional
        Is told what of the value does not count, as people read it: attributes that ride on it and
        have no stable form, and what its code reaches and cannot be followed.

    Returns
    -------
    str
        Hexadecimal sha256.

    Raises
    ------
    ParameterError
        If a value within has no stable form; the message names where it is.

    Notes
    -----
    Values that a function can tell apart differ: 2, 2.0, ``np.float64(2)`` and True, 0.0 and -0.0,
    a tuple and a list, a dict and the same with its keys in another order, an array and one of a
    class derived from it, an object and the same with another attribute or slot.  The order of sets
    means nothing, and all floats that are not a number are one.  Dataclasses, enums and objects
    count with the code of their class, if it is the user's own.  Paths count by what lies there,
    not by their names; what `functools.cached_property` keeps is taken to follow from the rest.

    Examples
    --------
    >>> canonical_digest({"a": 1, "b": 2}) == canonical_digest({"b": 2, "a": 1})
    False
    >>> canonical_digest(2) == canonical_digest(2.0)
    False
    >>> canonical_digest({1, 2}) == canonical_digest({2, 1})
    True
    """
    simple = encode_simple(value)
    if simple is not None:  # most values of many members
        return hashlib.sha256(simple).hexdigest()
    encoder = _Digester(memo)
    digest = hashlib.sha256(encoder.encode(value, where)).hexdigest()
    if unseen is not None:
        unseen |= encoder.notes
    return digest


class _Digester(Encoder):
    """Encodes a value for a digest of its own; of code, what stands for it is its fingerprint."""

    def __init__(self, memo: HashMemo | None) -> None:
        super().__init__()
        self.memo = memo
        self.notes: set[str] = set()

    def code(self, value: object, where: str) -> bytes:
        """Encode a function or a class by its code."""
        if isinstance(value, type) and not is_own(value):
            return _installed(value)
        found = fingerprint(value, memo=self.memo)
        self.notes.update(found.opaque)
        return found.digest.encode()

    def path(self, value: PurePath, where: str) -> bytes:
        """Encode a file or a folder by its content."""
        return encode_path(value, self.memo)

    def unknown(self, value: object, where: str) -> bytes:
        """Encode an object of an installed class by what it holds; refuse those of own classes."""
        kind = type(value)
        if is_own(kind):
            return refuse(value, where)
        if isinstance(value, logging.Logger):  # it holds all loggers of the process
            told = self.encode((value.name, value.level), where)
            return tagged("logger", self.code(kind, where), told)
        if is_known_holder(value):
            return tagged("code", self.code(value, where))
        if is_bag(kind):
            return tagged("object", self.code(kind, where), self.attributes(value, where))
        return encode_pickled(self, value, where)

    def note(self, text: str) -> None:
        """Keep what does not count."""
        self.notes.add(text)


@functools.lru_cache(maxsize=1024)
def _installed(kind: type) -> bytes:
    """Return what stands for an installed class, which counts by its name."""
    return fingerprint(kind).digest.encode()
