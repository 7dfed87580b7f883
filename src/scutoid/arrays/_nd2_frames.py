"""Which frames an ND2 file holds, by the map at its end.

The library gives zeros for those that it does not find, as a recording that was stopped has them.

::

    ... | chunk: name of the map, names and places of all chunks | signature, place of that chunk
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

_MAGIC = 0x0ABECEDA
_HEADER = struct.Struct("<IIQ")
_END = struct.Struct("<32sQ")
_SIGNATURE = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_FRAME = re.compile(rb"ImageDataSeq\|(\d+)!(.{8})", re.DOTALL)


def frames_there(path: str) -> frozenset[int] | None:
    """Return the numbers of the frames that the map lists, and that begin within the file.

    None: it has no such map, as older files have none.
    """
    with Path(path).open("rb") as file:
        size = file.seek(0, 2)
        if size < _END.size:
            return None
        file.seek(-_END.size, 2)
        signature, place = _END.unpack(file.read(_END.size))
        if signature != _SIGNATURE:
            return None
        file.seek(place)
        magic, n_name, n_data = _HEADER.unpack(file.read(_HEADER.size))
        if magic != _MAGIC:
            return None
        file.seek(n_name, 1)
        listed = file.read(min(n_data, size))
    return frozenset(
        int(number)
        for number, offset in _FRAME.findall(listed)
        if int.from_bytes(offset, "little") < size
    )
