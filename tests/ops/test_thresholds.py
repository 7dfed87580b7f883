"""Levels and percentiles equal scikit-image and numpy on the whole array, whatever the blocks."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import filters

import scutoid as sc
from scutoid.errors import ParameterError, RunFailed
from scutoid.kernels import li_from_histogram, triangle_from_histogram
from scutoid.testing import assert_block_invariant

INTEGERS = ["uint8", "int16", "uint16", "int32"]
FLOATS = ["float32", "float64"]


@st.composite
def images(draw, dtypes=(*INTEGERS, *FLOATS), min_side=2, max_side=16):
    """An image of two classes, and the shape of blocks."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=min_side, max_side=max_side))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1, 7, 40]))
    image = generator.gamma(2, scale, shape)
    image[generator.random(shape) < draw(st.floats(0, 0.5))] += 2 * scale
    block = draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))
    return np.minimum(image, 250).astype(draw(st.sampled_from(list(dtypes)))), block


def level_of(step, image, block):
    span = None if image.dtype.kind in "iu" else sc.ops.value_range(sc.open(image))
    return step.options(block=block)(sc.open(image), span=span).get()


@given(images(INTEGERS))
@settings(max_examples=50)
def test_li_of_integers_equals_scikit_image(case) -> None:
    image, block = case
    expected = filters.threshold_li(image.astype("int64"))
    assert blockwise_li(image, block) == expected == sc.li(image)


def blockwise_li(image, block):
    """The passes of `li` on blocks of a shape of our choice."""
    step, given = sc.ops.li_step.options(block=block), sc.open(image)
    span = None if image.dtype.kind in "iu" else sc.ops.value_range(given)
    window = step(given, span=span, window=None, is_last=False) if span is not None else None
    return step(given, span=span, window=window, is_last=True).get()


@given(images(FLOATS))
@settings(max_examples=50)
def test_li_of_floats_of_few_values_equals_scikit_image(case) -> None:
    image, block = case
    found = sc.li(image)
    assert found == pytest.approx(filters.threshold_li(image.astype("float64")), rel=1e-9)
    assert blockwise_li(image, block) == found


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_li_of_images_that_were_integers_is_that_of_the_integers(dtype) -> None:
    generator = np.random.default_rng(1)
    image = generator.poisson(8, (60, 70)) + 40 * (generator.random((60, 70)) < 0.1)
    image = image.astype("uint8")
    assert sc.li(image.astype(dtype)) == pytest.approx(sc.li(image), rel=1e-12)


def crowded_image(seed, sigma, n_flat=0, flat=0.0, gap=0.0, decimals=None, dtype="float64"):
    """An image of more values than are counted one by one: its tail is long, a part is flat."""
    generator = np.random.default_rng(seed)
    image = generator.lognormal(0, sigma, (300, 400))
    image[:n_flat] = flat
    if gap:
        image[generator.random(image.shape) < 0.3] += gap
    return (image if decimals is None else np.round(image, decimals)).astype(dtype)


@st.composite
def crowded(draw):
    """Such an image, and the shape of blocks."""
    image = crowded_image(
        draw(st.integers(0, 2**32 - 1)),
        draw(st.floats(0.2, 4)),
        n_flat=draw(st.integers(0, 60)),
        flat=draw(st.sampled_from([0, 1, 7.5])),
        gap=draw(st.sampled_from([0, 10, 1000])),
        decimals=draw(st.sampled_from([None, 5])),
        dtype=draw(st.sampled_from(FLOATS)),
    )
    return image, draw(st.sampled_from([(40, 400), (300, 90), (77, 131), (300, 400)]))


def is_told_apart(image, levels):
    """Whether bins show all that the levels of scikit-image depend on, as docs/ops.md says."""
    values = np.unique(image)
    span, extent = (float(values[0]), float(values[-1])), float(np.ptp(values))
    window = sc.ops.li_step(image, span=span, window=None, is_last=False)
    if window["level"] is not None:
        return True
    width = extent * 2.0 ** -(16 + window["bits"])
    parted = np.array(levels[:-1] or levels)
    sharing = np.searchsorted(values, parted + width) - np.searchsorted(values, parted - width)
    steps = np.abs(np.diff(levels))[:-1]
    return sharing.max() < 2 and (steps > 2 * window["tolerance"] * extent).all()


