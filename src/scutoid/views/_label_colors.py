"""Colours of labels for any numbers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.utils.colormaps import DirectLabelColormap


def colors_of_labels(by_number: Mapping[int | None, Any]) -> DirectLabelColormap:
    """Return a colormap of napari with a colour for each number, however large it is.

    Without numba, napari looks colours up in an array as long as the largest number, and refuses
    numbers above 65,536.  Here it gets what looks them up by bisection.
    """
    return _class()(color_dict=dict(by_number))


@cache
def _class() -> type[DirectLabelColormap]:
    from napari.utils.colormaps import DirectLabelColormap

    with warnings.catch_warnings():
        # napari's own class is declared as pydantic no longer likes it
        warnings.simplefilter("ignore", DeprecationWarning)

        class ColorsOfLabels(DirectLabelColormap):  # type: ignore[misc]
            @cached_property
            def _array_map(self) -> _Lookup:
                mapping = self._values_mapping_to_minimum_values_set()[0]
                # Looked up as uint64, as which those below 0 lie 2**64 higher
                codes = {n % 2**64: code for n, code in mapping.items() if n is not None}
                numbers = sorted(codes)
                return _Lookup(numbers, [codes[number] for number in numbers], mapping[None])

    return ColorsOfLabels


class _Lookup:
    """What napari takes for an array of codes by number."""

    def __init__(self, numbers: list[int], codes: list[int], missing: int) -> None:
        top = np.iinfo(np.uint64).max
        self.shape = (int(top) + 1,)
        self._numbers = np.array(numbers, np.uint64)
        kind = np.uint8 if max(*codes, missing) < 2**8 else np.uint16
        self._codes, self._missing = np.array(codes, kind), kind(missing)

    def __getitem__(self, numbers: Any) -> NDArray[Any]:
        wanted = np.asarray(numbers).astype(np.uint64)
        places = np.searchsorted(self._numbers, wanted).clip(max=len(self._numbers) - 1)
        is_known = self._numbers[places] == wanted
        return np.where(is_known, self._codes[places], self._missing)
