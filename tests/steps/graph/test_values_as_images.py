"""A step that returns an image and does not say so: what comes next says how to say it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
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


USES: dict[str, Callable[[object], object]] = {
    "a blockwise step": brighter,
    "a reduction": total,
    "a whole step": lambda value: copied(value).shape,
    "an operation": lambda value: sc.gaussian(value, sigma=1),
    "an operation of several steps": sc.label,
    "labels to measure": sc.measure,
    "an intensity to measure": lambda value: sc.measure(np.ones((4, 4), np.uint8), intensity=value),
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
