"""The members of a collection as one call gets them: a mapping that reads when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from scutoid.steps.declaration import ReadWhenAsked


class GatheredMembers(Mapping[str, object], ReadWhenAsked):
    """Members of a collection by key, each read whenever it is asked for.

    Parameters
    ----------
    keys : sequence of str
        Keys of the members, in order.
    read : callable
        Returns the member of a key.
    missing : sequence of str, optional
        Keys of the members that were left out.
    """

    def __init__(
        self, keys: Sequence[str], read: Callable[[str], object], missing: Sequence[str] = ()
    ) -> None:
        self._keys = dict.fromkeys(keys)
        self._read = read
        self.missing = tuple(missing)

    def __getitem__(self, key: str) -> object:
        if key not in self._keys:
            raise KeyError(key)
        return self._read(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
