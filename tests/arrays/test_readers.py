"""Every reader returns what numpy holds, for any region."""

from __future__ import annotations

import functools
import http.server
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import open_source, read_region
from scutoid.errors import GeometryError
from scutoid.geometry import Roi

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def volume(shape=(7, 40, 50), dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def check(source, truth, seed=0, n=12):
    """Whole, empty, single and random regions equal the truth and may be changed."""
    assert source.spec.shape == truth.shape
    assert source.spec.dtype == truth.dtype.newbyteorder("=")
    assert len(source.chunks) == truth.ndim
    assert all(c >= 1 for c in source.chunks)
    rng = np.random.default_rng(seed)
    rois = [source.spec.roi, Roi((0,) * truth.ndim, (0,) * truth.ndim)]
    rois.append(Roi([n - 1 for n in truth.shape], (1,) * truth.ndim))
    for _ in range(n):
        low = [int(rng.integers(0, n)) for n in truth.shape]
        rois.append(
            Roi(
                low,
                [int(rng.integers(0, n - a + 1)) for a, n in zip(low, truth.shape, strict=True)],
            )
        )
    for roi in rois:
        region = source.read(roi)
        assert region.dtype == source.spec.dtype
        assert region.flags.c_contiguous
        assert region.flags.writeable
        np.testing.assert_array_equal(region, truth[roi.to_slices()])
        region[...] = 0  # changes by the caller affect no other read
    np.testing.assert_array_equal(source.read(source.spec.roi), truth)


# ---- zarr, written by zarr-python


def zarr_group(path, truth, version, *, axes="zyx", shards=None, scale=(2.0, 0.5, 0.5)):
    import zarr

    group = zarr.create_group(str(path), zarr_format=version)
    array = group.create_array(
        "s0", shape=truth.shape, dtype=truth.dtype, chunks=(3, 16, 16), shards=shards
    )
    array[...] = truth
    half = group.create_array(
        "s1", shape=truth[:, ::2, ::2].shape, dtype=truth.dtype, chunks=(3, 16, 16)
    )
    half[...] = truth[:, ::2, ::2]
    coarse = [scale[0], scale[1] * 2, scale[2] * 2]
    shift = [0.0, scale[1] / 2, scale[2] / 2]
    multiscales = [
        {
            "axes": [{"name": a, "type": "space", "unit": "micrometer"} for a in axes],
            "datasets": [
                {
                    "path": "s0",
                    "coordinateTransformations": [{"type": "scale", "scale": list(scale)}],
                },
                {
                    "path": "s1",
                    "coordinateTransformations": [
                        {"type": "scale", "scale": coarse},
                        {"type": "translation", "translation": shift},
                    ],
                },
            ],
            "coordinateTransformations": [{"type": "translation", "translation": [10.0, 0.0, 0.0]}],
        }
    ]
    if version == 2:
        group.attrs["multiscales"] = [{**multiscales[0], "version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr_with_levels(tmp_path, version):
    truth = volume()
    zarr_group(tmp_path / "a.ome.zarr", truth, version)
    fine = open_source(tmp_path / "a.ome.zarr")
    check(fine, truth)
    assert (fine.spec.axes, fine.spec.unit, fine.levels) == ("zyx", "um", 2)
    assert fine.spec.voxel_size == (2.0, 0.5, 0.5)
    assert fine.spec.origin == (10.0, 0.0, 0.0)
    coarse = open_source(tmp_path / "a.ome.zarr", level=1)
    check(coarse, truth[:, ::2, ::2])
    assert coarse.spec.voxel_size == (2.0, 1.0, 1.0)
    assert coarse.spec.origin == (10.0, 0.25, 0.25)


def test_a_nested_label_image_opens_by_its_path(tmp_path):
    truth = volume()
    zarr_group(tmp_path / "a.zarr", truth, 3)
    zarr_group(tmp_path / "a.zarr" / "labels" / "cells", truth // 2, 3)
    check(open_source(tmp_path / "a.zarr" / "labels" / "cells"), truth // 2)


def test_units_that_differ_by_axis_become_one(tmp_path):
    import json

    zarr_group(tmp_path / "a.zarr", volume(), 3)
    file = tmp_path / "a.zarr" / "zarr.json"
    metadata = json.loads(file.read_text())
    metadata["attributes"]["ome"]["multiscales"][0]["axes"][0]["unit"] = "nanometer"
    file.write_text(json.dumps(metadata))
    assert open_source(tmp_path / "a.zarr").spec.voxel_size == pytest.approx((0.002, 0.5, 0.5))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("codec", ["zstd", "gzip", "blosc", "none", "zlib", "lz4"])
def test_plain_zarr_with_codecs(tmp_path, version, codec):
    import numcodecs
    import zarr
    from zarr import codecs

    if version == 2:
        compressors = {
            "zstd": numcodecs.Zstd(),
            "gzip": numcodecs.GZip(),
            "blosc": numcodecs.Blosc(),
            "zlib": numcodecs.Zlib(),
            "lz4": numcodecs.LZ4(),
            "none": None,
        }[codec]
    elif codec in ("zlib", "lz4"):
        pytest.skip("zarr 3 has no such codec of its own")
    else:
        compressors = {
            "zstd": codecs.ZstdCodec(),
            "gzip": codecs.GzipCodec(),
            "blosc": codecs.BloscCodec(typesize=2),
            "none": None,
        }[codec]
    truth = volume()
    array = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=truth.shape,
        dtype=truth.dtype,
        chunks=(4, 32, 32),
        zarr_format=version,
        compressors=compressors,
    )
    array[...] = truth
    check(open_source(tmp_path / "a.zarr"), truth)


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "float64", ">u2", ">f4", "complex64"])
def test_plain_zarr_2_of_any_type(tmp_path, dtype):
    import zarr

    truth = volume(dtype=dtype)
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=truth.shape, dtype=dtype, chunks=(4, 32, 32), zarr_format=2
    )
    array[...] = truth
    check(open_source(tmp_path / "a.zarr"), truth)


def test_a_sharded_zarr_tells_its_inner_chunks(tmp_path):
    truth = volume((6, 64, 64))
    zarr_group(tmp_path / "a.zarr", truth, 3, shards=(6, 32, 32))
    source = open_source(tmp_path / "a.zarr")
    check(source, truth)
    assert source.chunks == (3, 16, 16)


def test_a_filter_that_tensorstore_lacks_is_read_all_the_same(tmp_path):
    import numcodecs
    import zarr

    truth = volume()
    array = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=truth.shape,
        dtype=truth.dtype,
        chunks=(4, 32, 32),
        zarr_format=2,
        filters=[numcodecs.Delta(dtype="u2")],
    )
    array[...] = truth
    check(open_source(tmp_path / "a.zarr"), truth)


