"""Values keep what they are in the dtype of their image, or are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scutoid as sc
from scutoid.errors import PipelineError, ScutoidError, StepError
from scutoid.steps.compute._fitted import fitted

KINDS = {"b": "1", "u": "1248", "i": "1248", "f": "248", "c": ("8", "16")}
DTYPES = [np.dtype(kind + size) for kind, sizes in KINDS.items() for size in sizes]
ENDS = [0, 1, -1, 127, 128, 255, 256, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]


def exact(value: object) -> complex | int | bool:
    """A numpy number as Python's, integers as integers."""
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[return-value]


@pytest.mark.hypothesis
@given(st.data())
def test_a_value_that_fits_is_kept_and_one_that_does_not_is_refused(data: st.DataObject) -> None:
    """Compared in Python's numbers, which have no largest integer."""
    source, target = data.draw(st.sampled_from(DTYPES)), data.draw(st.sampled_from(DTYPES))
    drawn = hnp.from_dtype(source, allow_nan=True, allow_infinity=True)
    if source.kind in "iu":
        limits = np.iinfo(source)
        ends = [end for end in ENDS if limits.min <= end <= limits.max]
        drawn |= st.sampled_from(ends).map(source.type)
    array = data.draw(hnp.arrays(source, st.integers(0, 4), elements=drawn))
    rounds = target.kind in "fc"
    try:
        found = fitted(array, target, "here")
    except StepError:
        with np.errstate(all="ignore"):
            parts = array if target.kind == "c" else array.real
            cast = [target.type(v) for v in parts if _casts(v, target)]
        assert len(cast) < len(array) or any(
            not _same(a, b, rounds=rounds) for a, b in zip(array, cast, strict=True)
        )
        return
    assert found.dtype == target
    assert all(_same(a, b, rounds=rounds) for a, b in zip(array, found, strict=True))


def _casts(value: np.generic, target: np.dtype) -> bool:
    """Whether numpy's conversion of one number is defined at all."""
    if target.kind not in "biu":
        return True
    number = exact(value.real)
    if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124
        return False
    if target.kind == "b":
        return number in (0, 1)
    limits = np.iinfo(target)
    return int(limits.min) <= number <= int(limits.max)


def _same(given_value: np.generic, found: np.generic, *, rounds: bool) -> bool:
    first, second = exact(given_value), exact(found)
    if rounds and not isinstance(first, complex):
        second = second.real if isinstance(second, complex) else second
        if first != first:  # noqa: PLR0124
            return second != second  # noqa: PLR0124
        return np.isfinite(second) == np.isfinite(float(first))
    if isinstance(first, complex) and not isinstance(second, complex):
        return first.imag == 0 and (
            np.isfinite(first.real) == np.isfinite(second) if rounds else first.real == second
        )
    if isinstance(first, complex):
        return bool(np.isfinite(first)) == bool(np.isfinite(second)) or first != first  # noqa: PLR0124
    return bool(first == second)


CASES = [
    ("uint8", -100),
    ("uint8", 256),
    ("uint8", 1.5),
    ("int32", float("nan")),
    ("int64", 2.0**63),
    ("int64", 2**64 - 1),
    ("float32", 1e300),
    ("float32", 1 + 1j),
    ("bool", 3),
]


@pytest.mark.parametrize(
    ("dtype", "value", "executor"),
    [*((*case, "serial") for case in CASES), ("uint8", -100, "processes")],
)
def test_a_block_whose_values_do_not_fit_its_dtype_fails(
    tmp_path: object, dtype: str, value: complex, executor: str
) -> None:
    @sc.blockwise(dtype=dtype, block=4)
    def filled(image: np.ndarray) -> np.ndarray:
        array = np.zeros(image.shape, np.asarray(value).dtype)
        array[image == 30] = value
        return array

    image = sc.open(np.arange(64.0).reshape(8, 8))
    with pytest.raises(ScutoidError, match=r"block 1.*|dtype"):
        sc.run(filled(image), store=tmp_path, executor=executor)
    with pytest.raises(StepError, match=f"{dtype}") as told:
        np.asarray(filled(image))
    assert "block 1" in str(told.value)
    assert "astype" in str(told.value)


def test_a_step_that_casts_itself_is_believed(tmp_path: object) -> None:
    @sc.blockwise(dtype="uint8", block=4)
    def wrapped(image: np.ndarray) -> np.ndarray:
        return image.astype("uint8")

    found = np.asarray(wrapped(sc.open(np.full((8, 8), 300))))
    assert (found == 44).all()


