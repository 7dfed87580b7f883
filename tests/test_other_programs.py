"""What other programs find in exports, and what scutoid finds in files that programs read apart."""

from __future__ import annotations

import csv
import functools
import http.server
import threading

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import tifffile

import scutoid as sc
from scutoid.arrays import ImageSpec, create_image
from scutoid.errors import SourceError
from scutoid.store import FORMATS

IDS = [2**53 + 1, 720575940621234567, 720575940621234568, 2**63 - 1]
"""Numbers of objects that float64 does not hold; two of them are next to each other."""


def mask_of_objects():
    mask = np.zeros((24, 40), bool)
    mask[3:9, 5:17] = mask[14:, 30:] = True
    return mask


@sc.blockwise(version="1", dtype=bool)
def bright(image):
    return image > 0


def exported(path, mask, store):
    result = bright(sc.open(mask.astype("uint8")))
    sc.run(result, store=store, executor="serial", block=16)
    sc.export(result, path)


def written_in_blocks(path, mask, store):
    spec = ImageSpec(mask.shape, "bool", "yx")
    create_image(path, spec, format="tiff").write(spec.roi, mask)


def saved_as_value(path, mask, store):
    FORMATS["tiff"].save(mask, path)


def by_pillow(path):
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture)


def by_simple_itk(path):
    itk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    return itk.GetArrayFromImage(itk.ReadImage(str(path)))


READERS = {"tifffile": tifffile.imread, "Pillow": by_pillow, "SimpleITK": by_simple_itk}


@pytest.mark.parametrize("write", [exported, written_in_blocks, saved_as_value])
@pytest.mark.parametrize("reader", READERS)
def test_masks_are_the_same_to_every_reader(tmp_path, write, reader):
    mask = mask_of_objects()
    write(tmp_path / "mask.tif", mask, tmp_path / "store")
    found = READERS[reader](tmp_path / "mask.tif")
    assert found.shape == mask.shape
    np.testing.assert_array_equal(found != 0, mask)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16"])
def test_a_tiff_in_which_white_is_zero_is_read_as_its_numbers(tmp_path, dtype):
    mask = mask_of_objects().astype(dtype)
    tifffile.imwrite(tmp_path / "white.tif", mask, photometric="miniswhite")
    np.testing.assert_array_equal(np.asarray(sc.open(tmp_path / "white.tif")), mask)


@pytest.mark.parametrize("n_planes", [2, 3, 4, 5])
@pytest.mark.parametrize("axis", ["z", "t"])
def test_stacks_of_three_planes_are_no_colours(tmp_path, n_planes, axis):
    stack = np.arange(n_planes * 72, dtype="uint16").reshape(n_planes, 8, 9)
    metadata = {"axes": f"{axis.upper()}YX"}
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata=metadata)
    image = sc.open(tmp_path / "a.tif")
    assert image.axes == f"{axis}yx"
    np.testing.assert_array_equal(np.asarray(image), stack)


