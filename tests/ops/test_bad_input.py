"""Input that is wrong, empty, or at the edge of what there is: a clear error, or the right answer.

Errors say the rule, the value, the place and the remedy; and they are raised when an operation is
called, or planned, wherever the description of the images tells.
"""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from scipy import ndimage

import scutoid as sc
from scutoid.errors import GeometryError, ParameterError, PipelineError, RunFailed
from scutoid.ops import field_of_view
from scutoid.testing import assert_block_invariant

IMAGE = ndimage.gaussian_filter(np.random.default_rng(5).random((12, 13)), 1)
MASK = np.median(IMAGE) < IMAGE
LABELS = ndimage.label(MASK)[0]
WAYS = {"array": lambda array: array, "image": sc.open}


@pytest.fixture(params=WAYS)
def given(request):
    """How an operation is called: with arrays, or with images that nothing has read yet."""
    return WAYS[request.param]


def read(result):
    if isinstance(result, sc.Image):
        return result.read()
    if isinstance(result, sc.Value):
        return result.get()
    return result.to_pandas() if isinstance(result, sc.Table) else result


def assert_all_is_said(error, *, remedy=True):
    assert error.rule
    assert error.value is not None
    assert error.place
    assert error.remedy or not remedy


FLOATS = {
    "label": lambda o: sc.label(o(IMAGE)),
    "remove_small": lambda o: sc.remove_small(o(IMAGE), min_size=2),
    "fill_holes": lambda o: sc.fill_holes(o(IMAGE)),
    "erosion": lambda o: sc.erosion(o(IMAGE), footprint=1),
    "dilation": lambda o: sc.dilation(o(IMAGE), footprint=1),
    "opening": lambda o: sc.opening(o(IMAGE), footprint=1),
    "closing": lambda o: sc.closing(o(IMAGE), footprint=1),
    "distance_transform": lambda o: sc.distance_transform(o(IMAGE), max_distance=2),
    "split_touching": lambda o: sc.split_touching(o(IMAGE)),
    "local_maxima": lambda o: sc.local_maxima(o(IMAGE), o(LABELS * 1.0)),
    "watershed, seeds": lambda o: sc.watershed(o(IMAGE), o(LABELS * 1.0)),
    "watershed, mask": lambda o: sc.watershed(o(IMAGE), o(LABELS), o(IMAGE)),
    "measure": lambda o: sc.measure(o(LABELS * 1.0)),
    "count": lambda o: sc.count(o(LABELS * 1.0)),
    "density": lambda o: sc.density(o(LABELS * 1.0), factors=2),
    "compare": lambda o: sc.compare(o(LABELS * 1.0), o(LABELS)),
    "compare, truth": lambda o: sc.compare(o(LABELS), o(LABELS * 1.0)),
    "match_objects": lambda o: sc.match_objects(o(LABELS), o(LABELS * 1.0)),
}


@pytest.mark.parametrize("op", FLOATS)
def test_float_labels_and_masks_are_refused_when_an_operation_is_called(op, given) -> None:
    with pytest.raises(ParameterError, match=r"integer|mask of bool|a mask or of labels") as caught:
        FLOATS[op](given)
    assert_all_is_said(caught.value)
    assert "float" in str(caught.value.value)


COMPLEX = {
    "gaussian": lambda i: sc.gaussian(i, sigma=1),
    "median": lambda i: sc.median(i, size=3),
    "difference_of_gaussians": lambda i: sc.difference_of_gaussians(i, low=1),
    "laplacian_of_gaussian": lambda i: sc.laplacian_of_gaussian(i, sigma=1),
    "white_tophat": lambda i: sc.white_tophat(i, radius=1),
    "subtract_background": lambda i: sc.subtract_background(i, radius=3),
    "estimate_bias": lambda i: sc.estimate_bias(i, factors=2),
    "threshold": lambda i: sc.threshold(i, level=1),
    "threshold_local": lambda i: sc.threshold_local(i, size=3),
    "hysteresis": lambda i: sc.hysteresis(i, low=1, high=2),
    "otsu": sc.otsu,
    "li": sc.li,
    "triangle": sc.triangle,
    "percentile": lambda i: sc.percentile(i, q=50),
    "normalize_percentile": sc.normalize_percentile,
    "detect_spots": lambda i: sc.detect_spots(i, sigma=1, threshold=1),
    "local_maxima": sc.local_maxima,
}


@pytest.mark.parametrize("op", COMPLEX)
def test_complex_intensities_are_refused_when_an_operation_is_called(op, given) -> None:
    with pytest.raises(ParameterError, match="real numbers"):
        COMPLEX[op](given(IMAGE * 1j))


