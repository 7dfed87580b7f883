"""Images that a step joins voxel by voxel lie in one place, as far as their places are known."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import MetadataError

RAW = np.arange(400.0).reshape(20, 20)
LABELS = np.zeros((20, 20), int)
LABELS[13, 13], LABELS[14, 17] = 1, 2


@sc.blockwise(block_invariant=True)
def joined(image, other, third=None):
    return image + other


# fmt: off
PAIRS = {
    "measure": lambda a, b: sc.measure(a, intensity=b),
    "watershed, seeds": lambda a, b: sc.watershed(b, a, max_extent=20),
    "watershed, mask": lambda a, b: sc.watershed(a, a, b > 3, max_extent=20),
    "local_maxima": lambda a, b: sc.local_maxima(b, a),
    "a step of the user's": lambda a, b: joined(b, a),
    "a third image": lambda a, b: joined(a, a, b),
    "beside one whose place is unknown": lambda a, b: joined(sc.open(np.ones(a.shape)), a, b),
    "a mask and seeds of an array":
        lambda a, b: sc.watershed(sc.open(np.ones(a.shape)), a, b > 3, max_extent=20),
    "an operator": lambda a, b: a + b,
}
PLACES = {
    "other parts of two images": (sc.open(LABELS)[10:], sc.open(RAW)[:10]),
    "other parts of one image": (sc.open(LABELS)[10:], sc.open(LABELS)[:10]),
    "a part of a result":
        (sc.label(sc.open(LABELS))[10:], sc.gaussian(sc.open(RAW), sigma=1)[:10]),
    "other places in the world":
        (sc.open(LABELS, voxel_size=2, unit="um"),
         sc.open(RAW, voxel_size=2, unit="um", origin=(1, 0))),
    "other places in two units":
        (sc.open(LABELS, voxel_size=2, unit="um", origin=(0, 4)),
         sc.open(RAW, voxel_size=2000, unit="nm", origin=(0, 5000))),
}
ALIKE = {
    "the same part": (sc.open(LABELS)[10:], sc.open(RAW)[10:]),
    "an array without a place": (sc.open(LABELS)[10:], sc.open(RAW[:10])),
    "the same place in two units":
        (sc.open(LABELS, voxel_size=2, unit="um", origin=(0, 4)),
         sc.open(RAW, voxel_size=2000, unit="nm", origin=(0, 4000))),
    "less than a tenth of a voxel apart":
        (sc.open(LABELS, voxel_size=2, unit="um"),
         sc.open(RAW, voxel_size=2, unit="um", origin=(0.1, 0))),
}
# fmt: on


def read(result):
    return result.to_pandas() if isinstance(result, sc.Table) else result.read()


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("pair", PAIRS)
def test_images_in_different_places_are_refused(pair, places, tmp_path) -> None:
    with pytest.raises(MetadataError, match=r"same place[\s\S]*sc.open\(a.read\(\)\)"):
        sc.plan(PAIRS[pair](*PLACES[places]), store=tmp_path)


@pytest.mark.parametrize("places", ALIKE)
@pytest.mark.parametrize("pair", PAIRS)
def test_images_in_one_place_and_those_without_are_joined(pair, places) -> None:
    assert len(read(PAIRS[pair](*ALIKE[places])))


def test_places_that_are_to_be_ignored_are_taken_away() -> None:
    labels, raw = PLACES["other parts of two images"]
    row = sc.measure(labels, intensity=sc.open(raw.read())).to_pandas().iloc[0]
    assert row["mean"] == RAW[3, 13]
