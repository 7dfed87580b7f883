"""Parts: a small dict of arrays for each block of a grid, in memory or packed in a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import DamagedResult, StepError
from scutoid.geometry import BlockGrid
from scutoid.spent import spending
from scutoid.steps.declaration import ReadWhenAsked, is_table, own
from scutoid.steps.layout import PartsGrid
from scutoid.store import (
    Pack,
    PackedArrays,
    arrays_of_bytes,
    bytes_of_arrays,
    bytes_of_table,
    dict_of,
    distrust_around,
    is_plain_array,
    is_plain_integer,
    name_of_dict,
    reading,
    table_of_bytes,
)
from scutoid.texts import parse_json

Part = dict[str, NDArray[Any]]


class BlockParts(Mapping[int, Part], ReadWhenAsked):
    """Parts by block number, as a step gets them: each is read when it is asked for."""

    def __init__(self, where: PartsGrid) -> None:
        self.where = where

    @property
    def grid(self) -> BlockGrid:
        """The blocks' grid."""
        return self.where.grid

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.grid.n_blocks))

    def __len__(self) -> int:
        return self.grid.n_blocks

    def __getitem__(self, index: int) -> Part:
        raise NotImplementedError

    def arrays(self, index: int) -> Mapping[str, NDArray[Any]]:
        """Return the part of a block for somebody who asks for few of its arrays."""
        return self[index]


class MemoryParts(BlockParts):
    """Parts that were computed in this process."""

    def __init__(self, where: PartsGrid, parts: Mapping[int, Part]) -> None:
        super().__init__(where)
        self._parts = parts

    def __getitem__(self, index: int) -> Part:
        return own(self._parts[index])  # type: ignore[no-any-return]


class PackedParts(BlockParts):
    """Parts in a pack; one of several outputs of a step."""

    def __init__(self, where: PartsGrid, pack: Pack, slot: int) -> None:
        super().__init__(where)
        self._pack = pack
        self._slot = slot

    def __getitem__(self, index: int) -> Part:
        return read_value(self._pack, index)[self._slot]  # type: ignore[no-any-return]

    def arrays(self, index: int) -> Mapping[str, NDArray[Any]]:
        """Return the part of a block; each array is unpacked when it is asked for."""
        with _noticing_damage(self._pack):
            arrays = PackedArrays(self._pack.read(index))
            with reading("value"):
                _, outputs = _tree(arrays)
                _, items, *_ = outputs[self._slot]
                trees = {str(name): tree for name, tree in items}
        return _SomeArrays(self._pack, arrays, trees)


class _SomeArrays(Mapping[str, NDArray[Any]]):
    """Arrays of a part by their names; a damaged one is distrusted."""

    def __init__(self, pack: Pack, arrays: PackedArrays, trees: Mapping[str, object]) -> None:
        self._pack, self._arrays, self._trees = pack, arrays, trees

    def __getitem__(self, name: str) -> NDArray[Any]:
        tree = self._trees[name]
        with _noticing_damage(self._pack):
            return _restore(tree, self._arrays)  # type: ignore[return-value]

    def __iter__(self) -> Iterator[str]:
        return iter(self._trees)

    def __len__(self) -> int:
        return len(self._trees)


def read_value(pack: Pack, name: str | int) -> Any:
    """Read what was packed of a block or a member; a damaged one is distrusted.

    Raises
    ------
    DamagedResult
        If it is damaged: its result no longer counts as complete.
    """
    with _noticing_damage(pack):
        return decode(pack.read(name))


@contextmanager
def _noticing_damage(pack: Pack) -> Iterator[None]:
    """Read of a pack within: what is damaged there is distrusted."""
    try:
        with spending("reading"):
            yield
    except DamagedResult:
        distrust_around(pack.path)
        raise


def encode(value: object) -> bytes:
    """Pack a value made of numbers, text, arrays, tables, and lists, tuples and dicts of these.

    `decode` returns it as it was: of dicts, those of the standard library keep their type.

    Raises
    ------
    StepError
        If it holds anything else, types derived from these among it.

    Examples
    --------
    >>> decode(encode({"n": 3, "sums": np.arange(2.0), "pair": (1, None)}))
    {'n': 3, 'sums': array([0., 1.]), 'pair': (1, None)}
    """
    import json

    arrays: dict[str, NDArray[Any]] = {}
    tree = _flatten(value, arrays)
    text = np.frombuffer(json.dumps(tree).encode(), dtype=np.uint8)
    return bytes_of_arrays({"": text, **arrays})


def decode(payload: bytes) -> Any:
    """Return what was packed by `encode`.

    Raises
    ------
    DamagedResult
        If it is something else.
    """
    arrays = arrays_of_bytes(payload)
    with reading("value"):
        return _restore(_tree(arrays), arrays)


def _tree(arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return how a value is made of arrays."""
    return parse_json(arrays[""].tobytes())


def _flatten(value: Any, arrays: dict[str, NDArray[Any]]) -> object:
    """Write a value as JSON; arrays move to `arrays`, and a tagged list takes their place."""
    kind = type(value)
    if value is None or kind in (bool, str, float) or is_plain_integer(value):
        return value
    if kind in (list, tuple):
        return [kind.__name__, [_flatten(item, arrays) for item in value]]
    if (name := name_of_dict(value)) is not None:
        items = [[_flatten(k, arrays), _flatten(v, arrays)] for k, v in value.items()]
        return ["dict", items] if name == "dict" else ["dict", items, name]
    place = str(len(arrays))
    if isinstance(value, np.generic) and _is_own_scalar(value):
        arrays[place] = np.asarray(value)
        return ["scalar", place]
    if is_plain_array(value):
        arrays[place] = np.asarray(value)
        return ["array", place]
    if is_table(value) and kind.__name__ == "DataFrame":
        arrays[place] = np.frombuffer(bytes_of_table(value), dtype=np.uint8)
        return ["table", place]
    dtype = f" of {value.dtype}" if hasattr(value, "dtype") else ""
    raise StepError(
        "a block's value is made of numbers, text, arrays, tables, and lists and dicts of these, "
        "not of types derived from them",
        value=f"{kind.__module__}.{kind.__qualname__}{dtype}",
        remedy="return a dict of arrays, or convert it, such as by tuple(value) or dict(value)",
    )


def _is_own_scalar(value: np.generic) -> bool:
    """Whether an array without axes gives a scalar of numpy back as it is."""
    is_derived = type(value) is not value.dtype.type or isinstance(value, np.record)
    if is_derived or value.dtype.hasobject:
        return False
    return value.dtype.kind not in "SU" or bool(np.asarray(value)[()] == value)


def _restore(tree: object, arrays: Mapping[str, NDArray[Any]]) -> object:
    if not isinstance(tree, list):
        return tree
    kind, content, *names = tree
    if kind == "dict":
        pairs = {_restore(k, arrays): _restore(v, arrays) for k, v in content}
        return dict_of(names[0], pairs) if names else pairs
    if kind in ("list", "tuple"):
        items = [_restore(item, arrays) for item in content]
        return tuple(items) if kind == "tuple" else items
    array = arrays[content]
    if kind == "table":
        return table_of_bytes(array.tobytes())
    return array if kind == "array" else array[()]
