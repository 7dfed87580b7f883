"""What a function changes in place in its arguments is seen by no other call, nor by the user."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ScutoidError, StepError
from scutoid.steps.declaration import own
from scutoid.steps.declaration._own import LARGEST_COPY

EXECUTORS = ["serial", "threads", "processes"]


@dataclass
class Settings:
    """A class of the user's own."""

    weights: list[float]
    by_name: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Lookup:
    """Frozen, with an array inside that is not."""

    table: np.ndarray


class Counter:
    """A class that is no dataclass, with slots."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def __scutoid_key__(self) -> int:
        return self.left


def pop_option(image: np.ndarray, value: dict[str, Any]) -> np.ndarray:
    return image * 0 + value.pop("factor", 1)


def shift_rows(image: np.ndarray, value: pd.DataFrame) -> np.ndarray:
    value["y"] -= 1
    return image * 0 + value["y"].sum()


def shift_cells(image: np.ndarray, value: pd.DataFrame) -> np.ndarray:
    value.loc[0, "y"] = value.loc[0, "y"] + 1
    return image * 0 + value["y"].sum()


def append(image: np.ndarray, value: list[int]) -> np.ndarray:
    value.append(1)
    return image * 0 + len(value)


def nested(image: np.ndarray, value: dict[str, list[int]]) -> np.ndarray:
    value["a"].append(1)
    return image * 0 + len(value["a"])


def in_tuple(image: np.ndarray, value: tuple[list[int]]) -> np.ndarray:
    value[0].append(1)
    return image * 0 + len(value[0])


def in_array(image: np.ndarray, value: np.ndarray) -> np.ndarray:
    value += 1
    return image * 0 + value.sum()


def in_object_array(image: np.ndarray, value: np.ndarray) -> np.ndarray:
    value[0].append(1)
    return image * 0 + len(value[0])


def in_set(image: np.ndarray, value: set[int]) -> np.ndarray:
    value.add(len(value))
    return image * 0 + len(value)


def in_object(image: np.ndarray, value: Settings) -> np.ndarray:
    value.weights.append(1.0)
    value.by_name["b"] = 1.0
    return image * 0 + len(value.weights) + len(value.by_name)


def in_frozen(image: np.ndarray, value: Lookup) -> np.ndarray:
    value.table[:] += 1
    return image * 0 + value.table.sum()


def in_slots(image: np.ndarray, value: Counter) -> np.ndarray:
    value.left -= 1
    return image * 0 + value.left


CASES: dict[str, tuple[Callable[..., np.ndarray], Callable[[], Any]]] = {
    "dict": (pop_option, lambda: {"factor": 5}),
    "column": (shift_rows, lambda: pd.DataFrame({"y": [3.0, 4.0]})),
    "cell": (shift_cells, lambda: pd.DataFrame({"y": [3.0, 4.0]})),
    "list": (append, lambda: [1, 2]),
    "nested": (nested, lambda: {"a": [1]}),
    "tuple": (in_tuple, lambda: ([1],)),
    "array": (in_array, lambda: np.arange(3.0)),
    "object array": (in_object_array, lambda: np.array([[1], [2, 3]], dtype=object)),
    "set": (in_set, lambda: {1, 2}),
    "dataclass": (in_object, lambda: Settings([1.0])),
    "frozen": (in_frozen, lambda: Lookup(np.arange(3.0))),
    "slots": (in_slots, lambda: Counter(9)),
}


def image_of() -> np.ndarray:
    return np.zeros((8, 8))


WAYS = [
    (name, way)
    for name in CASES
    for way in ("parameter", "input", "default")
    if way != "input" or "array" not in name  # among the inputs, an array is an image
]


@pytest.mark.parametrize("dtype", [None, "float64"])
@pytest.mark.parametrize(("name", "way"), WAYS)
def test_blocks_get_their_own(tmp_path: Path, name: str, way: str, dtype: str | None) -> None:
    function, make = CASES[name]
    expected = function(image_of(), make())
    shared = make()
    before = _text(shared)

    if way == "parameter":

        def body(image: np.ndarray, *, value: Any) -> np.ndarray:
            return function(image, value)

        step = sc.blockwise(dtype=dtype, block=4)(body)
        result = step(sc.open(image_of()), value=shared)
    elif way == "input":

        def body(image: np.ndarray, value: Any) -> np.ndarray:  # type: ignore[misc]
            return function(image, value)

        step = sc.blockwise(dtype=dtype, block=4)(body)
        result = step(sc.open(image_of()), shared)
    else:

        def body(image: np.ndarray, *, value: Any = shared) -> np.ndarray:  # type: ignore[misc]
            return function(image, value)

        step = sc.blockwise(dtype=dtype, block=4)(body)
        step(image_of())
        result = step(sc.open(image_of()))
    assert np.array_equal(np.asarray(result), expected)
    sc.run(result, store=tmp_path, executor="threads", workers=2)
    assert np.array_equal(np.asarray(result), expected)
    assert _text(shared) == before


def _text(value: Any) -> str:
    if isinstance(value, Counter):
        return str(value.left)
    return repr(value)


@pytest.mark.parametrize("make", [random.Random, np.random.default_rng])
def test_random_numbers_that_a_call_draws_are_drawn_by_no_other(make: Callable[..., Any]) -> None:
    given = make(1)
    assert own(given).random() == own(given).random() == given.random()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_each_executor_gives_a_block_its_own(tmp_path: Path, executor: str) -> None:
    @sc.blockwise(dtype="float64", block=2)
    def scaled(image: np.ndarray, *, options: dict[str, float]) -> np.ndarray:
        return image + options.pop("factor", 1)

    options = {"factor": 5.0}
    result = scaled(sc.open(image_of()), options=options)
    sc.run(result, store=tmp_path, executor=executor, workers=2)
    assert np.array_equal(np.asarray(result), image_of() + 5)
    assert options == {"factor": 5.0}


@pytest.mark.parametrize("kind", ["blockwise", "step"])
def test_a_call_that_is_tried_again_gets_what_the_first_one_got(tmp_path: Path, kind: str) -> None:
    failed = tmp_path / "failed"

    def body(image: np.ndarray, *, options: dict[str, float]) -> np.ndarray:
        image += options.pop("factor", 1)
        if not failed.exists():
            failed.touch()
            raise OSError("a disk that was away for a moment")
        return image

    step = (
        sc.blockwise(dtype="float64", version="1")(body)
        if kind == "blockwise"
        else sc.step(out="image", dtype="float64", version="1")(body)
    )
    result = step(sc.open(image_of()), options={"factor": 5.0})
    sc.run(result, store=tmp_path / "store", executor="serial")
    assert failed.exists()
    assert np.array_equal(np.asarray(result), image_of() + 5)


def test_members_get_their_own(tmp_path: Path) -> None:
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", image_of())
    images = sc.open_folder(f"{tmp_path}/*.npy", axes="yx")

    @sc.step
    def counted(image: np.ndarray, *, options: dict[str, int]) -> int:
        return options.pop("factor", 1)

    @sc.step
    def total(values: Any, *, seen: list[int]) -> int:
        seen.extend(values[key] for key in values)
        return sum(seen)

    counts = counted(images, options={"factor": 5})
    sc.run(counts, store=tmp_path / "store", executor="serial")
    assert [counts[key].get() for key in counts] == [5, 5, 5]
    seen: list[int] = []
    assert total(sc.gather(counts), seen=seen).get() == 15
    assert seen == []


def test_a_result_of_a_step_that_two_others_get_is_each_ones_own(tmp_path: Path) -> None:
    @sc.step(out="table")
    def table(image: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame({"y": [1.0, 2.0]})

    @sc.step
    def first(cells: pd.DataFrame) -> float:
        cells["y"] *= 100
        return float(cells["y"].sum())

    @sc.step
    def second(cells: pd.DataFrame) -> float:
        return float(cells["y"].sum())

    cells = table(sc.open(image_of()))

    @sc.step
    def both(a: float, b: float) -> tuple[float, float]:
        return a, b

    assert both(first(cells), second(cells)).get() == (300.0, 3.0)


def test_set_up_values_are_shared_on_purpose(tmp_path: Path) -> None:
    @sc.blockwise(dtype="float64", block=4, setup={"model": dict})
    def counted(image: np.ndarray, *, model: dict[str, int]) -> np.ndarray:
        model["calls"] = model.get("calls", 0) + 1
        return image + model["calls"]

    result = counted(sc.open(image_of()))
    sc.run(result, store=tmp_path, executor="serial")
    assert sorted(np.unique(np.asarray(result)).tolist()) == [1, 2, 3, 4]


def test_a_large_array_that_is_written_to_names_the_line(tmp_path: Path) -> None:
    large = np.zeros(LARGEST_COPY // 8 + 1)

    @sc.blockwise(dtype="float64")
    def spoiled(image: np.ndarray, *, value: np.ndarray) -> np.ndarray:
        value[0] = 1
        return image

    result = spoiled(sc.open(image_of()), value=large)
    with pytest.raises(StepError, match=r"test_own_arguments\.py:\d+") as told:
        np.asarray(result)
    assert "array.copy()" in str(told.value)
    with pytest.raises(ScutoidError):
        sc.run(result, store=tmp_path, executor="serial")
    assert not large.any()


def test_a_large_array_within_an_object_is_shared_and_cannot_be_written_to() -> None:
    large = np.zeros(LARGEST_COPY // 8 + 1)
    mine = own(Settings([1.0], {"large": large}))  # type: ignore[dict-item]
    assert np.shares_memory(mine.by_name["large"], large)
    assert not mine.by_name["large"].flags.writeable
    mine.weights.append(2.0)


NOT_GIVEN = object()


@pytest.mark.parametrize(
    "value", [NOT_GIVEN, None, 3, "text", (1, 2), np.float32(1), Path("a"), len, np.sum, Settings]
)
def test_what_cannot_change_is_the_very_same(value: object) -> None:
    assert own(value) is value


def test_functions_with_state_are_copied() -> None:
    bound = functools.partial(append, value=[1])
    own(bound)(np.zeros(1))
    assert bound.keywords["value"] == [1]


def test_what_a_call_keeps_of_its_result_changes_no_other_block(tmp_path: Path) -> None:
    """Read in this process and run: a constant that is merged in place, a buffer used again."""
    image = sc.open(np.arange(64.0).reshape(8, 8))
    nothing = np.zeros(3)

    def add(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        first += second
        return first

    @sc.reduction(merge=add, block=4)
    def high(image: np.ndarray) -> np.ndarray:
        return nothing if image.max() < 40 else np.ones(3)

    @sc.blockwise(out="parts", block=4, setup={"buffer": lambda: np.zeros(1)})
    def greatest(image: np.ndarray, *, buffer: np.ndarray) -> dict[str, np.ndarray]:
        buffer[0] = image.max()
        return {"max": buffer}

    @sc.step
    def listed(parts: Any) -> list[float]:
        return [float(parts[number]["max"][0]) for number in parts]

    @sc.blockwise(dtype="float64", block=4, setup={"buffers": dict}, keep=False)
    def moved(image: np.ndarray, *, buffers: dict[Any, np.ndarray]) -> np.ndarray:
        buffer = buffers.setdefault(image.shape, np.zeros(image.shape))
        buffer[...] = image + 1
        return buffer

    @sc.blockwise(dtype="float64", block=4, out=("image", "table"), setup={"buffers": dict})
    def two(image: np.ndarray, *, buffers: dict[Any, Any]) -> tuple[np.ndarray, pd.DataFrame]:
        array = moved.spec.function(image, buffers=buffers)
        return array, pd.DataFrame({"max": [array.max()]})

    @sc.blockwise(dtype="float64", halo=1, block=4)
    def doubled(image: np.ndarray) -> np.ndarray:
        image *= 2
        return image

    @sc.blockwise(dtype="float64", block=4)
    def both(image: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        return image + table["max"].sum()

    middle = moved(image)
    voxels = np.arange(1.0, 65.0).reshape(8, 8)
    results = {
        high(image): np.full(3, 2.0),
        listed(greatest(image)): [27.0, 31.0, 59.0, 63.0],
        doubled(middle) + middle: voxels * 3,
        both(*two(image)): voxels + 28 + 32 + 60 + 64,
    }
    for result, expected in results.items():
        assert np.array_equal(np.asarray(result), expected)
    assert not nothing.any()
    sc.run(*results, store=tmp_path, executor="serial")
    for result, expected in results.items():
        assert np.array_equal(np.asarray(result), expected)


def test_members_that_may_lack_are_each_blocks_own(tmp_path: Path) -> None:
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", image_of())

    @sc.step
    def listed(image: np.ndarray) -> list[int]:
        return [1]

    @sc.blockwise(dtype="float64", block=4)
    def counted(image: np.ndarray, *, lists: Any) -> np.ndarray:
        for name in lists:
            lists[name].append(1)
        return image + sum(len(lists[name]) for name in lists)

    lists = sc.gather(listed(sc.open_folder(f"{tmp_path}/*.npy", axes="yx")), partial="allow")
    result = counted(sc.open(image_of()), lists=lists)
    assert np.array_equal(np.asarray(result), image_of() + 3)
    sc.run(result, store=tmp_path / "store", executor="serial")
    assert np.array_equal(np.asarray(result), image_of() + 3)
