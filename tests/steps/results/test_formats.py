"""Formats that are asked for, or chosen by type: of steps, of tables, of members of collections."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import DamagedResult, ParameterError, RunFailed

RAW = np.arange(48, dtype="uint16").reshape(6, 8)


@sc.step(version="1")
def rows(image):
    return pd.DataFrame({"sum": image.sum(axis=1)})


@sc.step(version="1")
def half(image):
    return image // 2


@sc.step(version="1")
def picture(image):
    from PIL import Image

    return Image.fromarray((image * 5).astype("uint8"))


@sc.step(out=("image", "files"), dtype="uint16", version="1")
def with_notes(image, *, folder):
    (folder / "sum.txt").write_text(str(image.sum()))
    return image + 1, None


@pytest.fixture
def plate(tmp_path):
    for n_rows, name in enumerate(("a/1", "b/1", "b/1.x"), start=2):
        path = tmp_path / "plate" / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, RAW[:n_rows])
    return sc.open_folder(tmp_path / "plate" / "**" / "*.tif", voxel_size=0.5, unit="um")


def stored(store, step):
    return {
        p.relative_to(store / step).as_posix().split("/", 1)[1]
        for p in store.glob(f"{step}/*/**/*")
        if p.is_file()
    }


def test_values_and_tables_of_steps(tmp_path):
    table = rows.options(storage=sc.Storage(format="csv"))(sc.open(RAW))
    array = half.options(storage=sc.Storage(format="tiff"))(sc.open(RAW))
    sc.run(table, array, store=tmp_path, executor="serial")
    assert "value.csv" in stored(tmp_path, "rows")
    assert "value.tif" in stored(tmp_path, "half")
    assert table.to_pandas()["sum"].tolist() == RAW.sum(axis=1).tolist()
    assert np.array_equal(array.get(), RAW // 2)
    again = rows.options(storage=sc.Storage(format="parquet"))(sc.open(RAW))
    assert sc.plan(again, store=tmp_path).is_done  # a format is no part of the key


def test_a_format_that_does_not_hold_it_fails_with_the_remedy(tmp_path):
    table = rows.options(storage=sc.Storage(format="npy"), retries=0)(sc.open(RAW))
    with pytest.raises(RunFailed, match="the format 'npy' holds what it is made for"):
        sc.run(table, store=tmp_path, executor="serial")


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_pictures_are_kept_as_such(plate, tmp_path, executor):
    pytest.importorskip("PIL", reason="Pillow is not installed")
    one, many = picture(sc.open(RAW)), picture(plate)
    sc.run(one, many, store=tmp_path / "s", executor=executor, workers=2)
    assert np.array_equal(np.asarray(one.get()), (RAW * 5).astype("uint8"))
    for key, member in many.items():
        image = tifffile.imread(tmp_path / "plate" / key)
        assert np.array_equal(np.asarray(member.get()), (image * 5).astype("uint8"))
    names = {name for name in stored(tmp_path / "s", "picture") if name.endswith(".pil.png")}
    assert len(names) == 4


@pytest.mark.parametrize("name", ["npy", "png", "zarr", "tiff"])
def test_images_of_members(plate, tmp_path, name):
    @sc.blockwise(version="1", dtype="same")
    def add(image):
        return image + np.uint16(1)

    @sc.step(version="1")
    def size(image, *, voxel_size):
        return {"sum": int(image.sum()), "voxel": list(voxel_size)}

    added = add.options(storage=sc.Storage(format=name))(plate)
    sizes = size(added)
    sc.run(added, sizes, store=tmp_path / "s", executor="processes", workers=2)
    for key, member in added.items():
        image = tifffile.imread(tmp_path / "plate" / key)
        assert np.array_equal(np.asarray(member), image + 1)
        assert member.voxel_size == (0.5, 0.5)
        assert member.unit == "um"
        assert sizes[key].get() == {"sum": int((image + 1).sum()), "voxel": [0.5, 0.5]}
    assert sc.plan(added, sizes, store=tmp_path / "s").is_done


def test_an_image_that_a_format_cannot_hold_is_refused(plate, tmp_path):
    @sc.blockwise(version="1", dtype="float32", retries=0)
    def smooth(image):
        return image.astype("float32")

    result = smooth.options(storage=sc.Storage(format="png"))(plate)
    with pytest.raises(RunFailed, match="the format 'png' holds"):
        sc.run(result, store=tmp_path / "s", executor="serial")
    with pytest.raises((ParameterError, RunFailed), match="is stored as"):
        sc.run(
            smooth.options(storage=sc.Storage(format="gif"))(plate),
            store=tmp_path / "s",
            executor="serial",
        )


def test_folders_of_files_of_members(plate, tmp_path):
    images, notes = with_notes(plate)
    sc.run(images, notes, store=tmp_path / "s", executor="processes", workers=2)
    for key, member in notes.items():
        image = tifffile.imread(tmp_path / "plate" / key)
        assert (member.path / "sum.txt").read_text() == str(image.sum())
        assert np.array_equal(np.asarray(images[key]), image + 1)
    (notes["a/1.tif"].path / "sum.txt").write_text("0")
    with pytest.raises(DamagedResult, match="of another size"):
        _ = sc.Store(tmp_path / "s")["with_notes"][1]["a/1.tif"].path
    again = with_notes(plate)
    run = sc.run(again, store=tmp_path / "s", executor="serial")
    assert run.step("with_notes").n_cached == 2
    image = tifffile.imread(tmp_path / "plate" / "a" / "1.tif")
    assert (again[1]["a/1.tif"].path / "sum.txt").read_text() == str(image.sum())
    assert sc.Store(tmp_path / "s").verify().ok
