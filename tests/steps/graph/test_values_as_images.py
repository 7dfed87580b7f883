"""A step that returns an image and does not say so: what comes next says how to say it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
import scutoid.views
from scutoid.arrays import write_tiff
from scutoid.errors import ScutoidError


@sc.step
def inverted(image):
    return image.max() - image


@sc.blockwise
def brighter(image):
    return image + 1


@sc.reduction(merge=lambda one, other: one + other)
def total(image):
    return image.sum()


@sc.step(out="image")
def copied(image):
    return image.copy()


TREE = pd.DataFrame({"id": [1], "parent_id": [None], "acronym": ["root"]})
USES: dict[str, Callable[[object], object]] = {
    "a blockwise step": brighter,
    "a reduction": total,
    "a whole step": lambda value: copied(value).shape,
    "an operation": lambda value: sc.gaussian(value, sigma=1),
    "an operation of several steps": sc.label,
    "labels to measure": sc.measure,
    "an intensity to measure": lambda value: sc.measure(np.ones((4, 4), np.uint8), intensity=value),
    "a mask of what is run": lambda value: brighter.options(where=value)(_image()),
    "one of several that are joined": lambda value: sc.concatenate([_image(), value], axis="y"),
    "the grid of another": lambda value: sc.resample(_image(), like=value),
    "an image that is resampled": lambda value: sc.resample(value, like=_image()),
    "an atlas": lambda value: sc.count_by_region(np.zeros((1, 2)), value, regions=TREE),
    "labels in an atlas": lambda value: sc.count_by_region(
        value, np.ones((4, 4), int), regions=TREE
    ),
    "spots": lambda value: sc.detect_spots(value, sigma=1),
    "an image with levels": lambda value: sc.pyramid(value, levels=2),
    "tiles for a model": lambda value: sc.predict(value, model=list, halo=1, tile=4),
    "the space of a density": lambda value: sc.density(
        sc.measure(np.ones((4, 4), int)), like=value
    ),
    "a place in an array": lambda value: value[0],
    "several outputs": lambda value: [*value],
    "a layer of a viewer": scutoid.views.view_layers,
    "an operator": lambda value: np.asarray(_image() + value),
    "an operator, as the first": lambda value: np.asarray(value > _image()),
}


def _image() -> sc.Image:
    return sc.open(np.arange(16.0).reshape(4, 4))


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_image_that_was_not_declared_is_refused_with_the_remedy(
    use: Callable[[object], object],
) -> None:
    with pytest.raises(ScutoidError, match=r'@sc\.step\(out="image"\)'):
        use(inverted(_image()))


@pytest.mark.parametrize("name", ["shape", "dtype", "read", "crop", "voxel_size"])
def test_what_only_images_have_says_the_remedy(name: str) -> None:
    with pytest.raises(AttributeError, match=r'@sc\.step\(out="image"\)'):
        getattr(inverted(_image()), name)


@pytest.mark.parametrize("name", ["shape", "dtype", "read"])
def test_values_of_a_folder_say_the_remedy(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "a.npy", np.asarray(_image()))
    values = inverted(sc.open_folder(tmp_path))
    with pytest.raises(AttributeError, match=r'@sc\.step\(out="image"\)'):
        getattr(values, name)
    with pytest.raises(AttributeError, match=r'@sc\.step\(out="image"\)'):
        sc.otsu(values)


def test_a_value_that_no_step_could_declare_as_an_image_has_no_such_remedy() -> None:
    with pytest.raises(AttributeError, match=r"a value has no 'shape', as an image has$"):
        sc.otsu(_image()).shape  # noqa: B018 - that it is missing is what is shown
    with pytest.raises(TypeError, match=r"use value\.get\(\)$"):
        sc.otsu(_image())[0]


def test_another_attribute_is_missing_as_on_any_object() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        inverted(_image()).nonsense  # noqa: B018 - that it is missing is what is shown


@pytest.mark.parametrize("is_member", [False, True], ids=["a collection", "a member"])
def test_images_of_a_folder_that_were_not_declared_are_refused_with_the_remedy(
    tmp_path: Path, *, is_member: bool
) -> None:
    image = _image()
    write_tiff(tmp_path / "a.tif", np.asarray(image), image.framed.spec)
    values = inverted(sc.open_folder(str(tmp_path / "*.tif")))
    with pytest.raises(ScutoidError, match=r"where 'inverted' returns .*step\(out=\"image\"\)"):
        brighter(values["a.tif"] if is_member else values)


def test_a_number_is_refused_as_a_number() -> None:
    level = sc.otsu(_image())
    with pytest.raises(ScutoidError, match="found: the value of 'otsu'"):
        brighter(level)
