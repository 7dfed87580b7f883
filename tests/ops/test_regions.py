"""Counts by region equal counts by hand, on made-up and on real atlases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.errors import (
    GeometryError,
    MetadataError,
    ParameterError,
    PipelineError,
    SourceError,
    SourceNotFound,
)
from scutoid.ops._region_tree import read_regions

ATLAS = Path(__file__).parents[2].parent / "shared" / "data" / "atlas"
TREE = pd.DataFrame(
    {
        "id": [0, 997, 8, 614454277, 7],
        "acronym": ["universe", "root", "grey", "NA", "x"],
        "parent_id": [None, 0, 997, 8, 997],
    }
)


def little_atlas(**said):
    labels = np.array([[0, 7, 8], [614454277, 7, 5]], "uint32")
    return sc.open(labels, **{"voxel_size": 10, "unit": "um", **said})


def points(*rows):
    return pd.DataFrame(rows, columns=["y", "x"], dtype=float)


def by_id(table, name="n"):
    return dict(zip(table["id"], table[name], strict=True))


def test_regions_background_outside_and_missing_ones_are_kept_apart() -> None:
    cells = points((0, 0), (0, 10), (9, 11), (10, 0), (10, 20), (0, 50), (-6, 0), (np.nan, 0))
    table = sc.count_by_region(cells, little_atlas(), regions=TREE).to_pandas()
    assert table["kind"].tolist() == ["region"] * 5 + ["missing", "background", "outside"]
    assert by_id(table) == {
        0: 0, 997: 0, 8: 0, 614454277: 1, 7: 2, 5: 1, -1: 1, -2: 3,
    }  # fmt: skip
    assert by_id(table, "n_total")[997] == by_id(table, "n_total")[0] == 3
    assert table["n"].sum() == len(cells)
    assert table["acronym"][3] == "NA"
    assert table["parent"].tolist()[:5] == [pd.NA, 0, 997, 8, 997]


def test_volumes_and_densities_are_per_cubic_millimetre() -> None:
    atlas = sc.open(np.full((2, 3, 4), 7, "uint16"), voxel_size=(0.1, 0.2, 0.5), unit="mm")
    cells = pd.DataFrame({"z": [0.05, 0.1], "y": [0.0, 0.4], "x": [1.5, 0.0]})
    row = sc.count_by_region(cells, atlas, regions=TREE).to_pandas().set_index("id").loc[7]
    assert row["volume_mm3"] == pytest.approx(24 * 0.01)
    assert row["density_per_mm3"] == pytest.approx(2 / 0.24)


def test_a_level_counts_regions_to_their_ancestors_and_still_adds_up() -> None:
    cells = points((0, 10), (0, 20), (10, 0), (10, 20), (0, 0))
    by_depth = sc.count_by_region(cells, little_atlas(), regions=TREE, level=2).to_pandas()
    assert by_id(by_depth) == {0: 0, 997: 0, 8: 2, 7: 1, 5: 1, -1: 1, -2: 0}
    named = sc.count_by_region(cells, little_atlas(), regions=TREE, level=["grey"]).to_pandas()
    assert by_id(named) == {8: 2, 5: 1, -3: 1, -1: 1, -2: 0}
    with pytest.raises(ParameterError, match="by id or acronym"):
        sc.count_by_region(cells, little_atlas(), regions=TREE, level=["brain"])


def test_hemispheres_are_divided_by_a_plane_and_add_up() -> None:
    cells = points((0, 9.9), (0, 10), (0, 11), (0, -1), (0, 99))
    table = sc.count_by_region(cells, little_atlas(), regions=TREE, midplane="x").to_pandas()
    assert by_id(table, "n_left") == {
        0: 0, 997: 0, 8: 0, 614454277: 0, 7: 1, 5: 0, -1: 1, -2: 0,
    }  # fmt: skip
    assert by_id(table, "n_right")[7] == 2
    assert (table["n_left"] + table["n_right"]).tolist() == table["n"].tolist()
    volumes = table["volume_mm3_left"] + table["volume_mm3_right"]
    np.testing.assert_allclose(volumes, table["volume_mm3"])
    moved = sc.count_by_region(
        cells, little_atlas(), regions=TREE, midplane=("x", 10.5), sides=("low", "high")
    ).to_pandas()
    assert by_id(moved, "n_low")[7] == 2


def test_weights_and_intensities_are_of_the_cells_or_of_an_image() -> None:
    cells = points((0, 10), (10, 10), (10, 0)).assign(n_cells=[1.5, 2.0, 1.0], mean=[10, 40, 7])
    table = sc.count_by_region(
        cells, little_atlas(), regions=TREE, weights="n_cells", intensity="mean"
    ).to_pandas()
    assert by_id(table)[7] == 3.5
    assert by_id(table, "mean_intensity")[7] == pytest.approx((15 + 80) / 3.5)
    image = np.array([[1, 2, 3], [4, 6, 9]], "uint16")
    table = sc.count_by_region(
        cells, little_atlas(), regions=TREE, intensity=sc.open(image)
    ).to_pandas()
    assert by_id(table, "mean_intensity")[7] == 4
    assert by_id(table, "mean_intensity")[997] == (2 + 6 + 3 + 4) / 4


def test_an_intensity_that_is_not_known_is_not_passed_over() -> None:
    cells = points((0, 10), (0, 10), (10, 0)).assign(w=[3.0, np.nan, 5.0])
    table = sc.count_by_region(cells, little_atlas(), regions=TREE, intensity="w").to_pandas()
    mean = by_id(table, "mean_intensity")
    assert np.isnan([mean[7], mean[997]]).all()
    assert mean[614454277] == 5


@pytest.mark.parametrize("shape", ["csv", "nested", "json"])
def test_a_tree_may_be_a_file_or_nested(tmp_path, shape) -> None:
    nested = {
        "id": 0,
        "children": [
            {
                "id": 997,
                "acronym": "root",
                "children": [{"id": 8, "children": [{"id": 614454277}]}, {"id": 7}],
            }
        ],
    }
    trees = {"nested": nested, "csv": tmp_path / "a.csv", "json": str(tmp_path / "a.json")}
    TREE.astype({"parent_id": "Int64"}).to_csv(trees["csv"], index=False)
    (tmp_path / "a.json").write_text(json.dumps({"msg": [nested]}))
    cells = points((10, 0))
    table = sc.count_by_region(cells, little_atlas(), regions=trees[shape]).to_pandas()
    assert by_id(table, "n_total") == {
        0: 1, 997: 1, 8: 1, 614454277: 1, 7: 0, 5: 0, -1: 0, -2: 0,
    }  # fmt: skip


def test_what_is_no_tree_is_refused_at_once() -> None:
    cells, atlas = points((0, 0)), little_atlas()
    with pytest.raises(SourceNotFound, match="is a file"):
        sc.count_by_region(cells, atlas, regions="nowhere.csv")
    with pytest.raises(ParameterError, match="columns id"):
        sc.count_by_region(cells, atlas, regions=pd.DataFrame({"id": [1]}))
    with pytest.raises(ParameterError, match="whole number"):
        sc.count_by_region(cells, atlas, regions=pd.DataFrame({"id": [1.5], "parent_id": [None]}))


NO_TREES = {
    "nothing.json": b"",
    "no json.json": b"{id: 1}",
    "deep.json": b"[" * 100_000,
    "digits.json": b'[{"id": ' + b"1" * 5000 + b"}]",
    "latin.json": '{"id": 1, "name": "é"}'.encode("latin1"),
    "nothing.csv": b"",
    "more fields.csv": b"id,parent_id\n1,\n2,1,3,4\n",
    "a quote.csv": b'id,parent_id\n1,"2\n',
    "latin.csv": "id,parent_id,name\n1,,é\n".encode("latin1"),
    "excel.csv": b"PK\x03\x04" + bytes(range(256)),
}


@pytest.mark.parametrize("name", NO_TREES)
def test_a_file_that_is_no_tree_is_refused_by_its_name(tmp_path, name) -> None:
    (tmp_path / name).write_bytes(NO_TREES[name])
    with pytest.raises((SourceError, ParameterError), match="regions"):
        read_regions(tmp_path / name)


@pytest.mark.parametrize(
    "tree",
    [[1], [None], [[]], {"id": 1, "children": 3}, {"id": 1, "children": {"id": 2}},
     {"id": 1, "children": "ab"}, {"id": 1, "children": [5]}, {"msg": 3}, {"msg": None}],
    ids=str,
)  # fmt: skip
def test_nested_values_that_are_no_regions_are_refused(tmp_path, tree) -> None:
    (tmp_path / "a.json").write_text(json.dumps(tree))
    for regions in (tree, tmp_path / "a.json"):
        with pytest.raises(ParameterError, match=r"(?s)(are a list|has an id).*where: regions"):
            read_regions(regions)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_may_be_in_any_of_its_encodings(tmp_path, encoding) -> None:
    (tmp_path / "a.JSON").write_bytes('{"id": 3, "name": "é"}'.encode(encoding))
    assert read_regions(tmp_path / "a.JSON").name == ("é",)


def test_an_atlas_of_floats_or_of_negative_or_lost_ids_is_refused() -> None:
    cells, whole = points((10, 0)), np.asarray(little_atlas())
    with pytest.raises(ParameterError, match="floats lose"):
        sc.count_by_region(cells, whole.astype("float32"), regions=TREE, transform="yx")
    for kind in ("uint16", "float32"):
        lost = sc.open(whole.astype(kind).astype("uint32")[1:], voxel_size=10)
        with pytest.raises(ParameterError, match="of 614454277"):
            sc.count_by_region(cells, lost, regions=TREE).to_pandas()
    with pytest.raises(ParameterError, match="0 or more"):
        sc.count_by_region(
            cells, sc.open(-whole.astype("int64"), voxel_size=10), regions=TREE
        ).to_pandas()


def test_an_unknown_scale_without_a_transform_is_refused() -> None:
    labels, atlas = sc.open(np.ones((3, 3), int)), little_atlas()
    for cells in (labels, sc.measure(labels), sc.open(np.ones((3, 3)))):
        with pytest.raises(MetadataError, match="voxel_size="):
            sc.count_by_region(cells, atlas, regions=TREE)
    unscaled = sc.open(np.asarray(atlas))
    with pytest.raises(MetadataError, match="an atlas has a voxel size"):
        sc.count_by_region(points((0, 0)), unscaled, regions=TREE)
    to_voxels = [[0.1, 0, 0], [0, 0.1, 0]]
    table = sc.count_by_region(points((10, 1)), unscaled, regions=TREE, transform=to_voxels)
    assert by_id(table.to_pandas())[614454277] == 1
    assert table.to_pandas()["volume_mm3"].isna().all()


def test_transforms_that_do_not_fit_and_columns_that_are_missing_are_refused() -> None:
    cells, atlas = points((0, 0)), little_atlas()
    for wrong in (["x", "x"], ["z", "y", "x"], np.eye(4), [[1, 0, np.nan], [0, 1, 0]]):
        with pytest.raises(GeometryError, match="transform"):
            sc.count_by_region(cells, atlas, regions=TREE, transform=wrong)
    with pytest.raises(ParameterError, match="columns y, x"):
        sc.count_by_region(cells[["y"]], atlas, regions=TREE).to_pandas()
    with pytest.raises(ParameterError, match="across one of"):
        sc.count_by_region(cells, atlas, regions=TREE, midplane="t")


def test_units_of_image_and_atlas_may_differ() -> None:
    labels = np.zeros((20, 30), "uint8")
    labels[10, 1] = 3
    image = sc.open(labels, voxel_size=0.001, unit="mm")
    table = sc.count_by_region(image, little_atlas(), regions=TREE).to_pandas()
    assert by_id(table)[614454277] == 1


def test_arrays_of_positions_are_counted_as_tables_are() -> None:
    cells = np.array([[0.0, 10.0], [10.0, 0.0]])
    table = sc.count_by_region(cells, little_atlas(), regions=TREE).to_pandas()
    assert by_id(table)[7] == by_id(table)[614454277] == 1
    at_once = sc.count_by_region(
        points((0, 1)), np.asarray(little_atlas()), regions=TREE, transform="yx"
    )
    assert by_id(at_once)[7] == 1


def over_time():
    """Labels at three time points, none at the second."""
    labels = np.zeros((3, 2, 3), "uint8")
    labels[0, 0, 1], labels[0, 1, 0], labels[2, 0, 1:] = 1, 2, 3
    return sc.open(labels, axes="tyx", voxel_size=10, unit="um")


def test_time_points_are_counted_apart_and_none_is_left_out() -> None:
    image = over_time()
    tables = {
        "labels": sc.count_by_region(image, little_atlas(), regions=TREE).to_pandas(),
        "density": sc.count_by_region(
            sc.density(image, factors=1), little_atlas(), regions=TREE
        ).to_pandas(),
        "measured": sc.count_by_region(sc.measure(image), little_atlas(), regions=TREE).to_pandas(),
    }
    for kind, table in tables.items():
        assert table.columns[:2].tolist() == ["t", "id"]
        times = [0, 2] if kind == "measured" else [0, 1, 2]
        assert table["t"].unique().tolist() == times
        for t in times:
            rows = table[table["t"] == t]
            cells = sc.measure(image[t : t + 1]).to_pandas().drop(columns="t")
            alone = sc.count_by_region(cells, little_atlas(), regions=TREE).to_pandas()
            pd.testing.assert_frame_equal(
                rows.drop(columns="t").reset_index(drop=True), alone, check_dtype=kind != "density"
            )
    assert sc.count_by_region(image[1:2], little_atlas(), regions=TREE).to_pandas()["n"].sum() == 0


def test_columns_of_a_table_say_what_is_counted_apart() -> None:
    cells = points((0, 10), (0, 10), (10, 0), (99, 0)).assign(t=[5, 3, 3, 3], c=[1, 0, 1, 1])
    by = {"regions": TREE, "midplane": "x", "intensity": "w"}
    table = sc.count_by_region(cells.assign(w=[1, 2, 3, 4]), little_atlas(), **by).to_pandas()
    assert table.columns[:2].tolist() == ["t", "c"]
    places = list(dict.fromkeys(zip(table["t"], table["c"], strict=True)))
    assert places == [(3, 0), (3, 1), (5, 1)]
    assert table["n"].sum() == len(cells)
    at = table.set_index(["t", "c", "id"])
    assert at["n_right"][5, 1, 7] == at["n_total"][5, 1, 997] == 1
    assert at["mean_intensity"][3, 1, -2] == 4
    volumes = {place: rows["volume_mm3"].sum() for place, rows in table.groupby(["t", "c"])}
    assert volumes == dict.fromkeys(places, pytest.approx(6e-4))
    nothing = sc.count_by_region(cells[:0], little_atlas(), regions=TREE).to_pandas()
    assert len(nothing) == 0
    assert nothing.columns[:3].tolist() == ["t", "c", "id"]
    with pytest.raises(ParameterError, match="has its place"):
        sc.count_by_region(
            cells.assign(t=[np.nan, 0, 0, 0]), little_atlas(), regions=TREE
        ).to_pandas()


def test_weights_of_integers_add_up_exactly_and_those_that_are_none_are_refused() -> None:
    cells, atlas = points((0, 10), (10, 10)), little_atlas()
    by = {"regions": TREE, "weights": "w"}
    large = sc.count_by_region(cells.assign(w=[2**53, 1]), atlas, **by).to_pandas()
    assert by_id(large, "n_total")[0] == 2**53 + 1
    with pytest.raises(ParameterError, match="finite"):
        sc.count_by_region(cells.assign(w=[1, np.nan]), atlas, **by).to_pandas()
    with pytest.raises(ParameterError, match="are numbers"):
        sc.count_by_region(cells.assign(w=["1", "2"]), atlas, **by).to_pandas()
    with pytest.raises(ParameterError, match="its own weights"):
        sc.count_by_region(sc.density(sc.open(np.ones((4, 4), int), voxel_size=1), factors=2),
                           atlas, **by)  # fmt: skip
    labels = np.zeros((2, 3), "uint8")
    labels[:, 1] = 1
    estimated = sc.count_by_region(
        sc.open(labels, voxel_size=10, unit="um"), atlas, regions=TREE, weights="n_cells"
    ).to_pandas()
    assert by_id(estimated)[7] == 0.5


def test_positions_that_are_not_finite_lie_outside() -> None:
    cells = points((np.inf, 0), (0, -np.inf), (np.nan, np.nan), (0, 10))
    turned = sc.count_by_region(cells, little_atlas(), regions=TREE, transform=np.eye(3))
    assert by_id(turned.to_pandas())[-2] == 3


@pytest.mark.parametrize(
    ("said", "error", "match"),
    [
        ({"level": 1.5}, ParameterError, "depth of the tree"),
        ({"level": True}, ParameterError, "depth of the tree"),
        ({"midplane": ("x", np.nan)}, ParameterError, "at a number"),
        ({"midplane": 50.0}, ParameterError, "at a number"),
        ({"midplane": ("x", 1, 2)}, ParameterError, "at a number"),
        ({"midplane": "x", "sides": ("a", "a")}, ParameterError, "two different names"),
        ({"midplane": "x", "sides": ("total", "a")}, ParameterError, "two different names"),
        ({"transform": {"y": 1}}, GeometryError, "affine"),
        ({"transform": np.zeros((2, 3))}, GeometryError, "keeps all axes apart"),
        ({"intensity": np.ones((2, 3), complex)}, ParameterError, "real numbers"),
    ],
)
def test_what_is_said_wrong_is_refused_before_anything_runs(said, error, match) -> None:
    with pytest.raises(error, match=match):
        sc.count_by_region(points((0, 0)), little_atlas(), regions=TREE, **said)


def test_an_acronym_is_a_level_and_an_index_may_hold_the_ids() -> None:
    cells = points((0, 20), (0, 10))
    table = sc.count_by_region(
        cells, little_atlas(), regions=TREE.set_index("id"), level="grey"
    ).to_pandas()
    assert by_id(table) == {8: 1, 5: 0, -3: 1, -1: 0, -2: 0}


def test_ids_beyond_63_bits_and_images_of_other_axes_are_refused() -> None:
    beyond = sc.open(np.array([[2**63, 2**64 - 1]], "uint64"), voxel_size=1)
    with pytest.raises(ParameterError, match="below 2"):
        sc.count_by_region(points((0, 0)), beyond, regions=TREE).to_pandas()
    with pytest.raises(GeometryError, match="atlas' axes 'yx'"):
        sc.count_by_region(
            sc.open(np.ones((2, 2, 2), int), voxel_size=1), little_atlas(), regions=TREE
        )
    with pytest.raises(ParameterError, match="at least one voxel"):
        sc.count_by_region(points((0, 0)), np.zeros((0, 3), int), regions=TREE, transform="yx")


@st.composite
def worlds(draw):
    shape = tuple(draw(st.integers(1, 9)) for _ in range(3))
    block = tuple(draw(st.integers(1, n)) for n in shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    atlas = rng.choice([0, 7, 8, 614454277, 5], shape).astype("uint32")
    order = draw(st.permutations("zyx"))
    flips = draw(st.lists(st.booleans(), min_size=3, max_size=3))
    return atlas, block, rng, [("-" if f else "") + a for a, f in zip(order, flips, strict=True)]


@given(worlds())
@settings(max_examples=40, deadline=None)
def test_counts_equal_counts_by_hand_for_any_blocks_axes_and_flips(case) -> None:
    atlas, block, rng, names = case
    size, start = np.array([2.0, 0.5, 3.0]), np.array([7.0, -3.0, 100.0])
    index = rng.integers(-1, np.array(atlas.shape) + 1, (60, 3))
    inside = np.all((index >= 0) & (index < atlas.shape), axis=1)
    world = start + (index + rng.uniform(-0.4, 0.4, index.shape)) * size
    last = start + (np.array(atlas.shape) - 1) * size
    cells = {}
    for n, name in enumerate(names):
        cells[name[-1]] = start[n] + last[n] - world[:, n] if "-" in name else world[:, n]
    ids = np.where(inside, 0, -2)
    ids[inside] = atlas[tuple(index[inside].T)]
    table = _counted_in_blocks(pd.DataFrame(cells), atlas, size, start, names, block)
    expected = dict.fromkeys((0, 997, 8, 614454277, 7, -1, -2), 0)
    expected |= {5: 0} if (atlas == 5).any() else {}
    for one in ids.tolist():
        expected[-1 if one == 0 else one] += 1
    assert by_id(table) == expected
    volumes = {one: np.count_nonzero(atlas == one) * 3e-9 for one in (7, 8, 614454277)}
    for one, volume in volumes.items():
        assert by_id(table, "volume_mm3")[one] == pytest.approx(volume)


def _counted_in_blocks(cells, atlas, size, start, names, block):
    import scutoid.ops._regions as module

    image = sc.open(atlas, voxel_size=tuple(size), unit="um", origin=tuple(start))
    step = module.region_counts
    try:
        module.region_counts = step.options(block=block)
        return sc.count_by_region(cells, image, regions=TREE, transform=names).to_pandas()
    finally:
        module.region_counts = step


@pytest.fixture(scope="module")
def allen():
    path = ATLAS / "annotation_100um_apdvlr.tif"
    if not path.exists():
        pytest.skip(f"no atlas in {ATLAS}")
    return sc.open(str(path), voxel_size=(100, 100, 100), unit="um"), ATLAS / "structures.csv"


def descendants_by_hand(structures):
    """Ids in each region, by the paths that the table spells out."""
    found = {}
    for one, path in zip(structures["id"], structures["id_path"], strict=True):
        for above in map(int, str(path).split("/")):
            found.setdefault(above, set()).add(one)
    return found


@pytest.mark.data
def test_points_of_known_regions_are_found_through_an_affine(allen, tmp_path) -> None:
    atlas, structures = allen
    labels = np.asarray(atlas)
    rng = np.random.default_rng(0)
    index = rng.integers(-2, np.array(labels.shape) + 2, (20_000, 3))
    inside = np.all((index >= 0) & (index < labels.shape), axis=1)
    ids = np.full(len(index), -2, np.int64)
    ids[inside] = labels[tuple(index[inside].T)]
    position = (index + rng.uniform(-0.45, 0.45, index.shape)) * 100.0
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    matrix = np.column_stack([turn * 1.3, [500.0, -200.0, 40.0]])
    cells = pd.DataFrame((position - matrix[:, 3]) @ np.linalg.inv(matrix[:, :3]).T,
                         columns=["z", "y", "x"])  # fmt: skip
    counts = sc.count_by_region(cells, atlas, regions=structures, transform=matrix, midplane="x")
    sc.run(counts, store=tmp_path, executor="threads", workers=2, block=40)
    table = counts.to_pandas()
    tree = pd.read_csv(structures, keep_default_na=False)
    own, total, volume = by_id(table), by_id(table, "n_total"), by_id(table, "volume_mm3")
    for region, below in descendants_by_hand(tree).items():
        assert total[region] == np.isin(ids[ids > 0], list(below - {0})).sum()
        assert own[region] == (np.count_nonzero(ids == region) if region else 0)
        if region:
            assert volume[region] == pytest.approx(np.count_nonzero(labels == region) * 1e-3)
    assert own[-1] == np.count_nonzero(ids == 0)
    assert own[-2] == np.count_nonzero(~inside)
    assert table["n"].sum() == len(cells)
    left = np.count_nonzero((ids == 315) & (position[:, 2] < 5650))
    assert by_id(table, "n_left")[315] == left
    assert len(table) == len(tree) + 2


@pytest.mark.data
def test_a_density_map_in_another_orientation_and_resolution_adds_up(allen) -> None:
    atlas, structures = allen
    labels = np.asarray(atlas)
    rng = np.random.default_rng(1)
    turned = np.flip(labels.transpose(2, 0, 1), axis=1)  # a map with axes LR, -AP, DV
    fine = turned.repeat(2, 0).repeat(2, 1).repeat(2, 2)[:, :, 10:]
    density = np.where(rng.random(fine.shape) < 0.01, rng.integers(1, 5, fine.shape), 0.0)
    image = sc.open(density, voxel_size=50, unit="um", origin=(-25, -25, 475))
    table = sc.count_by_region(
        image, atlas, regions=structures, transform=("-y", "x", "z")
    ).to_pandas()
    for one in (672, 776, 1, 614454277):
        assert by_id(table)[one] == density[fine == one].sum()
    assert by_id(table)[-1] == density[fine == 0].sum()
    assert by_id(table)[-2] == 0
    assert table["n"].sum() == density.sum()


@pytest.mark.data
@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_the_real_atlas_is_refused_once_it_has_lost_ids(allen, kind) -> None:
    atlas, structures = allen
    lost = np.asarray(atlas).astype(kind)
    image = sc.open(lost.astype("uint32"), voxel_size=100, unit="um")
    cells = pd.DataFrame({"z": [6000.0], "y": [4000.0], "x": [5000.0]})
    with pytest.raises((ParameterError, PipelineError), match=kind):
        sc.count_by_region(cells, image, regions=structures).to_pandas()
