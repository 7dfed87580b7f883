"""CZI files, as the library of ZEISS writes them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from pylibCZIrw import czi

import scutoid as sc
from scutoid.arrays import open_source
from scutoid.errors import (
    MetadataError,
    MissingExtra,
    ParameterError,
    ScutoidWarning,
    SourceError,
)

UM = 1e-6


def written(path, truth, *, scene=0, location=(0, 0), **metadata):
    """Write an array with axes t, c, z, y, x and, of colours, blue, green and red."""
    with czi.create_czi(str(path)) as file:
        for t, c, z in np.ndindex(*truth.shape[:3]):
            data = np.atleast_3d(truth[t, c, z])
            plane = {"T": t, "C": c, "Z": z}
            file.write(data=data, plane=plane, scene=scene, location=location)
        if metadata:
            file.write_metadata("title", **metadata)
    return path


def numbers(shape, dtype="uint16"):
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((2, 2, 3, 40, 50), "tczyx"),
        ((1, 2, 3, 40, 50), "czyx"),
        ((2, 1, 1, 40, 50), "tyx"),
        ((1, 1, 1, 40, 50), "yx"),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_an_image_has_its_voxels_axes_and_type(tmp_path, shape, axes, dtype) -> None:
    truth = numbers(shape, dtype)
    image = sc.open(written(tmp_path / "a.czi", truth))
    truth = truth.reshape([n for n in shape if n > 1])
    assert (image.axes, image.shape, image.dtype) == (axes, truth.shape, dtype)
    np.testing.assert_array_equal(image.read(), truth)
    np.testing.assert_array_equal(image[..., 3:30, 7:20].read(), truth[..., 3:30, 7:20])
    np.testing.assert_array_equal(image[1:].read(), truth[1:])
    source = pickle.loads(pickle.dumps(open_source(tmp_path / "a.czi")))
    np.testing.assert_array_equal(source.read(source.spec.roi), truth)


def test_sizes_and_channels(tmp_path) -> None:
    path = written(
        tmp_path / "a.czi",
        numbers((1, 2, 3, 8, 9)),
        scale_x=0.25 * UM,
        scale_y=0.5 * UM,
        scale_z=2 * UM,
        channel_names={0: "DAPI", 1: "GFP"},
    )
    image = sc.open(path)
    assert image.unit == "um"
    assert image.voxel_size == pytest.approx((2, 0.5, 0.25))
    assert image.channels == ("DAPI", "GFP")
    assert sc.open(path, axes="tzyx", voxel_size=1, unit="nm").axes == "tzyx"


def rewritten(path, change):
    """Change the XML of a file in its place."""
    editor = czi.CziEditor(str(path))
    with editor.edit_session() as session:
        session.set_xml(change(session.get_xml()))
    editor.close()
    return path


def test_times_and_names_of_scenes(tmp_path) -> None:
    path = written(tmp_path / "a.czi", numbers((3, 1, 1, 8, 9)), scale_x=UM, scale_y=UM)
    assert sc.open(path).time is None
    interval = "<Interval><Start>0</Start><Increment>2.5</Increment></Interval>"
    times = f"<T><Positions>{interval}</Positions></T>"
    scenes = '<S><Scenes><Scene Index="0" Name="ScanRegion0"/></Scenes></S>'
    end = "</Dimensions>"
    rewritten(path, lambda xml: xml.replace(end, f"{times}{scenes}{end}"))
    image = sc.open(path, series="ScanRegion0")
    assert (image.time.interval, image.time.unit) == (2.5, "s")
    np.testing.assert_array_equal(image.read(), numbers((3, 8, 9)))
    with pytest.raises(ParameterError, match="0: 'ScanRegion0'"):
        sc.open(path, series="another")


def test_numbers_that_are_none_are_said_to_be_so(tmp_path) -> None:
    scale = {"scale_x": 0.25 * UM, "scale_y": 0.25 * UM}
    path = written(tmp_path / "a.czi", numbers((3, 1, 1, 8, 9)), **scale)
    interval = "<T><Positions><Interval><Increment>2,5</Increment></Interval></Positions></T>"
    end = "</Dimensions>"
    rewritten(path, lambda xml: xml.replace("2.5e-07", "2,5e-07").replace(end, interval + end))
    with pytest.warns(ScutoidWarning, match="decimal point") as said:
        image = sc.open(path)
    assert (image.voxel_size, image.time) == (None, None)
    text = "; ".join(str(each.message) for each in said)
    assert text.count("'2,5e-07'") == 2
    assert text.count("'2,5'") == 1
    image = sc.open(path, voxel_size=1, unit="um", time=(2.5, "s"))  # no warning
    np.testing.assert_array_equal(image.read(), numbers((3, 8, 9)))


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("float32", None)])
def test_how_channels_are_shown(tmp_path, dtype, top) -> None:
    green = czi.Rgb8Color(np.uint8(0), np.uint8(255), np.uint8(91))
    shown = czi.ChannelDisplaySettingsDataClass(True, czi.TintingMode.Color, green, 0.2, 0.8)
    names = {0: "DAPI", 1: "GFP"}
    given = {"channel_names": names, "display_settings": {1: shown}}
    image = sc.open(written(tmp_path / "a.czi", numbers((1, 2, 1, 8, 9), dtype), **given))
    first, second = image.display
    assert (first.color, first.window) == (None, None)
    assert second.color == "00FF5B"
    window = None if top is None else pytest.approx((0.2 * top, 0.8 * top, 0, top))
    assert second.window == window


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colours_are_red_green_and_blue(tmp_path, dtype) -> None:
    truth = numbers((1, 1, 1, 20, 30, 3), dtype)
    image = sc.open(written(tmp_path / "a.czi", truth))
    assert image.axes == "yxc"
    np.testing.assert_array_equal(image.read(), truth[0, 0, 0, ..., ::-1])
    np.testing.assert_array_equal(image[2:5, 3:, 1:].read(), truth[0, 0, 0, 2:5, 3:, 1::-1])


def two_scenes(path):
    truths = [numbers((20, 30)), numbers((20, 30)) + 300]
    with czi.create_czi(str(path)) as file:
        for n, truth in enumerate(truths):
            file.write(
                data=truth[..., None],
                plane={"T": 0, "C": 0, "Z": 0},
                scene=n,
                location=(100 * n, 7),
            )
    return truths


@pytest.mark.parametrize("names", [(0, 1), ("scene 0", "scene 1")])
def test_scenes_are_opened_by_number_or_name(tmp_path, names) -> None:
    truths = two_scenes(tmp_path / "a.czi")
    for name, truth in zip(names, truths, strict=True):
        np.testing.assert_array_equal(sc.open(tmp_path / "a.czi", series=name).read(), truth)
    listed = "0: 'scene 0'; 1: 'scene 1'"
    with pytest.raises(MetadataError, match=listed):
        sc.open(tmp_path / "a.czi")
    for wrong in (2, "scene 7"):
        with pytest.raises(ParameterError, match=listed):
            sc.open(tmp_path / "a.czi", series=wrong)


def test_scenes_are_members_of_a_collection(tmp_path) -> None:
    truths = two_scenes(tmp_path / "a.czi")
    images = sc.open_folder(tmp_path / "a.czi")
    assert len(images) == 2
    for key, truth in zip(images.keys, truths, strict=True):
        np.testing.assert_array_equal(images[key].read(), truth)


def test_scenes_of_files_in_a_folder_are_members(tmp_path) -> None:
    truths = two_scenes(tmp_path / "a.czi")
    one = numbers((1, 1, 1, 20, 30))
    written(tmp_path / "b.czi", one)

    @sc.step
    def total(image):
        return {"total": int(image.sum(dtype="int64"))}

    for where in (tmp_path, tmp_path / "*.czi", tmp_path / "{slide}.czi"):
        images = sc.open_folder(where, select=lambda path: path.endswith(".czi"))
        assert images.keys == ("a.czi/0", "a.czi/1", "b.czi")
        table = total(images)
        found = sc.run(table, store=tmp_path / "store")[table].to_pandas()
        assert list(found["total"]) == [int(truth.sum()) for truth in (*truths, one)]
    assert list(images.groups["slide"]) == ["a", "a", "b"]
    assert list(images.groups["name"]) == ["scene 0", "scene 1", ""]


def test_planes_without_a_tile_are_missing(tmp_path) -> None:
    truth = numbers((3, 2, 2, 20, 30))
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for t, c, z in np.ndindex(3, 2, 2):
            if (t, c, z) not in ((1, 0, 1), (2, 1, 1)):
                file.write(data=truth[t, c, z, ..., None], plane={"T": t, "C": c, "Z": z})
    said = "2 of its 12 planes are missing: t=1, c=0, z=1; t=2, c=1, z=1"
    with pytest.raises(SourceError, match=said):
        sc.open(tmp_path / "a.czi")
    with pytest.warns(UserWarning, match=said):
        image = sc.open(tmp_path / "a.czi", missing="fill")
    truth[1, 0, 1] = truth[2, 1, 1] = 0
    np.testing.assert_array_equal(image.read(), truth)


def test_scenes_have_their_own_times_and_places(tmp_path) -> None:
    truth = numbers((3, 20, 30))
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for t in range(3):
            plane = {"T": t + 4, "C": 0, "Z": 0}
            file.write(data=truth[t, ..., None], plane=plane, scene=0)
        plane = {"T": 0, "C": 0, "Z": 0}
        file.write(data=truth[0, ..., None], plane=plane, scene=1, location=(100, 0))
    first, second = (sc.open(tmp_path / "a.czi", series=n) for n in (0, 1))
    assert (first.axes, second.axes) == ("tyx", "yx")
    np.testing.assert_array_equal(first.read(), truth)
    np.testing.assert_array_equal(second.read(), truth[0])


def test_an_image_that_does_not_begin_at_0(tmp_path) -> None:
    truth = numbers((1, 1, 1, 20, 30))
    image = sc.open(written(tmp_path / "a.czi", truth, location=(-40, 70)))
    np.testing.assert_array_equal(image.read(), truth[0, 0, 0])


def test_steps_run_on_it_and_see_a_change(tmp_path) -> None:
    truth = numbers((1, 2, 3, 40, 50))
    path = written(tmp_path / "a.czi", truth)

    def doubled():
        return sc.open(path) * 2

    result = doubled()
    run = sc.run(result, store=tmp_path / "store")
    np.testing.assert_array_equal(run[result].read(), truth[0] * 2)
    assert sc.plan(doubled(), store=tmp_path / "store").is_done
    path.unlink()
    written(path, truth + 1)
    assert not sc.plan(doubled(), store=tmp_path / "store").is_done


def test_a_file_that_breaks_off_is_refused(tmp_path) -> None:
    path = written(tmp_path / "a.czi", numbers((1, 1, 1, 20, 30)))
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(SourceError, match=r"a\.czi"):
            sc.open(path).read()


def test_channels_of_several_types_are_refused(tmp_path) -> None:
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for c, dtype in enumerate(("uint8", "uint16")):
            file.write(data=numbers((20, 30, 1), dtype), plane={"T": 0, "C": c, "Z": 0})
    with pytest.raises(SourceError, match="Gray16, Gray8"):
        sc.open(tmp_path / "a.czi")


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch) -> None:
    path = written(tmp_path / "a.czi", numbers((1, 1, 1, 20, 30)))
    monkeypatch.setitem(__import__("sys").modules, "pylibCZIrw", None)
    with pytest.raises(MissingExtra, match=r"scutoid\[czi\]"):
        sc.open(path)
