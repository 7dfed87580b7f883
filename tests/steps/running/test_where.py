"""Leaving out what is empty: by regions, by coarse masks, for every kind of result."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.blocks import Mask
from scutoid.errors import MetadataError, PipelineError

RAW = np.random.default_rng(5).integers(1, 200, (64, 48)).astype("uint8")
COARSE = np.zeros((8, 6), "uint8")
COARSE[1, 1] = COARSE[5, 3:5] = 7

CHOSEN = {0, 7, 8}
"""Blocks of 16 x 16 on a grid of 4 x 3 that the coarse mask meets."""


@sc.blockwise(dtype="uint8", block=16, halo=2)
def copy(image):
    return image


@sc.blockwise(out="table", block=16)
def rows(image, *, block):
    return pd.DataFrame({"block": [block.index], "sum": [int(image.sum())]})


@sc.reduction(merge=lambda a, b: a + b, block=16)
def total(image):
    return int(image.sum(dtype="int64"))


def expected():
    out = np.zeros_like(RAW)
    for index in CHOSEN:
        y, x = divmod(index, 3)
        out[y * 16 : y * 16 + 16, x * 16 : x * 16 + 16] = RAW[
            y * 16 : y * 16 + 16, x * 16 : x * 16 + 16
        ]
    return out


WHERES = {
    "mask without voxel sizes": lambda: (sc.open(RAW), sc.open(COARSE)),
    "mask in units": lambda: (
        sc.open(RAW, voxel_size=(2, 2), unit="um"),
        sc.open(COARSE, voxel_size=(0.016, 0.016), unit="mm"),
    ),
    "mask by its centres": lambda: (
        sc.open(RAW, voxel_size=2, unit="um", origin=(100, 50)),
        sc.open(COARSE, voxel_size=16, unit="um", origin=(107, 57)),
    ),
    "regions": lambda: (
        sc.open(RAW),
        [sc.Roi((8, 8), (2, 2)), sc.Roi((40, 30), (8, 3))],
    ),
    "an engine's mask": lambda: (sc.open(RAW), Mask(COARSE, 8)),
}


@pytest.mark.parametrize("kind", WHERES)
def test_only_what_is_asked_for_runs_and_the_rest_is_zero(tmp_path, kind):
    image, where = WHERES[kind]()
    result = copy.options(where=where)(image)
    in_process = np.asarray(result)
    run = sc.run(result, store=tmp_path, executor="serial")
    assert run.ok
    assert np.array_equal(np.asarray(result), expected())
    assert np.array_equal(in_process, expected())
    again = sc.plan(copy.options(where=where)(image), store=tmp_path)
    assert [step.status for step in again.steps] == ["cached"]


@pytest.mark.parametrize("stored", [True, False])
def test_tables_and_reductions_leave_out_too(tmp_path, stored):
    where = sc.open(COARSE)
    table = rows.options(where=where)(sc.open(RAW))
    whole = total.options(where=where)(sc.open(RAW))
    if stored:
        assert sc.run(table, whole, store=tmp_path, executor="serial").ok
    assert set(table.to_pandas()["block"]) == CHOSEN
    assert whole.get() == expected().sum(dtype="int64")


def test_another_mask_is_another_result(tmp_path):
    for mask in (COARSE, COARSE.T[:6, :6]):
        where = Mask(mask, 8)
        run = sc.run(copy.options(where=where)(sc.open(RAW)), store=tmp_path, executor="serial")
        assert run.steps[0].n_cached == 0


def test_a_volume_that_is_nearly_empty_costs_what_is_in_it(tmp_path):
    ran = []

    @sc.blockwise(dtype="uint8", block=16, version="1", check_halo=False)
    def count(image, *, block):
        ran.append(block.index)
        return image

    sc.run(count.options(where=sc.open(COARSE))(sc.open(RAW)), store=tmp_path, executor="serial")
    assert set(ran) == CHOSEN
    assert len(ran) == 3


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        (sc.open(np.ones((5, 6), bool)), MetadataError, "divides"),
        (sc.open(np.ones((2, 4, 3), bool)), MetadataError, "no axes but"),
        ("left", PipelineError, "list of regions"),
    ],
)
def test_masks_that_do_not_fit_are_refused_before_work(tmp_path, where, error, message):
    with pytest.raises(error, match=message):
        sc.run(copy.options(where=where)(sc.open(RAW)), store=tmp_path, executor="serial")


@pytest.mark.parametrize(
    "part",
    [
        lambda mask: mask[4:],
        lambda mask: mask[:4],
        lambda mask: mask[:, 2:4],
        lambda mask: sc.threshold(mask[4:], level=1),
        lambda mask: copy.options(name="same")(mask)[:, :3],
    ],
)
def test_a_part_of_a_mask_whose_place_is_unknown_is_refused(part):
    with pytest.raises(MetadataError, match="part of an image has a voxel size"):
        copy.options(where=part(sc.open(COARSE)))
    placed = part(sc.open(COARSE, voxel_size=8))
    image = sc.open(RAW, voxel_size=1)
    chosen = copy.options(where=placed)(image).read()
    assert 0 < np.count_nonzero(chosen) < np.count_nonzero(expected())
    assert not (chosen.astype(bool) & ~expected().astype(bool)).any()


@pytest.mark.parametrize("whole", [sc.open(COARSE), sc.threshold(sc.open(COARSE), level=1)])
def test_a_whole_mask_without_voxel_sizes_covers_the_image(whole):
    assert np.array_equal(copy.options(where=whole)(sc.open(RAW)).read(), expected())


def test_planes_of_a_mask_are_no_part_of_it():
    stack = sc.open(np.stack([COARSE, 0 * COARSE]), axes="cyx")
    assert np.array_equal(copy.options(where=stack[0])(sc.open(RAW)).read(), expected())


def test_whole_steps_have_no_blocks_to_leave_out():
    @sc.step
    def whole(image):
        return 1

    with pytest.raises(PipelineError, match="left out of"):
        whole.options(where=[sc.Roi((0, 0), (1, 1))])
