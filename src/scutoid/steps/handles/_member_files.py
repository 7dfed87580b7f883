"""Which files belong to one member, and to which place of it, by what is known of each file.

::

    well  site  channel                       stack={"c": "channel"}
    B03   1     1        B03_s1_w1.tif  ─┬──  key B03/1, columns well and site
    B03   1     2        B03_s1_w2.tif  ─┘    places along c: "1", "2"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scutoid.arrays import Missing, Stacking
from scutoid.errors import ParameterError, SourceError
from scutoid.paths import is_inner_name
from scutoid.steps.compute import Groups
from scutoid.steps.graph import MemberFiles
from scutoid.steps.handles._name_pattern import said
from scutoid.steps.handles._natural import natural, natural_value
from scutoid.steps.handles._stack_axes import Channels, Stack, StackAxis, stack_axes

_NAMED = 3


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file, and what its name or its row of a table says of it."""

    path: str
    """Where it is."""
    facts: Mapping[str, object]
    """What is said of it, by the names of placeholders or columns."""


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a folder."""

    paths: Mapping[str, MemberFiles]
    """Their files by key."""
    groups: Groups | None = None
    """Columns that belong to the keys."""
    stacking: Stacking | None = None
    """How the files of each are stacked; None: each is one file."""
    are_series: bool = False
    """Whether some are images of files that hold several."""
    notes: tuple[str, ...] = ()
    """What was left out, or is not as expected; warned of when they are opened, and in plans."""


@dataclass(frozen=True, slots=True)
class FileList:
    """Files, and what is said of all of them."""

    files: Sequence[NamedFile]
    """The files, in order."""
    names: tuple[str, ...]
    """Names of what is said of each."""
    name: str
    """The folder's, or the table's."""
    place: str
    """The pattern or the table, for errors."""
    key_column: str | None = None
    """Which of the names has the keys of the members, if one has."""
    channel_column: str | None = None
    """Which of the names has the channel, where the list itself says that there is one."""
    is_table: bool = False
    """Whether it is a table: its order is kept, and its first columns tell members apart."""
    notes: tuple[str, ...] = ()
    """What is unexpected of it."""

    def single(self, keys: Iterable[str]) -> Members:
        """Return members of one file each, which have these keys."""
        listed = list(zip(keys, self.files, strict=True))
        if not self.is_table:
            listed.sort(key=lambda item: natural(item[0]))
        names = [name for name in self.names if name != self.key_column]
        rows = [file.facts for _, file in listed]
        columns = {name: [row[name] for row in rows] for name in names}
        return Members(
            {key: file.path for key, file in listed},
            _groups(columns, [key for key, _ in listed]),
            notes=self.notes,
        )

    def stacked(self, stack: Stack, channels: Channels | None, missing: Missing) -> Members:
        """Return members whose files are stacked.

        Parameters
        ----------
        stack : mapping
            Which of the names become axes, with the order of values that is not the natural one.
        channels : mapping or sequence, optional
            Names of the values of the axis c, in their order.
        missing : {"error", "fill"}
            What becomes of a place without a file.

        Raises
        ------
        ParameterError
            If `stack` or `channels` do not fit what is said of the files.
        SourceError
            If two files have one place, or a place has none and `missing` is "error".
        """
        values = {name: [file.facts[name] for file in self.files] for name in self.names}
        paths = [file.path for file in self.files]
        axes = stack_axes(stack, channels, values, paths, self.place)
        stacking = Stacking(
            "".join(axis.letter for axis in axes),
            tuple(axis.texts for axis in axes),
            next((axis.channels for axis in axes if axis.letter == "c"), ()),
        )
        names = [name for name in self.names if name not in {axis.name for axis in axes}]
        placed = self._placed(axes, names, values, stacking)
        if not self.is_table:
            placed = _sorted(placed)
        if missing == "error":
            self._refuse_missing(placed, names, stacking)
        keys = self._keys(list(placed), names)
        columns = {
            name: [member[n] for member in placed]
            for n, name in enumerate(names)
            if name != self.key_column
        }
        files = dict(zip(keys, map(tuple, placed.values()), strict=True))
        notes = (*self.notes, *(axis.note for axis in axes if axis.note is not None))
        return Members(files, _groups(columns, keys), stacking, notes=notes)

    def _placed(
        self,
        axes: Sequence[StackAxis],
        names: Sequence[str],
        values: Mapping[str, Sequence[object]],
        stacking: Stacking,
    ) -> dict[tuple[object, ...], list[str | None]]:
        """Put each file in its place: by what is said of a member, a file for each place."""
        placed: dict[tuple[object, ...], list[str | None]] = {}
        members = zip(*(values[name] for name in names)) if names else [()] * len(self.files)  # noqa: B905
        places = zip(*(axis.places(values[axis.name]) for axis in axes))  # noqa: B905
        sizes, n_files = stacking.shape, stacking.size
        for file, member, place in zip(self.files, members, places, strict=True):
            number = 0
            for at, size in zip(place, sizes, strict=True):
                number = number * size + at
            files = placed.get(member)
            if files is None:
                files = placed[member] = [None] * n_files
            before = files[number]
            if before is not None:
                where = _said(names, member, stacking, number)
                raise SourceError(
                    "a place of a member has one file",
                    value=f"{before} and {file.path}, both {where}",
                    place=self.place,
                    remedy="make a column of what differs between them"
                    if self.is_table
                    else "make a placeholder of what differs between them, or leave one out: "
                    "open_folder(..., select=...)",
                )
            files[number] = file.path
        return placed

    def _refuse_missing(
        self,
        placed: Mapping[tuple[object, ...], list[str | None]],
        names: Sequence[str],
        stacking: Stacking,
    ) -> None:
        lacking = [
            (member, number)
            for member, files in placed.items()
            if None in files
            for number, path in enumerate(files)
            if path is None
        ]
        if not lacking:
            return
        shown = [_said(names, *each[:1], stacking, each[1]) for each in lacking[:_NAMED]]
        more = len(lacking) - len(shown)
        extra = _extra(placed, names)
        if extra is not None:
            hint = f"drop the column {extra!r}" if self.is_table else f"write * for {{{extra}}}"
            hint = f"{hint}, which differs between the files of a member; or "
        else:
            hint = "drop columns that differ between the files of a member, " * self.is_table
        raise SourceError(
            "each place of a member has a file",
            value="none for " + "; ".join(shown) + (f"; and {more} more" if more else ""),
            place=self.place,
            remedy=f"{hint}restore the files, leave the members out by select=, or give "
            'missing="fill", which takes 0 for the voxels of such places',
        )

    def _keys(self, members: Sequence[tuple[object, ...]], names: Sequence[str]) -> list[str]:
        """Return the key of each member: what is said of it, with slashes between."""
        if self.key_column is not None:
            n = names.index(self.key_column)
            keys = [str(member[n]) for member in members]
        elif not names:
            keys = [self.name] * len(members)
        else:
            n_names = self._n_telling_apart(members) if self.is_table else len(names)
            keys = ["/".join(map(str, member[:n_names])) for member in members]
        self.check_keys(keys)
        return keys

    @staticmethod
    def _n_telling_apart(members: Sequence[tuple[object, ...]]) -> int:
        """Return how many of the first columns tell all members apart."""
        n_columns = len(members[0])
        distinct = (n for n in range(1, n_columns) if len({m[:n] for m in members}) == len(members))
        return next(distinct, n_columns)

    def check_keys(self, keys: Sequence[str]) -> None:
        """Refuse keys that name two members, or that are no relative paths.

        Raises
        ------
        ParameterError
            If there are such.
        """
        seen: set[str] = set()
        for key in keys:
            if key in seen or not is_inner_name(key):
                raise ParameterError(
                    "a member's key is a relative path of its own"
                    + (", which all columns of its rows belong to" if self.is_table else ""),
                    value=f"{key!r}" + (" twice" if key in seen else ""),
                    place=self.place,
                    remedy="give the table a column 'key'" if self.is_table else None,
                )
            seen.add(key)


def _extra(
    placed: Mapping[tuple[object, ...], Sequence[str | None]], names: Sequence[str]
) -> str | None:
    """Return which name only tells apart files of one member: without it all places are filled."""
    for n, name in enumerate(names):
        joined: dict[tuple[object, ...], list[str | None]] = {}
        for member, files in placed.items():
            other = joined.setdefault((*member[:n], *member[n + 1 :]), [None] * len(files))
            for place, path in enumerate(files):
                if path is not None and other[place] is not None:
                    break
                other[place] = path or other[place]
            else:
                continue
            break
        else:
            if not any(None in files for files in joined.values()):
                return name
    return None


def _sorted(
    placed: Mapping[tuple[object, ...], list[str | None]],
) -> dict[tuple[object, ...], list[str | None]]:
    """Sort members by what is said of them, in the order of the names."""
    values = {value for member in placed for value in member}
    ranks = {value: n for n, value in enumerate(sorted(values, key=natural_value))}
    order = sorted(placed, key=lambda member: [ranks[value] for value in member])
    return {member: placed[member] for member in order}


def _said(names: Sequence[str], member: Sequence[object], stacking: Stacking, number: int) -> str:
    member_said = said(dict(zip(names, member, strict=True)))
    return ": ".join(filter(None, (member_said, stacking.said(number))))


def _groups(columns: Mapping[str, Sequence[object]], keys: Sequence[str]) -> Groups | None:
    return Groups(keys, columns) if columns else None
