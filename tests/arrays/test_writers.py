"""Written images are read back equal; shards are whole, durable, and checked."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scutoid.arrays import ImageSpec, Storage, create, create_image, open_source, write_tiff
from scutoid.arrays._zarr_write import has_voxels, shards_and_chunks
from scutoid.errors import GeometryError, MetadataError, SourceError, StoreError
from scutoid.geometry import BlockGrid, Roi

DTYPES = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64",
]  # fmt: skip
FORMATS = [("zarr", "a.ome.zarr"), ("tiff", "a.tif")]


@st.composite
def specs(draw):
    ndim = draw(st.integers(1, 5))
    axes = "tczyx"[-ndim:] if ndim < 5 else draw(st.sampled_from(["tczyx", "tzcyx", "ctpyx"]))
    axes = draw(st.sampled_from([axes, axes[::-1]])) if ndim < 4 else axes
    shape = tuple(draw(st.integers(1, 9)) for _ in range(ndim))
    n = sum(a in "zyx" for a in axes)
    sizes = st.floats(0.001, 1000)
    scale = draw(st.one_of(st.none(), st.just(1.0), st.tuples(*[sizes] * n)))
    origin = draw(st.one_of(st.none(), st.tuples(*[st.floats(-1e3, 1e3)] * n)))
    unit = draw(st.sampled_from([None, "um", "nm", "angstrom"])) if scale else None
    n_channels = shape[axes.index("c")] if "c" in axes else 0
    names = draw(st.sampled_from([(), tuple(f"ch{n}" for n in range(n_channels))]))
    dtype = draw(st.sampled_from(DTYPES))
    return ImageSpec(shape, dtype, axes, scale, unit, origin, names)


def content(spec, seed=0):
    values = np.random.default_rng(seed).integers(0, 100, spec.shape)
    return (values % 2 if spec.dtype == bool else values).astype(spec.dtype)


def check_back(path, spec, data):
    source = open_source(path)
    np.testing.assert_array_equal(source.read(source.spec.roi), data)
    stored = source.spec
    assert (stored.shape, stored.dtype, stored.axes) == (spec.shape, spec.dtype, spec.axes)
    assert (stored.unit, stored.channels) == (spec.unit, spec.channels)
    for name in ("voxel_size", "origin"):
        expected = getattr(spec, name)
        assert getattr(stored, name) == (None if expected is None else pytest.approx(expected))


@pytest.mark.filterwarnings("ignore:.*writing zero-size array")
@pytest.mark.parametrize("shape", [(0,), (0, 5), (4, 0), (3, 0, 5), (0, 4, 5), (2, 3, 0)])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_a_tiff_without_voxels_comes_back(tmp_path, shape, name):
    spec = ImageSpec(shape, "uint16", "zyx"[-len(shape) :], 0.5, "um")
    write_tiff(tmp_path / name, np.zeros(shape, "uint16"), spec)
    check_back(tmp_path / name, spec, np.zeros(shape, "uint16"))


@settings(max_examples=60, deadline=None)
@given(specs(), st.sampled_from(FORMATS), st.data())
def test_blocks_come_back_equal(tmp_path_factory, spec, format_name, data):
    format_, name = format_name
    block = tuple(data.draw(st.integers(1, n + 2)) for n in spec.shape)
    path = tmp_path_factory.mktemp("w") / name
    truth = content(spec)
    writer = pickle.loads(pickle.dumps(create_image(path, spec, format=format_, block=block)))
    grid = BlockGrid(spec.roi, block)
    for index in range(grid.n_blocks):
        roi = grid.write_roi(index)
        part = truth[roi.to_slices()]
        assert writer.write(roi, part) == bool(part.any())
    check_back(path, spec, truth)


@settings(max_examples=60, deadline=None)
@given(specs())
def test_whole_tiffs_come_back_equal(tmp_path_factory, spec):
    # tifffile cannot read what it writes of one voxel over five axes
    assume(spec.size > 1 or len(spec.shape) < 5)
    path = tmp_path_factory.mktemp("t") / "a.tif"
    truth = content(spec)
    write_tiff(path, truth, spec)
    check_back(path, spec, truth)
    assert [file.name for file in path.parent.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("axes", ["zyx", "pyx"])  # OME, and a plain TIFF
def test_a_damaged_tiff_is_a_source_error_or_another_image(tmp_path, caplog, axes):
    caplog.set_level(logging.CRITICAL, logger="tifffile")
    path = tmp_path / "a.tif"
    spec = ImageSpec((3, 20, 30), "uint16", axes)
    write_tiff(path, content(spec), spec)
    whole = path.read_bytes()

    def is_refused(content):
        path.write_bytes(content)
        try:
            source = open_source(path)
            if source.spec.nbytes < 2**20:
                source.read(source.spec.roi)
        except (SourceError, MetadataError):
            return True
        return False

    assert not is_refused(whole)
    assert all(is_refused(whole[:size]) for size in (0, 1, 4, 7, 8, 9, 100, 1000))
    random = np.random.default_rng(0)
    refused = 0
    for place in range(0, min(len(whole), 2000), 3):
        damaged = bytearray(whole)
        damaged[place] ^= int(random.integers(1, 256))
        refused += is_refused(bytes(damaged))
    assert refused > 10


@pytest.mark.parametrize("format_name", ["whole", "blocks"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", ["yxc", "zyxc", "tzyxc", "pyxc"])
@pytest.mark.parametrize("n_colours", [3, 4])
def test_colours_are_a_page_a_plane_for_others(tmp_path, axes, dtype, n_colours, format_name):
    shape = (2, 3, 20, 30, n_colours)[-len(axes) :]
    spec = ImageSpec(shape, dtype, axes, 0.5, "um", channels=tuple("rgba"[:n_colours]))
    truth = content(spec)
    if format_name == "whole":
        write_tiff(tmp_path / "a.tif", truth, spec)
    else:
        create_image(tmp_path / "a.tif", spec, format="tiff").write(spec.roi, truth)
    check_back(tmp_path / "a.tif", spec, truth)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == np.prod(shape[:-3])
        assert all(page.photometric.name == "RGB" for page in file.pages)
        np.testing.assert_array_equal(file.pages[-1].asarray(), truth.reshape(-1, *shape[-3:])[-1])
        if axes != "pyxc" and dtype in {"uint8", "uint16", "float32"}:
            assert file.is_ome
            assert file.series[0].axes == axes[:-1].upper() + "S"


def test_pillow_shows_a_colour_picture(tmp_path):
    from PIL import Image

    truth = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype("uint8")
    write_tiff(tmp_path / "a.tif", truth, ImageSpec(truth.shape, "uint8", "yxc"))
    with Image.open(tmp_path / "a.tif") as picture:
        assert (picture.n_frames, picture.mode, picture.size) == (1, "RGB", (30, 20))
        np.testing.assert_array_equal(np.asarray(picture), truth)


@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_other_channels_come_back_where_they_were(tmp_path, n_channels):
    spec = ImageSpec((3, 8, 9, n_channels), "uint8", "zyxc")
    truth = content(spec)
    write_tiff(tmp_path / "a.tif", truth, spec)
    check_back(tmp_path / "a.tif", spec, truth)


@pytest.mark.parametrize("high", [2, 250])  # compressed, and not
def test_what_may_take_more_than_4_gb_is_a_bigtiff(tmp_path, monkeypatch, high):
    spec = ImageSpec((3, 300, 200), "uint8", "zyx")
    truth = np.random.default_rng(0).integers(0, high, spec.shape).astype("uint8")
    monkeypatch.setattr("scutoid.arrays._tiff_write._AT_ONCE", 0)  # such files do not fit in memory
    for limit, is_big in ((spec.nbytes, False), (spec.nbytes - 1, True)):
        monkeypatch.setattr("scutoid.arrays._tiff_write._MAX_CLASSIC", limit)
        path = tmp_path / f"{is_big}.tif"
        write_tiff(path, truth, spec)
        with tifffile.TiffFile(path) as file:
            assert file.is_bigtiff == is_big
        check_back(path, spec, truth)


def test_a_tiff_is_ome_for_others(tmp_path):
    spec = ImageSpec((4, 20, 30), "uint16", "zyx", (2.0, 0.5, 0.5), "um")
    write_tiff(tmp_path / "a.tif", content(spec), spec)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_ome
        assert file.series[0].axes == "ZYX"
        assert 'PhysicalSizeZ="2.0"' in file.ome_metadata


@pytest.mark.parametrize("compressor", ["zstd", "gzip", "blosc", "none"])
@pytest.mark.parametrize("label", [False, True])
def test_zarr_python_reads_what_we_write(tmp_path, compressor, label):
    import zarr

    spec = ImageSpec((2, 70, 80), "uint16", "cyx", (0.5, 0.5), "um", (3.0, 4.0), ("a", "b"))
    truth = content(spec)
    writer = create_image(
        tmp_path / "a.zarr",
        spec,
        block=(1, 70, 40),
        storage=Storage(compressor=compressor, chunks=16),
        label=label,
    )
    for c in range(2):
        for x in (0, 40):
            roi = Roi((c, 0, x), (1, 70, 40))
            writer.write(roi, truth[roi.to_slices()])
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    np.testing.assert_array_equal(group["0"][...], truth)
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    assert ome["multiscales"][0]["axes"][1] == {"name": "y", "type": "space", "unit": "micrometer"}
    transforms = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert transforms == [
        {"type": "scale", "scale": [1.0, 0.5, 0.5]},
        {"type": "translation", "translation": [0.0, 3.0, 4.0]},
    ]
    assert ("image-label" in ome) == label


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 100))
def test_chunks_divide_shards_and_shards_are_blocks(size, block, limit):
    (shard,), (chunk,) = shards_and_chunks([size], [block], limit)
    assert shard % chunk == 0
    assert shard == block if block < size else size <= shard < size + chunk


def test_a_block_of_an_awkward_size_has_no_tiny_chunks():
    assert shards_and_chunks([1000], [127], None) == ((127,), (127,))
    assert shards_and_chunks([1000], [134], None) == ((134,), (67,))
    assert shards_and_chunks([1000], [1], None) == ((1,), (1,))


@pytest.fixture
def written(tmp_path):
    """A written image of four shards, its writer and its truth."""
    spec = ImageSpec((64, 64), "uint16", "yx")
    truth = content(spec) + np.uint16(1)
    writer = create_image(tmp_path / "a.zarr", spec, block=(32, 32))
    for y in (0, 32):
        for x in (0, 32):
            roi = Roi((y, x), (32, 32))
            assert writer.write(roi, truth[roi.to_slices()])
    return tmp_path / "a.zarr", writer, truth


def shard_files(path):
    return sorted(p for p in (path / "0" / "c").rglob("*") if p.is_file())


@pytest.mark.parametrize("roi", [Roi((0, 0), (16, 32)), Roi((16, 0), (32, 32))])
def test_a_part_of_a_shard_is_refused(written, roi):
    _, writer, truth = written
    with pytest.raises(GeometryError, match="writes whole shards"):
        writer.write(roi, truth[roi.to_slices()])


@pytest.mark.parametrize("place", [0, 2**18 - 1, 2**18, 3 * 2**18 - 1])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_one_voxel_that_is_not_zero_is_seen_wherever_it_lies(place, dtype):
    values = np.zeros((3, 2**18), dtype)
    assert not has_voxels(values)
    values.reshape(-1)[place] = -0.0 if dtype == "float32" else 1
    assert has_voxels(values)


def test_zeros_remove_an_older_shard(written):
    path, writer, truth = written
    assert len(shard_files(path)) == 4
    assert writer.write(Roi((32, 0), (32, 32)), np.zeros((32, 32), "uint16")) is False
    assert len(shard_files(path)) == 3
    truth[32:, :32] = 0
    np.testing.assert_array_equal(open_source(path).read(writer.spec.roi), truth)


def test_a_block_written_again_is_read_again(written):
    path, writer, truth = written
    source = open_source(path)
    source.read(writer.spec.roi)
    writer.write(Roi((0, 0), (32, 32)), truth[:32, :32] + np.uint16(7))
    np.testing.assert_array_equal(source.read(Roi((0, 0), (32, 32))), truth[:32, :32] + 7)


def test_lock_files_of_a_killed_writer_do_no_harm(written):
    path, writer, truth = written
    for file in shard_files(path):
        file.with_name(f"{file.name}.__lock").write_bytes(b"left behind")
    assert writer.write(Roi((0, 0), (32, 32)), truth[:32, :32] + np.uint16(1))
    truth[:32, :32] += 1
    np.testing.assert_array_equal(open_source(path).read(writer.spec.roi), truth)


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_is_never_returned(written, seed):
    path, writer, truth = written
    rng = np.random.default_rng(seed)
    files = shard_files(path)
    file = files[rng.integers(len(files))]
    content = bytearray(file.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    file.write_bytes(content)
    try:
        back = open_source(path).read(writer.spec.roi)
    except SourceError:
        return
    np.testing.assert_array_equal(back, truth)


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_shard_cut_off_is_never_returned(written, keep):
    path, writer, _ = written
    file = shard_files(path)[0]
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(SourceError, match="decoded"):
        open_source(path).read(writer.spec.roi)


@pytest.mark.parametrize(("format_", "name"), FORMATS)
def test_processes_write_disjoint_blocks_at_once(tmp_path, format_, name):
    spec = ImageSpec((64, 256), "float32", "yx")
    truth = content(spec)
    writer = create_image(tmp_path / name, spec, format=format_, block=(64, 16))
    file = tmp_path / "job.pickle"
    file.write_bytes(pickle.dumps((writer, truth)))
    code = (
        "import pickle, sys\n"
        "from scutoid.geometry import Roi\n"
        "writer, truth = pickle.load(open(sys.argv[1], 'rb'))\n"
        "for n in range(int(sys.argv[2]), 16, 2):\n"
        "    roi = Roi((0, n * 16), (64, 16))\n"
        "    writer.write(roi, truth[roi.to_slices()])\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code, str(file), str(n)]) for n in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    check_back(tmp_path / name, spec, truth)


@pytest.mark.parametrize(("format_", "name"), FORMATS)
def test_an_image_that_was_begun_is_taken_up(tmp_path, format_, name):
    spec = ImageSpec((8, 8), "uint8", "yx", 0.5, "um")
    first = create_image(tmp_path / name, spec, format=format_, block=(4, 8))
    first.write(Roi((0, 0), (4, 8)), np.full((4, 8), 3, "uint8"))
    again = create_image(tmp_path / name, spec, format=format_, block=(4, 8))
    again.write(Roi((4, 0), (4, 8)), np.full((4, 8), 5, "uint8"))
    truth = np.repeat(np.array([3, 5], "uint8"), 4)[:, None] * np.ones((1, 8), "uint8")
    check_back(tmp_path / name, spec, truth)


def test_one_of_ours_with_other_blocks_is_made_again(written):
    path, writer, _ = written
    create_image(path, writer.spec, block=(16, 16))
    assert not open_source(path).read(writer.spec.roi).any()


@pytest.mark.parametrize(("format_", "name"), FORMATS)
def test_what_scutoid_did_not_make_is_never_replaced(tmp_path, format_, name):
    spec = ImageSpec((8, 8), "uint8", "yx")
    if format_ == "zarr":
        (tmp_path / name).mkdir()
        precious = tmp_path / name / "thesis.txt"
    else:
        precious = tmp_path / name
    precious.write_text("years of work")
    with pytest.raises(StoreError, match="created at an empty path"):
        create_image(tmp_path / name, spec, format=format_)
    assert precious.read_text() == "years of work"


@pytest.mark.parametrize(("format_", "name"), FORMATS)
def test_values_that_the_type_cannot_hold_are_refused(tmp_path, format_, name):
    spec = ImageSpec((4, 4), "uint8", "yx")
    writer = create_image(tmp_path / name, spec, format=format_)
    with pytest.raises(MetadataError, match="has the image's type"):
        writer.write(spec.roi, np.full((4, 4), 300, "int64"))
    assert writer.write(spec.roi, np.ones((4, 4), bool))


@pytest.mark.parametrize(("format_", "name"), FORMATS)
def test_a_wrong_shape_is_refused(tmp_path, format_, name):
    spec = ImageSpec((4, 4), "uint8", "yx")
    writer = create_image(tmp_path / name, spec, format=format_)
    with pytest.raises(GeometryError, match="shape of its region"):
        writer.write(spec.roi, np.zeros((4, 5), "uint8"))


def test_shards_that_do_not_divide_the_block_are_refused(tmp_path):
    spec = ImageSpec((64, 64), "uint8", "yx")
    with pytest.raises(GeometryError, match="made of whole shards"):
        create_image(tmp_path / "a", spec, block=(32, 32), storage=Storage(shards=(24, 32)))
    with pytest.raises(MetadataError, match="compressor"):
        create_image(tmp_path / "a", spec, storage=Storage(compressor="zip"))
    with pytest.raises(MetadataError, match="stored as"):
        create_image(tmp_path / "a", spec, format="jpeg")


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["/bin/umount", str(folder)], check=True)


def test_a_full_disk_is_reported_and_what_was_finished_stays(tiny_disk):
    spec = ImageSpec((8, 512, 512), "uint16", "zyx")
    noise = np.random.default_rng(0).integers(0, 65535, (1, 512, 512)).astype("uint16")
    writer = create_image(tiny_disk / "a.zarr", spec, block=(1, 512, 512))
    writer.write(Roi((0, 0, 0), (1, 512, 512)), noise)
    with pytest.raises(StoreError, match="free some space"):
        writer.write(Roi((1, 0, 0), (1, 512, 512)), noise)
    source = open_source(tiny_disk / "a.zarr")
    np.testing.assert_array_equal(source.read(Roi((0, 0, 0), (1, 512, 512))), noise)
    with pytest.raises(StoreError, match="free some space"):
        create_image(tiny_disk / "a.tif", spec, format="tiff")
    with pytest.raises(StoreError, match="free some space"):
        write_tiff(tiny_disk / "b.tif", np.repeat(noise, 8, axis=0), spec)
    assert not [p.name for p in tiny_disk.iterdir() if "tif" in p.name]


def test_a_read_only_place_is_reported(tmp_path):
    if os.geteuid() == 0 and not Path("/proc/self/attr").exists():
        pytest.skip("no place is read-only for root here")
    with pytest.raises(StoreError, match="created in its store"):
        create_image("/proc/a.zarr", ImageSpec((4, 4), "uint8", "yx"))


class Block:
    def __init__(self, write_roi, read_roi):
        self.write_roi, self.read_roi = write_roi, read_roi


@pytest.mark.parametrize("clipped", [True, False])
def test_create_crops_what_a_block_with_a_halo_returns(tmp_path, clipped):
    truth = np.random.default_rng(0).random((50, 70)).astype("float32")
    raw = open_source(truth, voxel_size=(2, 1), unit="um", origin=(5, 5))
    out = create(tmp_path / "new" / "out.zarr", like=raw, dtype="float64", block=32)
    assert out.spec == raw.spec.replace(dtype="float64")
    padded = np.pad(truth, 40, mode="reflect")
    grid = BlockGrid(raw.spec.roi, 32, halo=4)
    for index in range(grid.n_blocks):
        roi, read = grid.write_roi(index), grid.read_roi(index)
        if clipped:
            read = read.intersect(raw.spec.roi)
        data = padded[read.shift(40).to_slices()].astype("float64")
        if index % 2:
            out.write(roi, data, data_roi=read)
        else:
            out.write(Block(roi, grid.read_roi(index)), data)
    check_back(out.path, out.spec, truth.astype("float64"))


def test_create_takes_an_even_halo_only_where_it_is_certain(tmp_path):
    out = create(tmp_path / "a.zarr", like=np.zeros((96, 96), "uint8"), block=32)
    data = np.arange(36 * 36).reshape(36, 36) % 250
    out.write(Roi((32, 32), (32, 32)), data.astype("uint8"))
    stored = open_source(out.path).read(Roi((32, 32), (32, 32)))
    np.testing.assert_array_equal(stored, data[2:-2, 2:-2])
    with pytest.raises(GeometryError, match="must be clear"):
        out.write(Roi((0, 32), (32, 32)), data.astype("uint8"))
    with pytest.raises(GeometryError, match="must be clear"):
        out.write(Roi((32, 32), (32, 32)), np.zeros((35, 36), "uint8"))
    with pytest.raises(GeometryError, match="cover their region"):
        out.write(
            Roi((32, 32), (32, 32)), np.zeros((36, 36), "uint8"), data_roi=Roi((0, 0), (36, 36))
        )


def test_create_makes_a_tiff_by_its_ending(tmp_path):
    out = create(tmp_path / "a.tif", like=ImageSpec((4, 6), "int64", "yx"))
    out.write(Roi((0, 0), (4, 6)), np.arange(24).reshape(4, 6))
    assert open_source(out.path).read(out.spec.roi).sum() == 276


def test_metadata_appear_at_once_or_not_at_all(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        create_image(tmp_path / "a.zarr", ImageSpec((4, 4), "uint8", "yx"))
    assert not list(tmp_path.iterdir())


def test_a_block_that_is_cut_into_many_small_chunks_comes_back(tmp_path):
    """The writer once handed its memory to tensorstore and used it again too soon."""
    spec = ImageSpec((2, 3, 3, 1, 3), "uint16", "tczyx")
    truth = content(spec)
    writer = create_image(tmp_path / "a.zarr", spec, storage=Storage(chunks=2))
    for _ in range(20):
        writer.write(spec.roi, truth)
        np.testing.assert_array_equal(open_source(tmp_path / "a.zarr").read(spec.roi), truth)