def test_values_in_the_halo_need_not_fit() -> None:
    @sc.blockwise(dtype="uint8", halo=1, block=4)
    def rim(image: np.ndarray, *, block: sc.StepBlock) -> np.ndarray:
        array = np.full(image.shape, np.nan)
        array[block.inner] = 7
        return array

    assert (np.asarray(rim(sc.open(np.zeros((8, 8))))) == 7).all()


def test_an_image_of_a_whole_step_fits_too() -> None:
    @sc.step(out="image", dtype="uint8")
    def doubled(image: np.ndarray) -> np.ndarray:
        return image * 2

    with pytest.raises(StepError, match="uint8"):
        np.asarray(doubled(sc.open(np.full((4, 4), 200))))


NO_NUMBERS = {
    "objects": np.array([1.5, None], object)[:1],
    "integers as objects": np.array([1], object),
    "text": np.array(["12"]),
    "bytes": np.array([b"12"]),
    "dates": np.array(["NaT"], "M8[ns]"),
    "durations": np.array([300], "m8[s]"),
    "fields": np.zeros(1, [("a", "u1")]),
}


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32", "complex64"])
@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_is_no_number_is_refused(name: str, dtype: str) -> None:
    with pytest.raises(StepError, match="voxels are booleans"):
        fitted(NO_NUMBERS[name], np.dtype(dtype), "here")


@pytest.mark.parametrize("dtype", [None, "float64"])
@pytest.mark.parametrize("kind", ["blockwise", "step"])
def test_a_masked_array_is_no_image(kind: str, dtype: str | None) -> None:
    def masked(image: np.ndarray) -> np.ndarray:
        return np.ma.masked_greater(image, 12)

    step = (
        sc.blockwise(dtype=dtype, block=2, check_halo=False)(masked)
        if kind == "blockwise"
        else sc.step(out="image", dtype=dtype)(masked)
    )
    with pytest.raises(StepError, match=r"mask of an array.*\n.*masked voxels"):
        np.asarray(step(sc.open(np.arange(16.0).reshape(4, 4))))
    fits = step(sc.open(np.arange(4.0).reshape(2, 2)))
    assert np.asarray(fits).tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", [None, "int32"])
def test_the_order_of_bytes_is_no_other_dtype(order: str, dtype: str | None) -> None:
    @sc.blockwise(dtype=dtype, block=2)
    def swapped(image: np.ndarray) -> np.ndarray:
        return image.astype(f"{order}i4")

    image = np.arange(16, dtype="int32").reshape(4, 4)
    found = swapped(sc.open(image))
    assert found.dtype == np.dtype("int32")
    assert np.array_equal(np.asarray(found), image)


@pytest.mark.parametrize(
    "dtype",
    [
        "uint9",
        object,
        "U3",
        "M8[ns]",
        "longdouble",
        [("name", "u1")],
        pd.Int64Dtype(),
        ("u1", "u1"),
    ],
)
def test_a_dtype_that_no_voxel_has_is_refused_in_the_decorator(dtype: object) -> None:
    with pytest.raises(PipelineError, match="dtype= is"):

        @sc.blockwise(dtype=dtype)
        def same(image: np.ndarray) -> np.ndarray:
            return image


def test_long_numbers_are_refused_before_the_first_block(tmp_path: object) -> None:
    @sc.blockwise(block=2)
    def long(image: np.ndarray) -> np.ndarray:
        return image.astype("longdouble")

    with pytest.raises(ScutoidError, match="up to 64 bits"):
        sc.run(long(sc.open(np.zeros((4, 4)))), store=tmp_path, executor="serial")


@pytest.mark.parametrize("dtype", [None, "uint8"], ids=["of a trial", "of a block"])
@pytest.mark.parametrize("is_whole", [False, True], ids=["blockwise", "whole"])
def test_a_function_without_a_return_is_told_so(dtype: str | None, *, is_whole: bool) -> None:
    def nothing(image: np.ndarray) -> None:
        image += 1

    made = sc.step(out="image", dtype=dtype) if is_whole else sc.blockwise(dtype=dtype)
    with pytest.raises(StepError, match=r"found: None\n.*'nothing'.*\n.*ends in a return"):
        np.asarray(made(nothing)(sc.open(np.zeros((4, 4), "uint8"))))
