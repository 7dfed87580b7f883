"""Tests that every format passes, to be subclassed."""

# Tests assert.
# ruff: noqa: S101

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from scutoid.errors import DamagedResult, ParameterError
from scutoid.store import FORMATS, Entry, EntryStore, Format, Recipe

__all__ = ["FormatTests"]

_HEADER = 64
"""Number of bytes at the beginning of a file that are all damaged in turn."""
_OLD = b"what was there before"


class _Mark:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self._path),)


class FormatTests:
    """Tests of a format: subclass it, with the format, and values that it holds.

    Attributes
    ----------
    format : Format
        The format under test.
    finds_cuts : bool
        Whether the format detects that a file is cut off, at any place.  One that does not, such as
        CSV at the end of a line, still detects an empty file.
    finds_flips : bool
        Whether the format detects a damaged byte, at any place.

    Damage that a format does not detect may give another value, or a `DamagedResult`, never another
    error; the digest that a store keeps of each file finds it.

    Examples
    --------
    ::

        class TestMine(FormatTests):
            format = MY_FORMAT

            def values(self):
                return [Mesh.empty(), Mesh.cube()]
    """

    format: Format
    finds_cuts = True
    finds_flips = False

    def values(self) -> Sequence[object]:
        """Values that the format holds: small ones, an empty one, and difficult ones."""
        raise NotImplementedError

    def strangers(self) -> Sequence[object]:
        """Values that the format does not hold, besides those that no format holds."""
        return []

    def expected(self, value: object) -> object:
        """The value that is read back: the same, unless a subclass says otherwise."""
        return value

    def is_same(self, first: object, second: object) -> bool:
        """Whether two values are equal, in their types too; arrays are compared item by item."""
        if type(first) is not type(second):
            return False
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
            return (
                (first.dtype, first.shape) == (second.dtype, second.shape)
                and first.tobytes() == second.tobytes()
            )  # fmt: skip
        return bool(first == second)

    def test_values_come_back_as_they_were(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        for value in self._checked_values():
            self.format.save(value, path)
            loaded = self.format.load(path)
            assert self.is_same(loaded, self.expected(value)), f"{value!r} came back as {loaded!r}"

    def test_what_was_read_can_be_saved_and_changed(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        for value in self._checked_values():
            self.format.save(value, path)
            loaded = self.format.load(path)
            path.unlink()
            assert self.is_same(loaded, self.expected(value)), "it depends on its file"
            assert not isinstance(loaded, np.ndarray) or loaded.flags.writeable

    def test_equal_values_are_equal_bytes(self, tmp_path: Path) -> None:
        for first, second in zip(self._checked_values(), self._checked_values(), strict=True):
            self.format.save(first, self._path(tmp_path, "a"))
            self.format.save(second, self._path(tmp_path, "b"))
            again = self._path(tmp_path, "b").read_bytes()
            assert self._path(tmp_path, "a").read_bytes() == again

    def test_a_value_takes_the_place_of_the_one_before(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        for value in self._checked_values():
            path.write_bytes(_OLD)
            self.format.save(value, path)
            assert [each.name for each in tmp_path.iterdir()] == [path.name]
            assert path.read_bytes() != _OLD

    def test_a_file_is_written_beside_and_synced_before_it_is_renamed(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        path.write_bytes(_OLD)
        seen: list[bytes] = []
        sync = os.fsync

        def watch(descriptor: int) -> None:
            seen.append(path.read_bytes())
            sync(descriptor)

        with mock.patch("os.fsync", watch):
            self.format.save(self._checked_values()[0], path)
        assert seen, "nothing was synced"
        assert seen[0] == _OLD, "the file was in its place before it was on the disk"

    def test_a_save_that_fails_leaves_what_was_there(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        path.write_bytes(_OLD)

        def refuse(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        for value in self._checked_values():
            with mock.patch("os.fsync", refuse), _raising(OSError, "the disk was full"):
                self.format.save(value, path)
            assert path.read_bytes() == _OLD
            assert [each.name for each in tmp_path.iterdir()] == [path.name]

    def test_a_missing_file_is_damage(self, tmp_path: Path) -> None:
        with _raising(DamagedResult, "the file is missing"):
            self.format.load(self._path(tmp_path))

    def test_an_empty_file_is_damage(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        path.touch()
        with _raising(DamagedResult, "the file is empty"):
            self.format.load(path)

    def test_a_file_that_is_cut_off_is_damage(self, tmp_path: Path) -> None:
        for whole in self._written(tmp_path):
            for size in {1, 4, len(whole) // 2, len(whole) - 2, len(whole) - 1}:
                if 0 < size < len(whole):
                    what = f"{size} of {len(whole)} bytes are left"
                    self._load_damaged(tmp_path, whole[:size], what, is_noticed=self.finds_cuts)

    def test_another_first_byte_is_damage(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        for whole in self._written(tmp_path):
            path.write_bytes(_flipped(whole, 0, 0xFF))
            with _raising(DamagedResult, "the first byte is another"), _quiet():
                self.format.load(path)

    def test_a_damaged_byte_is_damage_or_another_value(self, tmp_path: Path) -> None:
        for whole in self._written(tmp_path):
            places = [*range(min(_HEADER, len(whole)))]
            places += range(_HEADER, len(whole), max(len(whole) // _HEADER, 1))
            for place in places:
                bits = (0x01, 0x80, 0xFF)[place % 3]
                what = f"byte {place} is damaged by {bits}"
                content = _flipped(whole, place, bits)
                self._load_damaged(tmp_path, content, what, is_noticed=self.finds_flips)

    def _load_damaged(self, folder: Path, content: bytes, what: str, *, is_noticed: bool) -> None:
        path = self._path(folder)
        path.write_bytes(content)
        try:
            with _quiet():
                self.format.load(path)
        except DamagedResult as error:
            damage = error
        else:
            assert not is_noticed, f"{what}, and it is not detected"
            return
        assert damage.place, "it does not say where"
        assert damage.remedy, "it does not say what to do"

    def test_no_pickle_is_read(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        odd = np.empty(1, object)
        odd[0] = _Mark(tmp_path / "unpickled")
        path.write_bytes(pickle.dumps(odd[0]))
        with _raising(DamagedResult, "the file is a pickle"), _quiet():
            self.format.load(path)
        with path.open("wb") as file:
            np.save(file, odd, allow_pickle=True)
        with _raising(DamagedResult, "the file is a pickle in an npy file"), _quiet():
            self.format.load(path)
        assert not (tmp_path / "unpickled").exists()

    def test_it_accepts_what_it_holds_and_nothing_else(self, tmp_path: Path) -> None:
        for value in self._checked_values():
            assert self.format.accepts(value) is True
        entry = _entry(tmp_path)
        with mock.patch.dict(FORMATS, {self.format.name: self.format}):
            for number, stranger in enumerate([*self.strangers(), *_strangers()]):
                what = f"stranger {number}, of type {type(stranger).__name__}"
                assert self.format.accepts(stranger) is False, f"it accepts {what}"
                with _raising(ParameterError, f"it is not for {what}"):
                    entry.save(stranger, "value", format=self.format.name)

    def test_its_name_and_its_ending_are_its_own(self) -> None:
        assert self.format.name.isidentifier()
        others = [each for each in FORMATS.values() if each.name != self.format.name]
        assert self.format.suffix not in [each.suffix for each in others]
        assert FORMATS.get(self.format.name, self.format) is self.format

    def test_a_store_keeps_it(self, tmp_path: Path) -> None:
        with mock.patch.dict(FORMATS, {self.format.name: self.format}):
            for number, value in enumerate(self._checked_values()):
                entry = _entry(tmp_path, str(number))
                path = entry.save(value, "value", format=self.format.name)
                entry.commit()
                assert path.name == f"value{self.format.suffix}"
                assert self.is_same(entry.load("value"), self.expected(value))
                whole = path.read_bytes()
                path.write_bytes(_flipped(whole, len(whole) // 2, 0x01))
                with _raising(DamagedResult, "a bit was flipped in the store"):
                    entry.load("value")

    def _checked_values(self) -> Sequence[object]:
        values = self.values()
        assert len(values), "give values to test the format with"
        return values

    def _path(self, folder: Path, name: str = "value") -> Path:
        return folder / f"{name}{self.format.suffix}"

    def _written(self, folder: Path) -> Iterator[bytes]:
        path = self._path(folder)
        for value in self._checked_values():
            self.format.save(value, path)
            yield path.read_bytes()


def _flipped(content: bytes, place: int, bits: int) -> bytes:
    return content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :]


def _entry(folder: Path, name: str = "0") -> Entry:
    entry = EntryStore(folder / "store").entry("step", name.ljust(64, "k"))
    entry.begin(Recipe(step="step", key=entry.key))
    return entry


def _strangers() -> list[object]:
    """Values that no open format holds."""
    function: Callable[[], None] = lambda: None  # noqa: E731 - the point is that it is one
    return [object(), object, function, np, {1, 2}, np.array([object()]), np.ma.masked_array([1.0])]


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the log messages of readers of damaged files."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _raising(kind: type[Exception], why: str) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{kind.__name__} is to be raised: {why}")
