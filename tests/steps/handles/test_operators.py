"""Arithmetic and comparison of lazy images and values, and Python's other protocols on them."""

from __future__ import annotations

import operator
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.errors import MetadataError, ParameterError, PipelineError, StepError

A = (np.arange(12, dtype="uint8") * 7 % 11).reshape(3, 4)
RAW = sc.open(A)

BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
UNARY = {"-": operator.neg, "+": operator.pos, "abs": abs, "~": operator.invert}
DTYPES = ("bool", "uint8", "uint16", "int16", "int64", "float32", "float64")
NUMBERS = (0, 1, 3, 2.5, True, np.float32(1.5), np.uint8(2), np.int64(3))


def numpy_says(function, *operands):
    """Return what numpy makes of arrays, or the type of its error."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*operands)
    except (TypeError, ValueError, OverflowError):
        return None


def scutoid_says(function, *operands):
    """Return what the same operator makes of images, read."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = function(*operands)
        assert isinstance(image, sc.Image)
        array = np.asarray(image)
    assert array.dtype == image.dtype
    return array


def check(function, arrays_and_numbers) -> None:
    """Compare an operator of images with that of the arrays, in values and dtype."""
    images = [sc.open(x) if isinstance(x, np.ndarray) else x for x in arrays_and_numbers]
    expected = numpy_says(function, *arrays_and_numbers)
    if expected is None:
        with pytest.raises(ParameterError, match="follows numpy"):
            scutoid_says(function, *images)
        return
    found = scutoid_says(function, *images)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def array_of(dtype: str, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 5, (5, 7))
    return values.astype(dtype)


@given(
    name=st.sampled_from(sorted(BINARY)),
    dtypes=st.tuples(st.sampled_from(DTYPES), st.sampled_from(DTYPES)),
    seed=st.integers(0, 3),
)
@example(name="//", dtypes=("bool", "int64"), seed=0)  # of numbers of which some are 0
@settings(max_examples=150, deadline=None)
def test_two_images_give_what_two_arrays_give(name, dtypes, seed) -> None:
    check(BINARY[name], [array_of(dtypes[0], seed), array_of(dtypes[1], seed + 1)])