def test_a_group_with_one_array_is_that_array(tmp_path):
    import zarr

    truth = volume()
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    group.create_array("only", shape=truth.shape, dtype=truth.dtype)[...] = truth
    check(open_source(tmp_path / "a.zarr"), truth)


def test_an_array_made_again_at_the_same_place_is_read_again(tmp_path):
    import shutil

    import zarr

    for seed, shape in enumerate([(4, 8), (4, 8), (9, 3)]):
        truth = volume(shape, seed=seed)
        zarr.save_array(str(tmp_path / "a.zarr"), truth)
        check(open_source(tmp_path / "a.zarr"), truth)
        shutil.rmtree(tmp_path / "a.zarr")


# ---- TIFF, written by tifffile

LAYOUTS = {
    "plain": {},
    "bigtiff": {"bigtiff": True},
    "big endian": {"byteorder": ">"},
    "compressed": {"compression": "zlib"},
    "predictor": {"compression": "zlib", "predictor": True},
    "lzw": {"compression": "lzw"},
    "zstd": {"compression": "zstd"},
    "strips": {"compression": "zlib", "rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
    "compressed tiles": {"tile": (32, 16), "compression": "zlib"},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "no metadata": {"metadata": None},
    "volumetric": {"volumetric": True, "tile": (16, 16, 16), "compression": "zlib"},
}


@pytest.fixture(params=["small", "large"])
def file_size(request, monkeypatch):
    """Make files count as large, so that they are read piece by piece."""
    if request.param == "large":
        monkeypatch.setattr("scutoid.arrays._tiff_layout.SMALL", 100)
        monkeypatch.setattr("scutoid.arrays._tiff_layout._SLAB", 1000)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.usefixtures("file_size")
def test_tiff_of_any_layout(tmp_path, name):
    truth = volume()
    tifffile.imwrite(tmp_path / "a.tif", truth, photometric="minisblack", **LAYOUTS[name])
    source = open_source(tmp_path / "a.tif")
    check(source, truth)
    assert source.spec.axes == "zyx"


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.usefixtures("file_size")
def test_colour_tiff(tmp_path, planar, tile, compression):
    truth = volume((40, 50, 3), "uint8")
    if planar == "separate":
        truth = np.ascontiguousarray(np.moveaxis(truth, -1, 0))
    tifffile.imwrite(
        tmp_path / "a.tif",
        truth,
        photometric="rgb",
        planarconfig=planar,
        tile=tile,
        compression=compression,
    )
    source = open_source(tmp_path / "a.tif")
    check(source, truth)
    assert source.spec.axes == ("yxc" if planar == "contig" else "cyx")


@pytest.mark.parametrize("subifds", [True, False])
@pytest.mark.usefixtures("file_size")
def test_pyramidal_tiff(tmp_path, subifds):
    truth = volume((64, 96))
    options = {"tile": (16, 16), "compression": "zlib", "photometric": "minisblack"}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=subifds) as writer:
        metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
        writer.write(
            truth, subifds=1 if subifds else None, metadata=metadata if subifds else None, **options
        )
        writer.write(truth[::2, ::2], subfiletype=1, metadata=None, **options)
    fine, coarse = (open_source(tmp_path / "a.ome.tif", level=n) for n in (0, 1))
    assert fine.levels == coarse.levels == 2
    check(fine, truth)
    check(coarse, truth[::2, ::2])
    if subifds:
        assert fine.spec.voxel_size == (0.5, 0.5)
        assert coarse.spec.voxel_size == (1.0, 1.0)