NEGATIVE = {
    "label, by value": lambda o: sc.label(o(LABELS - 1), by_value=True),
    "remove_small": lambda o: sc.remove_small(o(LABELS - 1), min_size=2),
    "watershed": lambda o: sc.watershed(o(IMAGE), o(LABELS - 1)),
    "measure": lambda o: sc.measure(o(LABELS - 1)),
    "count": lambda o: sc.count(o(LABELS - 1)),
    "density": lambda o: sc.density(o(LABELS - 1), factors=2),
    "compare": lambda o: sc.compare(o(LABELS - 1), o(LABELS)),
    "compare, truth": lambda o: sc.compare(o(LABELS), o(LABELS - 1)),
    "match_objects": lambda o: sc.match_objects(o(LABELS - 1), o(LABELS)),
}


@pytest.mark.parametrize("op", NEGATIVE)
def test_negative_labels_are_refused(op, given) -> None:
    with pytest.raises(ParameterError, match=r"0 or more|0 for the background") as caught:
        read(NEGATIVE[op](given))
    assert_all_is_said(caught.value)
    assert str(caught.value.value) == "-1"


def test_negative_values_of_a_mask_are_foreground_as_in_scipy(given) -> None:
    expected = ndimage.label(LABELS - 1)[0]
    np.testing.assert_array_equal(read(sc.label(given(LABELS - 1))), expected)


SHORT = IMAGE[:7]
SHAPES = {
    "watershed, seeds": lambda o: sc.watershed(o(IMAGE), o(LABELS[:7])),
    "watershed, mask": lambda o: sc.watershed(o(IMAGE), o(LABELS), o(MASK[:7])),
    "local_maxima": lambda o: sc.local_maxima(o(IMAGE), o(LABELS[:7])),
    "local_maxima, h": lambda o: sc.local_maxima(o(IMAGE), o(LABELS[:7]), h=0.1),
    "split_touching": lambda o: sc.split_touching(o(MASK), o(SHORT)),
    "stitch": lambda o: sc.stitch(o(MASK), o(SHORT), segment=lambda a, b: a * 1, halo=2),
    "measure": lambda o: sc.measure(o(LABELS), intensity=o(SHORT)),
    "compare": lambda o: sc.compare(o(LABELS), o(LABELS[:7])),
    "match_objects": lambda o: sc.match_objects(o(LABELS), o(LABELS[:7])),
    "concatenate": lambda o: sc.concatenate([o(IMAGE), o(SHORT)], axis="x"),
    "correct_bias": lambda o: sc.correct_bias(o(IMAGE), np.ones((1, 4, 7)), factors=2),
}


@pytest.mark.parametrize("op", SHAPES)
def test_images_of_another_shape_do_not_meet(op, given) -> None:
    with pytest.raises((GeometryError, ParameterError, PipelineError), match=r"same|one") as caught:
        read(SHAPES[op](given))
    assert_all_is_said(caught.value)


@pytest.mark.parametrize("op", [op for op in SHAPES if op != "correct_bias"])
def test_nothing_runs_where_shapes_differ(op, tmp_path) -> None:
    with pytest.raises((ParameterError, PipelineError), match="same"):
        sc.run(SHAPES[op](sc.open), store=tmp_path, executor="serial")
    assert not [path for path in tmp_path.rglob("*") if path.name == "recipe.json"]


MISSING = IMAGE.copy()
MISSING[3, 4] = np.nan
NANS = {
    "otsu": sc.otsu,
    "li": sc.li,
    "triangle": sc.triangle,
    "percentile": lambda i: sc.percentile(i, q=50),
    "normalize_percentile": sc.normalize_percentile,
    "subtract_background": lambda i: sc.subtract_background(i, radius=3),
    "estimate_bias": lambda i: sc.estimate_bias(i, factors=2),
    "detect_spots": lambda i: sc.detect_spots(i, sigma=1, threshold=0.1),
    "local_maxima": sc.local_maxima,
    "local_maxima, h": lambda i: sc.local_maxima(i, h=0.1),
    "watershed": lambda i: sc.watershed(i, sc.open(LABELS)),
    "split_touching": lambda i: sc.split_touching(sc.open(MASK), i),
}


@pytest.mark.parametrize("op", NANS)
def test_nan_is_refused_where_values_are_put_in_order_or_averaged(op) -> None:
    with pytest.raises(ParameterError, match=r"finite|order") as caught:
        read(NANS[op](sc.open(MISSING)))
    assert_all_is_said(caught.value)
    assert "nan" in str(caught.value.value).lower()


