"""Steps that write on another grid than that of their inputs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import scutoid as sc
from scutoid.errors import PipelineError
from scutoid.geometry import Roi
from scutoid.steps import OutputGrid


@sc.blockwise(scale=(2, 3), halo=1)
def coarse(image):
    """The largest of what each coarse voxel and its neighbours cover."""
    wide = ndimage.maximum_filter(image, 3)
    padded = np.pad(wide, [(0, -wide.shape[0] % 2), (0, -wide.shape[1] % 3)])
    return padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 3, 3).max((1, 3))


@sc.blockwise(scale=Fraction(1, 2), halo=1)
def fine(image):
    return ndimage.maximum_filter(image, 3).repeat(2, 0).repeat(2, 1)


def _mirrored(images):
    shape = images[0].shape[-2:]
    return OutputGrid(
        shape,
        lambda _, region: Roi(
            [n - e for n, e in zip(shape, region.end, strict=True)], region.shape
        ),
        voxel_size=images[0].voxel_size,
        origin=images[0].origin,
    )


@sc.blockwise(grid=_mirrored, dtype="same", block_invariant=True)
def mirrored(image):
    return image[::-1, ::-1]


shapes = st.tuples(st.integers(1, 30), st.integers(1, 30))


@given(shapes, st.integers(1, 12), st.sampled_from([coarse, fine, mirrored]))
@settings(max_examples=100, deadline=None)
def test_any_shape_and_block_give_the_image_of_the_whole(shape, block, step) -> None:
    image = np.random.default_rng(0).integers(1, 200, shape, dtype="uint8")
    found = step.options(block=block)(sc.open(image))
    wanted = step(image)
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(np.asarray(found), wanted)


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_blocks_start_as_soon_as_what_they_read_is_there(tmp_path, executor) -> None:
    image = np.random.default_rng(1).integers(0, 200, (31, 47), dtype="uint8")
    chain = mirrored(fine(coarse(sc.gaussian(sc.open(image), sigma=1))))
    run = sc.run(chain, store=tmp_path, block=5, executor=executor, workers=2)
    wanted = mirrored(fine(coarse(sc.gaussian(image, sigma=1))))
    np.testing.assert_array_equal(np.asarray(run["mirrored"]), wanted)


def test_fused_steps_go_through_another_grid(tmp_path) -> None:
    image = np.random.default_rng(2).integers(0, 200, (31, 47), dtype="uint8")
    inner = [step.options(keep=False) for step in (coarse, mirrored, fine)]
    raw = sc.open(image)
    chain = inner[2](inner[1](inner[0](raw)))
    run = sc.run(sc.gaussian(chain, sigma=1), store=tmp_path, block=8, executor="serial")
    wanted = sc.gaussian(fine(mirrored(coarse(image))), sigma=1)
    np.testing.assert_array_equal(np.asarray(run["gaussian"]), wanted)


def test_voxel_size_and_origin_are_those_of_the_new_grid() -> None:
    image = sc.open(np.zeros((10, 12)), voxel_size=(4, 2), origin=(100, 200), unit="um")
    half = coarse(image)
    assert half.voxel_size == (8, 6)
    assert half.origin == (102, 202)  # the centre of two voxels, and of three
    assert half.unit == "um"
    double = fine(image)
    assert double.voxel_size == (2, 1)
    assert double.origin == (99, 199.5)
    # of a crop, the world position stays with the voxels
    assert coarse(image[2:, 3:]).origin == (110, 208)


def test_time_points_and_crops_keep_their_place() -> None:
    movie = np.random.default_rng(3).integers(0, 200, (3, 2, 12, 15), dtype="uint8")
    found = coarse.options(block=2)(sc.open(movie, axes="tcyx")[1:, :, 2:])
    wanted = np.stack([[coarse(plane) for plane in point] for point in movie[1:, :, 2:]])
    np.testing.assert_array_equal(np.asarray(found), wanted)


def test_inputs_of_other_shapes_meet_on_the_output(tmp_path) -> None:
    def joined(images):
        sizes = [image.shape[0] for image in images]
        starts = np.cumsum([0, *sizes])
        return OutputGrid(
            (sum(sizes), images[0].shape[1]),
            lambda n, region: Roi(
                (region.offset[0] - int(starts[n]), region.offset[1]), region.shape
            ),
        )

    @sc.blockwise(grid=joined, dtype="same", block_invariant=True, version="1")
    def stacked(first, second):
        return np.concatenate([first, second])

    a, b = np.arange(35).reshape(5, 7), np.arange(100, 170).reshape(10, 7)
    run = sc.run(stacked(sc.open(a), sc.open(b)), store=tmp_path, block=4, executor="serial")
    np.testing.assert_array_equal(np.asarray(run["stacked"]), np.concatenate([a, b]))


def test_a_block_knows_what_it_was_given() -> None:
    seen = {}

    @sc.blockwise(grid=_mirrored, dtype="same", version="1")
    def noted(image, *, block):
        seen[tuple(block.write_roi.offset)] = block.sources[0]
        return image[::-1, ::-1]

    np.asarray(noted.options(block=4)(sc.open(np.zeros((6, 4)))))
    assert seen == {(0, 0): Roi((2, 0), (4, 4)), (4, 0): Roi((0, 0), (2, 4))}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scale": 1.5}, "whole number"),
        ({"scale": (1, 2, 3)}, "whole number"),
        ({"scale": 0}, "whole number"),
        ({"scale": 2, "border": "reflect"}, "clipped"),
    ],
    ids=["fraction", "axes", "zero", "border"],
)
def test_what_cannot_be_a_scale_is_refused(options, said) -> None:
    with pytest.raises(PipelineError, match=said):
        sc.blockwise(**options)(lambda image: image)(sc.open(np.zeros((4, 4)))).shape  # noqa: B018


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"grid": _mirrored}, "dtype"),
        ({"grid": _mirrored, "dtype": "same", "scale": 2}, "not both"),
        ({"scale": 2, "out": "table"}, "images"),
    ],
    ids=["dtype", "both", "table"],
)
def test_what_cannot_be_on_another_grid_is_refused(options, said) -> None:
    with pytest.raises(PipelineError, match=said):
        sc.blockwise(**options)(lambda image: image)


def test_blocks_cannot_be_left_out_of_another_grid() -> None:
    step = coarse.options(where=[Roi((0, 0), (1, 1))])
    with pytest.raises(PipelineError, match="left out"):
        step(sc.open(np.zeros((4, 4)))).shape  # noqa: B018


def test_a_function_that_returns_another_shape_is_named() -> None:
    @sc.blockwise(scale=2, dtype="same", version="1")
    def wrong(image):
        return image

    with pytest.raises(Exception, match="expected"):
        np.asarray(wrong(sc.open(np.zeros((8, 8)))))
