"""Tables beside their labels: rows of objects, rings in all their planes, tracks, times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.arrays import TimeScale
from scutoid.errors import ParameterError, PipelineError
from scutoid.views import _drawn, layer_data, view_layers

BIG = 2**63 + 5


def by_kind(layers, kind):
    return [layer for layer in layers if layer.kind == kind]


@pytest.fixture
def cells():
    """Blocks of voxels, numbered, with the image that they were found in."""
    array = np.zeros((9, 30, 40), "u2")
    for place in range(3):
        array[2 + place : 6 + place, 3 + 9 * place : 9 + 9 * place, 5:12] = 200
    return sc.open(array, voxel_size=(2, 0.5, 0.5), unit="um")


def made(cells):
    labels = sc.label(cells > 100)
    return labels, sc.measure(labels, intensity=cells)


def stored(cells, folder):
    labels, table = made(cells)
    other = sc.label.options(name="other")(cells > 150)
    sc.run(labels, table, other, store=folder, executor="serial")
    return labels, table


def test_labels_get_the_table_that_was_measured_from_them(cells):
    labels, table = made(cells)
    other = sc.label.options(name="other")(cells > 150)
    layers = view_layers(cells, other, labels, table)
    assert [(layer.name, layer.table is not None) for layer in by_kind(layers, "labels")] == [
        ("other", False),
        ("label", True),
    ]
    [points] = by_kind(layers, "points")
    assert points.labels == "label"
    features = by_kind(layers, "labels")[1].options["features"]
    assert features["index"].tolist() == [1, 2, 3]
    assert "mean" in features


def test_so_do_labels_of_a_store(cells, tmp_path):
    stored(cells, tmp_path / "store")
    store = sc.Store(tmp_path / "store")
    for results in (
        (store["other"], store["label"], store["measure"]),
        (store["measure"], store["label"][:5], store["other"]),
    ):
        layers = by_kind(view_layers(*results), "labels")
        assert [layer.name for layer in layers if layer.table is not None] == ["label"]
    [only] = by_kind(view_layers(store["other"], store["measure"]), "labels")
    assert only.table is None


def test_so_do_results_of_a_run_and_a_table_made_of_the_table(cells, tmp_path):
    @sc.step(out="table")
    def bright(table):
        return table[table["mean"] > 10]

    labels, table = stored(cells, tmp_path / "store")
    chosen = bright(table)
    done = sc.run(chosen, store=tmp_path / "store", executor="serial")
    store = sc.Store(tmp_path / "store")
    for pair in ((labels, chosen), (labels, done["bright"]), (store["label"], store["bright"])):
        [layer] = by_kind(view_layers(*pair), "labels")
        assert layer.table is not None


def test_so_do_members_of_a_folder(tmp_path, cells):
    for name in "ab":
        sc.export(cells, tmp_path / f"{name}.ome.tif")
    images = sc.open_folder(str(tmp_path / "*.ome.tif"))
    labels = sc.label(images > 100)
    table = sc.measure(labels)
    key, other = images.keys
    [layer] = by_kind(view_layers(labels[key], table[key]), "labels")
    assert layer.table is not None
    [layer] = by_kind(view_layers(labels[other], table[key]), "labels")
    assert layer.table is None


@pytest.mark.parametrize("dtype", ["u4", "i8", "u8"])
def test_a_frame_belongs_to_the_only_labels_if_it_says_label(image, dtype):
    top = np.iinfo(dtype).max if dtype != "u8" else BIG
    frame = pd.DataFrame({"label": np.array([7, top], dtype), "y": [1.0, 2], "x": [1.0, 2]})
    labels = image((4, 5), "yx", dtype, is_labels=True)
    mask = image((4, 5), "yx", bool)
    layer = by_kind(view_layers(mask, labels, frame), "labels")[1]
    index = layer.options["features"]["index"]
    assert index.tolist() == [7, top]
    assert index.dtype == dtype
    assert all(each.table is None for each in view_layers(labels, labels, frame)[:2])
    frame = frame.rename(columns={"label": "number"})
    assert by_kind(view_layers(labels, frame), "labels")[0].table is None


def test_columns_of_labels_need_no_positions(image):
    frame = pd.DataFrame({"label": [1], "iou": [0.5]})
    [layer] = view_layers(image((4, 5), "yx", is_labels=True), frame)
    assert layer.options["features"]["iou"].tolist() == [0.5]


def test_layers_lie_above_those_that_would_cover_them(image):
    frame = pd.DataFrame({"label": [1], "y": [1.0], "x": [1.0], "t": [0], "track": [3]})
    labels = image((2, 4, 5), "tyx", is_labels=True)
    layers = view_layers(frame, labels, image((2, 4, 5), "tyx"))
    assert [layer.kind for layer in layers] == ["image", "labels", "tracks", "points"]
    assert layers[1].options["contour"] == 1
    assert "contour" not in view_layers(labels)[0].options


@pytest.mark.parametrize("columns", ["bounding box", "size"])
def test_points_know_the_planes_of_their_objects(cells, columns):
    labels, table = made(cells)
    frame = table.to_pandas()
    if columns == "size":
        frame = frame.drop(columns=[name for name in frame if name.startswith("bbox")])
    [points] = by_kind(view_layers(labels, frame), "points")
    if columns == "bounding box":
        assert points.planes.tolist() == [[2, 6], [3, 7], [4, 8]]
    n_planes = points.planes[:, 1] - points.planes[:, 0]
    assert (n_planes >= 2).all()
    assert (n_planes <= 4).all()


def test_planes_are_those_of_the_viewer(image):
    """Labels of thick planes beside an image of thin ones: planes are those of the image."""
    raw = image((40, 9, 9), "zyx", voxel_size=(0.5, 0.5, 0.5))
    labels = image((10, 9, 9), "zyx", is_labels=True, voxel_size=(2, 0.5, 0.5))
    frame = pd.DataFrame(
        {"label": [1], "z": [8.0], "y": [2.0], "x": [2.0], "z_voxel": [4.0]}
    ).assign(bbox_z0=[3], bbox_z1=[6])
    [points] = by_kind(view_layers(raw, labels, frame), "points")
    assert points.planes.tolist() == [[12, 21]]


def test_planes_are_those_that_an_image_has(image, table):
    raw = image((9, 9, 9), "zyx", voxel_size=(1, 1, 1), origin=(3, 0, 0))
    frame = pd.DataFrame({"z": [3.0, 11], "y": 2.0, "x": 2.0, "n_voxels": 4000})
    [points] = by_kind(view_layers(raw, frame), "points")
    assert points.planes.min() == 0
    assert points.planes.max() == 9


def test_tracks_are_numbered_densely_and_keep_their_ids(image):
    frame = pd.DataFrame({"t": [1, 0, 0, 1, 0], "y": 1.0, "x": [4.0, 3, 2, 1, 0]}).assign(
        track=pd.array([BIG, BIG, 9, 9, None], dtype="UInt64")
    )
    [tracks] = by_kind(view_layers(image((2, 4, 5), "tyx"), frame), "tracks")
    assert tracks.data.tolist() == [[0, 0, 1, 3], [0, 1, 1, 4], [1, 0, 1, 2], [1, 1, 1, 1]]
    assert tracks.options["features"]["track"].tolist() == [BIG, BIG, 9, 9]


def test_a_movie_lies_in_its_unit_of_time(image):
    movie = image((4, 5, 6), "tyx", time=TimeScale(0.5, "min", 3))
    part = image((2, 5, 6), "tyx", offset=(2, 0, 0), time=TimeScale(30, "s", 240))
    unknown = image((4, 5, 6), "tyx")
    frame = pd.DataFrame({"t": [2], "y": [1.0], "x": [2.0]})
    layers = view_layers(movie, part, unknown, frame)
    assert {layer.units for layer in layers} == {("min", "pixel", "pixel")}
    assert [layer.scale[0] for layer in layers] == [0.5] * 4
    assert [layer.translate[0] for layer in layers] == [3, 4, 3, 3]
    assert layers[3].data.tolist() == [[2, 1, 2]]


def test_rings_stand_in_all_planes_of_their_objects(cells):
    labels, table = made(cells)
    [points] = by_kind(view_layers(labels, table), "points")
    data, arguments, kind = layer_data(points)
    assert kind == "points"
    assert np.rint(data[:, 0]).tolist() == [2, 3, 4, 5, 3, 4, 5, 6, 4, 5, 6, 7]
    assert arguments["features"]["label"].tolist() == [1] * 4 + [2] * 4 + [3] * 4
    sizes = arguments["size"].reshape(3, 4)
    np.testing.assert_allclose(sizes, sizes[:, ::-1])  # largest in the middle
    assert (sizes[:, 1] > sizes[:, 0]).all()
    assert {tuple(row) for row in data[:, 1:]} == {tuple(row) for row in points.data[:, 1:]}


def test_rings_of_very_many_objects_stand_in_fewer_planes(monkeypatch):
    monkeypatch.setattr(_drawn, "_MOST", 30)
    frame = pd.DataFrame({"z": [50.0] * 10, "y": 1.0, "x": 1.0, "n_voxels": 10**5})
    data, arguments, _ = layer_data(view_layers(frame)[0])
    assert sorted(data[:, 0].tolist()) == [49] * 10 + [50] * 10 + [51] * 10
    assert len(arguments["features"]) == 30


@pytest.mark.parametrize("column", ["name", "member", "ref", "read", "roi", "to_pandas"])
def test_columns_of_a_table_may_be_called_as_they_like(column):
    frame = pd.DataFrame({"y": [1.0, 2.0], "x": [3.0, 4.0], column: ["a", "b"]})
    (points,) = view_layers(frame)
    assert (points.kind, points.name) == ("points", "points")


def test_a_table_of_regions_belongs_to_labels_without_a_table(image):
    cells, atlas = (
        image((8, 9), "yx", "u4", name=name, is_labels=True) for name in ("cells", "atlas")
    )
    rows = pd.DataFrame({"label": [1], "n_voxels": [9]})
    regions = pd.DataFrame({"id": [1, 5], "name": ["cortex", "thalamus"]})
    (alone,) = view_layers(regions, atlas)
    assert list(alone.table["label"]) == [1, 5]
    shown = {layer.name: layer for layer in view_layers(cells, rows)}
    assert list(shown["cells"].table.columns) == ["label", "n_voxels"]


MOVIE = {"track": [1, 1, 2], "t": [0, 1, 0], "y": [1.0, 2, 3], "x": [1.0, 2, 3]}


@pytest.mark.parametrize(
    ("changed", "n_rows"),
    [({}, 3), ({"y": [np.nan, 2, 3]}, 2), ({"t": [0, np.nan, 0]}, 2), ({"x": [np.nan] * 3}, 0)],
)
def test_rows_without_a_place_are_of_no_track(image, changed, n_rows):
    found = by_kind(view_layers(image((2, 8, 9), "tyx"), pd.DataFrame(MOVIE | changed)), "tracks")
    assert [len(layer.data) for layer in found] == [n_rows] * bool(n_rows)
    assert all(np.isfinite(layer.data).all() for layer in found)


def test_an_empty_table_has_no_tracks(image):
    empty = pd.DataFrame(MOVIE).iloc[:0]
    assert not by_kind(view_layers(image((2, 8, 9), "tyx"), empty), "tracks")


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (pd.DataFrame(MOVIE | {"t": [-1, 0, 0]}), "from 0 on"),
        (pd.DataFrame(MOVIE | {"y": ["a", "b", "c"]}), "positions .* are numbers"),
        (pd.DataFrame([[1, 2, 3]], columns=["y", "x", "x"]), "several named 'x'"),
        (pd.DataFrame([[1, 2, 3, 4]], columns=["y", "x", "a", "a"]), "several named 'a'"),
    ],
)
def test_tables_that_cannot_be_shown_are_refused(image, table, match):
    with pytest.raises(ParameterError, match=match):
        view_layers(image((2, 8, 9), "tyx"), table)


def test_a_second_table_of_labels_without_positions_is_refused(image):
    cells = image((8, 9), "yx", "u4", name="cells", is_labels=True)
    rows = pd.DataFrame({"label": [1], "n_voxels": [9]})
    with pytest.raises(ParameterError, match="join them"):
        view_layers(cells, rows, rows.assign(kind="round"))


def test_an_image_of_complex_numbers_is_refused(image):
    with pytest.raises(PipelineError, match="magnitude"):
        view_layers(image((8, 9), "yx", "c8"))