@pytest.mark.parametrize(
    ("step", "params"),
    [
        (sc.gaussian, {"sigma": 1}),
        (sc.median, {"size": 3}),
        (sc.white_tophat, {"radius": 1}),
        (sc.laplacian_of_gaussian, {"sigma": 1}),
        (sc.threshold, {"level": 0.5}),
    ],
    ids=["gaussian", "median", "white_tophat", "laplacian_of_gaussian", "threshold"],
)
def test_nan_spreads_in_filters_as_on_the_whole_array(step, params) -> None:
    assert_block_invariant(step, MISSING, **params)


@pytest.mark.parametrize("op", ["threshold", "hysteresis"])
def test_a_level_of_nan_is_refused(op, given) -> None:
    level = {"level": np.nan} if op == "threshold" else {"low": 0.1, "high": np.nan}
    with pytest.raises(ParameterError, match="level") as caught:
        getattr(sc, op)(given(IMAGE), **level)
    assert_all_is_said(caught.value)


def scene_of(like, shape, image, foreground):
    """The images of a case, of one value each."""
    said = {"axes": like.image.axes, "voxel_size": like.image.voxel_size, "unit": "um"}
    return type(like)(
        sc.open(np.full(shape, image, "uint16"), **said),
        sc.open(np.full(shape, foreground, bool), **said),
        sc.open(np.full(shape, foreground, "uint32"), **said),
        sc.open(np.full(shape, float(image)), **said),
    )


def outcome(case, scene, store=None):
    """What a case gives of a scene, in blocks where there is a store; or its error."""
    try:
        target = case.build(scene)
        if store is not None:
            sc.run(target, store=store, executor="serial", block={"z": 4, "y": 4, "x": 6})
        return case.read(target)
    except ParameterError as error:
        return error
    except RunFailed as failed:
        return failed.__cause__ or failed


def assert_same(found, expected):
    if isinstance(expected, ParameterError):
        assert_all_is_said(expected, remedy=False)
        assert expected.rule in str(found)
    elif hasattr(expected, "equals"):
        assert found.equals(expected)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(0, 5, 6), (4, 5, 0)], ids=["z", "x"])
def test_an_image_without_voxels_gives_another_or_a_clear_error_at_once(
    volume_case, scene_named, shape, tmp_path
) -> None:
    scene = scene_of(scene_named("volume"), shape, 0, False)
    found = outcome(volume_case, scene, tmp_path)
    assert_same(found, outcome(volume_case, scene))
    if isinstance(found, Exception):
        assert type(found) is ParameterError
        assert "voxel" in found.rule
    else:
        assert 0 in found.shape


FLAT = {"normalize_percentile", "estimate_bias", "correct_bias"}
"""Where an image of one value has nothing to scale by."""


@pytest.mark.parametrize(
    ("image", "foreground"), [(0, False), (7, True)], ids=["no-object", "one-object"]
)
def test_no_object_and_one_that_fills_everything_are_as_on_the_whole_array(
    volume_case, scene_named, image, foreground, tmp_path
) -> None:
    scene = scene_of(scene_named("volume"), (9, 7, 8), image, foreground)
    expected = outcome(volume_case, scene)
    assert_same(outcome(volume_case, scene, tmp_path), expected)
    assert not isinstance(expected, Exception) or volume_case.op in FLAT


def big_labels(dtype):
    """Three objects whose numbers are the largest there are, over several blocks."""
    labels = np.zeros((12, 14), dtype)
    most = np.iinfo(dtype).max
    labels[1:3, 1:4] = 2**31 - 1
    labels[4:9, 2:12] = 2**31 if dtype == "uint32" else 2**53 + 1
    labels[10:12, 5:14] = most
    labels[6, 13] = 1
    return labels


BIG = {
    "remove_small": lambda i, x: sc.remove_small(x, min_size=7),
    "label": lambda i, x: sc.label(x, by_value=True),
    "watershed": lambda i, x: sc.watershed(i, x, max_extent=14),
    "watershed, mask": lambda i, x: sc.watershed(i, x, x, max_extent=14),
    "local_maxima": lambda i, x: sc.local_maxima(i, x, min_distance=3),
    "downsample": lambda i, x: sc.downsample(x, factors=2, method="mode"),
    "scale_nearest": lambda i, x: sc.scale_nearest(x, shape=(24, 7)),
    "affine_transform": lambda i, x: sc.affine_transform(x, matrix=np.eye(2) * 0.9, order=0),
    "project": lambda i, x: sc.project(x, axis="y"),
    "pad": lambda i, x: sc.pad(x, width=2, fill="nearest"),
    "measure": lambda i, x: sc.measure(x, intensity=i),
    "count": lambda i, x: sc.count(x),
    "density": lambda i, x: sc.density(x, factors=3),
    "compare": lambda i, x: sc.compare(x, x),
    "match_objects": lambda i, x: sc.match_objects(x, x),
}


