"""Images on other grids equal the same computation on the whole array, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import scutoid as sc
from scutoid import kernels
from scutoid.arrays import ImageSpec, create_image, write_tiff
from scutoid.errors import GeometryError, MetadataError, ParameterError, PipelineError

DTYPES = ["uint8", "uint16", "int32", "float32"]


def noise(shape, dtype="uint16", seed=0):
    return (np.random.default_rng(seed).random(shape) * 200).astype(dtype)


@st.composite
def images(draw, max_side=9, ndims=(1, 2, 3)):
    ndim = draw(st.sampled_from(ndims))
    shape = tuple(draw(st.integers(1, max_side)) for _ in range(ndim))
    return noise(shape, draw(st.sampled_from(DTYPES)))


@st.composite
def regions(draw, shape):
    start = [draw(st.integers(0, size - 1)) for size in shape]
    stop = [draw(st.integers(a + 1, size)) for a, size in zip(start, shape, strict=True)]
    return tuple(slice(a, b) for a, b in zip(start, stop, strict=True))


def check(result, expected, data, tmp_path_factory):
    """See that a lazy image equals an array: by region, and run block by block."""
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    region = data.draw(regions(expected.shape))
    np.testing.assert_array_equal(np.asarray(result[region]), expected[region])
    longest = max(expected.shape)
    block = data.draw(st.integers(-(-longest // 4), longest))  # at most 64 blocks
    sc.run(result, store=tmp_path_factory.mktemp("s"), executor="serial", block=block)
    np.testing.assert_array_equal(np.asarray(result), expected)


@settings(max_examples=15, deadline=None)
@given(images(), st.sampled_from(["mean", "mode", "nearest", "max"]), st.data())
def test_downsample_equals_the_kernel_on_the_whole(tmp_path_factory, image, method, data):
    factors = tuple(data.draw(st.integers(1, 4)) for _ in image.shape)
    result = sc.downsample(sc.open(image), factors=factors, method=method)
    check(result, kernels.downsample(image, factors, method), data, tmp_path_factory)


@settings(max_examples=15, deadline=None)
@given(images(), st.sampled_from([0, 1]), st.sampled_from(["constant", "nearest"]), st.data())
def test_affine_transform_equals_scipy_on_the_whole(tmp_path_factory, image, order, mode, data):
    n = image.ndim
    numbers = st.floats(-1.5, 1.5, allow_subnormal=False)
    matrix = np.array([[data.draw(numbers) for _ in range(n)] for _ in range(n)])
    shift = np.array([data.draw(st.floats(-2, 9)) for _ in range(n)])
    shape = tuple(data.draw(st.integers(1, 9)) for _ in range(n))
    result = sc.affine_transform(
        sc.open(image), matrix=np.column_stack([matrix, shift]), shape=shape,
        order=order, fill=7 if mode == "constant" else mode,
    )  # fmt: skip
    expected = ndimage.affine_transform(
        image, matrix, shift, shape, order=order, mode=mode, cval=7, prefilter=False
    )
    check(result, expected, data, tmp_path_factory)


@settings(max_examples=15, deadline=None)
@given(images(), st.sampled_from([0, 1]), st.data())
def test_resample_equals_scipy_on_the_whole(tmp_path_factory, image, order, data):
    sizes = st.sampled_from([0.3, 0.5, 1.0, 1.7, 2.0])
    own = tuple(data.draw(sizes) for _ in image.shape)
    wanted = tuple(data.draw(sizes) for _ in image.shape)
    result = sc.resample(sc.open(image, voxel_size=own), voxel_size=wanted, order=order)
    scale = np.array(wanted) / np.array(own)
    shape = tuple(max(round(n / s), 1) for n, s in zip(image.shape, scale, strict=True))
    expected = ndimage.affine_transform(
        image, np.diag(scale), (scale - 1) / 2, shape, order=order, mode="nearest", prefilter=False
    )
    assert result.voxel_size == wanted
    check(result, expected, data, tmp_path_factory)


@settings(max_examples=15, deadline=None)
@given(images(), st.data())
def test_scale_nearest_takes_the_voxel_nearest_to_each_centre(tmp_path_factory, image, data):
    shape = tuple(data.draw(st.integers(1, 12)) for _ in image.shape)
    places = [
        (2 * np.arange(m) + 1) * n // (2 * m) for n, m in zip(image.shape, shape, strict=True)
    ]
    result = sc.scale_nearest(sc.open(image), shape=shape)
    check(result, image[np.ix_(*places)], data, tmp_path_factory)


@settings(max_examples=20, deadline=None)
@given(images(), st.sampled_from([0, 3, "nearest", "reflect"]), st.data())
def test_pad_equals_numpy_on_the_whole(tmp_path_factory, image, fill, data):
    widths = st.tuples(st.integers(0, 12), st.integers(0, 12))
    width = tuple(data.draw(widths) for _ in image.shape)
    modes = {"nearest": {"mode": "edge"}, "reflect": {"mode": "symmetric"}}
    expected = np.pad(image, width, **modes.get(fill, {"constant_values": fill}))
    check(sc.pad(sc.open(image), width=width, fill=fill), expected, data, tmp_path_factory)


@settings(max_examples=12, deadline=None)
@given(images(), st.data())
def test_flip_and_transpose_equal_numpy_on_the_whole(tmp_path_factory, image, data):
    axes = "zyx"[-image.ndim :]
    letters = "".join(data.draw(st.permutations(axes)))
    flipped = data.draw(st.sets(st.sampled_from(axes), min_size=1))
    expected = np.flip(image, [axes.index(letter) for letter in flipped])
    check(sc.flip(sc.open(image), axis="".join(flipped)), expected, data, tmp_path_factory)
    expected = image.transpose([axes.index(letter) for letter in letters])
    check(sc.transpose(sc.open(image), axes=letters), expected, data, tmp_path_factory)


@settings(max_examples=12, deadline=None)
@given(images(ndims=(2, 3)), st.lists(st.integers(1, 7), min_size=1, max_size=3), st.data())
def test_concatenate_equals_numpy_on_the_whole(tmp_path_factory, image, sizes, data):
    axis = data.draw(st.integers(0, image.ndim - 1))
    parts = [
        noise([n if a == axis else s for a, s in enumerate(image.shape)], image.dtype, seed)
        for seed, n in enumerate(sizes)
    ]
    letter = "zyx"[-image.ndim :][axis]
    result = sc.concatenate([sc.open(part) for part in parts], axis=letter)
    check(result, np.concatenate(parts, axis), data, tmp_path_factory)


CHANNELS = noise((2, 5, 6, 7), "uint8")
EVERY = {
    "downsample": lambda image: sc.downsample(image, factors=2),
    "affine": lambda image: sc.affine_transform(image, matrix=[2, 1, 0.5]),
    "resample": lambda image: sc.resample(image, voxel_size=(1, 3, 1)),
    "scale": lambda image: sc.scale_nearest(image, shape=(3, 4, 5)),
    "pad": lambda image: sc.pad(image, width=2, fill="reflect"),
    "flip": lambda image: sc.flip(image, axis="zx"),
    "transpose": sc.transpose,
    "concatenate": lambda image: sc.concatenate([image, image], axis="y"),
    "project": lambda image: sc.project(image, axis="z"),
}


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"transpose"}))
def test_channels_are_iterated(name):
    image = sc.open(CHANNELS, axes="czyx", voxel_size=(2, 1, 1), unit="um")
    found = EVERY[name](image)
    for c in range(2):
        alone = EVERY[name](sc.open(CHANNELS[c], voxel_size=(2, 1, 1), unit="um"))
        np.testing.assert_array_equal(np.asarray(found)[c], np.asarray(alone))
        assert (found.voxel_size, found.unit) == (alone.voxel_size, "um")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_workers_make_the_same_voxels(name, executor, tmp_path):
    image = sc.open(CHANNELS[0], voxel_size=(2, 1, 1))
    expected = np.asarray(EVERY[name](image))
    result = EVERY[name](image)
    sc.run(result, store=tmp_path, executor=executor, workers=2, block=3)
    np.testing.assert_array_equal(np.asarray(result), expected)


@pytest.mark.parametrize("name", EVERY)
def test_a_crop_counts_from_its_own_first_voxel(name):
    array = noise((8, 9, 10))
    image = sc.open(array, voxel_size=(2, 1, 1))
    part = (slice(1, 7), slice(2, 8), slice(0, 9))
    found = EVERY[name](image[part])
    np.testing.assert_array_equal(
        np.asarray(found), np.asarray(EVERY[name](sc.open(array[part], voxel_size=(2, 1, 1))))
    )


@pytest.mark.parametrize("name", ["downsample", "scale", "pad", "flip", "concatenate", "project"])
def test_arrays_just_run(name):
    array = CHANNELS[0]
    found = EVERY[name](array)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, np.asarray(EVERY[name](sc.open(array))))


@pytest.mark.parametrize("name", EVERY)
def test_collections_map_over_their_members(name, tmp_path):
    arrays = {"a.tif": noise((5, 6, 7)), "b.tif": noise((4, 7, 6), seed=1)}
    for key, array in arrays.items():
        write_tiff(tmp_path / key, array, sc.open(array, voxel_size=(2, 1, 1)).framed.spec)
    members = sc.open_folder(str(tmp_path / "*.tif"))
    found = EVERY[name](members)
    for key, array in arrays.items():
        alone = np.asarray(EVERY[name](sc.open(array, voxel_size=(2, 1, 1))))
        np.testing.assert_array_equal(np.asarray(found[key]), alone)


LABELS = sc.label(sc.open(noise((6, 7, 8), "uint8") > 100, voxel_size=(2, 1, 1)))
OF_LABELS = {
    **EVERY,
    "affine": lambda image: sc.affine_transform(image, matrix=[2, 1, 0.5], order=0),
    "resample": lambda image: sc.resample(image, voxel_size=1, order=0),
}


@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_stay_labels_and_gain_no_number(name):
    found = OF_LABELS[name](LABELS)
    assert found.is_labels
    assert set(np.unique(found)) <= set(np.unique(LABELS)) | {0}


@pytest.mark.parametrize(
    "call",
    [
        lambda: sc.downsample(LABELS, factors=2, method="mean"),
        lambda: sc.resample(LABELS, voxel_size=1).shape,
        lambda: sc.affine_transform(LABELS, matrix=[1, 1, 2]).shape,
        lambda: sc.affine_transform(np.ones((3, 3), bool), matrix=[1, 2]).shape,
    ],
    ids=["mean", "resample", "affine", "mask"],
)
def test_object_numbers_are_never_interpolated(call):
    with pytest.raises((MetadataError, ParameterError), match=r"never averaged|not interpolated"):
        call()


IMAGE = sc.open(noise((4, 5)), voxel_size=1)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: sc.downsample(IMAGE, factors=1.5), ParameterError, "whole factors"),
        (lambda: sc.downsample(IMAGE, factors=2, method="sum"), ParameterError, "one of mean"),
        (lambda: sc.affine_transform(IMAGE, matrix=np.eye(4)), ParameterError, "matrix"),
        (
            lambda: sc.affine_transform(IMAGE, matrix=[1, 1], order=3),
            ParameterError,
            "order=",
        ),
        (
            lambda: sc.affine_transform(IMAGE, matrix=[1, 1], fill=-1),
            ParameterError,
            "uint16 holds",
        ),
        (
            lambda: sc.affine_transform(IMAGE, matrix=[1, 1], shape=(4,)),
            ParameterError,
            "a shape is",
        ),
        (
            lambda: sc.affine_transform(IMAGE, matrix=[1, 1], fill="wrap"),
            ParameterError,
            "fill=",
        ),
        (lambda: sc.resample(IMAGE, voxel_size=0), ParameterError, "positive"),
        (lambda: sc.resample(noise((4, 5)), voxel_size=2), MetadataError, "its own is known"),
        (lambda: sc.scale_nearest(IMAGE, shape=(0, 5)), ParameterError, "a shape is"),
        (lambda: sc.pad(IMAGE, width=-1), ParameterError, "crop"),
        (lambda: sc.pad(IMAGE, width=1, fill="wrap"), ParameterError, "a fill is"),
        (lambda: sc.pad(IMAGE, width=1, fill=-1), GeometryError, "fill"),
        (lambda: sc.pad(IMAGE, width=1, fill=np.nan), GeometryError, "fill"),
        (lambda: sc.pad(IMAGE, width=1, fill=None), ParameterError, "a fill is"),
        (lambda: sc.resample(IMAGE, voxel_size=(1, 1, 1)), ParameterError, "each of the 2"),
        (lambda: sc.resample(IMAGE, voxel_size="1 um"), ParameterError, "finite numbers"),
        (
            lambda: sc.affine_transform(IMAGE, matrix=[[1, 0], [0, 0]]),
            ParameterError,
            "voxel_size=",
        ),
        (
            lambda: sc.affine_transform(IMAGE, matrix=[1, 1], voxel_size=-1),
            ParameterError,
            "positive",
        ),
        (
            lambda: sc.affine_transform(IMAGE, matrix=[1, 1], origin=(1, 2, 3)),
            ParameterError,
            "origin",
        ),
        (lambda: sc.downsample([[1, 2]], factors=2), PipelineError, "open it"),
        (lambda: sc.downsample(np.array(["a"]), factors=2), ParameterError, "numbers"),
        (lambda: sc.flip(3, axis="x"), PipelineError, "open it"),
        (lambda: sc.flip(IMAGE, axis=2), ParameterError, "spatial axes"),
        (lambda: sc.flip(IMAGE, axis="z"), ParameterError, "spatial axes"),
        (lambda: sc.transpose(IMAGE, axes="zx"), ParameterError, "same axes"),
        (lambda: sc.concatenate([], axis="x"), ParameterError, "one image or more"),
        (lambda: sc.concatenate(IMAGE, axis="x"), ParameterError, "a list of images"),
        (lambda: sc.concatenate([IMAGE, IMAGE], axis="z"), ParameterError, "here 'yx'"),
        (lambda: sc.concatenate([IMAGE, 3], axis="x"), PipelineError, "open it"),
        (
            lambda: sc.concatenate([IMAGE, IMAGE[:3]], axis="x"),
            ParameterError,
            "same others",
        ),
        (
            lambda: sc.concatenate([IMAGE, sc.open(noise((4, 5), "f4"))], axis="x"),
            ParameterError,
            "one type",
        ),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_what_cannot_be_done_is_refused_before_it_runs(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_arrays_of_dask_are_opened():
    dask = pytest.importorskip("dask.array")
    array = noise((5, 6, 7))
    for name in sorted(set(EVERY) - {"resample"}):  # which needs a voxel size
        found = EVERY[name](dask.from_array(array, chunks=4))
        np.testing.assert_array_equal(np.asarray(found), np.asarray(EVERY[name](sc.open(array))))


def test_axes_may_be_numbers_as_in_numpy():
    array = noise((3, 4, 5))
    for image in (array, sc.open(array)):
        for found, expected in (
            (sc.flip(image, axis=-1), np.flip(array, -1)),
            (sc.flip(image, axis=(0, 2)), np.flip(array, (0, 2))),
            (sc.transpose(image, axes=(1, 0, 2)), array.transpose(1, 0, 2)),
            (sc.concatenate([image, image], axis=1), np.concatenate([array, array], 1)),
            (sc.project(image, axis=0), array.max(0)),
            (sc.scale_nearest(image, shape=2), sc.scale_nearest(array, shape=(2, 2, 2))),
        ):
            np.testing.assert_array_equal(np.asarray(found), expected)


def test_parameters_may_be_arrays():
    array = noise((4, 6))
    for image in (array, sc.open(array, voxel_size=1)):
        for found, expected in (
            (sc.pad(image, width=np.array([[1, 0], [2, 3]])), np.pad(array, ((1, 0), (2, 3)))),
            (sc.downsample(image, factors=np.array([1, 2])), kernels.downsample(array, (1, 2))),
            (
                sc.affine_transform(image, matrix=np.eye(2), shape=np.array([4, 2])),
                array[:, :2],
            ),
        ):
            np.testing.assert_array_equal(np.asarray(found), expected)


def test_arrays_and_images_are_joined():
    array = noise((3, 4))
    found = sc.concatenate([sc.open(array, voxel_size=2), array], axis="y")
    np.testing.assert_array_equal(np.asarray(found), np.concatenate([array, array]))
    assert found.voxel_size == (2, 2)


def test_a_bad_member_does_not_hide_the_axes_of_the_others(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"")
    array = noise((4, 5))
    write_tiff(tmp_path / "b.tif", array, sc.open(array).framed.spec)
    found = sc.transpose(sc.open_folder(str(tmp_path / "*.tif")))
    np.testing.assert_array_equal(np.asarray(found["b.tif"]), array.T)


def test_members_with_other_axes_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", noise((3, 4, 5)))
    np.save(tmp_path / "b.npy", noise((4, 5)))
    members = sc.open_folder(str(tmp_path / "*.npy"))
    for found in (sc.transpose(members), sc.project(members, axis="z")):
        assert np.asarray(found["a.npy"]).size
        with pytest.raises((ParameterError, PipelineError), match=r"same axes|have voxels"):
            np.asarray(found["b.npy"])


LARGE = {
    "downsample": lambda image: sc.downsample(image, factors=(1, 32, 32)),
    "resample": lambda image: sc.resample(image, voxel_size=25),
    "affine": lambda image: sc.affine_transform(
        image, matrix=np.full((3, 3), 9.0), shape=(200,) * 3
    ),
    "scale": lambda image: sc.scale_nearest(image, shape=(50, 50, 50)),
}


@pytest.mark.parametrize("name", LARGE)
def test_blocks_of_much_coarser_images_read_a_moderate_region(name, tmp_path):
    spec = ImageSpec((2000, 3000, 4000), "uint16", "zyx", voxel_size=1)
    create_image(tmp_path / "a.zarr", spec, block=(100, 100, 100))
    layout = LARGE[name](sc.open(tmp_path / "a.zarr")).ref.node.layout
    sizes = [
        layout.source(0, layout.grid.write_roi(n)).shape for n in (0, layout.grid.n_blocks // 2)
    ]
    assert max(int(np.prod(size)) for size in sizes) <= 2**25


@pytest.mark.parametrize(
    "call",
    [
        lambda movie: sc.transpose(movie, axes="zyxt"),
        lambda movie: sc.concatenate([movie, movie], axis="t"),
    ],
    ids=["transpose", "concatenate"],
)
def test_blocks_of_long_movies_read_a_moderate_region(call, tmp_path):
    spec = ImageSpec((900, 200, 300, 300), "uint16", "tzyx")
    create_image(tmp_path / "a.zarr", spec, block=(1, 100, 100, 100))
    layout = call(sc.open(tmp_path / "a.zarr")).ref.node.layout
    sources = [layout.source(n, layout.grid.write_roi(0)) for n in range(len(layout.inputs))]
    assert sum(int(np.prod(source.shape)) for source in sources) <= 2**25


def placed(image):
    return image.voxel_size, image.origin


def test_results_say_where_they_lie():
    image = sc.open(noise((4, 6)), voxel_size=(2.0, 1.0), unit="um", origin=(10, 20))
    assert placed(sc.downsample(image, factors=2)) == ((4, 2), (11, 20.5))
    assert placed(sc.resample(image, voxel_size=1)) == ((1, 1), (9.5, 20))
    assert placed(sc.scale_nearest(image, shape=(2, 3))) == ((4, 2), (11, 20.5))
    assert placed(sc.pad(image, width=((1, 0), 3))) == ((2, 1), (8, 17))
    assert placed(sc.flip(image, axis="x")) == ((2, 1), (10, 20))
    assert placed(sc.transpose(image)) == ((1, 2), (20, 10))
    shifted = sc.affine_transform(image, matrix=[[2, 0, 1], [0, 0.5, -2]])
    assert placed(shifted) == ((4, 0.5), (12, 18))
    given_place = sc.affine_transform(image, matrix=[1, 1], voxel_size=(7, 7), origin=(1, 2))
    assert placed(given_place) == ((7, 7), (1, 2))
    assert placed(sc.downsample(sc.open(noise((4, 6))), factors=2))[0] is None


def test_a_turn_keeps_the_length_of_steps():
    angle = np.radians(30)
    turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turned = sc.affine_transform(sc.open(noise((9, 9)), voxel_size=0.5), matrix=turn)
    assert turned.voxel_size == pytest.approx((0.5, 0.5))


def test_movies_are_transposed_and_joined_along_time_and_channels():
    movie = noise((3, 2, 4, 5), "uint8")
    image = sc.open(movie, axes="tcyx")
    for letters in ("ctyx", "tcxy", "xyct", "tycx"):
        order = ["tcyx".index(letter) for letter in letters]
        found = sc.transpose(image, axes=letters)
        assert found.axes == letters
        np.testing.assert_array_equal(np.asarray(found), movie.transpose(order))
    for letter in "tc":
        found = sc.concatenate([image, image], axis=letter)
        assert found.axes == "tcyx"
        expected = np.concatenate([movie, movie], "tcyx".index(letter))
        np.testing.assert_array_equal(np.asarray(found), expected)


def test_object_numbers_of_64_bits_come_through():
    labels = np.array([[2**63 + 5, 614_454_277]], "uint64")
    for found in (
        sc.affine_transform(labels, matrix=[1, 0.5], shape=(1, 3), order=0),
        sc.scale_nearest(labels, shape=(1, 3)),
        sc.downsample(labels, factors=1, method="mode"),
    ):
        assert set(found.ravel().tolist()) == {2**63 + 5, 614_454_277}


def test_images_without_voxels_stay_empty():
    empty = sc.open(np.zeros((0, 4), "uint8"), voxel_size=1)
    assert np.asarray(sc.downsample(empty, factors=2)).shape == (0, 2)
    assert np.asarray(sc.resample(empty, voxel_size=0.5)).shape == (0, 8)
    assert np.asarray(sc.pad(empty, width=1)).shape == (2, 6)
