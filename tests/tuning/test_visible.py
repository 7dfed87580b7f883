"""The region that a viewer shows, as a table of cases."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.geometry import Roi
from scutoid.tuning._visible import Layer, Seen, seen, spans_in

PLANE = Layer(
    axes="yx",
    shape=(100, 200),
    corners=((0, 0), (99, 199)),
    displayed=(0, 1),
    point=(0.0, 0.0),
    scale=(1.0, 1.0),
    translate=(0.0, 0.0),
)
VOLUME = Layer(
    axes="zyx",
    shape=(20, 100, 200),
    corners=((0, 10, 30), (0, 59, 89)),  # those of z mean nothing
    displayed=(1, 2),
    point=(8.0, 0.0, 0.0),
    scale=(2.0, 0.5, 0.5),
    translate=(0.0, 0.0, 0.0),
)
MOVIE = Layer(
    axes="tzyx",
    shape=(5, 20, 100, 200),
    corners=((0, 0, 10, 30), (0, 0, 59, 89)),
    displayed=(2, 3),
    point=(60.0, 8.0, 0.0, 0.0),
    scale=(30.0, 2.0, 0.5, 0.5),
    translate=(0.0, 0.0, 0.0, 0.0),
)
YX = {"y": (10, 60), "x": (30, 90)}

CASES = {
    "all of a plane": (PLANE, {"y": (0, 100), "x": (0, 200)}),
    "a part of a plane": (replace(PLANE, corners=((10, 30), (59, 89))), YX),
    "zoomed out beyond the edges": (
        replace(PLANE, corners=((-50, -9), (400, 300))),
        {"y": (0, 100), "x": (0, 200)},
    ),
    "a single voxel": (replace(PLANE, corners=((7, 8), (7.5, 8.5))), {"y": (7, 9), "x": (8, 10)}),
    "beside the image": (replace(PLANE, corners=((0, 199), (99, 199))), None),
    "above the image": (replace(PLANE, corners=((0, 0), (0, 199))), None),
    "an image of one row": (
        replace(PLANE, shape=(1, 200), corners=((0, 5), (0, 9))),
        {"y": (0, 1), "x": (5, 10)},
    ),
    "a plane of a volume": (VOLUME, {"z": (4, 5), **YX}),
    "between two planes, nearer to the lower": (
        replace(VOLUME, point=(8.9, 0, 0)),
        {"z": (4, 5), **YX},
    ),
    "between two planes, nearer to the upper": (
        replace(VOLUME, point=(9.1, 0, 0)),
        {"z": (5, 6), **YX},
    ),
    "a volume that lies elsewhere": (
        replace(VOLUME, translate=(6.0, 9, 9)),
        {"z": (1, 2), **YX},
    ),
    "the slider beyond the volume": (replace(VOLUME, point=(40.0, 0, 0)), None),
    "the slider before the volume": (replace(VOLUME, translate=(100.0, 0, 0)), None),
    "a time point and a plane": (MOVIE, {"t": (2, 3), "z": (4, 5), **YX}),
    "another plane is displayed": (
        replace(VOLUME, displayed=(0, 2), corners=((2, 0, 30), (9, 0, 89)), point=(0, 20.0, 0)),
        {"z": (2, 10), "y": (40, 41), "x": (30, 90)},
    ),
    "in three dimensions": (
        replace(VOLUME, displayed=(0, 1, 2), corners=((3, 10, 30), (6, 59, 89))),
        {"z": (3, 7), **YX},
    ),
    "axes displayed in another order": (
        replace(VOLUME, displayed=(2, 1)),
        {"z": (4, 5), **YX},
    ),
    "a coarser level is shown": (
        replace(PLANE, corners=((2, 7), (14, 22)), factors=(4.0, 4.0)),
        {"y": (8, 60), "x": (28, 92)},
    ),
}


@pytest.mark.parametrize(("layer", "spans"), CASES.values(), ids=CASES)
def test_what_is_visible_is_found_in_the_voxels_of_the_layer(layer, spans):
    found = seen(layer)
    assert (None if found is None else found.spans) == spans
    assert found is None or not found.is_part


@given(
    size=st.tuples(*[st.integers(1, 5000)] * 3),
    most=st.integers(1, 10_000),
    displayed=st.sampled_from([(1, 2), (0, 2), (0, 1, 2)]),
)
def test_no_more_is_computed_than_is_allowed_and_it_is_the_middle(size, most, displayed):
    corners = ((0,) * 3, tuple(n - 1 for n in size))
    layer = Layer("zyx", size, corners, displayed, (0,) * 3, (1,) * 3, (0,) * 3)
    if any(size[n] == 1 for n in displayed):
        layer = replace(layer, corners=((0,) * 3, size))  # as napari says it of an only voxel
    found = seen(layer, most=most)
    lengths = [high - low for low, high in found.spans.values()]
    assert math.prod(lengths) <= most
    assert found.is_part == (math.prod(size[n] for n in displayed) > most)
    for number in displayed:
        low, high = found.spans["zyx"[number]]
        assert 0 <= low < high <= size[number]
        assert abs(low - (size[number] - high)) <= 1


@dataclass
class Placed:
    axes: str
    shape: tuple
    offset: tuple = ()
    voxel_size: tuple | None = None
    unit: str | None = None
    origin: tuple | None = None

    @property
    def roi(self):
        return Roi(self.offset or (0,) * len(self.shape), self.shape)


RAW = Placed("zyx", (20, 100, 200))
UM = replace(RAW, voxel_size=(2.0, 0.5, 0.5), unit="um", origin=(0.0, 0.0, 0.0))
HERE = {"z": (4, 5), "y": (10, 60), "x": (30, 90)}
RESULTS = {
    "the same voxels": (RAW, RAW, HERE),
    "the same voxels, with a size": (UM, UM, HERE),
    "a result without a size": (UM, RAW, HERE),
    "a part of the image, without a size": (
        RAW,
        replace(RAW, shape=(20, 40, 200), offset=(0, 30, 0)),
        {**HERE, "y": (30, 60)},
    ),
    "a part of the image is seen": (replace(RAW, offset=(0, 5, 0)), RAW, {**HERE, "y": (15, 65)}),
    "a part of the image, with a size": (
        UM,
        replace(UM, shape=(20, 40, 200), offset=(0, 30, 0), origin=(0.0, 15.0, 0.0)),
        {**HERE, "y": (30, 60)},
    ),
    "a result of half the size": (
        UM,
        replace(UM, shape=(20, 50, 100), voxel_size=(2.0, 1.0, 1.0), origin=(0.0, 0.25, 0.25)),
        {"z": (4, 5), "y": (5, 30), "x": (15, 45)},
    ),
    "in another unit": (
        UM,
        replace(UM, voxel_size=(2000.0, 500.0, 500.0), unit="nm", origin=(0.0, 0.0, 0.0)),
        HERE,
    ),
    "a projection": (
        UM,
        Placed("yx", (100, 200), voxel_size=(0.5, 0.5), unit="um", origin=(0.0, 0.0)),
        {"y": (10, 60), "x": (30, 90)},
    ),
    "axes in another order": (RAW, Placed("xyz", (200, 100, 20)), HERE),
    "channels are taken whole": (RAW, Placed("czyx", (3, 20, 100, 200)), HERE),
    "it does not lie there": (RAW, replace(RAW, shape=(20, 30, 200), offset=(0, 70, 0)), None),
}


@pytest.mark.parametrize(("reference", "result", "spans"), RESULTS.values(), ids=RESULTS)
def test_what_is_visible_is_found_in_the_frame_of_a_result(reference, result, spans):
    assert spans_in(Seen(HERE, False), reference, result) == spans
