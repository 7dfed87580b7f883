"""Collections: results of one kind, one a key, and what joins them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from scutoid.errors import PipelineError
from scutoid.steps._lazy import Files, Image, Lazy, Parts, Table, Value

if TYPE_CHECKING:
    import pandas as pd


class Collection(Lazy):
    """Results of one kind, one a key; steps map over them."""

    member_kind: ClassVar[type[Lazy]] = Lazy

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the members: relative paths, in natural order."""
        return self.producer.keys or ()

    @property
    def groups(self) -> pd.DataFrame | None:
        """Columns that ``group=`` read from the members' paths, indexed by key; None without."""
        return self.producer.groups

    def member(self, key: str) -> Lazy:
        """Return one member.

        Raises
        ------
        PipelineError
            If there is no such key.
        """
        from scutoid.steps._producers import Member

        if key not in self.producer.places:
            raise PipelineError(
                "a collection is indexed by its keys",
                value=key,
                place=f"{self.name!r} with {len(self.keys)} members",
                remedy=f"for example {self.keys[0]!r}" if self.keys else None,
            )
        return self.member_kind(Member.of(self.producer, key), self.output)

    def __getitem__(self, key: str) -> Any:
        return self.member(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield key and member."""
        return ((key, self.member(key)) for key in self.keys)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self)} members)"


class Images(Collection):
    """A collection of images, such as a folder of files."""

    kind = "image"
    member_kind = Image


class Tables(Collection):
    """A collection of tables."""

    kind = "table"
    member_kind = Table

    def to_pandas(self) -> pd.DataFrame:
        """Concatenate the members' tables, with a column `key` and those of the groups first."""
        from scutoid.steps._evaluate import Evaluation
        from scutoid.steps._tables import concatenate

        evaluation = Evaluation()
        return concatenate(
            ((key, evaluation.value(member)) for key, member in self.items()), self.groups
        )


class Values(Collection):
    """A collection of values."""

    kind = "value"
    member_kind = Value

    def to_dict(self) -> dict[str, Any]:
        """Return the value of each key."""
        from scutoid.steps._evaluate import Evaluation

        evaluation = Evaluation()
        return {key: evaluation.value(member) for key, member in self.items()}

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a member: `key`, the groups' columns, `value` (or a dict's entries)."""
        import pandas as pd

        from scutoid.steps._tables import with_groups

        found = self.to_dict()
        rows = [
            value if isinstance(value, Mapping) else {"value": value} for value in found.values()
        ]
        frame = pd.DataFrame(rows, index=range(len(rows)))
        frame.insert(0, "key", pd.Series(list(found), dtype=str))
        return with_groups(frame, self.groups)


class PartsCollection(Collection):
    """A collection of parts."""

    kind = "parts"
    member_kind = Parts


class FilesCollection(Collection):
    """A collection of folders."""

    kind = "files"
    member_kind = Files


COLLECTION: dict[str, type[Collection]] = {
    c.kind: c for c in (Images, Tables, Values, PartsCollection, FilesCollection)
}


class Gathered:
    """All members of a collection, for one call of a step."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection


def gather(collection: Collection) -> Gathered:
    """Hand all members of a collection to one call of a step, as a dict by key.

    Parameters
    ----------
    collection : Images, Tables or Values
        What the step shall see as a whole.

    Returns
    -------
    Gathered
        To be passed as an input of a step.
    """
    if not isinstance(collection, Collection):
        raise PipelineError(
            "gather takes a collection",
            value=type(collection).__name__,
            remedy="pass a single result as it is",
        )
    return Gathered(collection)


def zip_keys(collections: Sequence[Collection], *, join: str, place: str) -> tuple[str, ...]:
    """Return the keys that several collections have in common.

    Raises
    ------
    PipelineError
        If they differ and `join` is not "inner".
    """
    first = collections[0].keys
    for other in collections[1:]:
        if other.keys == first or set(other.keys) == set(first):
            continue
        if join != "inner":
            only = sorted(set(first) ^ set(other.keys))
            raise PipelineError(
                "collections in one step have the same keys",
                value=f"{len(only)} keys are in one of them only, such as {only[0]!r}",
                place=place,
                remedy='use step.options(join="inner") to take those in both',
            )
        first = tuple(key for key in first if key in other.producer.places)
    return first
