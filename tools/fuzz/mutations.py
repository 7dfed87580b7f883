"""Damage a file or a folder as a seed says: bits, cuts, headers of others, values of JSON.

The same seed makes the same damage.  Half of what is done to bytes is done to the first or the last
of them, where headers and indices stand.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_EDGE = 512
"""Bytes at each end of a file that are damaged more often."""
_MOST_FLIPS = 8
_LONGEST = 4096
"""Bytes that are cut out, doubled or overwritten at most."""
_INTEGERS = (0, 1, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**40, 2**62, 2**64 - 1)
_HEADERS = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x18\0\0\0\x14\x08\x02",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01",
    b"BM\x36\x04\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
    b"II*\0\x08\0\0\0\x01\0",
    b"MM\0+\0\x08\0\0",
    b"PK\x03\x04\x14\0\0\0\x08\0",
    b"\x93NUMPY\x01\0v\0{'descr': '<u2', ",
    b"PAR1\x15\x04",
    b"\x1f\x8b\x08\0\0\0\0\0",
    b"\x28\xb5\x2f\xfd\x04",
    b"\x89HDF\r\n\x1a\n",
    b"ZISRAWFILE\0\0\0\0\0\0",
    b"\x70\0\0\0",
    b"\xda\xce\xbe\x0a",
    b'{"zarr_format": 3}',
    b"scutrec1",
    b"scutarr1",
)
"""How files of other formats begin."""
_DEEP = 3000
"""Lists within lists, more than any reader recurses into."""
_ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    float("nan"),
    2**31,
    2**53 + 1,
    2**70,
    "",
    "text",
    "\x00\u202e",
    [],
    [0],
    [-1, 10**9],
    [[1, 2], [3]],
    ["a", None],
    {},
    {"name": 3},
    {"name": "sharding_indexed", "configuration": []},
)
"""What is put in the place of a value in JSON."""


def mutate(path: Path, rng: random.Random) -> str:
    """Damage a file, or one file in a folder, and say how.

    Parameters
    ----------
    path : Path
        What is damaged in place.
    rng : Random
        What all is drawn from.
    """
    file = path
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        described = [each for each in files if _as_json(each.read_bytes()) is not None]
        file = rng.choice(described if described and rng.random() < 0.7 else files)
        if rng.random() < 0.1:
            return f"{file.relative_to(path)}: {_misplace(file, rng.choice(files), rng)}"
    content = file.read_bytes()
    parsed = _as_json(content)
    if parsed is not None and rng.random() < 0.85:
        text, how = _edited(parsed, rng)
        file.write_text(text)
    else:
        content, how = _damaged(content, rng)
        file.write_bytes(content)
    return f"{file.relative_to(path.parent)}: {how}"


def _misplace(file: Path, other: Path, rng: random.Random) -> str:
    if other == file or rng.random() < 0.5:
        file.unlink()
        return "removed"
    shutil.copyfile(other, file)
    return f"replaced by {other.name}"


def _damaged(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    how: Callable[[bytearray, random.Random], None] = rng.choice(
        (_flip, _flip, _overwrite, _number, _number, _cut, _cut_out, _double, _clear)
    )
    if rng.random() < 0.1:
        head = rng.choice(_HEADERS)
        return head + content[len(head) :], f"it begins with {head[:8]!r}"
    changed = bytearray(content)
    if changed:
        how(changed, rng)
    return bytes(changed), how.__name__.strip("_")


def _at(content: bytearray, rng: random.Random) -> int:
    """Draw a place, the ends more often than the middle."""
    size = len(content)
    where = rng.random()
    if where < 0.35:
        return rng.randrange(min(size, _EDGE))
    if where < 0.5:
        return size - 1 - rng.randrange(min(size, _EDGE))
    return rng.randrange(size)


def _flip(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, _MOST_FLIPS)):
        content[_at(content, rng)] ^= 1 << rng.randrange(8)


def _overwrite(content: bytearray, rng: random.Random) -> None:
    at = _at(content, rng)
    n = min(rng.randint(1, 16), len(content) - at)
    content[at : at + n] = rng.randbytes(n)


def _number(content: bytearray, rng: random.Random) -> None:
    """Put a number that claims much, or nothing, in the place of two to eight bytes."""
    n = rng.choice((2, 4, 4, 8))
    at = _at(content, rng) & ~1
    number = rng.choice(_INTEGERS) & (2 ** (8 * n) - 1)
    content[at : at + n] = number.to_bytes(n, rng.choice(("little", "big")))


def _cut(content: bytearray, rng: random.Random) -> None:
    del content[_at(content, rng) :]


def _cut_out(content: bytearray, rng: random.Random) -> None:
    at = _at(content, rng)
    del content[at : at + rng.randint(1, _LONGEST)]


def _double(content: bytearray, rng: random.Random) -> None:
    at = _at(content, rng)
    content[at:at] = content[at : at + rng.randint(1, _LONGEST)]


def _clear(content: bytearray, rng: random.Random) -> None:
    at = _at(content, rng)
    n = min(rng.randint(1, _LONGEST), len(content) - at)
    content[at : at + n] = bytes(n)


def _as_json(content: bytes) -> Any:
    """Return what a file of JSON holds, if that is an object or a list."""
    if content[:1] not in (b"{", b"["):
        return None
    try:
        parsed = json.loads(content)
    except ValueError:
        return None
    return parsed if isinstance(parsed, (dict, list)) else None


def _edited(tree: Any, rng: random.Random) -> tuple[str, str]:
    """Change a value anywhere in a tree, or two."""
    done = [_edit(tree, rng) for _ in range(rng.choice((1, 1, 1, 2)))]
    text = json.dumps(tree, indent=1)
    if '"@deep"' in text:
        text = text.replace('"@deep"', "[" * _DEEP + "]" * _DEEP)
    return text + "\n", "; ".join(done)


def _edit(tree: Any, rng: random.Random) -> str:
    places = list(_places(tree))
    if not places:
        return "nothing"
    holder, name = rng.choice(places)
    old = holder[name]
    how = rng.random()
    if how < 0.12:
        del holder[name]
        return f"{name!r} removed"
    if how < 0.17:
        holder[name] = "@deep"
        return f"{name!r} deep"
    if isinstance(old, list) and how < 0.6:  # a shape of another length
        if old and rng.random() < 0.5:
            old.pop(rng.randrange(len(old)))
        else:
            old.insert(rng.randint(0, len(old)), rng.choice((*old, 1, 4)))
        return f"{name!r} of length {len(old)}"
    if isinstance(old, int) and not isinstance(old, bool) and how < 0.6:
        holder[name] = rng.choice((-old, old + 1, old * 2, str(old), float(old), *_INTEGERS))
    else:
        holder[name] = rng.choice(_ODD)
    return f"{name!r}: {holder[name]!r}"


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for name, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, name
        if isinstance(value, (dict, list)):
            yield from _places(value)
