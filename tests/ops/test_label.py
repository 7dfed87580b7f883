"""`label` equals scipy on the whole array, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.measure import label as skimage_label

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError
from scutoid.ops._label import check_count

masks = hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=13).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.bool_, shape, elements=st.booleans()),
        st.tuples(*(st.integers(1, size + 1) for size in shape)),
        st.integers(1, len(shape)),
    )
)


@given(masks)
@settings(max_examples=80, deadline=None)
def test_equals_scipy_for_any_shape_block_and_connectivity(case) -> None:
    mask, block, connectivity = case
    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    expected, _ = ndimage.label(mask, structure)
    labels = labels_by_block(mask, block, connectivity)
    assert labels.dtype == np.uint32
    np.testing.assert_array_equal(labels, expected)


def labels_by_block(mask, block, connectivity):
    """Label a mask in blocks of a shape of our choice: a step that passes it on sets the grid."""
    image = sc.open(mask)
    pieces = sc.ops.label_pieces.options(block=block)(image, connectivity=connectivity)
    merged = sc.ops.label_merge(pieces, connectivity=connectivity)
    return np.asarray(sc.ops.label_apply(image, merged, connectivity=connectivity))


def test_each_time_point_is_an_image_of_its_own() -> None:
    movie = np.random.default_rng(0).random((3, 2, 9, 8)) > 0.5
    labels = np.asarray(sc.label(sc.open(movie, axes="tcyx")))
    for t in range(3):
        for c in range(2):
            np.testing.assert_array_equal(labels[t, c], ndimage.label(movie[t, c])[0])


def test_an_array_is_labelled_at_once() -> None:
    mask = np.random.default_rng(1).random((4, 5, 6, 7)) > 0.6
    np.testing.assert_array_equal(sc.label(mask), ndimage.label(mask)[0])


def test_nonzero_integers_are_foreground() -> None:
    mask = np.array([[2, 5, 0, 1]], dtype="int16")
    assert np.asarray(sc.label(sc.open(mask))).tolist() == [[1, 1, 0, 2]]


def test_floats_are_refused_with_a_remedy() -> None:
    with pytest.raises(ParameterError, match="compar"):
        np.asarray(sc.label(sc.open(np.zeros((4, 4)))))


def test_the_same_through_a_store(tmp_path) -> None:
    mask = np.random.default_rng(2).random((20, 21, 22)) > 0.7
    labels = sc.label(sc.open(mask), connectivity=3)
    run = sc.run(labels, store=tmp_path, executor="serial", block=8)
    assert run.step("label").n_blocks == 27
    expected, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    np.testing.assert_array_equal(np.asarray(labels), expected)


def renumbered(labels):
    """Number labels by their first voxel in C order, each value a number."""
    values, first, place = np.unique(labels, return_index=True, return_inverse=True)
    first = np.where(values == 0, -1, first)
    rank = np.empty(len(values), np.int64)
    rank[np.argsort(first)] = np.arange(len(values)) + (0 not in values)
    return rank[place].reshape(labels.shape)


@st.composite
def label_images(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=12))
    dtype = draw(st.sampled_from(["uint8", "int16", "uint32", "int64", "uint64"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.integers(0, draw(st.integers(2, 4)), shape).astype(dtype)
    block = tuple(draw(st.integers(1, size + 1)) for size in shape)
    return values, block, draw(st.integers(1, len(shape)))


@given(label_images())
@settings(max_examples=80, deadline=None)
def test_by_value_equals_scikit_image_for_any_block_and_dtype(case) -> None:
    values, block, connectivity = case
    image = sc.open(values)
    how = {"connectivity": connectivity, "by_value": True}
    pieces = sc.ops.label_pieces.options(block=block)(image, **how)
    merged = sc.ops.label_merge(pieces, connectivity=connectivity)
    labels = np.asarray(sc.ops.label_apply(image, merged, **how))
    wanted = skimage_label(values.astype(np.int64), connectivity=connectivity)
    np.testing.assert_array_equal(labels, renumbered(wanted))
    np.testing.assert_array_equal(sc.label(values, **how), labels)


@given(st.integers(0, 2**32), st.integers(1, 4), st.tuples(*(st.integers(1, 6),) * 3))
@settings(max_examples=30, deadline=None)
def test_objects_live_on_through_time_where_time_is_an_axis_of_theirs(
    seed, connectivity, block
) -> None:
    movie = np.random.default_rng(seed).random((3, 4, 6, 5)) > 0.7
    expected, _ = ndimage.label(movie, ndimage.generate_binary_structure(4, connectivity))
    image = sc.open(movie, axes="tzyx")
    pieces = sc.ops.label_pieces.along("tzyx").options(block=block)(
        image, connectivity=connectivity
    )
    merged = sc.ops.label_merge(pieces, connectivity=connectivity)
    labels = sc.ops.label_apply.along("tzyx")(image, merged, connectivity=connectivity)
    np.testing.assert_array_equal(np.asarray(labels), expected)
    whole = sc.label(image, connectivity=connectivity, axes="tzyx")
    np.testing.assert_array_equal(np.asarray(whole), expected)


@pytest.mark.parametrize("axes", ["zyx", "xyz", "yzx"])
def test_the_order_in_which_axes_are_named_does_not_count(axes) -> None:
    movie = np.random.default_rng(6).random((2, 3, 9, 8)) > 0.5
    labels = np.asarray(sc.label(sc.open(movie, axes="tzyx"), axes=axes))
    for t in range(2):
        np.testing.assert_array_equal(labels[t], ndimage.label(movie[t])[0])


def open_zarr(folder, movie):
    zarr = pytest.importorskip("zarr")
    path = str(folder / "movie.zarr")
    array = zarr.create_array(
        path, shape=movie.shape, chunks=(1, 1, 2, 4, 4), dtype="u1", dimension_names=list("tczyx")
    )
    array[:] = movie
    return sc.open(path)


def open_tiff(folder, movie):
    import tifffile

    path = folder / "movie.ome.tif"
    tifffile.imwrite(path, movie.astype("u1"), ome=True, metadata={"axes": "TCZYX"})
    return sc.open(path)


def open_dask(_folder, movie):
    dask_array = pytest.importorskip("dask.array")
    return sc.open(dask_array.from_array(movie, chunks=(1, 2, 2, 4, 4)), axes="tczyx")


@pytest.mark.parametrize("source", [open_zarr, open_tiff, open_dask])
@pytest.mark.parametrize("axes", [None, "yx"])
def test_time_points_and_channels_of_files_are_images_of_their_own(tmp_path, source, axes) -> None:
    movie = np.random.default_rng(7).random((2, 3, 3, 9, 8)) > 0.5
    labels = sc.label(source(tmp_path, movie), connectivity=2, axes=axes)
    assert labels.axes == "tczyx"
    sc.run(labels, store=tmp_path / "store", executor="serial", block=4)
    n_apart = 2 if axes is None else 3
    structure = ndimage.generate_binary_structure(5 - n_apart, 2)
    found = np.asarray(labels)
    for place in np.ndindex(movie.shape[:n_apart]):
        np.testing.assert_array_equal(found[place], ndimage.label(movie[place], structure)[0])


def test_a_dask_array_is_an_image_and_refused_as_one() -> None:
    dask_array = pytest.importorskip("dask.array")
    mask = np.random.default_rng(8).random((9, 10)) > 0.5
    lazy = dask_array.from_array(mask, chunks=4)
    np.testing.assert_array_equal(np.asarray(sc.label(lazy)), ndimage.label(mask)[0])
    with pytest.raises(ParameterError, match="compare first"):
        sc.label(lazy.astype("float32"))
    with pytest.raises(ParameterError, match="1 to 2 hops"):
        sc.label(lazy, connectivity=3)


def test_each_plane_by_itself_where_only_its_axes_are_named() -> None:
    stack = np.random.default_rng(4).random((3, 9, 8)) > 0.5
    labels = np.asarray(sc.label(sc.open(stack), axes="yx"))
    for z in range(3):
        np.testing.assert_array_equal(labels[z], ndimage.label(stack[z])[0])


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
def test_labels_are_as_wide_as_asked(tmp_path, executor, dtype) -> None:
    values = np.random.default_rng(5).integers(0, 3, (20, 17, 11))
    labels = sc.label(sc.open(values), by_value=True, dtype=dtype)
    assert labels.is_labels
    sc.run(labels, store=tmp_path, executor=executor, block=7, workers=2)
    assert labels.dtype == dtype
    assert sc.label(values, by_value=True, dtype=dtype).dtype == dtype
    np.testing.assert_array_equal(np.asarray(labels), sc.label(values, by_value=True))


def test_labels_of_both_widths_are_results_of_their_own(tmp_path) -> None:
    mask = sc.open(np.eye(9, dtype=bool))
    for dtype in ("uint32", "uint64"):
        labels = sc.label(mask, dtype=dtype)
        sc.run(labels, store=tmp_path, executor="serial")
        assert np.asarray(labels).dtype == dtype


def test_more_objects_than_numbers_are_refused_and_the_wider_type_is_named() -> None:
    check_count(2**32 - 1, "uint32")
    check_count(2**32, "uint64")
    with pytest.raises(PipelineError, match="uint64"):
        check_count(2**32, "uint32")


@pytest.mark.parametrize("dtype", ["int32", "uint16", "float32", "what"])
def test_a_dtype_that_is_none_of_the_two_is_refused(dtype) -> None:
    with pytest.raises(ParameterError, match="uint32 or uint64"):
        sc.label(np.zeros((2, 2), bool), dtype=dtype)


def test_floats_are_refused_before_anything_runs() -> None:
    with pytest.raises(ParameterError, match="image > level"):
        sc.label(sc.open(np.zeros((4, 4), "float32")))
    with pytest.raises(ParameterError, match="image > level"):
        sc.label(np.zeros((4, 4)), by_value=True)


def test_values_below_zero_are_refused_where_values_count() -> None:
    image = np.array([[1, -2]])
    assert sc.label(image).tolist() == [[1, 1]]
    with pytest.raises(ParameterError, match="0 or more"):
        sc.label(image, by_value=True)
    with pytest.raises(ParameterError, match="0 or more"):
        np.asarray(sc.label(sc.open(image), by_value=True))


@pytest.mark.parametrize("given", [[[1, 0]], "mask.tif", None], ids=["list", "path", "nothing"])
def test_what_is_no_image_is_refused(given) -> None:
    with pytest.raises(ParameterError, match="given as Image"):
        sc.label(given)


@pytest.mark.parametrize("axes", ["t", "zyxw", "", "zz", "c"])
def test_axes_that_the_image_lacks_are_refused(axes) -> None:
    with pytest.raises(ParameterError, match="axes of the image"):
        sc.label(sc.open(np.zeros((2, 3, 4), bool)), axes=axes)
    with pytest.raises(ParameterError, match="with its axes"):
        sc.label(np.zeros((2, 3, 4), bool), axes="yx")


@pytest.mark.parametrize("fill", [False, True])
def test_nothing_and_everything(fill) -> None:
    mask = np.full((9, 10, 11), fill)
    labels = labels_by_block(mask, (4, 4, 4), 1)
    assert (labels == fill).all()
    assert (sc.label(mask, by_value=True) == fill).all()


def test_each_member_of_a_collection_is_labelled_alone(tmp_path) -> None:
    import tifffile

    rng = np.random.default_rng(6)
    masks = {name: rng.random((8, 7 + n)) > 0.5 for n, name in enumerate("ab")}
    for name, mask in masks.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", mask.astype("uint8"))
    labels = sc.label(sc.open_folder(str(tmp_path / "*.tif")))
    for name, mask in masks.items():
        found = np.asarray(labels[f"{name}.tif"])
        np.testing.assert_array_equal(found, ndimage.label(mask)[0])
