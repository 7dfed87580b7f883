"""Names, colours and windows of channels: read, carried to the same channels, and written."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import yaozarrs
import zarr

import scutoid as sc
from scutoid.arrays import ChannelDisplay, ImageSpec, create_image, open_source, write_tiff
from scutoid.errors import PipelineError, ScutoidWarning

VOXELS = np.random.default_rng(3).integers(100, 900, (2, 3, 20, 30)).astype("uint16")
NAMES = ("DAPI", "GFP")
COLOURS = ("0000FF", "00FF00")
WINDOWS = ((100.0, 2000.0, 0.0, 65535.0), (50.0, 1500.0, 0.0, 65535.0))


def window(start, end, low, high):
    return {"start": start, "end": end, "min": low, "max": high}


def ome_zarr(path, channels):
    group = zarr.create_group(str(path), zarr_format=3, overwrite=True)
    group.create_array("0", data=VOXELS, chunks=(1, 3, 20, 30))
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    steps = [{"type": "scale", "scale": [1, 2, 0.5, 0.5]}]
    dataset = {"path": "0", "coordinateTransformations": steps}
    multiscale = {"axes": axes, "datasets": [dataset]}
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [multiscale],
        "omero": {"channels": channels},
    }
    return path


WHOLE = [
    {"label": name, "color": color, "active": n == 0, "window": window(*limits)}
    for n, (name, color, limits) in enumerate(zip(NAMES, COLOURS, WINDOWS, strict=True))
]


@pytest.fixture
def shown(tmp_path):
    """Return an image whose channels have names, colours and windows."""
    return sc.open(ome_zarr(tmp_path / "in.zarr", WHOLE))


def omero(path):
    """Return what a zarr says of its channels; None: nothing."""
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    return attributes["ome"].get("omero", {}).get("channels")


def stored(folder):
    return next(folder.rglob("*.ome.zarr"))


@sc.blockwise
def keep(image):
    return image


@sc.blockwise(dtype="float32")
def scaled(image):
    return image / np.float32(1000)


# ---- read

PARTLY = {
    "nothing": ([{}, {}], (), ()),
    "names": ([{"label": "a"}, {"label": "b"}], ("a", "b"), ()),
    "a colour": ([{"color": "ff0000"}, {}], (), (("FF0000", None), (None, None))),
    "a colour with a sign": ([{"color": "#ff0000"}, {}], (), (("FF0000", None), (None, None))),
    "a window without limits": (
        [{"window": {"start": 1, "end": 5}}, {"window": {"start": 1}}],
        (),
        ((None, (1.0, 5.0, 1.0, 5.0)), (None, None)),
    ),
    "too many": ([{"color": "ff0000"}] * 3, (), ()),
}


@pytest.mark.parametrize("name", PARTLY)
def test_what_an_ome_zarr_says_of_channels(tmp_path, name) -> None:
    channels, names, wanted = PARTLY[name]
    image = sc.open(ome_zarr(tmp_path / "a.zarr", channels))
    assert image.channels == names
    assert tuple((each.color, each.window) for each in image.display) == wanted


NOT_UNDERSTOOD = {
    "a colour in words": ({"color": "red"}, "color 'red' of channel 0"),
    "a short colour": ({"color": "F00"}, "color 'F00' of channel 0"),
    "a colour with opacity": ({"color": "FF0000FF"}, "color 'FF0000FF' of channel 0"),
    "a number": ({"color": 255}, "color 255 of channel 0"),
    "a limit as text": ({"window": {"start": "0", "end": 5}}, "start '0' of channel 0"),
    "a limit that is no number": (
        {"window": {"start": 0, "end": float("nan")}},
        "end nan of channel 0",
    ),
}


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_colours_and_windows_that_are_not_understood_are_said(tmp_path, name) -> None:
    said, words = NOT_UNDERSTOOD[name]
    path = ome_zarr(tmp_path / "a.zarr", [said, {"color": "00ff00"}])
    with pytest.warns(ScutoidWarning, match=f"unknown: {words}"):
        image = sc.open(path)
    assert [(each.color, each.window) for each in image.display] == [(None, None), ("00FF00", None)]


@pytest.mark.parametrize("color", ["red", "#FF0000", "4294967296"])
def test_colours_of_ome_xml_that_are_not_understood_are_said(tmp_path, color) -> None:
    path = ome_tiff(tmp_path / "a.ome.tif", ['Name="a" Color="65535"', f'Name="b" Color="{color}"'])
    with pytest.warns(ScutoidWarning, match=f"unknown: Color '{color}' of channel 1"):
        image = sc.open(path)
    assert [each.color for each in image.display] == ["0000FF", None]


def ome_tiff(path, channels):
    said = "".join(f'<Channel ID="Channel:0:{n}" {text}/>' for n, text in enumerate(channels))
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="4" SizeY="3" SizeZ="1" '
        f'SizeC="2" SizeT="1">{said}<TiffData/></Pixels></Image></OME>'
    ).encode()
    voxels = np.arange(24, dtype="uint16").reshape(2, 3, 4)
    tifffile.imwrite(path, voxels, photometric="minisblack", metadata=None, description=xml)
    return path


HALF_NAMED = {
    "one of two": (["a", None], ("a", "1"), "no name of some channels.*by number: 1;"),
    "the first by its number": ([None, "b"], ("0", "b"), "no name of some channels.*by number: 0;"),
    "one too few": (["a"], (), "names 1 channels of 2"),
    "one too many": (["a", "b", "c"], (), "names 3 channels of 2"),
}


@pytest.mark.parametrize("kind", ["OME-TIFF", "OME-Zarr"])
@pytest.mark.parametrize("name", HALF_NAMED)
def test_names_that_some_channels_lack_are_said(tmp_path, kind, name) -> None:
    said, names, words = HALF_NAMED[name]
    if kind == "OME-TIFF":
        path = ome_tiff(tmp_path / "a.ome.tif", [f'Name="{n}"' if n else "" for n in said])
    else:
        path = ome_zarr(tmp_path / "a.zarr", [{"label": n} if n else {} for n in said])
    with pytest.warns(ScutoidWarning, match=words):
        image = sc.open(path)
    assert image.channels == names
    for number, channel in enumerate(names):
        np.testing.assert_array_equal(image.channel(channel), image.channel(number))


def test_labels_that_are_numbers_are_names(tmp_path) -> None:
    image = sc.open(ome_zarr(tmp_path / "a.zarr", [{"label": 0}, {"label": 1}]))
    assert image.channels == ("0", "1")


@pytest.mark.parametrize("omero", [[], None, {"channels": None}, "text", {"channels": ["a", "b"]}])
def test_what_is_no_omero_keeps_no_one_from_the_pixels(tmp_path, omero) -> None:
    path = ome_zarr(tmp_path / "a.zarr", [])
    group = zarr.open_group(path, mode="a")
    group.attrs["ome"] = {**group.attrs["ome"], "omero": omero}
    if omero in ([], None, {"channels": None}):
        assert sc.open(path).channels == ()
        return
    with pytest.warns(ScutoidWarning, match="its omero is no list of channels"):
        assert sc.open(path).channels == ()


def test_a_name_that_several_channels_have_is_refused(tmp_path) -> None:
    image = sc.open(ome_zarr(tmp_path / "a.zarr", [{"label": "a"}, {"label": "a"}]))
    assert image.channels == ("a", "a")
    with pytest.raises(PipelineError, match=r"(?s)'a' among a, a.*number"):
        image.channel("a")
    assert image.channel(1).shape == image.shape[1:]


def test_colours_of_an_ome_tiff(tmp_path) -> None:
    numbers = [0x0000FFFF, 0x00FF00FF]
    channels = {"Name": list(NAMES), "Color": numbers}
    metadata = {"axes": "CZYX", "Channel": channels}
    options = {"ome": True, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.ome.tif", VOXELS, metadata=metadata, **options)
    image = sc.open(tmp_path / "a.ome.tif")
    assert (image.channels, tuple(each.color for each in image.display)) == (NAMES, COLOURS)
    del metadata["Channel"]["Color"]
    tifffile.imwrite(tmp_path / "b.ome.tif", VOXELS, metadata=metadata, **options)
    assert sc.open(tmp_path / "b.ome.tif").display == ()


def ramp(*brightest):
    return (np.array(brightest)[:, None] * np.arange(256) / 255).astype("uint8")


def test_colours_and_windows_of_imagej(tmp_path) -> None:
    fire = np.random.default_rng(0).integers(0, 255, (3, 256)).astype("uint8")
    for tables, colours in (
        ([ramp(0, 0, 255), ramp(0, 255, 0)], COLOURS),
        ([ramp(255, 255, 255), fire], ("FFFFFF", None)),
    ):
        metadata = {"axes": "ZCYX", "LUTs": tables, "Ranges": [100.0, 2000.0, 50.0, 1500.0]}
        tifffile.imwrite(tmp_path / "a.tif", VOXELS.swapaxes(0, 1), imagej=True, metadata=metadata)
        found = sc.open(tmp_path / "a.tif").display
        assert tuple(each.color for each in found) == colours
        assert [each.window[:2] for each in found] == [(100, 2000), (50, 1500)]


@pytest.mark.parametrize("color", ["FF8040", "000000", "800000", "00FF00"])
def test_colours_of_ome_xml_there_and_back(color) -> None:
    number = ChannelDisplay(color).ome_xml_color
    assert -(2**31) <= number < 2**31
    assert ChannelDisplay.of_ome_xml(str(number)).color == color


# ---- carried

CARRIED = {
    "a copy": (keep, COLOURS, WINDOWS),
    "a crop": (lambda image: image[:, 1:, 2:], COLOURS, WINDOWS),
    "one of them": (lambda image: image[1:], COLOURS[1:], WINDOWS[1:]),
    "a filter": (lambda image: sc.median(image, size=3), COLOURS, WINDOWS),
    "another type": (scaled, COLOURS, (None, None)),
    "coarser": (lambda image: sc.downsample(image, factors=2), COLOURS, WINDOWS),
    "a channel": (lambda image: image.channel("GFP"), (), ()),
    "projected": (lambda image: sc.project(image, axis="z"), COLOURS, WINDOWS),
}


@pytest.mark.parametrize("name", CARRIED)
def test_results_of_the_same_channels_are_shown_alike(shown, name) -> None:
    step, colours, windows = CARRIED[name]
    result = step(shown)
    assert tuple(each.color for each in result.display) == colours
    assert tuple(each.window for each in result.display) == windows


def test_how_channels_are_shown_enters_no_key(tmp_path, shown) -> None:
    sc.run(keep(shown), store=tmp_path / "store")
    attributes = zarr.open_group(tmp_path / "in.zarr").attrs
    other = [channel | {"color": "FF0000"} for channel in WHOLE]
    attributes["ome"] = attributes["ome"] | {"omero": {"channels": other}}
    again = keep(sc.open(tmp_path / "in.zarr"))
    assert again.display[0].color == "FF0000"
    assert sc.plan(again, store=tmp_path / "store").is_done


# ---- written


@pytest.mark.parametrize("way", ["export", "run", "member"])
def test_an_ome_zarr_says_what_the_first_one_said(tmp_path, shown, way) -> None:
    if way == "export":
        path = sc.export(shown, tmp_path / "out.ome.zarr")
    elif way == "run":
        sc.run(keep(shown), store=tmp_path / "store")
        path = stored(tmp_path / "store")
    else:
        step = keep.options(storage=sc.Storage(format="zarr"))
        sc.run(step(sc.open_folder(tmp_path / "*.zarr")), store=tmp_path / "store")
        path = next((tmp_path / "store").rglob("*.zarr"))
    assert omero(path) == WHOLE
    yaozarrs.validate_zarr_store(str(path))
    assert [each.color for each in sc.open(path).display] == list(COLOURS)


def test_an_ome_tiff_keeps_names_and_colours_and_scutoid_the_windows(tmp_path, shown) -> None:
    path = sc.export(shown, tmp_path / "out.tif")
    with tifffile.TiffFile(path) as file:
        assert 'Color="65535"' in file.ome_metadata
    found = open_source(path).spec
    assert found.channels == NAMES
    assert [(each.color, each.window) for each in found.display] == list(
        zip(COLOURS, WINDOWS, strict=True)
    )


UNKNOWN = {
    "names alone": [{"label": name} for name in NAMES],
    "colours alone": [{"color": color} for color in COLOURS],
    "names and colours": [
        {"label": name, "color": color} for name, color in zip(NAMES, COLOURS, strict=True)
    ],
}


@pytest.mark.parametrize("way", ["export", "run"])
@pytest.mark.parametrize("name", UNKNOWN)
def test_windows_that_are_unknown_come_from_the_data(tmp_path, name, way) -> None:
    image = sc.open(ome_zarr(tmp_path / "in.zarr", UNKNOWN[name]))
    if way == "export":
        path = sc.export(image, tmp_path / "out.ome.zarr")
    else:
        run = sc.run(keep(image), store=tmp_path / "store")
        path = stored(tmp_path / "store")
        assert sc.Store(tmp_path / "store").verify().ok
        assert run.ok
    found = omero(path)
    for channel, said in enumerate(found):
        low, high = (float(limit) for limit in (VOXELS[channel].min(), VOXELS[channel].max()))
        assert said["window"] == window(low, high, low, high)
        assert said.get("label") == UNKNOWN[name][channel].get("label")
        assert said["color"] == UNKNOWN[name][channel].get("color", ("00FF00", "FF00FF")[channel])
    yaozarrs.validate_zarr_store(str(path))
    again = sc.open(path)  # limits of these voxels are none that were set
    assert all(each.window is None for each in again.display)
    assert again.channels == image.channels


def test_ome_zarr_py_shows_the_limits(tmp_path) -> None:
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    image = sc.open(ome_zarr(tmp_path / "in.zarr", UNKNOWN["names alone"]))
    path = sc.export(image, tmp_path / "out.ome.zarr")
    found = next(iter(reader.Reader(io.parse_url(str(path)))())).metadata
    assert found["channel_names"] == list(NAMES)
    assert found["contrast_limits"][0] == [VOXELS[0].min(), VOXELS[0].max()]


def test_an_image_without_names_or_colours_has_windows_of_its_data(tmp_path) -> None:
    image = sc.open(VOXELS, axes="czyx")
    path = sc.export(image, tmp_path / "out.ome.zarr")
    windows = [channel["window"] for channel in omero(path)]
    assert [(each["start"], each["end"]) for each in windows] == [
        (channel.min(), channel.max()) for channel in VOXELS
    ]
    assert sc.open(path).display == ()


def test_an_image_that_was_begun_is_continued_however_its_channels_are_shown(tmp_path) -> None:
    spec = ImageSpec(VOXELS.shape, "uint16", "czyx", channels=NAMES)
    writer = create_image(tmp_path / "a.zarr", spec)
    writer.write(spec.roi, VOXELS)
    display = tuple(map(ChannelDisplay.of, WHOLE))
    create_image(tmp_path / "a.zarr", spec.replace(display=display), overwrite=False)
    np.testing.assert_array_equal(np.asarray(sc.open(tmp_path / "a.zarr")), VOXELS)
    write_tiff(tmp_path / "a.tif", VOXELS, spec.replace(display=display))
    create_image(tmp_path / "a.tif", spec, format="tiff")


def test_constant_and_missing_voxels_have_limits_too(tmp_path) -> None:
    for fill, wanted in ((7.0, (7.0, 8.0)), (np.nan, (0.0, 1.0))):
        flat = np.full((2, 4, 4), fill, "float32")
        spec = ImageSpec(flat.shape, "float32", "cyx", channels=NAMES)
        create_image(tmp_path / "a.zarr", spec).write(spec.roi, flat)
        path = sc.export(sc.open(tmp_path / "a.zarr"), tmp_path / "b.ome.zarr")
        assert [channel["window"]["start"] for channel in omero(path)] == [wanted[0]] * 2
        assert [channel["window"]["end"] for channel in omero(path)] == [wanted[1]] * 2