@pytest.mark.usefixtures("file_size")
def test_a_five_dimensional_ome_tiff(tmp_path):
    truth = volume((2, 3, 4, 20, 30))
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        truth,
        compression="zlib",
        photometric="minisblack",
        metadata={
            "axes": "TCZYX",
            "PhysicalSizeX": 500,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.5,
            "PhysicalSizeYUnit": "µm",
            "PhysicalSizeZ": 2,
            "PhysicalSizeZUnit": "µm",
            "Channel": {"Name": ["a", "b", "c"]},
        },
    )
    source = open_source(tmp_path / "a.ome.tif")
    check(source, truth)
    assert source.spec.axes == "tczyx"
    assert source.spec.channels == ("a", "b", "c")
    assert source.spec.unit == "nm"
    assert source.spec.voxel_size == pytest.approx((2000, 500, 500))


def test_imagej_scale_and_channels(tmp_path):
    truth = volume((4, 2, 20, 30))
    tifffile.imwrite(
        tmp_path / "a.tif",
        truth,
        imagej=True,
        resolution=(2.0, 4.0),
        metadata={"axes": "ZCYX", "spacing": 3.0, "unit": "um"},
    )
    spec = open_source(tmp_path / "a.tif").spec
    assert (spec.axes, spec.unit, spec.voxel_size) == ("zcyx", "um", (3.0, 0.25, 0.5))


def test_a_tiff_without_the_right_ending_is_known_by_its_first_bytes(tmp_path):
    truth = volume()
    tifffile.imwrite(tmp_path / "a.dat", truth, photometric="minisblack")
    check(open_source(tmp_path / "a.dat"), truth)


def test_a_file_changed_after_it_was_read_is_read_again(tmp_path):
    for seed in range(2):
        truth = volume(seed=seed)
        tifffile.imwrite(tmp_path / "a.tif", truth[: 5 + seed], photometric="minisblack")
        check(open_source(tmp_path / "a.tif"), truth[: 5 + seed])


# ---- planes, pictures, memory


def test_planes_in_the_order_of_their_numbers(tmp_path):
    truth = volume((12, 20, 30))
    for n, plane in enumerate(truth):
        tifffile.imwrite(tmp_path / f"z{n}.tif", plane, compression="zlib")
    (tmp_path / "notes.txt").write_text("not an image")
    source = open_source(tmp_path)
    check(source, truth)
    assert source.spec.axes == "zyx"
    assert source.chunks == (1, 20, 30)
    assert open_source(tmp_path, axes="tyx").spec.axes == "tyx"


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 4)])
def test_png(tmp_path, shape):
    import imageio.v3 as iio

    truth = volume(shape, "uint8")
    iio.imwrite(tmp_path / "a.png", truth)
    source = open_source(tmp_path / "a.png")
    check(source, truth)
    assert source.spec.axes == "yxc"[: len(shape)]


