"""Counts, estimates and density maps: once for each object, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import scutoid as sc
from scutoid.errors import MetadataError, ParameterError
from scutoid.kernels import cells_per_object

label_images = hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=10).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.uint16, shape, elements=st.integers(0, 5)),
        st.tuples(*(st.integers(1, size) for size in shape)),
    )
)


def in_blocks(labels, block, **params):
    asked = {"size": None, "by": "n_voxels", "min_size": 0, "edge_weight": 0.5, **params}
    pieces = sc.ops.measure_pieces.options(block=block)(sc.open(labels), moments=False)
    return sc.ops.count_pieces(pieces, **asked).to_pandas()


def by_hand(labels, size, min_size, edge_weight):
    inner = np.zeros(labels.shape, bool)
    inner[tuple(slice(1, -1) if n > 1 else slice(None) for n in labels.shape)] = True
    cells = 0.0
    for one in np.unique(labels[labels > 0]):
        n = np.count_nonzero(labels == one)
        if n >= min_size:
            cut = np.any((labels == one) & ~inner)
            cells += max(1, n / size) - (1 - edge_weight) * cut
    return cells


@given(label_images, st.integers(1, 30), st.integers(0, 5), st.sampled_from([0, 0.25, 0.5, 1]))
@settings(max_examples=40, deadline=None)
def test_cells_are_counted_as_the_formula_says_whatever_the_blocks(
    case, size, min_size, edge_weight
) -> None:
    labels, block = case
    params = {"size": size, "min_size": min_size, "edge_weight": edge_weight}
    counted = in_blocks(labels, block, **params)
    assert counted["n_cells"].item() == pytest.approx(by_hand(labels, **params))
    assert counted["n_objects"].item() == sum(
        np.count_nonzero(labels == one) >= min_size for one in np.unique(labels[labels > 0])
    )
    asked = {"cell_size": size, "min_size": min_size, "edge_weight": edge_weight}
    pd.testing.assert_frame_equal(counted, sc.count(labels, **asked))
    pd.testing.assert_frame_equal(counted, sc.count(sc.measure(labels), **asked))


def test_only_objects_that_touch_the_edge_weigh_less() -> None:
    labels = np.zeros((9, 9), "uint8")
    labels[4, 4], labels[1, 1], labels[0, 5], labels[7, 7] = 1, 2, 3, 4
    assert sc.count(labels)["n_cells"].item() == 3.5
    assert sc.count(labels, edge_weight=1)["n_cells"].item() == 4
    assert sc.count(labels, edge_weight=0)["n_edge"].item() == 1


def test_a_count_is_the_same_from_a_warm_store_and_another_one_for_another_mask(tmp_path) -> None:
    image = np.random.default_rng(8).random((24, 24)).astype("float32")
    counts = []
    for level in (0.7, 0.7, 0.95):
        labels = sc.label(sc.threshold(sc.open(image), level=level))
        run = sc.run(sc.count(labels), store=tmp_path, executor="serial", block=8)
        counts.append(run["count"].to_pandas()["n_objects"].item())
    expected = [ndimage.label(image > level)[1] for level in (0.7, 0.7, 0.95)]
    assert counts == expected
    assert counts[0] != counts[2]


def test_an_object_at_the_edge_of_a_block_is_not_at_the_edge_of_the_image() -> None:
    labels = np.zeros((12, 12), "uint8")
    labels[3:5, 3:5], labels[1:11, 7:9], labels[8, 0] = 9, 4, 6
    assert in_blocks(labels, (4, 4))["n_edge"].item() == 1
    assert in_blocks(labels, (4, 4))["n_cells"].item() == 2.5


def test_half_an_object_on_each_side_of_a_cut_is_one_in_both_images_together() -> None:
    labels = np.zeros((9, 12), "uint8")
    labels[3:5, 5:8], labels[6:8, 1:3] = 1, 2
    halves = [sc.count(part)["n_cells"].item() for part in (labels[:, :6], labels[:, 6:])]
    assert sum(halves) == sc.count(labels)["n_cells"].item() == 2


def test_a_size_may_be_in_the_unit() -> None:
    labels = np.zeros((8, 8), "uint8")
    labels[2:4, 2:6] = 1
    image = sc.open(labels, voxel_size=0.5, unit="um")
    assert sc.count(image, cell_size=1.0, by="size").to_pandas()["n_cells"].item() == 2
    assert sc.count(image, cell_size=4).to_pandas()["n_cells"].item() == 2


def test_each_time_point_is_counted_for_itself() -> None:
    labels = np.zeros((3, 5, 5), "uint8")
    labels[0, 2, 2], labels[2, 1, 1], labels[2, 3, 3] = 1, 1, 2
    counted = sc.count(sc.open(labels, axes="tyx")).to_pandas()
    assert counted[["t", "n_objects"]].to_numpy().tolist() == [[0, 1], [1, 0], [2, 2]]
    nothing = sc.count(sc.open(labels, axes="tyx")[1:2]).to_pandas()
    assert nothing.to_dict("list") == {
        "t": [1], "n_objects": [0], "n_clusters": [0], "n_edge": [0], "n_cells": [0.0],
    }  # fmt: skip


def test_no_object_at_all_is_a_count_of_zero() -> None:
    assert sc.count(np.zeros((4, 4), int)).iloc[0].tolist() == [0, 0, 0, 0]
    assert np.asarray(sc.density(np.zeros((4, 4), int), factors=2)).sum() == 0


def test_estimates_are_a_column_and_do_not_jump() -> None:
    sizes = np.linspace(1, 500, 1000)
    cells = cells_per_object(sizes, np.zeros(1000, bool), cell_size=100)
    assert np.all(np.diff(cells) >= 0)
    assert np.diff(cells).max() < 0.01
    table = sc.measure(np.pad(np.full((4, 4), 3), 1))
    assert sc.estimate_cells(table, cell_size=4)["n_cells"].tolist() == [4.0 - 0.0]


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"cell_size": 0}, "above 0"),
        ({"edge_weight": 2}, "from 0 to 1"),
        ({"min_size": -1}, "0 or more"),
        ({"by": "area"}, "n_voxels"),
        ({"cell_size": "30"}, "above 0"),
        ({"min_size": np.nan}, "0 or more"),
    ],
    ids=["size", "edge", "least", "by", "text", "nan"],
)
def test_parameters_out_of_range_are_refused(params, match) -> None:
    with pytest.raises(ParameterError, match=match):
        sc.count(np.zeros((2, 2), int), **params)


def test_floats_and_foreign_tables_are_refused() -> None:
    with pytest.raises(ParameterError, match="label a mask first"):
        sc.count(np.zeros((2, 2)))
    with pytest.raises(ParameterError, match="table of measure"):
        sc.count(pd.DataFrame({"n_voxels": [3]}))
    with pytest.raises(ParameterError, match="measure labels first"):
        sc.estimate_cells(np.ones((2, 2), int))


@given(label_images, st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_a_density_map_adds_up_and_equals_a_histogram_of_centroids(case, factor, block) -> None:
    labels, _ = case
    image = sc.open(labels)
    cells = sc.measure(labels)
    result = np.asarray(sc.density(image, factors=factor))
    shape = tuple(-(-n // factor) for n in labels.shape)
    assert result.shape == shape
    assert result.dtype == np.float64
    places = cells[[f"{axis}_voxel" for axis in image.axes]].to_numpy() + 0.5
    edges = [np.arange(n + 1) * factor for n in shape]
    np.testing.assert_array_equal(result, np.histogramdd(places, edges)[0])
    assert result.sum() == len(cells)
    pieces = sc.ops.measure_pieces.options(block=block)(image, moments=False, weighted=False)
    asked = {"factors": factor, "spacing": None}
    counts = sc.ops.coarse_counts_of_pieces(
        pieces, space=None, weights=None, outside="raise", **asked
    )
    cut = sc.ops.density_map.options(block=block)(image, counts, **asked)
    np.testing.assert_array_equal(np.asarray(cut), result)


def test_a_density_map_has_its_place_and_scale() -> None:
    labels = ndimage.label(np.random.default_rng(0).random((12, 20, 15)) < 0.1)[0]
    image = sc.open(labels, voxel_size=(2, 0.5, 0.25), unit="um", origin=(5, 6, 7))
    by_factor = sc.density(image, factors=(3, 4, 5))
    assert by_factor.voxel_size == (6, 2, 1.25)
    assert by_factor.origin == (7, 6.75, 7.5)
    table = sc.measure(image).to_pandas()
    by_size = sc.density(table, like=image, voxel_size=(6, 2, 1.25))
    np.testing.assert_array_equal(np.asarray(by_factor), np.asarray(by_size))
    cropped = sc.density(image[3:, :, 5:], factors=4)
    assert np.asarray(cropped).sum() == np.count_nonzero(np.unique(labels[3:, :, 5:]))


def test_a_density_map_of_each_time_point_and_of_weights() -> None:
    labels = np.zeros((2, 6, 6), "uint8")
    labels[0, 1, 1], labels[1, 2:5, 2:5] = 1, 1
    over_time = sc.density(sc.open(labels, axes="tyx"), factors=3)
    assert np.asarray(over_time).sum(axis=(1, 2)).tolist() == [1, 1]
    cells = sc.estimate_cells(sc.measure(labels[1]), cell_size=3)
    weighted = sc.density(cells, like=sc.open(labels[1]), factors=3, weights="n_cells")
    assert np.asarray(weighted).tolist() == [[0, 0], [0, 3]]


def test_positions_outside_are_refused_or_dropped_on_request() -> None:
    like = sc.open(np.zeros((4, 4), "uint8"))
    cells = pd.DataFrame({"y": [1.0, 9.0, np.nan, 1.0], "x": [1.0, 1.0, 1.0, np.inf]})
    with pytest.raises(ParameterError, match="3 of 4 lie outside"):
        np.asarray(sc.density(cells, like=like, factors=2))
    assert np.asarray(sc.density(cells, like=like, factors=2, outside="drop")).sum() == 1
    with pytest.raises(ParameterError, match="columns y, x"):
        np.asarray(sc.density(cells[["y"]], like=like, factors=2))
    with pytest.raises(ParameterError, match="'x' has others"):
        np.asarray(sc.density(cells.assign(x="1"), like=like, factors=2))


def test_a_density_map_over_time_needs_to_know_when() -> None:
    like = sc.open(np.zeros((2, 4, 4), "uint8"), axes="tyx")
    cells = pd.DataFrame({"y": [1.0, 1.0], "x": [1.0, 1.0], "t": [1, 5]})
    with pytest.raises(ParameterError, match="no 't'"):
        np.asarray(sc.density(cells[["y", "x"]], like=like, factors=2))
    with pytest.raises(ParameterError, match="1 of 2 lie outside"):
        np.asarray(sc.density(cells, like=like, factors=2))
    with pytest.raises(ParameterError, match="2 of 2 lie outside"):
        np.asarray(sc.density(cells.assign(t=0.5), like=like, factors=2))
    found = np.asarray(sc.density(cells, like=like, factors=2, outside="drop"))
    assert found.sum(axis=(1, 2)).tolist() == [0, 1]
    weighted = cells.assign(t=0, size=[1.0, np.nan])
    with pytest.raises(ParameterError, match="finite"):
        np.asarray(sc.density(weighted, like=like, factors=2, weights="size"))


@given(label_images, st.data())
@settings(max_examples=30, deadline=None)
def test_a_density_map_of_a_crop_is_that_of_a_copy(case, data) -> None:
    labels, _ = case
    where = tuple(slice(data.draw(st.integers(0, n - 1)), None) for n in labels.shape)
    image = sc.open(labels, voxel_size=0.3, unit="um", origin=(7.7,) * labels.ndim)
    found = np.asarray(sc.density(image[where], factors=2, weights="n_voxels"))
    np.testing.assert_array_equal(found, sc.density(labels[where], factors=2, weights="n_voxels"))
    assert found.sum() == np.count_nonzero(labels[where])


def test_a_folder_of_labels_has_a_density_map_each(tmp_path) -> None:
    tifffile = pytest.importorskip("tifffile")
    rng = np.random.default_rng(2)
    masks = {f"{n}.tif": rng.integers(0, 9, (6, 5 + n)).astype("uint16") for n in range(3)}
    for name, mask in masks.items():
        tifffile.imwrite(tmp_path / name, mask)
    maps = sc.density(sc.open_folder(str(tmp_path / "*.tif")), factors=3)
    for name, mask in masks.items():
        np.testing.assert_array_equal(np.asarray(maps[name]), sc.density(mask, factors=3))


def test_a_density_map_needs_to_know_how_coarse() -> None:
    image = sc.open(np.zeros((4, 4), "uint8"))
    with pytest.raises(ParameterError, match="how coarse"):
        sc.density(image)
    with pytest.raises(MetadataError, match="voxel_size="):
        sc.density(image, voxel_size=5)
    with pytest.raises(ParameterError, match="space of an image"):
        sc.density(pd.DataFrame({"y": [0.0], "x": [0.0]}), factors=2)


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_counts_and_densities_come_from_a_run(tmp_path, executor) -> None:
    labels = ndimage.label(np.random.default_rng(1).random((20, 21)) < 0.2)[0].astype("uint32")
    image = sc.open(labels)
    counted, mapped = sc.count(image, cell_size=3), sc.density(image, factors=4)
    sc.run(counted, mapped, store=tmp_path, executor=executor, workers=2, block=6)
    pd.testing.assert_frame_equal(counted.to_pandas(), sc.count(labels, cell_size=3))
    np.testing.assert_array_equal(np.asarray(mapped), sc.density(labels, factors=4))