@given(crowded())
@example((crowded_image(0, 0.4375, n_flat=60, dtype="float32"), (300, 400)))
@settings(max_examples=20)
def test_li_of_many_values_takes_the_path_of_scikit_image(case) -> None:
    image, block = case
    found, levels = sc.li(image), []
    expected = filters.threshold_li(image.astype("float64"), iter_callback=levels.append)
    assert blockwise_li(image, block) == found
    if is_told_apart(image.astype("float64"), levels):
        assert abs(found - expected) < float(np.ptp(image)) * 2**-28


def hard_images():
    generator = np.random.default_rng(7)
    shape = (300, 400)
    noise, few = generator.random(shape), generator.random(shape) < 0.3
    grid = generator.permutation(noise.size).reshape(shape).astype("float64")
    tail = generator.lognormal(0, 4, shape)
    return {
        "gap after 0": np.where(few, 0, 5 + noise),
        "mostly 0": np.where(few, noise + 3, 0),
        "gap, float32": np.where(few, 0, 5 + noise).astype("float32"),
        "gap far up": np.where(few, noise, 1e6 + noise),
        "two classes": np.where(few, generator.normal(0, 1, shape), generator.normal(50, 1, shape)),
        "three classes": noise + 100 * few + 1000 * (generator.random(shape) < 0.1),
        "whole numbers": grid,
        "whole numbers, float32": grid.astype("float32"),
        "whole numbers, gap": grid * (grid > 30000),
        "tenths": grid * 0.1,
        "few whole numbers": np.floor(grid / 2),
        "tiny": noise * 1e-300,
        "tiny range": 1e9 + noise * 1e-2,
        "large offset, float32": (1e3 + noise).astype("float32"),
        "negative": -tail,
        "both signs": generator.normal(0, 1, shape),
        "long tail": tail,
        "long tail, float32": tail.astype("float32"),
        "constant": np.full(shape, -2.5),
        "two values": np.where(few, -1.5, 1e3),
        "values that a far least one makes equal": np.array([[-1, 1e-20, 2e-20, 1.0]]),
        "integers": grid.astype("int32"),
        "negative integers": -grid.astype("int64"),
        "integers, gap": (grid * (grid > 30000)).astype("uint32"),
        "integers, large offset": grid.astype("int64") + 2**40,
    }


@pytest.mark.parametrize("name", hard_images())
def test_li_of_hard_images_equals_scikit_image(name) -> None:
    image = hard_images()[name]
    reference = image if image.dtype.kind in "iu" else image.astype("float64")
    found, expected = sc.li(image), filters.threshold_li(reference.copy())
    extent = float(image.max()) - float(image.min())
    assert abs(found - expected) <= max(extent * 2**-28, abs(expected) * 2**-52)
    assert blockwise_li(image, (77, 131)) == found


@pytest.mark.parametrize("level", ["otsu", "triangle"])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.9, 1.0])
def test_levels_of_masks_are_those_of_scikit_image(level, share) -> None:
    mask = np.random.default_rng(2).random((20, 30)) < share
    expected = getattr(filters, f"threshold_{level}")(mask.astype("float64"))
    assert getattr(sc, level)(mask) == expected
    assert level_of(getattr(sc.ops, f"{level}_step"), mask, 7) == expected


def test_ranges_that_bins_cannot_part_are_refused_and_li_needs_no_bins_there() -> None:
    for ends in ((1e16, 1e16 + 2), (0, 5e-324), (-1e308, 1e308)):
        image = np.array([ends, ends])
        for level in (sc.otsu, sc.triangle):
            with pytest.raises(ParameterError, match="256 bins"):
                level(image)
    with pytest.raises(ParameterError, match="range"):
        sc.li(np.array([[-1e308, 1e308]]))
    assert sc.li(np.array([[1e16, 1e16 + 2]])) == filters.threshold_li(np.array([1e16, 1e16 + 2]))


@st.composite
def tied(draw):
    """An image of gaps, plateaus and ties, and the shape of blocks."""
    dtype = draw(st.sampled_from(["u1", "i2", "u2", "i8", "u8", "f4", "f8"]))
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9))
    values = draw(st.sampled_from([[0, 1], [0, 1, 2, 3], [0, 100, 101, 250], [7, 40, 73, 106]]))
    image = draw(hnp.arrays("u1", shape, elements=st.sampled_from(values))).astype(dtype)
    image.flat[:2] = values[0], values[-1]
    if dtype[0] == "f":
        image = image * np.dtype(dtype).type(draw(st.sampled_from([1, 1 / 256, 0.1, 1e4])))
    if dtype[0] != "u":
        image = image + np.dtype(dtype).type(draw(st.sampled_from([0, -50, 1000])))
    return image, draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))