@pytest.mark.parametrize("alpha", [0, 255])
def test_a_png_of_grey_with_alpha_has_two_channels(tmp_path, alpha):
    from PIL import Image

    grey = volume((20, 3), "uint8")
    other = np.full_like(grey, alpha)
    Image.merge("LA", [Image.fromarray(each) for each in (grey, other)]).save(tmp_path / "a.png")
    source = open_source(tmp_path / "a.png")
    check(source, np.stack([grey, other], axis=-1))
    assert source.spec.axes == "yxc"
    found = sc.label(sc.open(tmp_path / "a.png") > 0)
    channels = [np.asarray(sc.label(sc.open(each) > 0)) for each in (grey, other)]
    assert found.axes == "cyx"
    for n, channel in enumerate(channels):  # each for itself
        np.testing.assert_array_equal(np.asarray(found)[n] != 0, channel != 0)


def test_the_pictures_of_an_animation_are_no_rows_and_channels(tmp_path):
    from PIL import Image

    truth = volume((3, 20, 4), "uint8")
    first, *others = map(Image.fromarray, truth)
    first.save(tmp_path / "a.png", save_all=True, append_images=others)
    source = open_source(tmp_path / "a.png")
    check(source, truth)
    assert source.spec.axes == "zyx"


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, order):
    truth = np.asarray(volume(dtype=">i4"), order=order)
    np.save(tmp_path / "a.npy", truth)
    check(open_source(str(tmp_path / "a.npy")), truth)


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, lambda a: a[::-1, ::2]])
def test_numpy(make):
    truth = make(volume(dtype=">u2"))
    check(open_source(truth), truth)


@pytest.mark.parametrize("chunks", [(3, 16, 16), ((2, 5), (1, 39), (50,)), (7, 40, 50)])
def test_dask_computes_each_chunk_once(chunks):
    import dask.array as da

    truth = volume()
    computed: list[int] = []

    def note(block):
        computed.append(1)
        return block

    array = da.from_array(truth, chunks=chunks).map_blocks(note, dtype=truth.dtype, meta=truth[:0])
    check(open_source(array), truth)
    assert len(computed) == array.npartitions


def test_dask_survives_pickling_with_lambdas():
    import dask.array as da

    truth = volume()
    array = da.from_array(truth, chunks=8).map_blocks(lambda b: b + 1, dtype=truth.dtype)
    check(pickle.loads(pickle.dumps(open_source(array))), truth + 1)


# ---- URLs


