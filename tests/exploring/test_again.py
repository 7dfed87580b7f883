"""A pipeline that is called again is put upon what was computed of it before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.errors import ParameterError

CALLS: list[str] = []
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 200, (40, 60)).astype("u2")


@sc.blockwise(halo=1, dtype="float64", block=16, check_halo=False)
def softer(image, *, weight=0.5):
    CALLS.append("softer")
    padded = np.pad(image.astype("float64"), 1, mode="edge")
    return weight * image + (1 - weight) * padded[:-2, 1:-1]


@sc.step
def mean(image):
    CALLS.append("mean")
    return float(image.mean())


@sc.blockwise(dtype=bool, block=16)
def above(image, *, level):
    CALLS.append("above")
    return image > level


def cells(raw, weight=0.5, factor=1.0, is_inverse=False, name="above"):
    smooth = softer(raw, weight=weight)
    mask = above.options(name=name)(smooth, level=mean(smooth) * factor)
    return sc.label(~mask if is_inverse else mask)


@pytest.fixture(autouse=True)
def nothing_called():
    CALLS.clear()


def called():
    names = {name: CALLS.count(name) for name in ("softer", "mean", "above")}
    CALLS.clear()
    return {name for name, count in names.items() if count}


ROI = {"y": (8, 24), "x": (20, 44)}


def test_only_what_differs_is_computed():
    raw = sc.open(IMAGE)
    found = sc.preview(cells(raw), ROI)
    called()
    found = found.again(cells(raw))
    assert called() == set()
    found = found.again(cells(raw, factor=1.1))
    assert called() == {"above"}
    found = found.again(cells(raw, is_inverse=True))
    assert called() <= {"above"}
    found = found.again(cells(raw))
    assert called() == set()
    found = found.again(cells(raw, weight=0.25))
    assert called() == {"softer", "mean", "above"}


def test_another_region_keeps_values_of_the_whole_image():
    raw = sc.open(IMAGE)
    found = sc.preview(cells(raw), ROI)
    called()
    found.again(cells(raw, factor=1.2), {"y": (0, 10), "x": (0, 10)})
    assert "mean" not in called()


@settings(max_examples=12)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "weight": st.sampled_from([0.5, 0.25]),
                "factor": st.sampled_from([1.0, 1.1, 0.8]),
                "is_inverse": st.booleans(),
                "name": st.sampled_from(["above", "mask"]),
            }
        ),
        min_size=2,
        max_size=5,
    )
)
def test_it_is_what_a_preview_from_nothing_gives(choices):
    raw = sc.open(IMAGE)
    found = sc.preview(cells(raw, **choices[0]), ROI)
    for choice in choices[1:]:
        found = found.again(cells(raw, **choice))
        np.testing.assert_array_equal(found.array, sc.preview(cells(raw, **choice), ROI).array)


def test_images_that_are_opened_again_are_the_same_until_their_file_changes(tmp_path):
    np.save(tmp_path / "raw.npy", IMAGE)
    found = sc.preview(cells(sc.open(tmp_path / "raw.npy")), ROI)
    called()
    found = found.again(cells(sc.open(tmp_path / "raw.npy")))
    assert called() == set()
    np.save(tmp_path / "new.npy", IMAGE[::-1])
    (tmp_path / "new.npy").replace(tmp_path / "raw.npy")
    again = found.again(cells(sc.open(tmp_path / "raw.npy")))
    assert called() == {"softer", "mean", "above"}
    fresh = sc.preview(cells(sc.open(tmp_path / "raw.npy")), ROI)
    np.testing.assert_array_equal(again.array, fresh.array)


def test_arrays_of_other_content_are_other_images():
    found = sc.preview(above(sc.open(IMAGE), level=50), ROI)
    other = found.again(above(sc.open(IMAGE + 100), level=50))
    np.testing.assert_array_equal(other.array, (IMAGE[8:24, 20:44] + 100) > 50)


def test_functions_that_are_made_anew_are_other_steps():
    def step_of(n):
        @sc.blockwise(dtype="same")
        def plus(image):
            return image + np.uint16(n)

        return plus

    raw = sc.open(IMAGE)
    found = sc.preview(step_of(1)(raw), ROI)
    other = found.again(step_of(2)(raw))
    np.testing.assert_array_equal(other.array, found.array + 1)


def test_a_refusal_is_that_of_a_preview():
    found = sc.preview(cells(sc.open(IMAGE)), ROI)
    with pytest.raises(ParameterError):
        found.again(sc.gaussian(sc.open(IMAGE), sigma=-1))
