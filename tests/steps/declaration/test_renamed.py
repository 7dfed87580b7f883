"""Old names of parameters that a decorator is told of."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError

IMAGE = np.ones((4, 4))


@sc.blockwise(renamed={"cutoff": "level", "picture": "image"})
def bright(image, *, level):
    return image > level


@sc.step(renamed={"cutoff": "level"})
def n_bright(image, *, level):
    return int((image > level).sum())


@sc.reduction(merge=max, renamed={"cutoff": "level"})
def brightest(image, *, level):
    return max(float(image.max()), level)


@pytest.mark.parametrize("image", [IMAGE, sc.open(IMAGE)], ids=["array", "image"])
@pytest.mark.parametrize("step", [bright, n_bright, brightest, bright.options(name="b")])
def test_an_old_name_is_refused_with_the_new_one(step, image) -> None:
    with pytest.raises(
        ParameterError, match=r"(?s)`cutoff=` is `level=` now.*write level="
    ) as found:
        step(image, cutoff=3)
    assert "3" in str(found.value)
    assert step.spec.label in str(found.value)


def test_an_old_name_of_an_input_is_refused_too() -> None:
    with pytest.raises(ParameterError, match="`picture=` is `image=` now"):
        bright(picture=IMAGE, level=3)


def test_a_step_that_takes_any_parameter_refuses_old_names() -> None:
    @sc.blockwise(renamed={"cutoff": "level"})
    def loose(image, *, level=0, **more):
        return image > level

    with pytest.raises(ParameterError, match="`cutoff=` is `level=` now"):
        loose(IMAGE, cutoff=3)


def test_old_names_are_no_part_of_the_key(tmp_path) -> None:
    def level_step(renamed):
        @sc.blockwise(renamed=renamed)
        def above(image, *, level):
            return image > level

        return above

    sc.run(level_step(None)(sc.open(IMAGE), level=0), store=tmp_path)
    again = level_step({"cutoff": "level"})(sc.open(IMAGE), level=0)
    assert [step.status for step in sc.plan(again, store=tmp_path).steps] == ["cached"]


@pytest.mark.parametrize(
    ("renamed", "rule"),
    [
        ({"level": "level"}, "names that a step no longer takes"),
        ({"cutoff": "levels"}, "one of the present names \\(image, level\\)"),
    ],
)
def test_old_names_must_be_free_and_new_ones_there(renamed, rule) -> None:
    with pytest.raises(ParameterError, match=rule):

        @sc.blockwise(renamed=renamed)
        def above(image, *, level):
            return image > level