@pytest.fixture
def server(tmp_path):
    """A web server of a folder on the loop-back interface."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_over_http(tmp_path, server, version):
    truth = volume()
    zarr_group(tmp_path / "a.zarr", truth, version)
    source = open_source(f"{server}/a.zarr")
    check(source, truth)
    assert source.identity.kind == "url"


def test_tiff_over_http(tmp_path, server):
    truth = volume()
    tifffile.imwrite(tmp_path / "a.tif", truth, photometric="minisblack")
    check(open_source(f"{server}/a.tif"), truth)


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_in_fsspec_memory(tmp_path, version):
    import fsspec

    truth = volume()
    zarr_group(tmp_path / "a.zarr", truth, version)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "a.zarr"), "/images/a.zarr", recursive=True)
    try:
        check(open_source("memory://images/a.zarr"), truth)
    finally:
        memory.rm("/images", recursive=True)


def test_a_file_url(tmp_path):
    truth = volume()
    np.save(tmp_path / "a.npy", truth)
    check(open_source((tmp_path / "a.npy").as_uri()), truth)


# ---- what all share


def every_source(folder):
    truth = volume()
    zarr_group(folder / "a.zarr", truth, 3)
    tifffile.imwrite(folder / "a.tif", truth, photometric="minisblack", compression="zlib")
    np.save(folder / "a.npy", truth)
    (folder / "planes").mkdir()
    for n, plane in enumerate(truth):
        tifffile.imwrite(folder / "planes" / f"{n}.tif", plane)
    sources = [folder / "a.zarr", folder / "a.tif", folder / "a.npy", folder / "planes", truth]
    return truth, [open_source(source) for source in sources]


@pytest.mark.usefixtures("file_size")
def test_threads_read_at_once(tmp_path):
    truth, sources = every_source(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(check, s, truth, seed) for seed in range(4) for s in sources]
        for job in jobs:
            job.result()


def test_a_pickled_source_opens_itself_in_another_process(tmp_path):
    truth, sources = every_source(tmp_path)
    file = tmp_path / "sources.pickle"
    file.write_bytes(pickle.dumps((truth, sources)))
    code = (
        "import pickle, sys, numpy as np\n"
        "truth, sources = pickle.load(open(sys.argv[1], 'rb'))\n"
        "assert all(np.array_equal(s.read(s.spec.roi), truth) for s in sources)\n"
        "assert len({s.identity.kind for s in sources}) == 3\n"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=True)


spans = st.tuples(st.integers(-30, 30), st.integers(0, 25))


@settings(max_examples=60, deadline=None)
@given(spans, spans, st.sampled_from(["nearest", "reflect", 7]))
def test_fills_equal_numpy_pad(rows, columns, fill):
    truth = volume((5, 9))
    roi = Roi((rows[0], columns[0]), (rows[1], columns[1]))
    modes = {
        "nearest": {"mode": "edge"},
        "reflect": {"mode": "symmetric"},
        7: {"mode": "constant", "constant_values": 7},
    }
    padded = np.pad(truth, 60, **modes[fill])
    expected = padded[roi.shift(60).to_slices()]
    region = read_region(open_source(truth), roi, fill=fill)
    np.testing.assert_array_equal(region, expected)
    assert region.dtype == truth.dtype


def test_a_fill_reads_only_what_it_shows():
    class Spy:
        def __init__(self, source):
            self.source, self.spec, self.seen = source, source.spec, []

        def read(self, roi):
            self.seen.append(roi)
            return self.source.read(roi)

    for fill in ("nearest", "reflect", 0):
        spy = Spy(open_source(volume((100, 100))))
        read_region(spy, Roi((-4, 50), (12, 20)), fill=fill)
        assert spy.seen == [Roi((0, 50), (8, 20))]


def test_a_region_outside_without_a_fill_is_refused():
    with pytest.raises(GeometryError, match="give fill="):
        read_region(open_source(volume()), Roi((-1, 0, 0), (3, 3, 3)))
    with pytest.raises(GeometryError, match="fill is a number"):
        read_region(open_source(volume()), Roi((-1, 0, 0), (3, 3, 3)), fill="mirror")
    with pytest.raises(GeometryError, match="fill is a number"):
        read_region(open_source(volume()), Roi((-1, 0, 0), (3, 3, 3)), fill=-1)


# ---- real images


def needs(path):
    return pytest.mark.skipif(not path.exists(), reason=f"no real images in {path}")


@pytest.mark.data
@needs(DATA / "cortex_crop")
def test_real_planes():
    files = sorted((DATA / "cortex_crop" / "ch0").glob("*.tif"))
    truth = np.stack([tifffile.imread(file) for file in files])
    source = open_source(DATA / "cortex_crop" / "ch0", voxel_size=(5, 2, 2), unit="um")
    assert source.spec.shape == (30, 510, 667)
    assert source.spec.voxel_size == (5.0, 2.0, 2.0)
    check(source, truth, n=4)


@pytest.mark.data
@needs(DATA / "embryo3d")
def test_real_stack_with_the_users_voxel_size():
    path = next((DATA / "embryo3d" / "images").glob("*.tif"))
    source = open_source(path, voxel_size=(1.75, 0.8, 0.8), unit="micron")
    assert (source.spec.axes, source.spec.unit) == ("zyx", "um")
    check(source, tifffile.imread(path), n=4)


@pytest.mark.data
@needs(DATA / "nuclei2d")
def test_real_fields():
    for path in sorted((DATA / "nuclei2d" / "images").glob("*.tif"))[:5]:
        source = open_source(path)
        assert source.spec.axes == "yx"
        check(source, tifffile.imread(path), n=2)