@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint64"])
def test_objects_of_the_largest_numbers_stay_apart_and_keep_them(dtype, tmp_path) -> None:
    labels, image = big_labels(dtype), np.random.default_rng(0).integers(0, 99, (12, 14), "uint16")
    lazy = sc.open(labels)
    targets = {op: call(sc.open(image), lazy) for op, call in BIG.items()}
    sc.run(*targets.values(), store=tmp_path, executor="serial", block=5)
    for op, target in targets.items():
        expected, found = BIG[op](image, labels), read(target)
        if hasattr(expected, "equals"):
            assert found.equals(expected), op
        else:
            np.testing.assert_array_equal(found, expected, op)
    numbers = np.unique(labels[labels > 0]).tolist()
    assert read(targets["measure"])["label"].tolist() == numbers
    assert np.unique(read(targets["watershed"])).tolist() == numbers
    assert read(targets["count"])["n_objects"].item() == len(numbers)
    assert read(targets["match_objects"])["truth"].tolist() == numbers
    assert read(targets["remove_small"]).dtype == np.dtype(dtype)
    assert np.unique(read(targets["remove_small"])).tolist() == [0, *numbers[2:]]


RANGES = {
    "gaussian": lambda i: sc.gaussian(i, sigma=-1),
    "gaussian, nan": lambda i: sc.gaussian(i, sigma=np.nan),
    "median": lambda i: sc.median(i, size=0),
    "difference_of_gaussians": lambda i: sc.difference_of_gaussians(i, low=2, high=1),
    "laplacian_of_gaussian": lambda i: sc.laplacian_of_gaussian(i, sigma=(1, -1)),
    "white_tophat": lambda i: sc.white_tophat(i, radius=-1),
    "threshold, text": lambda i: sc.threshold(i, level="high"),
    "threshold, two": lambda i: sc.threshold(i, level=[1, 2]),
    "threshold_local": lambda i: sc.threshold_local(i, size=4),
    "threshold_local, half": lambda i: sc.threshold_local(i, size=3.5),
    "threshold_local, offset": lambda i: sc.threshold_local(i, size=3, offset=np.nan),
    "erosion": lambda i: sc.erosion(sc.open(MASK), footprint=-1),
    "distance_transform": lambda i: sc.distance_transform(sc.open(MASK), max_distance=0),
    "hysteresis": lambda i: sc.hysteresis(i, low=2, high=1),
    "hysteresis, text": lambda i: sc.hysteresis(i, low="low", high=1),
    "percentile": lambda i: sc.percentile(i, q=101),
    "percentile, text": lambda i: sc.percentile(i, q="half"),
    "percentile, nested": lambda i: sc.percentile(i, q=[[1, 2]]),
    "normalize_percentile": lambda i: sc.normalize_percentile(i, low=3, high=1),
    "downsample": lambda i: sc.downsample(i, factors=0),
    "hops of hysteresis": lambda i: sc.hysteresis(i, low=1, high=1, connectivity=3),
    "hops of label": lambda i: sc.label(sc.open(MASK), connectivity=3),
    "hops of fill_holes": lambda i: sc.fill_holes(sc.open(MASK), connectivity=3),
    "hops of remove_small": lambda i: sc.remove_small(sc.open(MASK), min_size=2, connectivity=3),
    "hops of local_maxima": lambda i: sc.local_maxima(i, connectivity=0),
    "hops of watershed": lambda i: sc.watershed(sc.open(IMAGE), sc.open(LABELS), connectivity=3),
    "hops of split_touching": lambda i: sc.split_touching(sc.open(MASK), connectivity=3),
}  # fmt: skip


@pytest.mark.parametrize("op", RANGES)
def test_parameters_out_of_range_are_refused_when_an_operation_is_called(op, given) -> None:
    with pytest.raises(ParameterError) as caught:
        RANGES[op](given(IMAGE))
    assert_all_is_said(caught.value, remedy=False)


