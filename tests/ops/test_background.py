"""Backgrounds and bias fields: near the truth where it is smooth, the same for all blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import scutoid as sc
from scutoid.errors import MetadataError, MissingExtra, ParameterError, StepError
from scutoid.kernels import coarse_means, interpolate_coarse


@st.composite
def grids(draw):
    """An image, the edges of blocks, and the edges of cells."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=13))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(["uint8", "int16", "float32", "float64"]))
    image = (generator.random(shape) * 200).astype(dtype)
    block = draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))
    return image, block, draw(st.tuples(*(st.integers(1, side) for side in shape)))


def subtracted(image, block, factors, **how):
    lazy = sc.open(image)
    cells = sc.ops.coarse_means.options(block=block)(lazy, factors=factors)
    found = sc.ops.background_field(cells, factors=factors, **how)
    return np.asarray(sc.ops.subtract_field(lazy, found, factors=factors))


@given(grids(), st.sampled_from(["opening", "gaussian", "median"]))
@settings(max_examples=60)
def test_subtract_background_is_the_same_for_every_block_shape(case, method) -> None:
    image, block, factors = case
    how = {"radii": [4.0] * image.ndim, "method": method}
    whole = subtracted(image, image.shape, factors, **how)
    found = subtracted(image, block, factors, **how)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, whole)