@pytest.mark.parametrize("level", ["otsu", "triangle"])
@given(case=images() | tied())
@settings(max_examples=80)
def test_otsu_and_triangle_equal_scikit_image(level, case) -> None:
    image, block = case
    assume(image.dtype.kind in "iu" or image.min() < image.max())
    expected = getattr(filters, f"threshold_{level}")(image.ravel())
    step = getattr(sc.ops, f"{level}_step")
    assert level_of(step, image, block) == expected == getattr(sc, level)(image)


def test_levels_of_one_value_are_that_value() -> None:
    for dtype in ("uint8", "float32"):
        flat = np.full((4, 5), 3, dtype)
        assert sc.li(flat) == sc.triangle(flat) == sc.otsu(flat) == 3
        assert sc.li(sc.open(flat)).get() == 3


def test_levels_refuse_nan_and_histograms_without_end() -> None:
    bad = np.array([[1.0, np.nan]])
    for level in (sc.otsu, sc.li, sc.triangle):
        with pytest.raises(ParameterError, match="finite"):
            level(bad)
    with pytest.raises(ParameterError, match="float32"):
        sc.triangle(np.array([[0, 2**31]]))
    for level in (li_from_histogram, triangle_from_histogram):
        with pytest.raises(ParameterError, match="at least one voxel"):
            level([], [])


@st.composite
def numbers(draw):
    """An image of any values, and the shape of blocks."""
    dtype = np.dtype(
        draw(st.sampled_from(["bool", "u1", "i1", "u2", "u4", "i8", "u8", "f4", "f8"]))
    )
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=8))
    elements = None
    if dtype.kind == "f":
        elements = st.floats(allow_nan=False, width=8 * dtype.itemsize, allow_infinity=False)
        elements = elements.filter(lambda value: abs(value) < np.finfo(dtype).max / 4)
    elif dtype.kind == "i":  # half the range: numpy's own difference of two may overflow
        elements = st.integers(np.iinfo(dtype).min // 2, np.iinfo(dtype).max // 2)
    block = draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))
    return draw(hnp.arrays(dtype, shape, elements=elements)), block


