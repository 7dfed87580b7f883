"""Collections: results of one kind, one a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

from scutoid.errors import PipelineError
from scutoid.geometry import Roi, RoiLike
from scutoid.steps.compute import check_names, concatenate, own_columns, with_groups
from scutoid.steps.declaration import is_table
from scutoid.steps.graph import (
    ChannelOf,
    CollectionFromStore,
    CollectionRef,
    CropOf,
    Gathered,
    IndexOf,
    OpenedFolder,
    PartOfMember,
)
from scutoid.steps.handles._evaluate import Evaluation
from scutoid.steps.handles._lazy import Lazy, handle_of
from scutoid.steps.handles._operators import ImageOperators, Operators
from scutoid.steps.handles._partial import (
    MembersTaken,
    Partial,
    check_partial,
    missing_members,
)
from scutoid.steps.handles._single import Files, Image, Parts, Table, Value, missing_attribute

if TYPE_CHECKING:
    import pandas as pd


L = TypeVar("L", bound=Lazy)


class Collection(Lazy, Generic[L]):
    """Results of one kind, one a key; steps map over them."""

    ref: CollectionRef
    is_collection = True
    _instead_of_bool = "use len(images) > 0"

    def __init__(self, ref: CollectionRef, stored: CollectionFromStore | None = None) -> None:
        self.ref = ref
        self._stored = stored

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the members: relative paths, in natural order."""
        return self.ref.keys

    @property
    def groups(self) -> pd.DataFrame | None:
        """Columns that ``group=`` read from the members' paths, indexed by key; None without."""
        groups = self.ref.node.groups
        return None if groups is None else groups.table

    def member(self, key: str) -> L:
        """Return one member.

        Raises
        ------
        PipelineError
            If there is no such key.
        """
        ref = self.ref.member(key)
        stored = None if self._stored is None else self._stored.member(key)
        return cast("L", handle_of(ref, stored))

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of the members that a run did not finish, in order; none where it was not run."""
        return missing_members(self.read_ref)

    def taken(self, partial: Partial) -> MembersTaken:
        """Return what goes through the members by the rule of ``partial=``."""
        return MembersTaken(self.read_ref, partial)

    def _read(self, taken: MembersTaken) -> Iterator[tuple[str, Any]]:
        """Read each member: what it holds, by its key."""
        evaluation = Evaluation()
        return taken.each(lambda key: evaluation.value(self.member(key).read_ref))

    def __getitem__(self, key: str) -> L:
        if not isinstance(key, str):
            raise PipelineError(
                "a collection is indexed by the keys of its members",
                value=key,
                place=repr(self),
                remedy="write images.each[...] to cut each image"
                if self.kind == "image"
                else f"for example {self.keys[0]!r}",
            )
        return self.member(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self.ref.node.places

    def __len__(self) -> int:
        return len(self.keys)

    def __array__(self, dtype: object = None, copy: bool | None = None) -> NoReturn:
        raise PipelineError(
            "a collection is no array",
            value=repr(self),
            remedy="read a member, np.asarray(images[key]); sc.gather hands all to one step",
        )

    def items(self) -> Iterator[tuple[str, L]]:
        """Yield key and member."""
        return ((key, self.member(key)) for key in self.keys)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self)} members)"

    def _repr_html_(self) -> str:
        from scutoid.steps.handles._shown import collection_html

        return collection_html(type(self).__name__, self.read_ref)


class Images(Collection[Image], ImageOperators):
    """A collection of images, such as a folder of files.

    Examples
    --------
    Parts of each are lazy, and steps map over them as over the whole:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import scutoid as sc
    >>> folder = Path(tempfile.mkdtemp())
    >>> for n, name in enumerate(("A1_w1", "A1_w2", "A2_w1", "A2_w2")):
    ...     np.save(folder / f"{name}.npy", np.full((4, 5), n))
    >>> images = sc.open_folder(folder / "{well}_w{c}.npy", stack={"c": "c"}, channels=["1", "2"])
    >>> images["A2"].axes, images["A2"].shape
    ('cyx', (2, 4, 5))
    >>> images.channel("2")["A2"].read().max()
    np.int64(3)
    >>> images.each[:, 1:]["A2"].shape
    (2, 3, 5)
    """

    kind = "image"

    def channel(self, which: str | int) -> Images:
        """Take one channel of each image, by name or number; its axis goes.

        Of members that are stacked of files, only the files of this channel count and are read.

        Raises
        ------
        PipelineError
            If members are stacked of files and there is no such channel.  An image that has no
            such channel fails when it is read.
        """
        node = self.ref.node
        if isinstance(node, OpenedFolder) and not self.ref.parts:
            narrowed = node.channel(which)
            if narrowed is not None:
                return Images(self.ref.on(narrowed).part(ChannelOf(0)))
        return self._part(ChannelOf(which))

    def crop(self, roi: RoiLike) -> Images:
        """Take a region of each image, given in the frame of the uncropped image.

        An image that it does not lie in fails when it is read.
        """
        return self._part(CropOf(Roi.of(roi)))

    @property
    def each(self) -> Each:
        """Each image, to be cut by a numpy index: ``images.each[:, 0]``; `images[key]` is one."""
        return Each(self._part)

    def _part(self, part: PartOfMember) -> Images:
        return Images(self.ref.part(part), self._stored)


class Each:
    """Cuts each image of a collection by a numpy index of slices, integers and an ellipsis."""

    def __init__(self, take: Callable[[PartOfMember], Images]) -> None:
        self._take = take

    def __getitem__(self, index: object) -> Images:
        return self._take(IndexOf.of(index))


class Tables(Collection[Table]):
    """A collection of tables."""

    kind = "table"

    def to_pandas(self, *, partial: Partial = "error") -> pd.DataFrame:
        """Concatenate the members' tables, with a column `key` and those of the groups first.

        What all members with rows have in ``.attrs`` of their tables, such as the unit of lengths
        that operations note there, is there in this one.

        Parameters
        ----------
        partial : {"error", "allow"}
            What becomes of members that a run did not finish: an error, or they are left out, and
            listed in ``.attrs["missing"]`` of the table.

        Raises
        ------
        IncompleteResult
            If a member was not finished, and `partial` is "error".
        MetadataError
            If ``.attrs["unit"]`` of two members differ: their lengths are no one column.
        """
        taken = self.taken(partial)
        return taken.noted_in(concatenate(self._read(taken), self.ref.node.groups))


class Values(Collection[Value], Operators):
    """A collection of values."""

    kind = "value"

    if not TYPE_CHECKING:  # type checkers know what values have

        def __getattr__(self, name: str) -> NoReturn:
            raise missing_attribute(self, name)

    def to_dict(self, *, partial: Partial = "error") -> dict[str, Any]:
        """Return the value of each key.

        Parameters
        ----------
        partial : {"error", "allow"}
            What becomes of members that a run did not finish: an error, or they are left out, and
            named by `missing`.

        Raises
        ------
        IncompleteResult
            If a member was not finished, and `partial` is "error".
        """
        return dict(self._read(self.taken(partial)))

    def to_pandas(self, *, partial: Partial = "error") -> pd.DataFrame:
        """Return one row a member: `key`, the groups' columns, `value` (or a dict's entries).

        Parameters
        ----------
        partial : {"error", "allow"}
            As in `Tables.to_pandas`.

        Raises
        ------
        IncompleteResult
            If a member was not finished, and `partial` is "error".
        ParameterError
            If an entry of a dict is called "key" or like a group.
        PipelineError
            If a value is a table: of a step without ``out="table"``.
        """
        import pandas as pd

        taken = self.taken(partial)
        values = dict(self._read(taken))
        groups = self.ref.node.groups
        own = own_columns(groups)
        rows = [row_of(self.name, key, value, own) for key, value in values.items()]
        frame = pd.DataFrame(rows, index=range(len(rows)))
        frame.insert(0, "key", pd.Series(list(values), dtype=str))
        return taken.noted_in(with_groups(frame, groups))


def row_of(name: str, key: str, value: object, own: Sequence[str]) -> Mapping[Any, object]:
    """Return the row of a member whose cells are its value, or the entries of its dict."""
    place = f"step {name!r}, value of member {key!r}"
    row = value if isinstance(value, Mapping) else {"value": value}
    check_names(row, own, place)
    tables = [column for column, item in row.items() if is_table(item)]
    if tables:
        raise PipelineError(
            "a cell of a table holds no table",
            value=tables,
            place=place,
            remedy='give out="table" to the decorator, and the members\' tables are joined; '
            "to_dict() returns each as it is",
        )
    return row


class PartsCollection(Collection[Parts]):
    """A collection of parts."""

    kind = "parts"


class FilesCollection(Collection[Files]):
    """A collection of folders."""

    kind = "files"


def gather(collection: Collection[Any], *, partial: Partial = "error") -> Gathered:
    """Hand all members of a collection to one call of a step, as a dict by key.

    Parameters
    ----------
    collection : Images, Tables or Values
        What the step shall see as a whole.
    partial : {"error", "allow"}
        What becomes of members of a step that fail, or that an earlier run did not finish: the step
        does not run, or it gets the others, and the names of those left out by ``.missing`` of its
        mapping.  These enter the key, so once they are there the result is made anew, of all.  The
        run in which members fail makes it last, and ends with failed blocks all the same.

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
    check_partial(partial, place="gather")
    return Gathered(collection.read_ref, may_lack=partial == "allow")
