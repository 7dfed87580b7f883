"""Which objects of a region go on beyond what was computed around it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL
from scutoid.exploring._spans import Spans

if TYPE_CHECKING:
    import pandas as pd

LABEL = "label"
TOUCHES = "touches_edge"

Place = tuple[int, ...]
"""Along the axes that are iterated, such as a time point."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Labels of a region, and of what was computed around it.

    Parameters
    ----------
    array : ndarray of bool or integer
        Labels of all that was computed.
    axes : str
        Its axes.
    computed, region, edges : spans
        Where the array lies; the region that is looked at; the whole image, at whose edges nothing
        goes on.
    joined : str
        Axes along which objects extend; at each place of the others they are numbered anew.
    """

    array: NDArray[Any]
    axes: str
    computed: Spans
    region: Spans
    edges: Spans
    joined: str

    @property
    def iterated(self) -> str:
        """Axes along which objects are numbered anew."""
        return "".join(axis for axis in self.axes if axis not in self.joined)

    def _places(self) -> list[Place]:
        return list(itertools.product(*(range(*self.region[axis]) for axis in self.iterated)))

    def _index(self, place: Place) -> tuple[int | slice, ...]:
        where = dict(zip(self.iterated, place, strict=True))
        return tuple(
            where[axis] - self.computed[axis][0] if axis in where else slice(None)
            for axis in self.axes
        )

    def _at(self, place: Place) -> NDArray[Any]:
        return self.array[self._index(place)]

    def _inside(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the region of one place."""
        index = tuple(
            slice(*(at - self.computed[axis][0] for at in self.region[axis]))
            for axis in self.axes
            if axis in self.joined
        )
        return array[index]

    def inside(self) -> dict[Place, NDArray[Any]]:
        """Return the numbers of the objects of the region, by place."""
        return {place: _numbers(self._inside(self._at(place))) for place in self._places()}

    def touching(self) -> dict[Place, NDArray[Any]]:
        """Return the numbers of those that go on beyond what was computed, by place."""
        found = {}
        seen = [axis for axis in self.axes if axis in self.joined]
        for place in self._places():
            array = self._at(place)
            faces = []
            for number, axis in enumerate(seen):
                low, high = self.computed[axis]
                if axis in SPATIAL and low > self.edges[axis][0]:
                    faces.append(array.take(0, number))
                if axis in SPATIAL and high < self.edges[axis][1]:
                    faces.append(array.take(-1, number))
            cut = [_numbers(face) for face in faces]
            numbers = np.unique(np.concatenate(cut)) if cut else array.reshape(-1)[:0]
            found[place] = np.intersect1d(numbers, _numbers(self._inside(array)))
        return found

    def _kept(self) -> dict[Place, NDArray[Any]]:
        """Return the numbers of the region's objects that do not go on beyond what was computed."""
        touching = self.touching()
        return {at: np.setdiff1d(each, touching[at]) for at, each in self.inside().items()}

    def complete(self) -> NDArray[Any]:
        """Return the labels of what was computed, with only the whole objects of the region."""
        found = np.zeros_like(self.array)
        for place, numbers in self._kept().items():
            index = self._index(place)
            array = self.array[index]
            found[index] = np.where(np.isin(array, numbers), array, 0)
        return found

    def sizes(self) -> NDArray[np.int64]:
        """Return how many voxels each whole object of the region has, all of it counted."""
        found = [np.zeros(0, np.int64)]
        for place, numbers in self._kept().items():
            known, counts = np.unique(self._at(place), return_counts=True)
            found.append(counts[np.isin(known, numbers)].astype(np.int64))
        return np.concatenate(found)

    def mark(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of objects that have voxels in the region, and say which go on beyond.

        A table without a column "label" is returned as it is.
        """
        if LABEL not in table.columns or any(axis not in table.columns for axis in self.iterated):
            return table
        inside, touching = self.inside(), self.touching()
        places = list(zip(*(table[axis] for axis in self.iterated), strict=True)) or [()] * len(
            table
        )
        numbers = table[LABEL].to_numpy()
        is_object = [
            bool(_known(n)) is False or int(n) in at
            for n, at in zip(numbers, _each(places, inside), strict=True)
        ]
        goes_on = [
            bool(_known(n)) and int(n) in at
            for n, at in zip(numbers, _each(places, touching), strict=True)
        ]
        marked = table.assign(**{TOUCHES: np.array(goes_on, bool)})
        return marked[np.array(is_object, bool)].reset_index(drop=True)


def _each(places: list[Place], numbers: dict[Place, NDArray[Any]]) -> list[set[int]]:
    sets = {place: set(map(int, each)) for place, each in numbers.items()}
    return [sets.get(tuple(map(int, place)), set()) for place in places]


def _known(number: object) -> bool:
    return number == number and number is not None and int(number) > 0  # type: ignore[call-overload]  # noqa: PLR0124 - NaN


def _numbers(array: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = np.unique(array)
    objects: NDArray[Any] = found[found != 0]
    return objects