@given(
    name=st.sampled_from(sorted(BINARY)),
    dtype=st.sampled_from(DTYPES),
    number=st.sampled_from(NUMBERS),
    is_first=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_an_image_and_a_number_give_what_an_array_and_a_number_give(
    name, dtype, number, is_first
) -> None:
    array = array_of(dtype, 1)
    check(BINARY[name], [number, array] if is_first else [array, number])


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_image_gives_what_one_array_gives(name, dtype) -> None:
    if dtype == "bool" and name == "+":
        return  # numpy has no + of masks; here it is the image itself
    check(UNARY[name], [array_of(dtype, 1)])


def test_an_array_is_an_image_on_either_side() -> None:
    wide = A.astype("int32")
    for image in (RAW.astype("int32") - wide, wide - RAW.astype("int32")):
        assert isinstance(image, sc.Image)
        assert not np.asarray(image).any()
    assert isinstance(wide > RAW, sc.Image)
    assert isinstance(np.float64(2) * RAW, sc.Image)


def test_planes_meet_a_volume_by_the_names_of_their_axes() -> None:
    volume = sc.open(np.ones((2, 3, 4), "float32"), axes="zyx")
    assert np.array_equal(np.asarray(volume * A), np.ones((2, 3, 4)) * A)


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_operators_run_into_a_store_block_by_block(executor, tmp_path) -> None:
    image = sc.open(np.arange(400, dtype="int32").reshape(20, 20))
    result = (image * 2 - 5 > 300) & ~(image == 200)
    run = sc.run(result, store=tmp_path, block=7, executor=executor, workers=2)
    array = np.arange(400).reshape(20, 20)
    expected = (array * 2 - 5 > 300) & (array != 200)
    assert np.array_equal(np.asarray(run["bitwise_and"]), expected)
    assert [step.name for step in run.steps] == [
        "multiply",
        "subtract",
        "greater",
        "equal",
        "invert",
        "bitwise_and",
    ]
    assert sc.plan(result, store=tmp_path, block=7).is_done


def test_the_number_and_the_operator_are_in_the_key(tmp_path) -> None:
    sc.run(RAW > 3, store=tmp_path, executor="serial")
    assert sc.plan(RAW > 3, store=tmp_path).is_done
    (step,) = sc.plan(RAW > 4, store=tmp_path)
    assert "number" in step.reason
    assert not sc.plan(RAW >= 3, store=tmp_path).is_done
    assert not sc.plan(3 > RAW, store=tmp_path).is_done  # noqa: SIM300 - the other way round


def test_a_lazy_value_counts_as_a_number() -> None:
    level = sc.otsu(RAW)
    plain = level.get()
    assert np.array_equal(np.asarray(level < RAW), plain < A)
    assert np.array_equal(np.asarray(level < RAW), plain < A)
    scaled = RAW.astype("float32") * level
    assert scaled.dtype == "float32"
    np.testing.assert_array_equal(np.asarray(scaled), A.astype("float32") * float(plain))


def test_values_have_arithmetic_too() -> None:
    level = sc.otsu(RAW)
    assert (level * 2 + 1).get() == level.get() * 2 + 1
    assert (1 - level).get() == 1 - level.get()
    assert (level == level.get()).get() is True
    assert (-level).get() == -level.get()


def test_collections_are_joined_member_by_member(tmp_path) -> None:
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", A + number)
    images = sc.open_folder(str(tmp_path / "*.npy"))
    masks = images > 5
    assert isinstance(masks, sc.Images)
    assert np.array_equal(np.asarray(masks["1.npy"]), A + 1 > 5)
    both = masks & (images < 9)
    run = sc.run(both, store=tmp_path / "store", executor="serial")
    for number in range(3):
        expected = (A + number > 5) & (A + number < 9)
        assert np.array_equal(np.asarray(run["bitwise_and"][f"{number}.npy"]), expected)
    one = images - sc.open(A.astype("int16"))
    assert set(np.unique(np.asarray(one["2.npy"]))) == {2}


def test_unsigned_subtraction_wraps_as_numpy_does_and_says_so() -> None:
    low, high = sc.open(np.array([1], "uint8")), sc.open(np.array([3], "uint8"))
    with pytest.warns(UserWarning, match=r'wraps.*astype\("int16"\)'):
        wrapped = low - high
    assert np.asarray(wrapped).tolist() == [254]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.asarray(low.astype("int16") - high).tolist() == [-2]


def test_the_warning_is_shown_once_a_place_in_the_code() -> None:
    low, high = sc.open(np.array([1], "uint8")), sc.open(np.array([3], "uint8"))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        for _ in range(3):
            low - high
    assert len(seen) == 1
    assert seen[0].filename == __file__


@pytest.mark.parametrize(
    ("dtype", "number"),
    [
        ("uint8", np.int16(5)),
        ("uint8", np.uint16(200)),
        ("float32", np.float64(0.1)),
        ("uint8", np.float32(0.5)),
        ("uint8", np.array(300)),
    ],
    ids=str,
)
def test_a_number_of_numpy_keeps_its_type(dtype, number) -> None:
    array = np.array([[1, 200]], dtype)
    result = sc.open(array) + number
    assert result.dtype == (array + number).dtype
    assert np.array_equal(np.asarray(result), array + number)


def test_numbers_of_values_are_pythons() -> None:
    level = sc.otsu(RAW)
    assert (level * 10**18).get() == level.get() * 10**18
    assert (level + 2**70).get() == level.get() + 2**70

    @sc.step(version="1")
    def profile(image):
        return np.arange(3.0)

    assert np.array_equal((profile(RAW) * 2).get(), np.arange(3.0) * 2)
    with pytest.raises(StepError, match="one number"):
        np.asarray(RAW * profile(RAW))


def test_images_of_other_axes_are_joined_to_all_of_them() -> None:
    volume = sc.open(np.arange(24.0).reshape(2, 3, 4), axes="zyx")
    outer = volume[:, 0] * volume[0]
    array = np.arange(24.0).reshape(2, 3, 4)
    expected = array[:, 0][:, None, :] * array[0][None]
    found = np.asarray(outer)
    assert found.shape == outer.shape
    assert np.array_equal(found.transpose([outer.axes.index(a) for a in "zyx"]), expected)


def test_a_result_can_be_named(tmp_path) -> None:
    mask = ((RAW > 3) & (RAW < 9)).options(name="mask")
    run = sc.run(mask, store=tmp_path, executor="serial")
    assert run["mask"].name == "mask"
    assert np.array_equal(np.asarray(sc.Store(tmp_path)["mask"]), (A > 3) & (A < 9))
    with pytest.raises(PipelineError, match="an input"):
        RAW.options(name="raw")


def test_a_chain_that_is_too_deep_says_what_to_do() -> None:
    image = RAW.astype("int32")
    for _ in range(400):
        image = image + 1
    with pytest.raises(PipelineError, match=r"some hundred deep"):
        np.asarray(image)


class TestPlaces:
    """Images whose known places differ are refused."""

    def test_origins_in_the_world(self) -> None:
        first = sc.open(A.astype("int16"), voxel_size=2.0, origin=(0.0, 0.0))
        near = sc.open(A.astype("int16"), voxel_size=2.0, origin=(0.1, 0.0))
        far = sc.open(A.astype("int16"), voxel_size=2.0, origin=(1.0, 0.0))
        assert np.asarray(first - near).shape == A.shape
        with pytest.raises(MetadataError, match=r"0\.5 voxels apart(.|\n)*resample"):
            first - far

    def test_crops_of_one_image(self) -> None:
        image = sc.open(A.astype("int16"))
        with pytest.raises(MetadataError, match="1 voxels apart"):
            image[1:] - image[:-1]
        assert np.array_equal(np.asarray(image[1:] - image[1:]), A[1:] * 0)

    def test_crops_of_what_was_made_of_one_image(self) -> None:
        image = sc.open(A.astype("int16"))
        with pytest.raises(MetadataError, match="1 voxels apart"):
            (image + 1)[1:] - image[:-1]

    def test_arrays_have_no_place(self) -> None:
        image = sc.open(A.astype("int16"))
        assert np.array_equal(
            np.asarray(image[1:] - sc.open(image[:-1].read())), np.diff(A.astype("int16"), axis=0)
        )

    def test_unknown_places_fit_any(self) -> None:
        placed = sc.open(A.astype("int16"), voxel_size=2.0, origin=(9.0, 9.0))
        assert np.asarray(placed - A.astype("int16")).shape == A.shape


class TestProtocols:
    """Python's default protocols on lazy handles."""

    def test_count_nonzero_counts(self) -> None:
        labels = sc.label(sc.open(np.array([[1, 0, 1]], "uint8")))
        assert np.count_nonzero(labels == 2) == 1

    @pytest.mark.parametrize(
        ("result", "remedy"),
        [
            (RAW, "np.any"),
            (sc.otsu(RAW), "value.get"),
            (sc.measure(sc.label(RAW > 3)), "len"),
            (RAW == 3, "np.any"),
        ],
        ids=["image", "value", "table", "comparison"],
    )
    def test_truth_is_refused_and_nothing_is_computed(self, result, remedy) -> None:
        with pytest.raises(PipelineError, match=remedy):
            bool(result)

    def test_a_table_is_not_computed_for_its_truth(self) -> None:
        calls = []

        @sc.step(out="table", version="1")
        def rows(image):
            calls.append(1)
            return pd.DataFrame({"a": [1]})

        with pytest.raises(PipelineError, match="neither true nor false"):
            bool(rows(RAW))
        assert not calls

    def test_a_comparison_of_collections_is_neither_true_nor_an_array(self, tmp_path) -> None:
        np.save(tmp_path / "a.npy", A)
        images = sc.open_folder(str(tmp_path / "*.npy"))
        with pytest.raises(PipelineError, match="len"):
            bool(images == 3)
        with pytest.raises(PipelineError, match="no array"):
            np.count_nonzero(images == 3)

    def test_iteration_ends(self) -> None:
        planes = list(RAW)
        assert [plane.shape for plane in planes] == [(4,)] * 3
        assert np.array_equal(np.asarray(planes[1]), A[1])

    def test_containment_is_refused(self) -> None:
        with pytest.raises(PipelineError, match=r"np\.any"):
            3 in RAW  # noqa: B015

    @pytest.mark.parametrize("mask", [RAW > 3, A > 3], ids=["image", "array"])
    def test_picking_by_a_mask_is_refused(self, mask) -> None:
        with pytest.raises(PipelineError, match=r"np\.asarray\(image\)\[np\.asarray\(mask\)\]"):
            RAW[mask]

    @pytest.mark.parametrize(
        "change",
        [
            operator.iadd,
            operator.isub,
            operator.imul,
            operator.itruediv,
            operator.ifloordiv,
            operator.imod,
            operator.ipow,
            operator.iand,
            operator.ior,
            operator.ixor,
            operator.ilshift,
            operator.irshift,
        ],
    )
    def test_changes_in_place_are_refused(self, change) -> None:
        with pytest.raises(PipelineError, match="never changed"):
            change(RAW, 1)

    def test_what_takes_no_part_is_left_to_python(self) -> None:
        assert (RAW == None) is False  # noqa: E711
        assert (RAW != "a") is True
        with pytest.raises(TypeError, match="unsupported operand"):
            RAW + "a"

    def test_handles_are_hashed_by_identity(self) -> None:
        other = sc.open(A)
        assert len({RAW: 1, other: 2, RAW[1:]: 3}) == 3
        assert {RAW: 1}[RAW] == 1

    def test_the_method_that_was_says_what_to_write(self) -> None:
        with pytest.raises(PipelineError, match=r"sc\.resample\(image, like=other, order=0\)"):
            RAW.like(RAW, order=0)
