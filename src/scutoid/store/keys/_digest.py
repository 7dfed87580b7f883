"""Digest a value: its content, the files that it names and the code that it holds."""

from __future__ import annotations

import hashlib

from scutoid.store.keys._encoder import Encoder
from scutoid.store.keys._fingerprint import fingerprint
from scutoid.store.keys._input_hashes import HashMemo, encode_path


def canonical_digest(value: object, where: str = "value", *, memo: HashMemo | None = None) -> str:
    """Digest a value so that the same value has the same digest in every process.

    Parameters
    ----------
    value : object
        None, bool, numbers, text, bytes, tuples, lists, dicts, sets, enums, dataclasses, slices,
        ranges, dates, numpy arrays and scalars, DataFrames and Series, paths (by content),
        functions and classes (by code), and objects with a method ``__scutoid_key__``.
    where : str
        What the value is called in errors, such as the parameter's name.
    memo : HashMemo, optional
        Remembers the hashes of files, for paths.

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
    Values of different types differ: 2, 2.0, ``np.float64(2)`` and True, a tuple and a list; for
    they give results of different types.  All NaN are one, and so are 0.0 and -0.0.  The order of
    dicts and sets means nothing.  Dataclasses and enums count with the code of their class, if it
    is the user's own.

    Examples
    --------
    >>> canonical_digest({"a": 1, "b": 2}) == canonical_digest({"b": 2, "a": 1})
    True
    >>> canonical_digest(2) == canonical_digest(2.0)
    False
    """
    encoder = Encoder(code=_encode_code, path=lambda path, _where: encode_path(path, memo))
    return hashlib.sha256(encoder.encode(value, where)).hexdigest()


def _encode_code(value: object, _where: str) -> bytes:
    return fingerprint(value).digest.encode()