@pytest.fixture
def plain_server(tmp_path):
    """Files of a folder by HTTP, always whole."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_shard_without_ranges_is_no_damage(plain_server, tmp_path):
    import zarr

    values = np.arange(64, dtype="uint16").reshape(8, 8)
    for name, shards in (("sharded", (8, 8)), ("plain", None)):
        array = zarr.create_array(
            tmp_path / name, shape=(8, 8), chunks=(4, 4), shards=shards, dtype="uint16"
        )
        array[...] = values
    plain = sc.open(f"{plain_server}/plain", axes="yx")
    np.testing.assert_array_equal(np.asarray(plain[1:3, 2:7]), values[1:3, 2:7])
    with pytest.raises(SourceError, match=r"gives whole files where parts are asked for \(Range\)"):
        np.asarray(sc.open(f"{plain_server}/sharded", axes="yx")[1:3, 1:3])


def large_labels(dtype="uint64"):
    labels = np.zeros((16, 16), dtype)
    for number, name in enumerate(IDS):
        labels[number * 4 : number * 4 + 3, 2:13] = name
    return labels


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("ending", ["ome.zarr", "tif", "npy"])
def test_other_programs_find_the_numbers_of_objects_in_images(tmp_path, ending, dtype):
    import zarr

    labels = large_labels(dtype)
    levels = 2 if ending == "ome.zarr" else 1
    result = sc.pyramid(sc.open(labels), levels=levels, downsampling="mode")
    sc.run(result, store=tmp_path / "store", executor="serial", block=8)
    path = sc.export(result, tmp_path / f"labels.{ending}")
    if ending == "ome.zarr":
        group = zarr.open_group(str(path), mode="r")
        assert set(np.unique(group["1"][...]).tolist()) <= {0, *IDS}
        found = group["0"][...]
    else:
        found = tifffile.imread(path) if ending == "tif" else np.load(path)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_other_programs_find_the_numbers_of_objects_in_tables(tmp_path, ending):
    table = sc.measure(sc.open(large_labels()))
    sc.run(table, store=tmp_path / "store", executor="serial", block=8)
    path = sc.export(table, tmp_path / f"objects.{ending}")
    if ending == "parquet":
        found = pyarrow.parquet.read_table(path)["label"].to_pylist()
    else:
        with path.open(newline="") as file:
            found = [int(row["label"]) for row in csv.DictReader(file)]
        assert pd.read_csv(path)["label"].tolist() == IDS
    assert found == IDS


def world_centres(path):
    """Centre of mass of each level, of what the metadata say of it, read without scutoid."""
    import zarr

    group = zarr.open_group(str(path), mode="r")
    for level in group.attrs["ome"]["multiscales"][0]["datasets"]:
        placed = {one["type"]: one[one["type"]] for one in level["coordinateTransformations"]}
        values = group[level["path"]][...] != 0
        middle = np.argwhere(values).mean(0)
        yield middle * placed["scale"] + placed.get("translation", 0)


@pytest.mark.parametrize("method", ["mean", "mode"])
@pytest.mark.parametrize("origin", [(0.0, 0.0), (10.0, -7.5)])
def test_voxels_of_all_levels_lie_where_the_metadata_say(tmp_path, method, origin):
    labels = np.zeros((64, 96), "uint16")
    labels[16:48, 32:80] = 5
    placed = sc.open(labels, voxel_size=(2, 0.5), unit="um", origin=origin)
    result = sc.pyramid(placed, levels=4, factors=2, downsampling=method)
    sc.run(result, store=tmp_path / "store", executor="serial", block=32)
    path = sc.export(result, tmp_path / "a.ome.zarr")
    middle = (np.array([31.5, 55.5]) * (2, 0.5)) + origin
    centres = list(world_centres(path))
    assert len(centres) == 4
    np.testing.assert_allclose(centres, [middle] * 4)
    row = sc.measure(sc.open(path)).to_pandas()
    np.testing.assert_allclose(row[["y", "x"]].to_numpy()[0], middle)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32"])
def test_levels_of_integers_are_as_bright_as_the_image(tmp_path, dtype):
    image = np.random.default_rng(0).integers(0, 120, (512, 512)).astype(dtype)
    result = sc.pyramid(sc.open(image), levels=4)
    sc.run(result, store=tmp_path / "store", executor="serial", block=256)
    path = sc.export(result, tmp_path / "a.ome.zarr")
    means = [np.asarray(sc.open(path, level=level)).mean() for level in range(4)]
    np.testing.assert_allclose(means, image.mean(), atol=0.05)


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_an_image_that_was_added_to_a_consolidated_store_is_there(tmp_path):
    import zarr

    path = tmp_path / "cells.zarr"
    spec = ImageSpec((8, 9), "uint16", "yx")
    root = zarr.create_group(path, attributes={"spatialdata_attrs": {"version": "0.2"}})
    root.create_group("images")
    for number, name in enumerate(("raw", "denoised"), 1):
        values = np.full(spec.shape, number, spec.dtype)
        create_image(path / "images" / name, spec, format="zarr").write(spec.roi, values)
        if number == 1:
            zarr.consolidate_metadata(str(path))
    assert sorted(zarr.open_group(str(path))["images"].group_keys()) == ["raw"]
    opened = sc.open_folder(path)
    assert opened.keys == ("images/denoised", "images/raw")
    np.testing.assert_array_equal(np.asarray(opened["images/denoised"]), 2)