AXES = {
    "gaussian": lambda i: sc.gaussian(i, sigma=(1, 2, 3)),
    "median": lambda i: sc.median(i, size=(1, 3, 3)),
    "laplacian_of_gaussian": lambda i: sc.laplacian_of_gaussian(i, sigma=(1, 2, 3)),
    "difference_of_gaussians": lambda i: sc.difference_of_gaussians(i, low=(1, 2, 3)),
    "white_tophat": lambda i: sc.white_tophat(i, radius=(1, 1, 1)),
    "threshold_local": lambda i: sc.threshold_local(i, size=(3, 3, 3)),
}


@pytest.mark.parametrize("op", AXES)
def test_widths_of_other_axes_are_refused(op, given) -> None:
    with pytest.raises(ParameterError, match="one for each of") as caught:
        AXES[op](given(IMAGE))
    assert_all_is_said(caught.value, remedy=False)


def test_a_model_that_leaves_out_more_than_the_halo_says_how_much_it_needs() -> None:
    def load():
        return lambda batch: batch[:, :, 3:-3, 3:-3]

    with pytest.raises(sc.errors.StepError, match="all but a margin") as caught:
        read(sc.predict(sc.open(IMAGE), model=load, halo=2, tile=6, border="reflect"))
    assert "here 3 voxels" in caught.value.remedy
    assert_all_is_said(caught.value)
    wide = sc.predict(sc.open(IMAGE), model=load, halo=3, tile=6, border="reflect")
    np.testing.assert_array_equal(read(wide), IMAGE.astype("float32"))


def test_the_halo_that_a_model_needs_is_measured() -> None:
    def load():
        return lambda batch: ndimage.correlate1d(batch, np.ones(7), axis=2, mode="constant")[:, 0]

    assert field_of_view(load, ndim=2) == ((3, 3), (0, 0))


def test_a_step_whose_function_crops_the_halo_itself_is_told_not_to() -> None:
    @sc.blockwise(halo=1)
    def means(image):
        return ndimage.uniform_filter(image, 5)[2:-2, 2:-2]

    with pytest.raises(sc.errors.StepError, match="halo included") as caught:
        read(means.options(block=6)(sc.open(IMAGE)))
    assert_all_is_said(caught.value)


def test_a_step_whose_halo_is_too_small_is_found_out() -> None:
    @sc.blockwise(halo=1)
    def means(image):
        return ndimage.uniform_filter(image, 5)

    with pytest.raises(AssertionError, match=r"'means' in blocks of 3 differs from one block at"):
        assert_block_invariant(means, IMAGE)
    assert_block_invariant(sc.blockwise(halo=2)(means.spec.function), IMAGE, rtol=1e-9)


def test_a_component_that_is_larger_than_the_halo_is_reported_and_refused_if_asked() -> None:
    mask = np.ones((4, 30), bool)
    seeds = np.zeros((4, 30), int)
    seeds[0, 0], seeds[0, 29] = 1, 2
    ways = sc.open(np.zeros((4, 30))), sc.open(seeds), sc.open(mask)
    step = sc.ops.watershed_step.options(block=8)
    with pytest.raises(sc.errors.StepError, match="over 3 voxels at most") as caught:
        read(step(ways[1], ways[0], ways[2], connectivity=None, max_extent=3, exact=True))
    assert_all_is_said(caught.value)


OF_FOLDERS = {
    "measure": lambda i: sc.measure(sc.label(sc.threshold(i, level=5)), intensity=i),
    "percentile": lambda i: sc.percentile(i, q=50),
    "detect_spots": lambda i: sc.detect_spots(i, sigma=1, threshold=1),
    "subtract_background": lambda i: sc.subtract_background(i, radius=4),
    "project": lambda i: sc.project(i, axis="y", method="mean"),
    "flip": lambda i: sc.flip(i, axis="y"),
    "predict": lambda i: sc.predict(i, model=lambda: lambda tiles: tiles, halo=0),
}


@pytest.mark.parametrize("operation", OF_FOLDERS)
def test_a_first_member_that_cannot_be_read_stops_no_other(tmp_path, operation) -> None:
    folder = tmp_path / "plate"
    folder.mkdir()
    image = np.random.default_rng(0).integers(0, 9, (12, 20, 24)).astype("uint16")
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(folder / name, image)
    (folder / "a.tif").write_bytes(b"II*\0 is no image")
    result = OF_FOLDERS[operation](sc.open_folder(folder / "*.tif"))
    run = sc.run(result, store=tmp_path / "store", executor="serial", on_failure="return")
    assert not run.ok
    assert run.steps[-1].n_done == 1
