"""How wide a halo a function needs: what is measured is what the function reads."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import scutoid as sc
from scutoid.errors import GeometryError, PipelineError

NOISE = np.random.default_rng(0).random((40, 44, 48))


def shifted(image, *, by):
    """Bring to each voxel the one that lies so far away, along each axis."""
    return np.roll(image, by, axis=tuple(range(image.ndim)))


@pytest.mark.parametrize(
    ("by", "needed"),
    [((0, 0, 0), (0, 0, 0)), ((1, -2, 3), (1, 2, 3)), ((5, 0, -17), (5, 0, 17))],
)
def test_what_is_needed_is_how_far_the_function_reads(by, needed):
    step = sc.blockwise(halo=20)(shifted)
    found = sc.check_halo(step, NOISE, roi=sc.Roi((18, 18, 20), (4, 4, 4)), by=by)
    assert tuple(found.needed.values()) == needed
    assert found.given == dict.fromkeys("zyx", (20, 20))
    assert found.is_enough
    assert found.error == 0


@pytest.mark.parametrize("given", range(5))
def test_the_error_is_that_of_the_halo_given(given):
    step = sc.blockwise(halo=given)(lambda image: ndimage.uniform_filter(image, 7))
    found = sc.check_halo(step, NOISE[0])
    whole = ndimage.uniform_filter(NOISE[0], 7)
    assert found.needed == {"y": 3, "x": 3}
    assert found.is_enough == (given >= 3)
    read = found.roi.grow(given, given)
    block = ndimage.uniform_filter(NOISE[0][read.to_slices()], 7)
    inside = block[found.roi.to_slices(read.offset)]
    assert found.error == pytest.approx(abs(inside - whole[found.roi.to_slices()]).max())


@pytest.mark.parametrize("sigma", [0.5, 1.0, (0.5, 1.0, 2.0)])
def test_operations_have_the_halo_that_they_need(sigma):
    found = sc.check_halo(sc.gaussian, NOISE, sigma=sigma)
    assert found.is_enough
    assert {axis: (n, n) for axis, n in found.needed.items()} == found.given


def test_a_function_that_looks_at_all_of_its_array_needs_more_than_the_widest():
    step = sc.blockwise(halo=2)(lambda image: image - image.mean())
    found = sc.check_halo(step, NOISE[0], widest=8)
    assert found.needed == {"y": None, "x": None}
    assert "y 8 or more" in str(found)


def test_each_place_along_other_axes_is_looked_at():
    stack = np.zeros((3, 30, 30))
    stack[2] = NOISE[0][:30, :30]
    step = sc.blockwise(halo=0)(lambda image: ndimage.uniform_filter(image, 3))
    found = sc.check_halo(step, sc.open(stack, axes="cyx"))
    assert found.roi.shape == (3, 15, 15)
    assert found.needed == {"y": 1, "x": 1}


def test_a_function_that_differs_from_itself_has_no_halo():
    step = sc.blockwise(dtype=float)(lambda image: image + np.random.random())  # noqa: NPY002
    with pytest.raises(PipelineError, match="makes the same of the same voxels"):
        sc.check_halo(step, NOISE[0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: sc.check_halo(sc.label, NOISE > 0.5),
        lambda: sc.check_halo(sc.step(lambda image: image), sc.open(NOISE)),
        lambda: sc.check_halo(sc.gaussian, NOISE, sigma=1, roi=sc.Roi((39, 0, 0), (4, 4, 4))),
        lambda: sc.check_halo(sc.gaussian, NOISE, sigma=1, roi=sc.Roi((0, 0), (4, 4))),
    ],
)
def test_what_has_no_halo_and_what_lies_outside_is_refused(call):
    with pytest.raises(PipelineError):
        call()


def test_a_region_of_another_kind_is_refused():
    step = sc.blockwise(halo=1)(lambda image: image)
    with pytest.raises(GeometryError, match="an offset and a shape"):
        sc.check_halo(step, NOISE[0], roi={"y": (0, 20)})
