"""Objects as keys by what they are, not by what they say of themselves."""

from __future__ import annotations


class Same:
    """A key that is equal to the key of the same object, and to no other.

    It holds the object, which may be one that has no hash.

    Examples
    --------
    >>> one, other = [], []
    >>> Same(one) == Same(one), Same(one) == Same(other), len({Same(one), Same(one)})
    (True, False, 1)
    """

    __slots__ = ("item",)

    item: object
    """The object."""

    def __init__(self, item: object) -> None:
        self.item = item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.item is self.item

    def __hash__(self) -> int:
        return object.__hash__(self.item)
