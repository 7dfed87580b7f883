"""Spots of images: the same table, bit for bit, whatever the blocks and the executor."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scutoid as sc
from scutoid.errors import MetadataError, ParameterError, RunFailed
from scutoid.kernels import find_spots
from scutoid.steps.handles import handle_of

cases = st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]).flatmap(
    lambda dtype: hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=16).flatmap(
        lambda shape: st.tuples(
            hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 0, 3, 90])).map(
                lambda a: a.astype(dtype)
            ),
            st.integers(4, 12),
        )
    )
)


def spots_of(height=200.0, shape=(24, 40, 44), seed=0):
    """An image of Gaussian spots and noise, and their centres."""
    rng = np.random.default_rng(seed)
    corners = itertools.product(*(range(6, n - 5, 12) for n in shape))
    centres = np.array([np.array(c) + rng.uniform(-0.5, 0.5, len(shape)) for c in corners])
    grid = np.indices(shape)
    image = rng.normal(100, 3, shape)
    for centre in centres:
        square = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
        image += height * np.exp(-square / (2 * 1.8**2))
    return image.astype("uint16"), centres


@given(
    cases,
    st.sampled_from(["log", "dog"]),
    st.sampled_from([0.6, [0.6, 1.0], [0.5, 0.8, 1.3]]),
    st.sampled_from([None, 0.5, 2.5]),
    st.sampled_from([{"threshold": 0.0}, {"threshold": 2}, {"threshold_rel": 0.3}]),
)
@settings(max_examples=40)
def test_spots_are_those_of_the_whole_array(case, method, sigma, distance, level) -> None:
    image, block = case
    options = {"sigma": sigma, "method": method, "min_distance": distance, **level}
    whole = sc.detect_spots(image, **options)
    lazy = sc.detect_spots(sc.open(image), **options)
    cut = _in_blocks(lazy, block)
    pd.testing.assert_frame_equal(cut, whole, check_exact=True)


def _in_blocks(lazy, block):
    """Compute a table in blocks of a shape, without a store."""
    call = lazy.ref.node
    params = dict(call.params)
    if params["strongest"] is not None:
        strongest = params["strongest"].node
        params["strongest"] = sc.ops.strongest_response.options(block=block)(
            *map(handle_of, strongest.inputs), **strongest.params
        )
    step = sc.ops.spot_table.options(block=block)
    return step(*map(handle_of, call.inputs), **params).to_pandas()


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("workers", [1, 3])
def test_spots_are_the_same_for_all_executors(tmp_path, executor, workers) -> None:
    image, centres = spots_of()
    table = sc.detect_spots(sc.open(image), sigma=(1, 2.5), n_scales=4, threshold=30)
    sc.run(table, store=tmp_path, executor=executor, workers=workers, block=16)
    whole = sc.detect_spots(image, sigma=(1, 2.5), n_scales=4, threshold=30)
    pd.testing.assert_frame_equal(table.to_pandas(), whole, check_exact=True)
    assert len(whole) == len(centres)


def test_worker_processes_find_the_same(tmp_path) -> None:
    image, _ = spots_of(shape=(64, 80))
    table = sc.detect_spots(sc.open(image), sigma=(1, 2), threshold_rel=0.2)
    sc.run(table, store=tmp_path, workers=2, block=24)
    whole = sc.detect_spots(image, sigma=(1, 2), threshold_rel=0.2)
    pd.testing.assert_frame_equal(table.to_pandas(), whole, check_exact=True)


def test_a_spot_between_two_voxels_is_in_one_block(tmp_path) -> None:
    image = np.zeros((16, 32))
    image[8, 15:17] = 100  # its centre lies on the face of two blocks
    image[15, 30:] = 100  # and this one at the edge of the image
    table = sc.detect_spots(sc.open(image), sigma=1, threshold=10)
    sc.run(table, store=tmp_path, executor="serial", block=16)
    found = table.to_pandas()
    assert found["x_voxel"].tolist()[0] == 15.5
    assert len(found) == 2


def test_columns_say_where_a_spot_is_in_voxels_and_in_the_unit() -> None:
    image, centres = spots_of()
    raw = sc.open(image, voxel_size=(2, 0.5, 0.5), unit="um", origin=(10, 20, 30))
    table = sc.detect_spots(raw, sigma=[(0.7, 1.2, 1.2), (1.4, 2.4, 2.4)], threshold=20).to_pandas()
    assert list(table) == [
        *("z", "y", "x", "z_voxel", "y_voxel", "x_voxel", "scale", "scale_voxel", "strength")
    ]
    assert len(table) == len(centres)
    voxel = table[["z_voxel", "y_voxel", "x_voxel"]].to_numpy()
    assert np.abs(voxel - centres).max() < 0.4
    np.testing.assert_allclose(
        table[["z", "y", "x"]], voxel * (2, 0.5, 0.5) + (10, 20, 30), rtol=1e-12
    )
    assert set(table["scale_voxel"]) <= {1.2, 2.4}
    np.testing.assert_allclose(table["scale"], table["scale_voxel"] * 0.5)


def test_a_physical_scale_is_a_width_in_voxels_on_each_axis() -> None:
    image, _ = spots_of()
    raw = sc.open(image, voxel_size=(2, 0.5, 0.5), unit="um")
    one = sc.detect_spots(raw, sigma=[sc.um(1), sc.um(2)], threshold=20, min_distance=sc.um(2))
    other = sc.detect_spots(
        raw, sigma=[(0.5, 2, 2), (1, 4, 4)], threshold=20, min_distance=(1, 4, 4)
    )
    pd.testing.assert_frame_equal(one.to_pandas(), other.to_pandas())
    assert set(one.to_pandas()["scale"]) <= {1.0, 2.0}


def test_positions_in_a_crop_are_those_in_the_whole_image() -> None:
    image, _ = spots_of()
    raw = sc.open(image, voxel_size=1, unit="um")
    whole = sc.detect_spots(raw, sigma=1.5, threshold=30).to_pandas()
    part = sc.detect_spots(raw[:, 8:, 9:40], sigma=1.5, threshold=30).to_pandas()
    inner = whole[whole["y_voxel"].between(18, 40) & whole["x_voxel"].between(19, 30)]
    found = part[part["y_voxel"].between(18, 40) & part["x_voxel"].between(19, 30)]
    pd.testing.assert_frame_equal(inner.reset_index(drop=True), found.reset_index(drop=True))


def test_time_points_are_searched_one_by_one() -> None:
    image, _ = spots_of(shape=(30, 42))
    movie = sc.open(np.stack([image, image[::-1]]), axes="tyx")
    table = sc.detect_spots(movie, sigma=1.5, threshold=30).to_pandas()
    for time, plane in enumerate([image, image[::-1]]):
        alone = sc.detect_spots(np.ascontiguousarray(plane), sigma=1.5, threshold=30)
        found = table[table["t"] == time].drop(columns="t").reset_index(drop=True)
        pd.testing.assert_frame_equal(found, alone)


def test_members_of_a_collection_are_searched_one_by_one(tmp_path) -> None:
    import tifffile

    for name, seed in (("a", 1), ("b", 2)):
        tifffile.imwrite(tmp_path / f"{name}.tif", spots_of(shape=(40, 52), seed=seed)[0])
    images = sc.open_folder(str(tmp_path / "*.tif"), voxel_size=(0.5, 0.5), unit="um")
    tables = sc.detect_spots(images, sigma=sc.um(0.75), threshold_rel=0.3)
    sc.run(tables, store=tmp_path / "store", executor="serial")
    for name in "ab":
        alone = sc.detect_spots(images[f"{name}.tif"], sigma=1.5, threshold_rel=0.3)
        found = tables[f"{name}.tif"].to_pandas()
        pd.testing.assert_frame_equal(found, alone.to_pandas())
        assert len(found) > 5


def test_a_threshold_may_be_computed_first() -> None:
    image, _ = spots_of()
    raw = sc.open(image)
    table = sc.detect_spots(raw, sigma=1.5, threshold=sc.otsu(raw))
    level = sc.otsu(image)
    pd.testing.assert_frame_equal(
        table.to_pandas(), sc.detect_spots(image, sigma=1.5, threshold=level)
    )


def test_the_higher_of_two_thresholds_counts() -> None:
    image, _ = spots_of()
    image[12, 20, 20] = 5000
    by_share = sc.detect_spots(image, sigma=1.5, threshold_rel=0.5)
    assert len(by_share) == 1
    both = sc.detect_spots(image, sigma=1.5, threshold=30, threshold_rel=0.5)
    pd.testing.assert_frame_equal(both, by_share)


def test_the_kernel_gives_the_same_spots() -> None:
    image, _ = spots_of()
    table = sc.detect_spots(image, sigma=[1, 2], threshold=20)
    radius = np.sqrt(3)
    spots = find_spots(
        image, [(1,) * 3, (2,) * 3], threshold=20, exclusion=[(radius,) * 3, (2 * radius,) * 3]
    )
    np.testing.assert_array_equal(
        table[["z_voxel", "y_voxel", "x_voxel"]], spots.voxel + spots.shift
    )


@pytest.mark.parametrize("image", [np.zeros((9, 9)), np.full((9, 9), 1000, "uint16")])
@pytest.mark.parametrize("level", [{"threshold": 0}, {"threshold_rel": 0.2}])
def test_without_spots_there_is_a_table_without_rows(tmp_path, image, level) -> None:
    table = sc.detect_spots(sc.open(image), sigma=[1, 2], **level)
    sc.run(table, store=tmp_path, executor="serial", block=4)
    found = table.to_pandas()
    assert len(found) == 0
    assert list(found) == ["y", "x", "y_voxel", "x_voxel", "scale", "scale_voxel", "strength"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sigma": 1}, "threshold"),
        ({"sigma": 1, "threshold": -1}, "threshold is from 0"),
        ({"sigma": 1, "threshold": "high"}, "threshold is from 0"),
        ({"sigma": 1, "threshold": [1, 2]}, "threshold is from 0"),
        ({"sigma": 1, "threshold_rel": "high"}, "threshold_rel is from 0"),
        ({"sigma": [(1, 2), (3,)], "threshold": 1}, "2 spatial axes"),
        ({"sigma": "wide", "threshold": 1}, "above zero"),
        ({"sigma": (1, 3), "n_scales": 2.5, "threshold": 1}, "n_scales is 2 or more"),
        ({"sigma": 1, "threshold_rel": 1.5}, "threshold_rel is from 0 to 1"),
        ({"sigma": 0, "threshold": 1}, "above zero"),
        ({"sigma": [], "threshold": 1}, "at least one"),
        ({"sigma": (3, 1), "threshold": 1}, "ascending"),
        ({"sigma": [(1, 2, 3)], "threshold": 1}, "2 spatial axes"),
        ({"sigma": (1, sc.um(2)), "threshold": 1}, "all physical"),
        ({"sigma": (1, 2, 3), "n_scales": 4, "threshold": 1}, "the least and the largest"),
        ({"sigma": 1, "threshold": 1, "min_distance": -2}, "above zero"),
        ({"sigma": 1, "threshold": 1, "method": "doh"}, "method is one of"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_work(options, words) -> None:
    with pytest.raises(ParameterError, match=words):
        sc.detect_spots(sc.open(np.zeros((9, 9))), **options)


def test_scales_may_be_an_array() -> None:
    image = np.random.default_rng(0).random((20, 21))
    for item in (image, sc.open(image)):
        for scales in ([1.0, 2.0, 4.0], [(1, 2), (2, 3)]):
            found = sc.detect_spots(item, sigma=np.array(scales), threshold=0.1)
            wanted = sc.detect_spots(image, sigma=scales, threshold=0.1)
            pd.testing.assert_frame_equal(
                found if item is image else found.to_pandas(), wanted, check_exact=True
            )


def test_a_physical_scale_needs_a_voxel_size() -> None:
    with pytest.raises(MetadataError, match="voxel size"):
        sc.detect_spots(sc.open(np.zeros((9, 9))), sigma=sc.um(1), threshold=1)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ParameterError, match="an image"):
        sc.detect_spots([[1, 2]], sigma=1, threshold=1)


def test_nan_is_refused(tmp_path) -> None:
    image = np.zeros((9, 9))
    image[4, 4] = np.nan
    with pytest.raises(ParameterError, match="finite"):
        sc.detect_spots(image, sigma=1, threshold=1)
    table = sc.detect_spots(sc.open(image), sigma=1, threshold=1)
    with pytest.raises(RunFailed, match="finite"):
        sc.run(table, store=tmp_path, executor="serial")


def test_an_image_smaller_than_the_halo_is_searched_as_a_whole(tmp_path) -> None:
    import tifffile

    image = np.zeros((9, 9), "uint8")
    image[3:6, 4:7] = 200
    tifffile.imwrite(tmp_path / "a.tif", image)
    images = sc.open_folder(str(tmp_path / "*.tif"))
    found = sc.detect_spots(images, sigma=3, threshold=1)["a.tif"].to_pandas()
    assert found[["y_voxel", "x_voxel"]].round().to_numpy().tolist() == [[4, 5]]
