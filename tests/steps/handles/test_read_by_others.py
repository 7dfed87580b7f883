"""What is exported, as other programs read it: voxels, axes, sizes and places, labels, plates."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import zarr

import scutoid as sc

FIVE = np.random.default_rng(0).integers(1, 9999, (2, 2, 6, 32, 40)).astype("uint16")
SCALE = {"t": 3.0, "c": 1.0, "z": 2.0, "y": 0.5, "x": 0.25}
PLACE = {"t": 60.0, "c": 0.0, "z": 10.0, "y": 5.0, "x": 1.0}
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
KEYS = ("B/03/1", "B/03/2", "C/12/1")


@dataclass(frozen=True)
class Level:
    """What is known of a level of an image."""

    axes: str
    data: np.ndarray
    scale: tuple[float, ...]
    place: tuple[float, ...]


def described(image) -> Level:
    """Describe an image as it was before it was written."""
    known = dict(zip((a for a in image.axes if a in "zyx"), image.voxel_size, strict=True))
    start = dict(zip((a for a in image.axes if a in "zyx"), image.origin or (0,) * 3, strict=False))
    if image.time is not None:
        known["t"], start["t"] = image.time.interval, image.time.origin
    return Level(
        image.axes,
        image.read(),
        tuple(known.get(letter, 1.0) for letter in image.axes),
        tuple(float(start.get(letter, 0.0)) for letter in image.axes),
    )


def opened(axes="tczyx"):
    picks = {letter: slice(None) if letter in axes else 0 for letter in "tczyx"}
    image = sc.open(
        FIVE,
        axes="tczyx",
        voxel_size=(2, 0.5, 0.25),
        unit="um",
        origin=(10, 5, 1),
        time=(3, "s", 60),
    )
    return image[tuple(picks.values())]


@dataclass(frozen=True)
class Written:
    """Images on disk, and what they are."""

    folder: Path
    images: dict[str, Level]
    """By path below the folder."""
    plate: dict[str, Level]
    """Fields by key."""
    plate_labels: dict[str, Level]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Written:
    folder = tmp_path_factory.mktemp("written")
    images: dict[str, Level] = {}
    for axes in ("yx", "zyx", "cyx", "tyx", "czyx", "tczyx"):
        image = opened(axes)
        sc.export(image, folder / f"{axes}.ome.zarr")
        images[f"{axes}.ome.zarr"] = described(image)
    volume = opened("zyx")
    objects = sc.label(volume > 5000)
    sc.export(volume, folder / "labelled.ome.zarr", labels={"bright": objects})
    images["labelled.ome.zarr"] = described(volume)
    images["labelled.ome.zarr/labels/bright"] = described(objects)
    pyramid = sc.pyramid(volume, levels=3)
    sc.run(pyramid, store=folder / "store", executor="serial")
    path = sc.export(pyramid, folder / "levels.ome.zarr")
    images["levels.ome.zarr"] = described(volume)
    for number in (1, 2):  # as we read them, which the tests of levels hold against the metadata
        images[f"levels.ome.zarr@{number}"] = described(sc.open(path, level=number))
    (folder / "files").mkdir()
    for number, name in enumerate(("B03_s1", "B03_s2", "C12_s1")):
        np.save(folder / "files" / f"{name}.npy", FIVE[0, :, number])
    fields = sc.open_folder(
        folder / "files" / "{well}_s{site:d}.npy", axes="cyx", voxel_size=0.5, unit="um"
    )
    bright = sc.label(fields.channel(0) > 5000)
    sc.export(fields, folder / "plate.ome.zarr", labels={"bright": bright})
    return Written(
        folder,
        images,
        {key: described(fields[own]) for key, own in zip(KEYS, fields.keys, strict=True)},
        {key: described(bright[own]) for key, own in zip(KEYS, fields.keys, strict=True)},
    )


def images_of(written, *, with_levels=False):
    for name, level in written.images.items():
        if "@" not in name:
            coarse = [written.images.get(f"{name}@{number}") for number in (1, 2)]
            levels = [level, *(each for each in coarse if each is not None)]
            yield str(written.folder / name), levels if with_levels else level
    for key in KEYS:
        field = str(written.folder / "plate.ome.zarr" / key)
        pairs = ((field, written.plate), (f"{field}/labels/bright", written.plate_labels))
        for path, known in pairs:
            yield path, [known[key]] if with_levels else known[key]


def test_ome_zarr_py(written) -> None:
    io = pytest.importorskip("ome_zarr.io", reason="ome-zarr is not installed: scutoid[ngff]")
    from ome_zarr.reader import Reader

    for path, levels in images_of(written, with_levels=True):
        node = next(iter(Reader(io.parse_url(path))()))
        axes = node.metadata["axes"]
        assert "".join(axis["name"] for axis in axes) == levels[0].axes
        assert {
            axis["name"]: axis["unit"] for axis in axes if "unit" in axis
        }.items() <= UNITS.items()
        assert len(node.data) == len(levels)
        places = node.metadata["coordinateTransformations"]
        for data, place, level in zip(node.data, places, levels, strict=True):
            said = {each["type"]: each[each["type"]] for each in place}
            assert said["scale"] == pytest.approx(level.scale)
            assert said.get("translation", [0] * data.ndim) == pytest.approx(level.place)
            np.testing.assert_array_equal(np.asarray(data), level.data)


def test_ome_zarr_py_lays_a_plate_out(written) -> None:
    io = pytest.importorskip("ome_zarr.io", reason="ome-zarr is not installed: scutoid[ngff]")
    from ome_zarr.reader import Reader

    node = next(iter(Reader(io.parse_url(str(written.folder / "plate.ome.zarr")))()))
    grid = np.asarray(node.data[0])
    assert grid.shape == (2, 2 * 32, 2 * 40)  # the first field of wells B03 and C12
    np.testing.assert_array_equal(grid[:, :32, :40], written.plate["B/03/1"].data)
    np.testing.assert_array_equal(grid[:, 32:, 40:], written.plate["C/12/1"].data)
    assert not grid[:, :32, 40:].any()


def test_napari_ome_zarr(written) -> None:
    plugin = pytest.importorskip(
        "napari_ome_zarr", reason="napari-ome-zarr is not installed: scutoid[ngff]"
    )
    for path, level in images_of(written):
        kind = "labels" if "labels/" in path else "image"
        layers = plugin.napari_get_reader(path)(path)  # of labels with their image, where it is
        data, said, _ = next(layer for layer in layers if layer[2] == kind)
        shown = [letter for letter in level.axes if letter != "c"]
        scale = dict(zip(level.axes, level.scale, strict=True))
        assert "".join(said["axis_labels"]) == "".join(shown)
        assert said["scale"] == pytest.approx([scale[letter] for letter in shown])
        assert said.get("channel_axis") == (level.axes.index("c") if "c" in level.axes else None)
        finest = data[0] if isinstance(data, list) else data
        np.testing.assert_array_equal(np.asarray(finest), level.data)
    path = str(written.folder / "labelled.ome.zarr")
    assert [kind for _, _, kind in plugin.napari_get_reader(path)(path)] == ["image", "labels"]
    path = str(written.folder / "plate.ome.zarr")
    layers = plugin.napari_get_reader(path)(path)
    assert [kind for _, _, kind in layers] == ["image", "labels"]
    grid = np.asarray(layers[1][0][0])
    np.testing.assert_array_equal(grid[:32, :40], written.plate_labels["B/03/1"].data)


def test_ngff_zarr(written) -> None:
    nz = pytest.importorskip("ngff_zarr", reason="ngff-zarr is not installed: scutoid[writers]")
    for path, levels in images_of(written, with_levels=True):
        found = nz.from_ngff_zarr(path, validate=True).images
        assert len(found) == len(levels)
        for image, level in zip(found, levels, strict=True):
            assert "".join(image.dims) == level.axes
            assert tuple(image.scale.values()) == pytest.approx(level.scale)
            assert tuple(image.translation.values()) == pytest.approx(level.place)
            units = {letter: unit for letter, unit in image.axes_units.items() if unit}
            assert units == {letter: UNITS[letter] for letter in level.axes if letter in UNITS}
            np.testing.assert_array_equal(np.asarray(image.data), level.data)
    plate = nz.from_hcs_zarr(str(written.folder / "plate.ome.zarr"), validate=True)
    assert [well.path for well in plate.wells] == ["B/03", "C/12"]
    for key, level in written.plate.items():
        row, column, _ = key.split("/")
        well = plate.get_well(row, column)
        paths = [image.path for image in well.images]
        image = well.get_image(paths.index(key.rpartition("/")[2])).images[0]
        np.testing.assert_array_equal(np.asarray(image.data), level.data)


def test_bioio(written) -> None:
    bioio = pytest.importorskip("bioio", reason="bioio is not installed: scutoid[writers]")
    plugin = pytest.importorskip("bioio_ome_zarr")
    for path, levels in images_of(written, with_levels=True):
        image = bioio.BioImage(path, reader=plugin.Reader)
        scale = dict(zip(levels[0].axes, levels[0].scale, strict=True))
        sizes = image.physical_pixel_sizes
        assert (scale.get("z"), scale["y"], scale["x"]) == (sizes.Z, sizes.Y, sizes.X)
        if "t" in scale:
            assert image.time_interval == scale["t"]
        assert len(image.resolution_levels) == len(levels)
        for number, level in enumerate(levels):
            image.set_resolution_level(number)
            found = image.get_image_data(level.axes.upper())
            np.testing.assert_array_equal(found, level.data)


def test_models_accept_it(written) -> None:
    yaozarrs = pytest.importorskip("yaozarrs")
    models = pytest.importorskip(
        "ome_zarr_models", reason="ome-zarr-models is not installed: scutoid[writers]"
    )
    for path in sorted(written.folder.glob("*.ome.zarr")):
        yaozarrs.validate_zarr_store(str(path))
        kind = type(models.open_ome_zarr(zarr.open_group(path, mode="r"))).__name__
        assert kind == ("HCS" if path.name == "plate.ome.zarr" else "Image")
    labels = zarr.open_group(written.folder / "labelled.ome.zarr" / "labels", mode="r")
    assert type(models.open_ome_zarr(labels)).__name__ == "Labels"


@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx", "czyx", "tczyx"])
def test_bioio_reads_ome_tiff(tmp_path, axes) -> None:
    bioio = pytest.importorskip("bioio", reason="bioio is not installed: scutoid[writers]")
    plugin = pytest.importorskip("bioio_ome_tiff")
    image = opened(axes)
    path = sc.export(image, tmp_path / "a.ome.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = bioio.BioImage(str(path), reader=plugin.Reader)
        sizes = found.physical_pixel_sizes
        data = found.get_image_data(axes.upper())
    assert tuple(sizes) == (2.0 if "z" in axes else None, 0.5, 0.25)
    np.testing.assert_array_equal(data, image.read())