def blockwise_percentile(image, block, q):
    """The passes of `percentile` on blocks of a shape of our choice."""
    step, found = sc.ops.percentile_digits.options(block=block), None
    percents = [float(q)]
    for number in reversed(range(max(image.dtype.itemsize // 2, 1))):
        result = None if number else "one"
        found = step(sc.open(image), found=found, percents=percents, result=result)
    return found.get()


@given(numbers(), st.floats(0, 100) | st.sampled_from([0, 25, 50, 99.8, 100]))
@settings(max_examples=150)
def test_percentile_equals_numpy_to_the_last_bit_for_values_of_any_range(case, q) -> None:
    image, block = case
    numeric = image.view("u1") if image.dtype == bool else image
    expected = np.percentile(numeric, float(q))
    try:
        found = sc.percentile(image, q=q)
    except ParameterError:  # between two integers, one of which float64 does not hold
        with pytest.raises((ParameterError, RunFailed)):
            blockwise_percentile(image, block, q)
        assert abs(expected) > 2**52
        return
    assert blockwise_percentile(image, block, q) == found
    assert found == expected or (found in image and float(found) == expected)


def test_several_percentiles_are_found_in_the_same_passes() -> None:
    image = np.random.default_rng(0).standard_normal((30, 31)).astype("float32")
    found = sc.percentile(sc.open(image), q=[1, 50, 99.8]).get()
    assert found == [float(np.percentile(image, q)) for q in (1, 50, 99.8)]


def test_percentiles_of_the_members_of_a_collection(tmp_path) -> None:
    import tifffile

    generator = np.random.default_rng(3)
    whole = {f"{n}.tif": generator.random((9, 9 + n)).astype("float32") for n in range(3)}
    for name, image in whole.items():
        tifffile.imwrite(tmp_path / name, image)
    found = sc.percentile(sc.open_folder(str(tmp_path / "*.tif")), q=30).to_dict()
    assert found == {name: np.percentile(image, 30) for name, image in whole.items()}


def test_percentiles_refuse_what_has_no_order() -> None:
    image = np.zeros((3, 3), "float32")
    for q in (-1, 101, float("nan"), []):
        with pytest.raises(ParameterError, match="0 to 100"):
            sc.percentile(image, q=q)
    image[1, 1] = np.nan
    with pytest.raises(ParameterError, match="NaN"):
        sc.percentile(image, q=50)
    with pytest.raises(ParameterError, match="real numbers"):
        sc.percentile(image.astype("complex64"), q=50)


@given(images())
@settings(max_examples=30)
def test_normalize_percentile_is_the_same_with_those_of_numpy(case) -> None:
    image, _ = case
    low, high = float(np.percentile(image, 1)), float(np.percentile(image, 99.8))
    if low == high:
        with pytest.raises(ParameterError, match="different values"):
            sc.normalize_percentile(image)
        return
    expected = ((image.astype("float64") - low) / (high - low)).astype("float32")
    np.testing.assert_array_equal(sc.normalize_percentile(image), expected)


def test_normalize_percentile_by_blocks_through_a_store(tmp_path) -> None:
    image = np.random.default_rng(5).random((40, 41)).astype("float32")
    found = sc.normalize_percentile(sc.open(image), low=2, high=90)
    sc.run(found, store=tmp_path, executor="threads", workers=2, block=16)
    np.testing.assert_array_equal(np.asarray(found), sc.normalize_percentile(image, low=2, high=90))
    with pytest.raises(ParameterError, match="less than"):
        sc.normalize_percentile(image, low=5, high=5)


@given(images(min_side=6), st.sampled_from(["gaussian", "mean", "median"]), st.data())
@settings(max_examples=60)
def test_threshold_local_equals_scikit_image(case, method, data) -> None:
    image, block = case
    sizes = st.sampled_from([1, 3, 5])
    size = data.draw(sizes | st.tuples(*[sizes] * image.ndim))
    found = np.asarray(
        sc.threshold_local.options(block=block)(sc.open(image), size=size, method=method, offset=2)
    )
    level = filters.threshold_local(image, size, method=method, offset=2)
    differ = found != (image > level)
    if method == "mean":  # running sums are rounded on their way
        assert np.allclose(level[differ], image[differ], rtol=1e-4)
    else:
        assert not differ.any()


def test_threshold_local_is_block_invariant_for_running_means_of_floats() -> None:
    image = np.random.default_rng(4).random((30, 31))
    image[::3] = 0.5  # often equal to their mean
    params = {"size": (1, 5), "method": "mean"}
    assert_block_invariant(sc.threshold_local, image, blocks=[5, 8, 13], **params)
    means = ndimage.uniform_filter(image, (1, 5))
    clear = np.abs(image - means) > 1e-9
    np.testing.assert_array_equal(
        sc.threshold_local(image, **params)[clear], (image > means)[clear]
    )


@pytest.mark.parametrize("params", [{"size": 4}, {"size": 3, "method": "mode"}], ids=str)
def test_threshold_local_refuses_even_sizes_and_unknown_methods(params, tmp_path) -> None:
    with pytest.raises(ParameterError, match=r"odd|method"):
        sc.plan(sc.threshold_local(sc.open(np.zeros((9, 9))), **params), store=tmp_path)


def test_percentiles_of_arrays_of_any_number_of_axes() -> None:
    array = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    assert sc.percentile(array, q=[3, 50]) == np.percentile(array, [3, 50]).tolist()
    low, high = np.percentile(array, [10, 90])
    found = sc.normalize_percentile(array, low=10, high=90)
    np.testing.assert_allclose(found, (array - low) / (high - low), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("many", [False, True], ids=["few values", "many values"])
@pytest.mark.parametrize("sign", [1, -1])
def test_li_is_a_number_or_refused_where_sums_of_values_are_none(sign, many) -> None:
    image = np.random.default_rng(0).random((300, 400)) if many else np.zeros((10, 13))
    image.flat[:3] = sign * np.finfo(float).max / 2
    with suppress(ParameterError):
        assert np.isfinite(sc.li(image))


def test_li_refuses_values_whose_sum_is_no_number() -> None:
    image = np.zeros((10, 13))
    image.flat[:3] = np.finfo(float).max / 2
    with pytest.raises(ParameterError, match="divide the image"):
        sc.li(image)
    assert np.isfinite(sc.li(image / image.max()))