def smooth_scene(shape=(60, 160, 170), seed=0):
    """A background of known curvature, and small bright objects on it."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    period = 120
    background = 300 + 80 * (np.sin(2 * np.pi * y / period) + np.cos(2 * np.pi * x / period)) + z
    objects = np.zeros(shape)
    generator = np.random.default_rng(seed)
    for _ in range(60):
        place = [generator.integers(0, n) for n in shape]
        objects[tuple(slice(max(p - 2, 0), p + 3) for p in place)] = 400
    return background, objects, 80 * (2 * np.pi / period) ** 2


def test_cells_cost_no_more_than_what_is_stated() -> None:
    background, _, curvature = smooth_scene()
    shape, factors = background.shape, [4, 6, 7]
    cells = coarse_means(background, [0, 0, 0], shape, factors, shape)
    error = np.abs(interpolate_coarse(cells, [0, 0, 0], shape, factors, shape) - background)
    inside = tuple(slice(f, -f) for f in factors)
    stated = sum(curvature * factor**2 / 6 for factor in factors[1:])
    assert error[inside].max() <= stated
    at_the_edge = stated + sum(
        f / 2 * np.abs(np.diff(background, axis=n)).max() for n, f in enumerate(factors)
    )
    assert error.max() <= at_the_edge


def test_an_opening_takes_the_background_and_leaves_the_objects() -> None:
    background, objects, _ = smooth_scene()
    found = sc.subtract_background(background + objects, radius=20)
    inside = tuple(slice(12, -12) for _ in range(3))
    error = np.abs(found - objects)[inside]
    assert np.median(error) < 10  # of a background between 140 and 460
    assert found[objects > 0].min() > 300
    assert np.ptp(found[objects == 0]) < 0.5 * np.ptp(background)


@pytest.mark.parametrize(("method", "share"), [("gaussian", 0.03), ("median", 0.1)])
def test_the_coarse_estimate_is_near_that_at_full_resolution(method, share) -> None:
    background, objects, _ = smooth_scene((1, 160, 170))
    image = (background + objects)[0]
    coarse = image - sc.subtract_background(image, radius=16, method=method)
    if method == "gaussian":
        full = ndimage.gaussian_filter(image, 16)
    else:
        y, x = np.ogrid[-16:17, -16:17]
        full = ndimage.median_filter(image, footprint=y**2 + x**2 <= 256)
    error = np.abs(coarse - full)[16:-16, 16:-16]
    assert error.max() < share * np.ptp(full)


def test_factor_one_is_the_method_at_full_resolution() -> None:
    image = np.random.default_rng(1).random((30, 31)).astype("float32")
    found = sc.subtract_background(image, radius=3, method="gaussian", factors=1)
    expected = image - ndimage.gaussian_filter(image.astype("float64"), 3)
    np.testing.assert_array_equal(found, expected.astype("float32"))


def test_a_factor_may_be_of_any_integer_type() -> None:
    image = np.random.default_rng(1).random((30, 31))
    bias = sc.estimate_bias(image, factors=np.int32(2))
    assert np.array_equal(bias, sc.estimate_bias(image, factors=2))
    flat = sc.correct_bias(image, bias, factors=np.uint8(2))
    assert np.array_equal(flat, sc.correct_bias(image, bias, factors=2))


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_movies_and_crops_through_a_store(tmp_path, executor) -> None:
    movie = np.random.default_rng(2).integers(0, 999, (2, 2, 50, 60)).astype("uint16")
    found = sc.subtract_background(sc.open(movie, axes="tcyx")[:, :, 7:, 5:], radius=8)
    sc.run(found, store=tmp_path, executor=executor, workers=2, block=16)
    for t in range(2):
        for c in range(2):
            whole = sc.subtract_background(movie[t, c, 7:, 5:], radius=8)
            np.testing.assert_array_equal(np.asarray(found)[t, c], whole)


def test_thin_stacks_and_radii_an_axis() -> None:
    stack = np.random.default_rng(3).random((3, 50, 60)).astype("float32")
    assert sc.subtract_background(stack, radius=40).shape == stack.shape
    assert sc.subtract_background(stack, radius=(0, 10, 20)).shape == stack.shape


def test_a_radius_may_be_physical() -> None:
    image = np.random.default_rng(6).random((6, 40, 50)).astype("float32")
    raw = sc.open(image, voxel_size=(5, 2, 2), unit="um")
    found = np.asarray(sc.subtract_background(raw, radius=sc.um(30)))
    np.testing.assert_array_equal(found, sc.subtract_background(image, radius=(6, 15, 15)))
    with pytest.raises(MetadataError, match="voxel size"):
        sc.subtract_background(sc.open(image), radius=sc.um(30))


def test_bad_input_of_backgrounds_is_refused() -> None:
    image = np.zeros((20, 20), "float32")
    for params in (
        {"radius": -1},
        {"radius": (1, 2, 3)},
        {"radius": 3, "method": "mode"},
        {"radius": 3, "factors": 0},
        {"radius": 3, "factors": 1.5},
    ):
        with pytest.raises(ParameterError):
            sc.subtract_background(sc.open(image), **params)
    image[3, 3] = np.nan
    with pytest.raises(ParameterError, match="finite"):
        sc.subtract_background(image, radius=4)


def shaded_scene():
    """Objects on a flat background, under light that falls off, of mean one."""
    y, x = np.mgrid[:120, :130]
    field = 1.4 - 0.8 * (((y - 60) / 120) ** 2 + ((x - 65) / 130) ** 2)
    truth = np.full(field.shape, 100.0)
    truth[::9, ::8] = 130
    return truth, field / field.mean()


def test_a_known_field_is_divided_away_within_its_interpolation() -> None:
    truth, field = shaded_scene()
    bias = sc.estimate_bias(truth * field, factors=4, estimator=lambda cells: cells / cells.mean())
    flat = sc.correct_bias(truth * field, bias, factors=4)
    smooth = ndimage.uniform_filter(flat, 36)[20:-20, 20:-20]
    assert np.ptp(smooth) < 0.02 * smooth.mean()


def test_the_default_flattens_the_light() -> None:
    truth, field = shaded_scene()
    image = truth * field
    flat = sc.correct_bias(image, sc.estimate_bias(image, factors=4), factors=4)
    inside = np.s_[12:-12, 12:-12]
    assert np.std(flat[truth == 100]) < 0.5 * np.std(image[truth == 100])
    assert np.std(flat[inside][truth[inside] == 100]) < 0.3 * np.std(image[truth == 100])


@given(grids())
@settings(max_examples=30)
def test_bias_is_the_same_for_every_block_shape(case) -> None:
    image, block, factors = case
    image = image + 1
    lazy = sc.open(image)
    found = []
    for shape in (image.shape, block):
        cells = sc.ops.coarse_means.options(block=shape)(lazy, factors=factors)
        bias = sc.ops.bias_field(cells, factors=factors, estimator=square_root)
        divide = sc.ops.divide_field.options(block=shape)
        found.append(np.asarray(divide(lazy, fields=bias, factors=factors)))
    np.testing.assert_array_equal(*found)


def test_a_field_may_be_an_array_that_each_block_gets_whole() -> None:
    movie = np.random.default_rng(3).integers(1, 255, (3, 14, 15)).astype("uint8")
    lazy = sc.open(movie, axes="tyx")
    bias = sc.estimate_bias(lazy, factors=3)
    expected = np.asarray(sc.correct_bias(lazy, bias, factors=3))
    np.testing.assert_array_equal(sc.correct_bias(lazy, bias.get(), factors=3), expected)
    alone = sc.correct_bias(movie[1], np.asarray(bias.get())[1:2], factors=3)
    np.testing.assert_array_equal(alone, expected[1])


def square_root(cells):
    return np.sqrt(cells / cells.mean())


def test_each_channel_has_a_field_of_its_own(tmp_path) -> None:
    truth, field = shaded_scene()
    channels = np.stack([truth * field, truth * field[::-1] ** 2]).astype("uint16")
    raw = sc.open(channels, axes="cyx")
    bias = sc.estimate_bias(raw, factors=(4, 5), estimator=square_root)
    flat = sc.correct_bias(raw, bias, factors=(4, 5))
    sc.run(flat, store=tmp_path, executor="threads", workers=2, block=50)
    assert bias.get().shape == (2, 30, 26)
    for channel, found in zip(channels, np.asarray(flat), strict=True):
        one = sc.estimate_bias(channel, factors=(4, 5), estimator=square_root)
        np.testing.assert_array_equal(found, sc.correct_bias(channel, one, factors=(4, 5)))


@pytest.mark.parametrize(
    "estimator",
    [lambda cells: cells[:1], lambda cells: cells * 0, lambda cells: cells * np.nan],
    ids=["shape", "zero", "nan"],
)
def test_estimators_that_return_no_field_are_named(estimator) -> None:
    with pytest.raises(StepError, match="estimator"):
        sc.estimate_bias(np.ones((20, 20)), factors=4, estimator=estimator)


def test_a_field_fits_the_image_that_it_was_estimated_on() -> None:
    bias = sc.estimate_bias(np.ones((20, 20)), factors=4)
    with pytest.raises(ParameterError, match="same shape"):
        sc.correct_bias(np.ones((20, 30)), bias, factors=4)
    with pytest.raises(ParameterError, match="same factor"):
        sc.correct_bias(np.ones((20, 20)), bias, factors=5)
    with pytest.raises(ParameterError, match="not dark"):
        sc.estimate_bias(np.zeros((20, 20)), factors=4)


def test_what_is_dark_all_around_stays_dark() -> None:
    image = np.zeros((200, 200))
    image[:20, :20] = 100
    image[60:] = -1.0  # as after an offset was taken off
    flat = sc.correct_bias(image, sc.estimate_bias(image, factors=2), factors=2)
    assert np.isfinite(flat).all()
    assert (flat[20:60, 20:] == 0).all()
    assert (flat[:20, :20] > 0).all()


def test_n4_flattens_the_light() -> None:
    pytest.importorskip("SimpleITK", reason="N4 needs the extra n4")
    truth, field = shaded_scene()
    image = truth * field
    bias = sc.estimate_bias(image, factors=3, estimator=sc.n4)
    flat = sc.correct_bias(image, bias, factors=3)
    is_flat = (truth == 100) & (image > np.percentile(image, 60))
    assert np.std(flat[is_flat]) < 0.5 * np.std(image[is_flat])


def test_n4_names_the_extra_that_it_needs(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "SimpleITK", None)
    with pytest.raises(MissingExtra, match=r"scutoid\[n4\]"):
        sc.n4(np.ones((9, 9)))
