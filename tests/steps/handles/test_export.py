"""Copies of results at paths of the user's choice."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError, StoreError
from scutoid.steps.handles import _export

RAW = np.random.default_rng(3).integers(0, 900, (40, 30)).astype("uint16")


@sc.blockwise(version="1", dtype="same")
def add(image, *, n=1):
    return image + np.uint16(n)


@sc.step(version="1")
def rows(image):
    return pd.DataFrame({"row": range(len(image)), "sum": image.sum(axis=1)})


@sc.step(version="1")
def total(image, *, twice=False):
    return {"sum": int(image.sum()) * (1 + twice)}


@sc.step(out="files", version="1")
def written(image, *, folder, text="a"):
    (folder / "deep").mkdir()
    (folder / "deep" / "note.txt").write_text(text)


@sc.step(out="table", version="1")
def row_table(image):
    return pd.DataFrame({"row": range(len(image)), "sum": image.sum(axis=1)})


@pytest.fixture
def image():
    return sc.open(RAW, voxel_size=(2, 0.5), unit="um")


@pytest.fixture(params=["run", "not run"])
def done(request, tmp_path):
    """Gives results as they are, or run into a store."""

    def give(*results):
        if request.param == "run":
            sc.run(results, store=tmp_path / "store", executor="serial", block=16)
        return results[0]

    return give


def test_images_in_each_format(done, image, tmp_path):
    result = done(add(image))
    for ending in (".ome.zarr", ".tif", ".npy", ".png"):
        path = sc.export(result, tmp_path / "final" / f"added{ending}")
        assert np.array_equal(np.asarray(sc.open(path)), RAW + 1)
        if ending in (".ome.zarr", ".tif"):
            assert sc.open(path).voxel_size == (2, 0.5)
    assert sorted(p.name for p in (tmp_path / "final").iterdir()) == [
        "added.npy",
        "added.ome.zarr",
        "added.png",
        "added.tif",
    ]


def test_a_crop_keeps_its_place(done, image, tmp_path):
    crop = done(add(image))[8:, 4:20]
    path = sc.export(crop, tmp_path / "crop.ome.zarr")
    assert np.array_equal(np.asarray(sc.open(path)), RAW[8:, 4:20] + 1)
    assert sc.open(path).origin == crop.origin


def test_tables_and_values(done, image, tmp_path):
    table, value = rows(image), total(image)
    done(table, value)
    expected = pd.DataFrame({"row": range(40), "sum": RAW.sum(axis=1)})
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    for ending, reader in read.items():
        found = reader(sc.export(table, tmp_path / f"rows{ending}"))
        assert np.array_equal(found.to_numpy(), expected.to_numpy())
    path = sc.export(value, tmp_path / "total.json")
    assert json.loads(path.read_text()) == {"sum": int(RAW.sum())}


def test_folders_of_files(image, tmp_path):
    result = written(image)
    sc.run(result, store=tmp_path / "store", executor="serial")
    path = sc.export(result, tmp_path / "final")
    assert (path / "deep" / "note.txt").read_text() == "a"


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "plate"
    for name in ("A/1.tif", "A/2.tif", "B/1.tif"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / name, RAW[: 2 + int(name[2])])
    return sc.open_folder(folder / "**" / "*.tif", group=r"(?P<well>\w)/")


def test_collections_as_folders_and_as_one_table(done, plate, tmp_path):
    images, tables = add(plate), row_table(plate)
    done(images, tables)
    folder = sc.export(images, tmp_path / "added")
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*.tif")}
    assert found == set(plate.keys)
    assert np.array_equal(tifffile.imread(folder / "A" / "2.tif"), RAW[:4] + 1)
    table = pd.read_csv(sc.export(tables, tmp_path / "rows.csv"))
    assert list(table.columns) == ["key", "well", "row", "sum"]
    assert len(table) == 3 + 4 + 3
    folder = sc.export(tables, tmp_path / "rows")
    assert len(pd.read_csv(folder / "B" / "1.csv")) == 3
    numbers = pd.read_csv(sc.export(total(plate), tmp_path / "totals.csv"))
    assert numbers["sum"].tolist() == [int(RAW[:n].sum()) for n in (3, 4, 3)]


def test_what_has_not_changed_is_left_alone(image, tmp_path):
    for result, name in ((rows(image), "rows.csv"), (add(image), "added.ome.zarr")):
        path = sc.export(result, tmp_path / name)
        place = path / "zarr.json" if path.is_dir() else path
        os.utime(place, (1, 1))
        sc.export(result, path)
        assert place.stat().st_mtime == 1
    sc.export(rows(image[:5]), tmp_path / "rows.csv")
    assert len(pd.read_csv(tmp_path / "rows.csv")) == 5
    sc.export(add(image, n=2), tmp_path / "added.ome.zarr")
    assert np.array_equal(np.asarray(sc.open(tmp_path / "added.ome.zarr")), RAW + 2)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_export_that_fails_leaves_the_old_copy(image, tmp_path, monkeypatch):
    table = sc.export(rows(image), tmp_path / "rows.csv").read_bytes()
    zarr = sc.export(add(image), tmp_path / "added.ome.zarr")

    def fail(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_export.filecmp, "cmp", fail)
    for result, name in ((rows(image[:5]), "rows.csv"), (add(image, n=2), "added.ome.zarr")):
        with pytest.raises(StoreError, match="No space left"):
            sc.export(result, tmp_path / name)
    assert (tmp_path / "rows.csv").read_bytes() == table
    assert np.array_equal(np.asarray(sc.open(zarr)), RAW + 1)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_somebody_else_made_is_not_replaced(image, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="only a folder that an export made"):
        sc.export(written(image), tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("n", [1, 2], ids=["unchanged", "changed"])
def test_what_the_user_adds_to_a_folder_stays(image, plate, tmp_path, n):
    for name in ("members", "added.ome.zarr"):
        sc.export(add(plate if name == "members" else image), tmp_path / name)
        (tmp_path / name / "notes").mkdir()
        (tmp_path / name / "notes" / "mine.txt").write_text("mine")
        os.utime(tmp_path / name / "notes" / "mine.txt", (1, 1))
        path = sc.export(add(plate if name == "members" else image, n=n), tmp_path / name)
        assert (path / "notes" / "mine.txt").read_text() == "mine"
        assert (path / "notes" / "mine.txt").stat().st_mtime == 1
    assert np.array_equal(tifffile.imread(tmp_path / "members" / "A" / "2.tif"), RAW[:4] + n)
    assert np.array_equal(np.asarray(sc.open(tmp_path / "added.ome.zarr")), RAW + n)


def test_a_link_is_followed_and_stays(image, plate, tmp_path):
    (tmp_path / "far").mkdir()
    for result, name in (
        (rows(image), "rows.csv"),
        (total(plate), "totals"),
        (add(image), "a.zarr"),
    ):
        link = tmp_path / name
        link.symlink_to(tmp_path / "far" / name)
        for _ in range(2):  # first where it leads nowhere yet
            assert sc.export(result, link) == link
            assert link.is_symlink()
            assert (tmp_path / "far" / name).exists()
            assert not (tmp_path / "far" / name).is_symlink()


@pytest.mark.parametrize(
    "url", ["gs://bucket/rows.csv", "http://there/rows.csv", "file:///rows.csv"]
)
def test_a_url_is_refused(image, tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="an export goes to a folder"):
        sc.export(rows(image), url)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("result", [row_table, total, add], ids=["tables", "values", "images"])
@pytest.mark.parametrize("ending", [".ods", ".txt", ".csv.gz", ".v2"])
def test_an_ending_is_never_that_of_a_folder_of_members(plate, tmp_path, result, ending):
    with pytest.raises(ParameterError, match="whose name has no ending"):
        sc.export(result(plate), tmp_path / f"cells{ending}")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plate"]


def test_two_members_at_one_place_are_refused(tmp_path):
    values = sc.per_member(pd.DataFrame({"key": ["a", "a.json"], "level": [3, 4]}), "level")
    with pytest.raises(ParameterError, match="a place of its own"):
        sc.export(values, tmp_path / "levels")
    assert not list(tmp_path.iterdir())


def test_a_figure_is_exported_with_its_ending(tmp_path):
    figure = pytest.importorskip("matplotlib.figure")

    @sc.step(version="1")
    def drawn(image):
        shown = figure.Figure()
        shown.subplots().imshow(image)
        return shown

    path = sc.export(drawn(sc.open(RAW)), tmp_path / "one.figure.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_folder_is_exported_once_it_was_run(image, tmp_path):
    with pytest.raises(PipelineError, match="files is run"):
        sc.export(written(image), tmp_path / "final")
    assert not list(tmp_path.iterdir())


def test_endings_that_hold_something_else_are_refused(image, plate, tmp_path):
    with pytest.raises(ParameterError, match=r"\.csv, \.parquet"):
        sc.export(rows(image), tmp_path / "rows.tif")
    with pytest.raises(ParameterError, match=r"ends as a format .*: \.npy, \.png, \.tif, \.zarr\n"):
        sc.export(add(image), tmp_path / "added.xyz")
    with pytest.raises(ParameterError, match="to a folder"):
        sc.export(add(plate), tmp_path / "added.tif")
    with pytest.raises(ParameterError, match="is a result"):
        sc.export(RAW, tmp_path / "raw.tif")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plate"]


def test_a_pyramid_is_exported_with_its_levels(tmp_path) -> None:
    image = np.random.default_rng(0).integers(0, 250, (37, 41), dtype="uint8")
    made = sc.pyramid(sc.open(image), levels=3)
    assert made.levels == 3
    run = sc.run(made, store=tmp_path / "store", executor="serial", block=8)
    assert run["pyramid"].levels == 3
    for result in (made, sc.Store(tmp_path / "store")["pyramid"]):
        path = sc.export(result, tmp_path / "out.ome.zarr")
        for level in range(3):
            wanted = sc.downsample(image, factors=2**level, method="mean") if level < 2 else None
            found = np.asarray(sc.open(path, level=level))
            if wanted is None:  # a mean of rounded means
                wanted = sc.downsample(sc.downsample(image, factors=2), factors=2)
            np.testing.assert_array_equal(found, wanted)


def test_members_are_stored_with_levels(tmp_path) -> None:
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.ones((40, 50), "uint8"))
    made = sc.pyramid(sc.open_folder(tmp_path / "*.tif"), levels=2)
    run = sc.run(made, store=tmp_path / "store", executor="serial")
    assert [run["pyramid"][key].levels for key in run["pyramid"].keys] == [2, 2]


@pytest.mark.parametrize("name", ["loop.tif", "loop.ome.zarr", "loop/image.npy"])
def test_a_loop_of_links_is_refused(tmp_path, name):
    loop = tmp_path / name.partition("/")[0]
    loop.symlink_to(loop.name)
    with pytest.raises(StoreError, match="can be exported"):
        sc.export(sc.gaussian(sc.open(np.ones((4, 4))), sigma=1), tmp_path / name)
    assert loop.is_symlink()


@pytest.mark.parametrize("path", [None, 3, b"a.tif", "", "/", "."])
def test_a_path_that_is_none_is_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="a path that ends in a name"):
        sc.export(sc.gaussian(sc.open(np.zeros((4, 4))), sigma=1), path)
    assert not list(tmp_path.iterdir())
