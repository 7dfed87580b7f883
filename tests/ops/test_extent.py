"""A halo that is wider than the image costs nothing where the image alone is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scutoid as sc
from scutoid.ops._extent import image_part, unpadded


def looking_step(*, clips: bool) -> tuple[Any, list[Any]]:
    """Return a step with a halo of nine voxels that notes the shape of all that it gets."""
    shapes: list[Any] = []

    def look(image, *, block=sc.injected):
        inside, inner, goes_on = image_part(block)
        shapes.append((image.shape, image[inside].shape, image[inside][inner].shape, goes_on))
        return image

    step = sc.blockwise(halo=9, border=0, dtype="same", version="1", threadsafe=True)(look)
    return (unpadded(step) if clips else step), shapes


@pytest.mark.parametrize("block", [4, 6])
def test_what_is_read_ends_at_the_image_and_the_key_stays(tmp_path, block) -> None:
    image = np.arange(42, dtype="uint8").reshape(6, 7)
    keys, seen = [], []
    for clips in (False, True):
        step, shapes = looking_step(clips=clips)
        result = step.options(block=block)(sc.open(image))
        keys.append([one.key for one in sc.plan(result, store=tmp_path).steps])
        shapes.clear()  # of the trial
        np.testing.assert_array_equal(np.asarray(result), image)
        seen.append(shapes)
    assert keys[0] == keys[1]
    padded, clipped = seen
    assert [one[1:] for one in clipped] == [one[1:] for one in padded]
    assert all(shape == inside for shape, inside, *_ in clipped)
    assert all(shape > inside for shape, inside, *_ in padded)
