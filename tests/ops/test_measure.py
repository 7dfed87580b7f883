"""`measure` and `remove_small` equal scikit-image on the whole array, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.measure import regionprops_table

import scutoid as sc
from scutoid.errors import GeometryError, ParameterError, PipelineError

cases = hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=11).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.uint8, shape, elements=st.integers(0, 4)),
        hnp.arrays(np.uint16, shape, elements=st.integers(0, 65535)),
        st.tuples(*(st.integers(1, size) for size in shape)),
    )
)


def measured(labels, intensity, block):
    """Measure in blocks of a given shape, without a store."""
    pieces = sc.ops.measure_pieces.options(block=block)(sc.open(labels), sc.open(intensity))
    return sc.ops.measure_objects(pieces).to_pandas()


@given(cases)
@settings(max_examples=50, deadline=None)
def test_equals_regionprops_for_any_shape_and_block(case) -> None:
    labels, intensity, block = case
    table = measured(labels, intensity, block)
    if not labels.any():
        assert len(table) == 0
        return
    expected = pd.DataFrame(
        regionprops_table(
            labels,
            intensity,
            properties=(
                "label",
                "area",
                "bbox",
                "centroid",
                "mean_intensity",
                "max_intensity",
                "min_intensity",
                "intensity_std",
            ),
        )
    )
    axes = "zyx"[-labels.ndim :]
    assert table["label"].tolist() == expected["label"].tolist()
    assert table["n_voxels"].tolist() == expected["area"].tolist()
    for n, axis in enumerate(axes):
        assert table[f"bbox_{axis}0"].tolist() == expected[f"bbox-{n}"].tolist()
        assert table[f"bbox_{axis}1"].tolist() == expected[f"bbox-{n + labels.ndim}"].tolist()
        np.testing.assert_allclose(table[f"{axis}_voxel"], expected[f"centroid-{n}"], rtol=1e-12)
    np.testing.assert_allclose(table["mean"], expected["mean_intensity"], rtol=1e-12)
    assert table["min"].tolist() == expected["min_intensity"].tolist()
    assert table["max"].tolist() == expected["max_intensity"].tolist()
    np.testing.assert_allclose(table["std"], expected["intensity_std"], rtol=1e-9, atol=1e-6)
    sums = [int(intensity[labels == label].sum()) for label in table["label"]]
    assert table["sum"].tolist() == sums
    inside = np.zeros_like(labels, bool)
    inside[(slice(1, -1),) * labels.ndim] = True
    for label, touches in zip(table["label"], table["touches_edge"], strict=True):
        assert touches == bool(((labels == label) & ~inside).any())


def test_positions_are_in_the_unit_and_in_the_frame_of_the_uncropped_image() -> None:
    labels = np.zeros((6, 8, 10), "uint8")
    labels[3, 4, 6] = 1
    image = sc.open(labels, voxel_size=(2, 0.5, 0.25), unit="um", origin=(10, 20, 30))
    whole = sc.measure(image).to_pandas()
    cropped = sc.measure(image[2:, 3:, 5:]).to_pandas()
    row = whole.iloc[0]
    assert (row.z, row.y, row.x) == (16.0, 22.0, 31.5)
    assert (row.z_voxel, row.y_voxel, row.x_voxel) == (3, 4, 6)
    assert row["size"] == 0.25
    pd.testing.assert_frame_equal(whole, cropped)


def test_each_place_of_an_iterated_axis_has_rows_of_its_own() -> None:
    labels = np.zeros((2, 5, 5), "uint8")
    labels[0, 1, 1] = 1
    labels[1, 2:4, 2] = 1
    table = sc.measure(sc.open(labels, axes="tyx")).to_pandas()
    assert table[["t", "label", "n_voxels"]].to_numpy().tolist() == [[0, 1, 1], [1, 1, 2]]


@pytest.mark.parametrize(
    ("names", "suffixes"),
    [(None, "01"), (["DAPI", "GFP"], ["DAPI", "GFP"]), (["GFP", "GFP"], "01")],
    ids=["unnamed", "named", "alike"],
)
def test_channels_are_measured_by_name(tmp_path, names, suffixes) -> None:
    tifffile = pytest.importorskip("tifffile")
    labels = np.zeros((5, 6), "uint8")
    labels[1:3, 1:3] = 7
    channels = np.stack([np.full((5, 6), 10), np.arange(30).reshape(5, 6)]).astype("uint16")
    metadata = {"axes": "CYX"} | ({"Channel": {"Name": names}} if names else {})
    tifffile.imwrite(tmp_path / "c.ome.tif", channels, metadata=metadata)
    table = sc.measure(sc.open(labels), intensity=sc.open(tmp_path / "c.ome.tif")).to_pandas()
    assert table[f"mean_{suffixes[0]}"].tolist() == [10.0]
    assert table[f"sum_{suffixes[1]}"].tolist() == [int(channels[1, 1:3, 1:3].sum())]


@pytest.mark.parametrize("label_axes", ["yx", "cyx", "tyx", "tcyx"])
@pytest.mark.parametrize("axes", ["yx", "cyx", "tyx", "tcyx"])
@pytest.mark.parametrize("in_folder", [False, True], ids=["image", "folder"])
def test_each_channel_of_labels_is_measured_in_its_own(
    tmp_path, label_axes, axes, in_folder
) -> None:
    """Named channels are columns, unless the labels have channels: then these are rows."""
    tifffile = pytest.importorskip("tifffile")
    sizes, rng = {"t": 3, "c": 2, "y": 5, "x": 6}, np.random.default_rng(0)
    labels = rng.integers(0, 3, [sizes[axis] for axis in label_axes]).astype("uint8")
    image = rng.integers(0, 999, [sizes[axis] for axis in axes]).astype("uint16")
    names = {"Channel": {"Name": ["DAPI", "GFP"]}} if "c" in axes else {}
    for name, array, said in (("labels", labels, label_axes), ("image", image, axes)):
        (tmp_path / name).mkdir()
        place = tmp_path / name / "1.ome.tif"
        metadata = {"axes": said.upper(), **(names if name == "image" else {})}
        tifffile.imwrite(place, array, metadata=metadata, photometric="minisblack")
    end = "*.ome.tif" if in_folder else "1.ome.tif"
    opening = sc.open_folder if in_folder else sc.open
    one, other = opening(tmp_path / "labels" / end), opening(tmp_path / "image" / end)
    table = sc.measure(one, intensity=other, properties=()).to_pandas()

    iterated = [axis for axis in "tc" if axis in label_axes or (axis == "t" and axis in axes)]
    is_column = "c" in axes and "c" not in label_axes
    suffixes = ("_DAPI", "_GFP") if is_column else ("",)
    assert [name for name in table if name in "tc"] == [
        *sorted(iterated, key=(label_axes + axes).index)
    ]
    assert [name for name in table if name.startswith("sum")] == [f"sum{s}" for s in suffixes]
    n_rows = 0
    for place in np.ndindex(*(sizes[axis] for axis in iterated)):
        here = dict(zip(iterated, place, strict=True))
        within = labels[tuple(here[axis] for axis in label_axes if axis in "tc")]
        seen = image[tuple(slice(None) if is_column and a == "c" else here[a] for a in axes[:-2])]
        for label in np.unique(within[within > 0]):
            chosen = table[table["label"] == label]
            for axis, number in here.items():
                chosen = chosen[chosen[axis] == number]
            sums = seen[..., within == label].sum(axis=-1)
            assert chosen[[f"sum{s}" for s in suffixes]].to_numpy().ravel().tolist() == (
                np.ravel(sums).tolist()
            )
            n_rows += 1
    assert len(table) == n_rows


@given(cases, st.integers(0, 12))
@settings(max_examples=30, deadline=None)
def test_remove_small_keeps_the_numbers_of_the_others(case, min_size) -> None:
    labels, _, block = case
    counts = np.bincount(labels.ravel(), minlength=5)
    expected = np.where(counts[labels] >= min_size, labels, 0)
    image = sc.open(labels)
    parts = sc.ops.object_counts.options(block=block)(image, connectivity=None)
    small = sc.ops.small_objects(parts, min_size=min_size, connectivity=None)
    result = np.asarray(sc.ops.remove_objects(image, small, connectivity=None))
    assert result.dtype == labels.dtype
    np.testing.assert_array_equal(result, expected)


@given(hnp.arrays(np.bool_, (9, 10)), st.integers(1, 9), st.integers(1, 2), st.integers(0, 8))
@settings(max_examples=30, deadline=None)
def test_remove_small_counts_objects_of_a_mask_across_blocks(
    mask, block, connectivity, min_size
) -> None:
    labels, _ = ndimage.label(mask, ndimage.generate_binary_structure(2, connectivity))
    counts = np.bincount(labels.ravel())
    expected = mask & (counts[labels] >= min_size)
    image = sc.open(mask)
    parts = sc.ops.object_counts.options(block=block)(image, connectivity=connectivity)
    small = sc.ops.small_objects(parts, min_size=min_size, connectivity=connectivity)
    result = sc.ops.remove_objects(image, small, connectivity=connectivity)
    assert result.dtype == np.bool_
    np.testing.assert_array_equal(np.asarray(result), expected)


def test_a_negative_minimum_is_refused() -> None:
    with pytest.raises(ParameterError, match="0 or more"):
        sc.remove_small(np.ones((2, 2), bool), min_size=-1)


@given(cases)
@settings(max_examples=30, deadline=None)
def test_axes_and_weighted_centroids_equal_regionprops(case) -> None:
    labels, intensity, block = case
    table = measured(labels, intensity, block)
    if not labels.any():
        return
    names = ["axis_major_length", "axis_minor_length", "centroid_weighted"]
    names.append("equivalent_diameter_area")
    with np.errstate(invalid="ignore"):  # NaN where all intensities are 0, as in `measure`
        expected = pd.DataFrame(
            regionprops_table(labels, intensity.astype(float), properties=names)
        )
    # scikit-image takes the root of what is left of 0 by rounding
    np.testing.assert_allclose(
        table["axis_major_length"], expected["axis_major_length"], rtol=1e-9, atol=1e-6
    )
    np.testing.assert_allclose(
        table["axis_minor_length"] ** 2, expected["axis_minor_length"] ** 2, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        table["equivalent_diameter"], expected["equivalent_diameter_area"], rtol=1e-12
    )
    for n, axis in enumerate("zyx"[-labels.ndim :]):
        np.testing.assert_allclose(
            table[f"{axis}_weighted"], expected[f"centroid_weighted-{n}"], rtol=1e-12, atol=1e-12
        )


@given(cases)
@settings(max_examples=30, deadline=None)
def test_no_column_depends_on_the_blocks(case) -> None:
    labels, intensity, block = case
    pd.testing.assert_frame_equal(
        measured(labels, intensity, block), measured(labels, intensity, labels.shape)
    )


@pytest.mark.parametrize("angle", [0, 25, 60, 90, 120, 155])
def test_orientation_equals_regionprops_also_with_voxels_that_are_not_square(angle) -> None:
    y, x = np.mgrid[:60, :70] - np.array([29, 35])[:, None, None]
    turn = np.deg2rad(angle)
    along, across = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    labels = ((along / 22) ** 2 + (across / 9) ** 2 < 1).astype("uint8")
    image = sc.open(labels, voxel_size=(0.5, 0.8), unit="um")
    names = ("orientation", "axis_major_length", "axis_minor_length")
    row = sc.measure(image).to_pandas().iloc[0]
    expected = regionprops_table(labels, spacing=(0.5, 0.8), properties=names)
    for name in names:
        np.testing.assert_allclose(row[name], expected[name], rtol=1e-9)


def test_the_longest_axis_has_a_direction_in_3_d() -> None:
    labels = np.zeros((9, 9, 9), "uint8")
    labels[np.arange(9), np.arange(9), 4] = 3
    row = sc.measure(labels).iloc[0]
    np.testing.assert_allclose(
        row[["direction_z", "direction_y", "direction_x"]].astype(float), [0.5**0.5, 0.5**0.5, 0]
    )
    expected = regionprops_table(labels, properties=("axis_major_length", "axis_minor_length"))
    np.testing.assert_allclose(row["axis_major_length"], expected["axis_major_length"])


def test_moments_of_objects_far_out_lose_nothing() -> None:
    labels = np.zeros((4, 300_000), "uint8")
    labels[1:3, 299_000:299_900] = 1
    near = np.zeros((4, 1000), "uint8")
    near[1:3, 50:950] = 1
    names = ["axis_major_length", "axis_minor_length", "orientation"]
    far = sc.ops.measure_objects(sc.ops.measure_pieces.options(block=70_000)(sc.open(labels)))
    pd.testing.assert_frame_equal(far.to_pandas()[names], sc.measure(near)[names])


def test_properties_are_left_out_on_request_and_unknown_ones_refused() -> None:
    labels = np.ones((3, 3), "uint8")
    assert sc.measure(labels, properties=()).columns[-1] == "touches_edge"
    assert sc.measure(labels, properties="axes").columns[-1] == "axis_minor_length"
    with pytest.raises(ParameterError, match="equivalent_diameter"):
        sc.measure(labels, properties=("perimeter",))


def test_labels_are_integers_of_0_or_more() -> None:
    with pytest.raises(ParameterError, match="label a mask first"):
        sc.measure(sc.open(np.ones((3, 3), "float32")))
    with pytest.raises(ParameterError, match="0 or more"):
        sc.measure(np.array([[1, -1]]))


def cubes(labels, image, index):
    values = np.zeros(labels.shape) if image is None else image.astype(float)
    return {
        "cubes": np.asarray(ndimage.sum_labels(values**3, labels, index)),
        "first": np.asarray(ndimage.minimum(values, labels, index)),
    }


def skewed(rows):
    return {"cube_mean": rows["cubes"] / rows["n_voxels"], "first": rows["first"]}


@given(cases)
@settings(max_examples=30, deadline=None)
def test_measures_of_the_user_are_merged_across_blocks(case) -> None:
    labels, intensity, block = case
    own = (sc.Measure(cubes, merge={"cubes": "sum", "first": "min"}, finish=skewed),)
    pieces = sc.ops.measure_pieces.options(block=block)(
        sc.open(labels), sc.open(intensity % 8), measures=own
    )
    table = sc.ops.measure_objects(pieces, measures=own).to_pandas()
    for row in table.itertuples():
        values = (intensity % 8)[labels == row.label].astype(float)
        assert row.cube_mean == (values**3).sum() / len(values)
        assert row.first == values.min()


def test_a_measure_says_what_it_returns() -> None:
    labels = np.array([[1, 1, 2]])
    wrong = sc.Measure(lambda *_: {"a": np.zeros(5)}, merge={"a": "sum"})
    with pytest.raises(ParameterError, match="2 entries"):
        sc.measure(labels, measures=wrong)
    taken = sc.Measure(lambda *_: {"size": np.zeros(2)}, merge={"size": "sum"})
    with pytest.raises(ParameterError, match="no other column"):
        sc.measure(labels, measures=taken)
    with pytest.raises(ParameterError, match="sum, min, max"):
        sc.Measure(cubes, merge={"a": "mean"})


def pieces_of(labels, image, index):
    sizes = np.array([np.count_nonzero(labels == one) for one in index])
    return {"top": index.astype("uint8"), "narrow": (sizes * 90).astype("uint8"), "any": sizes > 0}


def test_sums_of_narrow_types_do_not_wrap_around() -> None:
    own = sc.Measure(pieces_of, merge={"top": "max", "narrow": "sum", "any": "sum"})
    pieces = sc.ops.measure_pieces.options(block=2)(sc.open(np.ones((6, 4), int)), measures=(own,))
    table = sc.ops.measure_objects(pieces, measures=(own,)).to_pandas()
    blocks = 6
    assert table["narrow"].item() == blocks * (4 * 90 % 256)
    assert table["any"].item() == blocks
    assert table["top"].dtype == np.uint8


@pytest.mark.parametrize("made", [["x"], [1j], [object()]], ids=["text", "complex", "object"])
def test_a_measure_of_anything_but_real_numbers_is_refused(made) -> None:
    wrong = sc.Measure(lambda *_: {"a": np.array(made)}, merge={"a": "max"})
    with pytest.raises(ParameterError, match="real numbers"):
        sc.measure(np.array([[1, 1]]), measures=wrong)
    with pytest.raises(ParameterError, match="type Measure"):
        sc.measure(np.array([[1, 1]]), measures=pieces_of)
    with pytest.raises(ParameterError, match="a dict"):
        sc.measure(np.array([[1, 1]]), measures=sc.Measure(lambda *_: [1], merge={"a": "max"}))


def whole_or_not(labels, image, index):
    return {
        "half": np.array([0.5] * len(index) if index.min(initial=99) < 20 else [1] * len(index))
    }


def test_columns_have_one_type_in_all_partitions(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("scutoid.ops._object_table._ROWS", 8)
    labels = np.arange(64, dtype="uint64").reshape(8, 8)
    labels[7, 7] = 2**63 + 9
    own = sc.Measure(whole_or_not, merge={"half": "max"})
    table = sc.measure(sc.open(labels), measures=own)
    sc.run(table, store=tmp_path, executor="serial", block=4)
    found = table.to_pandas()
    assert found["label"].tolist() == [*range(1, 63), 2**63 + 9]
    assert found["half"].dtype == float
    assert set(found["half"]) == {0.5, 1.0}


@pytest.mark.parametrize("kind", ["int64", "uint64", ">u8"])
def test_least_and_greatest_of_64_bits_are_exact(kind) -> None:
    rng = np.random.default_rng(3)
    info = np.iinfo(kind)
    image = rng.integers(
        info.min, info.max, (5, 6), np.dtype(kind).newbyteorder("="), endpoint=True
    )
    labels = rng.integers(0, 4, image.shape)
    for table in (sc.measure(labels, intensity=image.astype(kind)),
                  measured(labels, image.astype(kind), (2, 2))):  # fmt: skip
        for row in table.itertuples():
            values = image[labels == row.label]
            assert (int(row.min), int(row.max)) == (int(values.min()), int(values.max()))


def test_the_first_axis_of_an_array_with_one_more_is_of_channels() -> None:
    rng = np.random.default_rng(4)
    labels, image = rng.integers(0, 5, (6, 7)), rng.integers(0, 99, (3, 6, 7))
    table = sc.measure(labels, intensity=image)
    lazily = sc.measure(sc.open(labels), intensity=image).to_pandas()
    pd.testing.assert_frame_equal(table, lazily)
    for n in range(3):
        one = sc.measure(labels, intensity=image[n])
        for name in ("mean", "std", "min", "max", "sum", "y_weighted"):
            np.testing.assert_array_equal(table[f"{name}_{n}"], one[name])
    with pytest.raises(GeometryError, match="moveaxis"):
        sc.measure(labels, intensity=image.transpose(1, 2, 0))


def test_the_edge_of_a_crop_is_its_own() -> None:
    image = sc.open(np.arange(1, 50).reshape(7, 7))
    table = sc.measure(image[2:6, 1:5]).to_pandas()
    rows, columns = table["y_voxel"], table["x_voxel"]
    expected = rows.isin([2, 5]) | columns.isin([1, 4])
    assert table["touches_edge"].tolist() == expected.tolist()


@pytest.mark.parametrize("labels", [[[1, 2]], None, "labels.tif"], ids=["list", "none", "path"])
def test_what_is_no_image_is_refused(labels) -> None:
    for operation in (sc.measure, sc.count):
        with pytest.raises(ParameterError, match="an image, a folder"):
            operation(labels)
    with pytest.raises(ParameterError, match="intensity"):
        sc.measure(np.ones((1, 2), int), intensity=[[1, 2]])
    with pytest.raises(ParameterError, match="real numbers"):
        sc.measure(sc.open(np.ones((1, 2), int)), intensity=sc.open(np.ones((1, 2), complex)))


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_a_table_in_partitions_is_the_same_table(tmp_path, monkeypatch, executor) -> None:
    import pyarrow.parquet as pq

    rng = np.random.default_rng(5)
    labels = ndimage.label(rng.random((40, 60)) < 0.3)[0].astype("uint32")
    image = rng.integers(0, 999, labels.shape).astype("uint16")
    whole = sc.measure(labels, intensity=image)
    monkeypatch.setattr("scutoid.ops._object_table._ROWS", 50)
    table = sc.measure(sc.open(labels), intensity=sc.open(image))
    sc.run(table, store=tmp_path, executor=executor, block=13, workers=2)
    pd.testing.assert_frame_equal(table.to_pandas(), whole)
    (file,) = tmp_path.glob("measure/*/table.parquet")
    groups = pq.ParquetFile(file).metadata
    assert groups.num_row_groups > 3
    assert max(groups.row_group(n).num_rows for n in range(groups.num_row_groups)) < 200


def test_labels_as_sparse_as_64_bits_allow_are_measured() -> None:
    labels = np.zeros((4, 6), "uint64")
    labels[0, :2], labels[2, 3:], labels[3, 0] = 2**64 - 1, 7, 2**63
    pieces = sc.ops.measure_pieces.options(block=2)(sc.open(labels))
    table = sc.ops.measure_objects(pieces).to_pandas()
    assert table["label"].tolist() == [7, 2**63, 2**64 - 1]
    assert table["n_voxels"].tolist() == [3, 1, 2]


def test_one_object_that_fills_everything_and_none_at_all() -> None:
    full, empty = np.ones((7, 8, 9), "uint8"), np.zeros((7, 8, 9), "uint8")
    table = measured(full, full, (3, 3, 3))
    assert table["n_voxels"].tolist() == [7 * 8 * 9]
    assert table["touches_edge"].all()
    nothing = measured(empty, full, (3, 3, 3))
    assert len(nothing) == 0
    assert nothing.columns.tolist() == table.columns.tolist()
    assert nothing.dtypes.tolist() == table.dtypes.tolist()


def test_an_intensity_of_another_shape_is_refused() -> None:
    with pytest.raises(PipelineError):
        sc.measure(sc.open(np.ones((4, 4), int)), intensity=sc.open(np.ones((4, 5)))).to_pandas()


def test_not_a_number_stays_in_its_object() -> None:
    labels, image = np.array([[1, 1, 2, 2]]), np.array([[1.0, np.nan, 3.0, 5.0]])
    table = measured(labels, image, (1, 1))
    assert np.isnan(table["mean"][0])
    assert np.isnan(table["x_weighted"][0])
    assert table["mean"][1] == 4
    assert table["x_weighted"][1] == (2 * 3 + 3 * 5) / 8


def test_infinities_and_sums_beyond_floats_are_as_in_numpy_and_warn_of_nothing() -> None:
    labels = np.array([[1, 1, 2, 2], [3, 3, 4, 4]])
    image = np.array([[np.inf, -np.inf, 1, np.inf], [1e308, 1e308, -2, 3]])
    for block in ((2, 4), (1, 1)):
        table = measured(labels, image, block)
        assert np.isnan(table["mean"][0])
        assert (table["min"][0], table["max"][0]) == (-np.inf, np.inf)
        assert table["sum"].tolist()[1:] == [np.inf, np.inf, 1]
        assert table["std"][3] == 2.5


@pytest.mark.parametrize(("one", "other"), [("yx", "zyx"), ("zyx", "yx"), ("tyx", "zyx")])
def test_spatial_axes_that_differ_are_refused_at_once(one, other) -> None:
    shapes = {"yx": (3, 4), "zyx": (2, 3, 4), "tyx": (2, 3, 4)}
    labels, image = (sc.open(np.ones(shapes[axes], "uint8"), axes=axes) for axes in (one, other))
    with pytest.raises(GeometryError, match="same spatial axes"):
        sc.measure(labels, intensity=image)


def test_a_folder_of_images_with_channels_has_columns_for_each(tmp_path) -> None:
    tifffile = pytest.importorskip("tifffile")
    rng = np.random.default_rng(6)
    labels, images = rng.integers(0, 4, (2, 5, 6), "uint8"), rng.random((2, 3, 5, 6), "float32")
    for folder, arrays in (("labels", labels), ("images", images)):
        (tmp_path / folder).mkdir()
        for n in range(2):
            path = tmp_path / folder / f"{n}.tif"
            tifffile.imwrite(path, arrays[n], photometric="minisblack")
    one = sc.open_folder(tmp_path / "labels" / "*.tif")
    other = sc.open_folder(tmp_path / "images" / "*.tif", axes="cyx")
    table = sc.measure(one, intensity=other).to_pandas()
    for n in range(2):
        alone = sc.measure(labels[n], intensity=images[n])
        rows = table[table["key"] == f"{n}.tif"].drop(columns="key").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, alone)


def test_a_folder_of_labels_is_measured_member_by_member(tmp_path) -> None:
    tifffile = pytest.importorskip("tifffile")
    for n in range(3):
        tifffile.imwrite(tmp_path / f"{n}.tif", np.full((4, 4), n, "uint16"))
    labels = sc.open_folder(str(tmp_path / "*.tif"))
    table = sc.measure(labels).to_pandas()
    assert table["label"].tolist() == [1, 2]
    assert sc.count(labels).to_pandas()["n_objects"].tolist() == [0, 1, 1]
