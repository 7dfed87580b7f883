"""A trial call: the dtype and the new axes of a step's images, found on a small array."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.arrays import ImageSpec
from scutoid.errors import PipelineError, StepError
from scutoid.geometry import Coordinate
from scutoid.steps.compute._trial import trial
from scutoid.steps.declaration._spec import Options, make_spec
from scutoid.steps.layout._fit import make_layout
from scutoid.steps.layout._placement import Framed

IMAGE = ("zyx", (40, 50, 60))


def tried(function, *images, dtypes=("uint16",), others=(), params=None, out="image", **declared):
    """The images of a trial call of a step on images of (axes, shape), and on other inputs."""
    spec = make_spec("blockwise", function, out=out, setup=None, options=Options(), **declared)
    framed = [
        Framed(ImageSpec(shape, "uint16", axes), Coordinate.full(len(shape), 0), shape)
        for axes, shape in images or [IMAGE]
    ]
    inputs = [*framed, *(None for _ in others)]
    layout = make_layout(spec, params or {}, inputs, block=16)
    kinds = [*(np.dtype(dtype) for dtype in dtypes), *(None for _ in others)]
    values = [*(None for _ in framed), *others]
    return trial(spec, layout, kinds, values, params or {}, (4.0, 2.0, 1.0))


def seen_by(*images, dtypes=("uint16",), **declared):
    """The arrays that a function gets in a trial call."""
    seen = []

    def look(*arrays):
        seen.extend(arrays)
        return arrays[0]

    tried(look, *images, dtypes=dtypes, **declared)
    return seen


@pytest.mark.parametrize(
    ("function", "dtype", "found"),
    [
        pytest.param(lambda a: a, "uint16", "uint16", id="the image itself"),
        pytest.param(lambda a: a > 3, "uint16", "bool", id="a comparison is a mask"),
        pytest.param(lambda a: a * 1.5, "uint16", "float64", id="numpy's rules of arithmetic"),
        pytest.param(lambda a: a * 1.5, "float32", "float32", id="which depend on the input"),
        pytest.param(lambda a: a.astype("int8"), "uint16", "int8", id="a type that is asked for"),
        pytest.param(lambda a: a.tolist(), "uint16", "int64", id="a list is read as an array"),
        pytest.param(lambda a: a / 0, "float32", "float32", id="a division by zero is no error"),
    ],
)
def test_the_dtype_is_that_of_what_is_returned(function, dtype, found) -> None:
    (image,) = tried(function, dtypes=(dtype,))
    assert image.dtype == found


def test_each_input_has_its_own_dtype() -> None:
    a, b = seen_by(IMAGE, IMAGE, dtypes=("uint8", "float32"))
    assert (a.dtype, b.dtype) == (np.uint8, np.float32)


def test_each_image_that_is_returned_has_its_own() -> None:
    images = tried(lambda a: (a > 3, a * 0.5), out=("image", "image"))
    assert [image.dtype for image in images] == [np.bool_, np.float64]


def test_only_images_have_a_dtype_to_find() -> None:
    images = tried(lambda a: (pd.DataFrame(), a, {}), out=("table", "image", "parts"))
    assert [image.dtype for image in images] == [np.uint16]


#    z y x = 40 50 60, halo 3         8 voxels, and the halo on both sides: 14 14 14
@pytest.mark.parametrize(
    ("image", "declared", "shape"),
    [
        pytest.param(IMAGE, {}, (8, 8, 8), id="eight voxels an axis"),
        pytest.param(IMAGE, {"halo": 3}, (14, 14, 14), id="and the halo on both sides"),
        pytest.param(IMAGE, {"halo": [(1, 2), 0, 3]}, (11, 8, 14), id="an axis by its own halo"),
        pytest.param(("zyx", (5, 50, 60)), {"halo": 3}, (5, 14, 14), id="no more than the image"),
        pytest.param(("tyx", (3, 50, 60)), {}, (8, 8), id="without iterated axes"),
        pytest.param(("cyx", (3, 50, 60)), {"axes": "cyx"}, (3, 8, 8), id="with all channels"),
        pytest.param(("cyx", (30, 50, 60)), {"axes": "cyx"}, (30, 8, 8), id="however many"),
        pytest.param(("yx", (50, 60)), {"axes": "zyx"}, (1, 8, 8), id="an axis that is missing"),
        pytest.param(("yx", (0, 60)), {}, (1, 8), id="one voxel of an empty image"),
    ],
)
def test_the_array_is_small_and_holds_the_halo(image, declared, shape) -> None:
    (array,) = seen_by(image, **declared)
    assert array.shape == shape


def test_an_input_of_fewer_axes_is_one_voxel_thick() -> None:
    a, b = seen_by(IMAGE, ("x", (60,)), dtypes=("uint16", "uint16"))
    assert (a.shape, b.shape) == ((8, 8, 8), (1, 1, 8))


def test_voxels_of_the_array_differ() -> None:
    (array,) = seen_by()
    assert len(np.unique(array)) > 2


def test_the_function_gets_its_other_inputs_and_parameters() -> None:
    def shift(image, by, *, factor):
        return image + np.float32(by * factor)

    (image,) = tried(shift, others=(3,), params={"factor": 2})
    assert image.min() == 6


def test_the_function_gets_the_block_and_the_voxel_size_that_it_asks_for() -> None:
    seen = {}

    def look(image, *, block, voxel_size):
        seen.update(block=block, voxel_size=voxel_size)
        return image[block.inner]

    tried(look)
    assert seen["block"].axes == "zyx"
    assert seen["block"].write_roi.shape == (8, 8, 8)
    assert seen["voxel_size"] == (4.0, 2.0, 1.0)


@pytest.mark.parametrize(
    ("function", "image", "declared", "shape"),
    [
        pytest.param(
            lambda a: np.stack([a, a, a]),
            IMAGE,
            {"out_axes": "czyx"},
            (3, 8, 8, 8),
            id="a new axis",
        ),
        pytest.param(lambda a: a.max(0), IMAGE, {"out_axes": "yx"}, (8, 8), id="an axis less"),
        pytest.param(
            lambda a: a[:2],
            ("cyx", (3, 50, 60)),
            {"axes": "cyx", "out_sizes": {"c": 2}},
            (2, 8, 8),
            id="a size that is declared to change",
        ),
        pytest.param(
            lambda a: a[:3, :2, :1], IMAGE, {"scale": 2}, (3, 2, 1), id="any shape on another grid"
        ),
    ],
)
def test_the_size_of_other_axes_is_found(function, image, declared, shape) -> None:
    (found,) = tried(function, image, **declared)
    assert found.shape == shape


@pytest.mark.parametrize(
    ("function", "declared", "value"),
    [
        pytest.param(
            lambda a: a[2:-2, 2:-2, 2:-2],
            {"halo": 2},
            "shape (8, 8, 8); expected (12, 12, 12) for axes 'zyx'",
            id="the halo is cut off",
        ),
        pytest.param(
            lambda a: a.max(0),
            {},
            "shape (8, 8); expected (8, 8, 8) for axes 'zyx'",
            id="an axis is lost that is not declared",
        ),
        pytest.param(
            lambda a: a[None],
            {},
            "shape (1, 8, 8, 8); expected (8, 8, 8) for axes 'zyx'",
            id="an axis is added that is not declared",
        ),
        pytest.param(
            lambda a: np.stack([a, a]),
            {"out_axes": "czyx", "out_sizes": {"c": 3}},
            "shape (2, 8, 8, 8); expected (3, 8, 8, 8) for axes 'czyx'",
            id="a new axis has another size than declared",
        ),
        pytest.param(
            lambda a: np.stack([a, a])[..., 1:],
            {"out_axes": "czyx"},
            "shape (2, 8, 8, 7); expected ('any', 8, 8, 8) for axes 'czyx'",
            id="a new axis may have any size, others not",
        ),
        pytest.param(
            lambda a: a.sum(), {}, "shape (); expected (8, 8, 8) for axes 'zyx'", id="a number"
        ),
    ],
)
def test_a_wrong_shape_is_refused(function, declared, value) -> None:
    with pytest.raises(StepError, match="the shape that it was given") as caught:
        tried(function, **declared)
    assert caught.value.value == value
    assert caught.value.place == "step 'step'"
    assert "do not crop the halo" in caught.value.remedy


def fail(image):
    raise ValueError("too few blobs")


@pytest.mark.parametrize(
    ("function", "declared", "value", "place"),
    [
        pytest.param(
            fail,
            {},
            "the call raised ValueError: too few blobs",
            "step 'fail', called on (8, 8, 8)",
            id="an error of the function",
        ),
        pytest.param(
            lambda a: a[20],
            {"halo": 1},
            "the call raised IndexError: index 20 is out of bounds for axis 0 with size 10",
            "step 'step', called on (10, 10, 10)",
            id="a function that wants a larger image",
        ),
    ],
)
def test_a_call_that_raises_says_how_to_do_without(function, declared, value, place) -> None:
    with pytest.raises(PipelineError, match="the dtype of an image is declared") as caught:
        tried(function, **declared)
    assert caught.value.value == value
    assert caught.value.place == place
    assert caught.value.remedy == "give dtype= to the decorator, or mend the function"
    assert isinstance(caught.value.__cause__, (ValueError, IndexError))


def test_a_tuple_of_another_length_is_refused() -> None:
    with pytest.raises(StepError, match="returns a tuple of 2"):
        tried(lambda a: (a,), out=("image", "image"))


def test_warnings_of_a_trial_are_not_the_users() -> None:
    def warn(image):
        warnings.warn("low contrast", stacklevel=1)
        return image

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tried(warn)
    assert caught == []


@pytest.mark.parametrize(
    ("dtype", "halo"), [pytest.param("uint32", 0, id="alone"), pytest.param("bool", 2, id="halo")]
)
def test_a_step_that_sees_its_neighbours_gets_zeros(dtype, halo) -> None:
    seen = []

    def grow(image, *, neighbours):
        seen.append((image, neighbours))
        return neighbours

    (found,) = tried(grow, halo=halo, dtype=dtype, sees_neighbours=True)
    [(image, neighbours)] = seen
    assert neighbours.shape == image.shape
    assert neighbours.dtype == found.dtype == dtype
    assert not neighbours.any()


@pytest.mark.parametrize("way", ["input", "parameter"])
def test_a_number_stands_in_for_a_result(way) -> None:
    @sc.step
    def level(image):
        return 3

    @sc.step(out="table")
    def cells(image):
        return pd.DataFrame({"n": [3]})

    def raised(image, other):
        return image + other

    def added(image, other):
        return image + other["n"].sum()

    image = sc.open(np.zeros((4, 4)))

    def applied(function, result):
        if way == "input":
            return sc.blockwise(function)(image, result(image))
        wrapped = sc.blockwise(lambda image, *, other: function(image, other))
        return wrapped(image, other=result(image))

    assert (np.asarray(applied(raised, level)) == 3).all()
    with pytest.raises(PipelineError, match=r"give dtype= .* a number stood in for other"):
        _ = applied(added, cells).dtype
