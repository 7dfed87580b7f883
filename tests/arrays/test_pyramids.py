"""Pyramids: each level equals the cascade over the whole array, whatever the blocks."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.arrays import (
    ImageSpec,
    Storage,
    create,
    create_image,
    damaged_shards,
    open_source,
    pyramid_levels,
    pyramid_multiple,
    stored_shards,
)
from scutoid.errors import GeometryError, MetadataError, ParameterError
from scutoid.geometry import BlockGrid, Roi
from scutoid.kernels import downsample

VOLUME = ImageSpec((20, 41, 50), "uint16", "zyx", voxel_size=(2, 1, 1), unit="um")


def noise(spec, seed=0):
    values = np.random.default_rng(seed).integers(0, 5, spec.shape)
    return values.astype(spec.dtype)


def write_blocks(path, spec, data, block, storage, *, label=False):
    writer = create_image(path, spec, block=block, storage=storage, label=label)
    writer = pickle.loads(pickle.dumps(writer))
    grid = BlockGrid(spec.roi, block)
    for index in range(grid.n_blocks):
        roi = grid.write_roi(index)
        writer.write(roi, data[roi.to_slices()])
    return writer


def cascade(data, spec, storage, method):
    cascade = [data]
    for level in pyramid_levels(spec, storage)[1:]:
        cascade.append(downsample(cascade[-1], level.factors, method))
    return cascade


def read_level(path, level):
    source = open_source(path, level=level)
    return source.read(source.spec.roi)


@st.composite
def pyramids(draw):
    axes = draw(st.sampled_from(["yx", "zyx", "czyx", "tcyx", "yxc"]))
    factors = draw(st.sampled_from([None, 1, 2, 3]))
    n_spatial = sum(letter in "zyx" for letter in axes)
    if draw(st.booleans()):
        factors = tuple(draw(st.integers(1, 3)) for _ in range(n_spatial))
    storage = Storage(
        levels=draw(st.integers(1, 4)),
        factors=factors,
        downsampling=draw(st.sampled_from([None, "mode", "nearest", "max"])),
    )
    shape = tuple(draw(st.integers(1, 19 if letter in "zyx" else 2)) for letter in axes)
    dtype = draw(st.sampled_from(["bool", "uint8", "uint16", "int32", "uint64", "float32"]))
    size = draw(st.sampled_from([None, 1.0, (4.0, 1.0, 1.5)[-n_spatial:]]))
    spec = ImageSpec(shape, dtype, axes, voxel_size=size)
    multiple = pyramid_multiple(storage, spec)
    block = tuple(m * draw(st.integers(1, 3)) for m in multiple)
    return spec, storage, block, draw(st.booleans())


@settings(max_examples=60, deadline=None)
@given(pyramids())
def test_levels_equal_the_cascade_over_the_whole_array(tmp_path_factory, case):
    spec, storage, block, label = case
    label = label and spec.dtype.kind in "iu"
    path = tmp_path_factory.mktemp("p") / "a.ome.zarr"
    data = noise(spec)
    write_blocks(path, spec, data, block, storage, label=label)
    method = storage.downsampling or ("mode" if label or spec.dtype == bool else "mean")
    expected = cascade(data, spec, storage, method)
    assert open_source(path).levels == len(expected)
    for number, (truth, level) in enumerate(
        zip(expected, pyramid_levels(spec, storage), strict=True)
    ):
        source = open_source(path, level=number)
        np.testing.assert_array_equal(source.read(source.spec.roi), truth)
        assert (source.spec.shape, source.spec.dtype) == (truth.shape, spec.dtype)
        for name in ("voxel_size", "origin"):
            written = getattr(level.spec, name)
            stored = getattr(source.spec, name)
            assert stored == (None if written is None else pytest.approx(written))


def test_centres_lie_where_their_windows_do():
    levels = pyramid_levels(VOLUME.replace(origin=(10, 20, 30)), Storage(levels=2, factors=2))
    assert levels[1].spec.voxel_size == (4, 2, 2)
    assert levels[1].spec.origin == (11, 20.5, 30.5)


def test_long_voxels_wait_until_others_have_caught_up():
    sizes = [level.spec.voxel_size for level in pyramid_levels(VOLUME, Storage(levels=3))]
    assert sizes == [(2, 1, 1), (2, 2, 2), (4, 4, 4)]
    levels = pyramid_levels(VOLUME, Storage(levels=2, factors=(2, 1, 3)))
    assert levels[1].factors == (2, 1, 3)


def test_other_axes_and_single_planes_stay_as_they_are():
    spec = ImageSpec((3, 1, 8, 8), "uint8", "czyx")
    assert pyramid_levels(spec, Storage(levels=2))[1].spec.shape == (3, 1, 4, 4)


def test_there_are_no_levels_beyond_the_last_voxel():
    spec = ImageSpec((4, 3), "uint8", "yx")
    shapes = [level.spec.shape for level in pyramid_levels(spec, Storage(levels=9))]
    assert shapes == [(4, 3), (2, 2), (1, 1)]
    assert len(pyramid_levels(spec, Storage(levels=9, factors=1))) == 1


@pytest.mark.parametrize("method", ["mean", "mode"])
def test_labels_are_joined_by_mode_and_never_averaged(tmp_path, method):
    labels = ImageSpec((4, 4), "uint32", "yx")
    storage = Storage(levels=2, downsampling=None if method == "mode" else "mean")
    if method == "mean":
        with pytest.raises(MetadataError, match="never averaged"):
            create_image(tmp_path / "a.zarr", labels, storage=storage, label=True)
        return
    writer = create_image(tmp_path / "a.zarr", labels, storage=storage, label=True)
    writer.write(labels.roi, np.repeat([[1, 9]], 4, 0).repeat(2, 1).astype("uint32"))
    assert read_level(tmp_path / "a.zarr", 1).tolist() == [[1, 9], [1, 9]]


def test_an_empty_block_leaves_no_file_on_any_level(tmp_path):
    spec, storage = ImageSpec((16, 16), "uint8", "yx"), Storage(levels=3)
    data = np.zeros(spec.shape, "uint8")
    data[:8, :8] = 7
    writer = write_blocks(tmp_path / "a.zarr", spec, data, (8, 8), storage)
    for level in "012":
        files = [p for p in (tmp_path / "a.zarr" / level / "c").rglob("*") if p.is_file()]
        assert [file.relative_to(tmp_path).as_posix() for file in files] == [
            f"a.zarr/{level}/c/0/0"
        ]
    assert not writer.write(Roi((0, 0), (8, 8)), np.zeros((8, 8), "uint8"))
    assert not [p for p in tmp_path.rglob("c/*/*") if p.is_file()]


def test_a_block_whose_coarse_voxels_are_zero_is_stored_all_the_same(tmp_path):
    spec = ImageSpec((8, 8), "uint8", "yx")
    data = np.zeros(spec.shape, "uint8")
    data[0, 0] = 1
    write_blocks(tmp_path / "a.zarr", spec, data, (8, 8), Storage(levels=2))
    assert (tmp_path / "a.zarr/1/c/0/0").exists()
    assert not read_level(tmp_path / "a.zarr", 1).any()
    assert stored_shards(tmp_path / "a.zarr").present.all()


def test_a_coarse_shard_that_is_gone_or_damaged_is_noticed(tmp_path):
    spec = ImageSpec((16, 16), "uint8", "yx")
    path = tmp_path / "a.zarr"
    write_blocks(path, spec, noise(spec) + 1, (8, 8), Storage(levels=2))
    assert damaged_shards(path) == []
    bad, gone = path / "1/c/1/0", path / "1/c/0/1"
    content = bytearray(bad.read_bytes())
    content[3] ^= 4
    bad.write_bytes(content)
    gone.unlink()
    assert damaged_shards(path) == [bad]
    assert stored_shards(path).present.tolist() == [[True, False], [True, True]]


def test_a_writer_killed_between_levels_leaves_the_finest_undone(tmp_path, monkeypatch):
    spec, path = ImageSpec((8, 8), "uint8", "yx"), tmp_path / "a.zarr"
    writer = create_image(path, spec, storage=Storage(levels=3))
    order = []
    from scutoid.arrays import _zarr_write

    def opened(array, *args, **kwargs):
        order.append(Path(array.location).name)
        if array == writer.array:
            raise OSError("killed")
        return real(array, *args, **kwargs)

    real = _zarr_write.open_tensorstore
    monkeypatch.setattr(_zarr_write, "open_tensorstore", opened)
    with pytest.raises(OSError, match="killed"):
        writer.write(spec.roi, noise(spec))
    assert order == ["1", "2", "0"]
    assert not (path / "0/c").exists()
    assert not stored_shards(path).present.any()


def test_blocks_that_cut_a_coarse_voxel_are_refused_with_what_fits(tmp_path):
    with pytest.raises(GeometryError, match="use a multiple of 4, such as 8") as error:
        create_image(tmp_path / "a.zarr", VOLUME, block=(20, 10, 50), storage=Storage(levels=3))
    assert "axis 'y'" in str(error.value)
    assert pyramid_multiple(Storage(levels=3), VOLUME) == (2, 4, 4)


def test_shards_that_are_smaller_than_blocks_hold_whole_coarse_voxels(tmp_path):
    storage = Storage(levels=3, shards=(4, 4), chunks=4)
    spec = ImageSpec((16, 24), "uint8", "yx")
    data = noise(spec)
    write_blocks(tmp_path / "a.zarr", spec, data, (8, 8), storage)
    for number, truth in enumerate(cascade(data, spec, storage, "mean")):
        np.testing.assert_array_equal(read_level(tmp_path / "a.zarr", number), truth)
    with pytest.raises(GeometryError, match="coarsest level"):
        create_image(
            tmp_path / "b.zarr", spec, block=(8, 8), storage=Storage(levels=3, shards=(2, 2))
        )


def test_tiff_holds_no_pyramid(tmp_path):
    with pytest.raises(MetadataError, match="stored as zarr"):
        create_image(tmp_path / "a.tif", VOLUME, format="tiff", storage=Storage(levels=2))


@pytest.mark.parametrize(
    ("storage", "error"),
    [
        (Storage(levels=0), MetadataError),
        (Storage(levels=2, factors=0), ParameterError),
        (Storage(levels=2, factors=(2, 2)), ParameterError),
        (Storage(levels=2, factors=(2, 2, 1.5)), ParameterError),
        (Storage(levels=2, downsampling="median"), ParameterError),
    ],
    ids=["no level", "no voxel", "two factors", "half a voxel", "unknown method"],
)
def test_what_cannot_be_a_pyramid_is_refused(tmp_path, storage, error):
    with pytest.raises(error):
        create_image(tmp_path / "a.zarr", VOLUME, storage=storage)
    assert not (tmp_path / "a.zarr").exists()


def test_an_image_is_taken_up_with_its_levels_or_replaced(tmp_path):
    path, two, three = tmp_path / "a.zarr", Storage(levels=2), Storage(levels=3)
    write_blocks(path, VOLUME, noise(VOLUME), VOLUME.shape, two)
    create_image(path, VOLUME, block=VOLUME.shape, storage=two)
    assert read_level(path, 1).any()
    create_image(path, VOLUME, block=VOLUME.shape, storage=three)
    assert open_source(path).levels == 3
    assert not read_level(path, 1).any()


def test_create_makes_pyramids_too(tmp_path):
    out = create(tmp_path / "a.zarr", like=VOLUME, block=8, storage=Storage(levels=3))
    out.write(Roi((0, 0, 0), (8, 8, 8)), np.full((8, 8, 8), 9, "uint16"))
    assert read_level(out.path, 2)[0, 0, 0] == 9


def test_voxels_of_unknown_size_stay_so_on_every_level(tmp_path):
    spec = ImageSpec((8, 8), "uint8", "yx")
    write_blocks(tmp_path / "a.zarr", spec, noise(spec), (8, 8), Storage(levels=2))
    spec = open_source(tmp_path / "a.zarr", level=1).spec
    assert (spec.voxel_size, spec.origin) == (None, None)
    metadata = json.loads((tmp_path / "a.zarr/zarr.json").read_text())["attributes"]["ome"]
    steps = metadata["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    assert steps == [
        {"type": "scale", "scale": [2.0, 2.0]},
        {"type": "translation", "translation": [0.5, 0.5]},
    ]


SPECS = {
    "volume": (VOLUME, False),
    "channels": (
        ImageSpec(
            (2, 20, 41, 50), "uint16", "czyx", (5, 2, 2), "um", (1, 2, 3), channels=("red", "green")
        ),
        False,
    ),
    "movie": (ImageSpec((2, 3, 20, 30), "uint8", "tcyx", 0.5, "um"), False),
    "labels": (ImageSpec((20, 30), "uint32", "yx", 0.5, "um"), True),
}


@pytest.mark.parametrize("name", SPECS)
def test_the_metadata_are_valid_ngff(tmp_path, name):
    validate = pytest.importorskip("yaozarrs", reason="yaozarrs is not installed")
    spec, label = SPECS[name]
    path = tmp_path / "a.ome.zarr"
    write_blocks(path, spec, noise(spec), spec.shape, Storage(levels=3), label=label)
    validate.validate_zarr_store(str(path))
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    assert ("image-label" in attributes["ome"]) == label


@pytest.mark.parametrize("name", SPECS)
def test_ome_zarr_py_reads_all_levels(tmp_path, name):
    pytest.importorskip("ome_zarr", reason="ome-zarr is not installed")
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    spec, label = SPECS[name]
    path, storage = tmp_path / "a.ome.zarr", Storage(levels=3)
    data = noise(spec)
    write_blocks(path, spec, data, spec.shape, storage, label=label)
    node = next(iter(Reader(parse_url(str(path)))()))
    expected = cascade(data, spec, storage, "mode" if label else "mean")
    assert len(node.data) == len(expected)
    for stored, truth in zip(node.data, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(stored), truth)


@pytest.mark.parametrize("name", ["volume", "channels", "labels"])
def test_the_reader_of_napari_finds_levels_and_scale(tmp_path, name):
    reader = pytest.importorskip("napari_ome_zarr", reason="napari-ome-zarr is not installed")
    spec, label = SPECS[name]
    path = tmp_path / "a.ome.zarr"
    data = noise(spec)
    write_blocks(path, spec, data, spec.shape, Storage(levels=3), label=label)
    layers = reader.napari_get_reader(str(path))(str(path))
    levels, options = layers[0][0], layers[0][1]
    assert len(levels) == 3
    finest = np.asarray(levels[0])
    np.testing.assert_array_equal(finest, data)
    n_spatial = len(spec.spatial_axes)
    assert tuple(options["scale"])[-n_spatial:] == pytest.approx(spec.voxel_size)
