"""Files of microscopes: ND2 and LIF written by their layout and read by their libraries."""

from __future__ import annotations

import importlib.machinery
import pickle
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import open_source
from scutoid.arrays._endings import MICROSCOPE_ENDINGS
from scutoid.arrays._microscopes import FORMATS, _has_backends
from scutoid.errors import MetadataError, MissingExtra, ParameterError, SourceError
from scutoid.geometry import Roi


def numbers(shape, dtype="uint16"):
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


def moved(truth, axes, wanted):
    """Return an array with its axes in another order, without those of one place."""
    kept = [axis for axis, n in zip(axes, truth.shape, strict=True) if n > 1 or axis in "yx"]
    truth = truth.reshape(
        [n for axis, n in zip(axes, truth.shape, strict=True) if n > 1 or axis in "yx"]
    )
    return truth.transpose([kept.index(axis) for axis in wanted])


# ND2


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("loops", "shape", "axes"),
    [
        ("TZ", (3, 4, 2, 9, 11), "tczyx"),
        ("ZT", (4, 3, 2, 9, 11), "tczyx"),
        ("Z", (4, 1, 9, 11), "zyx"),
        ("T", (3, 1, 9, 11), "tyx"),
        ("", (2, 9, 11), "cyx"),
        ("", (1, 9, 11), "yx"),
    ],
)
def test_an_nd2_has_its_voxels_and_axes(
    tmp_path, microscope, loops, shape, axes, dtype, packed
) -> None:
    stored = numbers(shape, dtype)
    names = ("DAPI", "GFP")
    path = microscope.write_nd2(tmp_path / "a.nd2", stored, loops, channels=names, packed=packed)
    truth = moved(stored, f"{loops.lower()}cyx", axes)
    image = sc.open(path)
    assert (image.axes, image.shape, image.dtype) == (axes, truth.shape, dtype)
    assert image.channels == (names if "c" in axes else ())
    np.testing.assert_array_equal(image.read(), truth)
    np.testing.assert_array_equal(image[..., 2:7, 3:].read(), truth[..., 2:7, 3:])
    np.testing.assert_array_equal(image[1:].read(), truth[1:])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(3, 1, 9, 11), (3, 2, 9, 11), (3, 3, 9, 11)])
def test_rows_of_an_nd2_that_are_filled_up(tmp_path, microscope, shape, packed) -> None:
    truth = numbers(shape, "uint8")
    names = ("a", "b", "c")
    path = tmp_path / "a.nd2"
    microscope.write_nd2(path, truth, "Z", channels=names, packed=packed, align=4)
    np.testing.assert_array_equal(sc.open(path).read(), truth.transpose(1, 0, 2, 3).squeeze())


def test_sizes_times_and_colours_of_an_nd2(tmp_path, microscope) -> None:
    names = ("DAPI", "GFP")
    path = tmp_path / "a.nd2"
    image = sc.open(microscope.write_nd2(path, numbers((3, 4, 2, 9, 11)), "TZ", channels=names))
    assert (image.voxel_size, image.unit) == ((2, 0.25, 0.25), "um")
    assert (image.time.interval, image.time.unit) == (500, "ms")
    assert [each.color for each in image.display] == ["FF0000", "00FF00"]
    image = sc.open(microscope.write_nd2(path, numbers((1, 9, 11)), "", size=None))
    assert (image.voxel_size, image.unit, image.time) == (None, None, None)


def test_positions_of_an_nd2(tmp_path, microscope) -> None:
    truth = numbers((2, 3, 4, 1, 9, 11))
    path = microscope.write_nd2(tmp_path / "a.nd2", truth, "TPZ")
    for n, name in enumerate(("left", "right", "top")):
        for series in (n, name):
            np.testing.assert_array_equal(sc.open(path, series=series).read(), truth[:, n, :, 0])
    with pytest.raises(MetadataError, match="0: 'left'; 1: 'right'; 2: 'top'"):
        sc.open(path)
    with pytest.raises(ParameterError, match="none of 0: 'left'"):
        sc.open(path, series="bottom")
    images = sc.open_folder(path)
    assert (images.keys, list(images.groups["name"])) == (("0", "1", "2"), ["left", "right", "top"])
    np.testing.assert_array_equal(images["1"].read(), truth[:, 1, :, 0])


def test_colours_of_an_nd2_are_as_they_are_stored(tmp_path, microscope) -> None:
    truth = numbers((4, 1, 9, 11, 3), "uint8")
    path = microscope.write_nd2(tmp_path / "a.nd2", truth, "Z")
    with pytest.warns(UserWarning, match="does not say which number of a colour is red"):
        image = sc.open(path)
    assert image.axes == "zyxc"
    np.testing.assert_array_equal(image.read(), truth[:, 0])
    assert sc.open(path, axes="zyxc").axes == "zyxc"  # no warning
    truth = numbers((4, 2, 9, 11, 3), "uint8")
    path = microscope.write_nd2(tmp_path / "b.nd2", truth, "Z", channels=("a", "b"))
    image = sc.open(path, axes="czyxs")  # colours of each channel
    np.testing.assert_array_equal(image.read(), truth.transpose(1, 0, 2, 3, 4))


def test_frames_that_are_not_there(tmp_path, microscope) -> None:
    truth = numbers((3, 4, 1, 9, 11))
    path = microscope.write_nd2(tmp_path / "a.nd2", truth, "TZ", lost=(5, 11))
    with pytest.raises(SourceError, match="2 of its 12 planes are missing: t=1, z=1; t=2, z=3"):
        sc.open(path)
    with pytest.warns(UserWarning, match="2 of its 12 planes are missing"):
        image = sc.open(path, missing="fill")
    truth.reshape(12, 9, 11)[[5, 11]] = 0
    np.testing.assert_array_equal(image.read(), truth[:, :, 0])
    with pytest.raises(SourceError, match="2 of its 12"):  # though a reader is open
        sc.open(path)


def test_metadata_that_nd2_fails_on_leave_the_pixels(tmp_path, microscope) -> None:
    path = microscope.write_nd2(tmp_path / "a.nd2", numbers((1, 9, 11)), "", has_probes=False)
    with pytest.warns(UserWarning, match="cannot be read"):
        image = sc.open(path)
    assert image.voxel_size is None
    np.testing.assert_array_equal(image.read(), numbers((9, 11)))


# LIF


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("stored", "axes"),
    [("tzcyx", "tczyx"), ("ctzyx", "tczyx"), ("zyx", "zyx"), ("cyx", "cyx"), ("yx", "yx")],
)
def test_a_lif_has_its_voxels_and_axes(tmp_path, microscope, stored, axes, dtype) -> None:
    sizes = {"t": 2, "c": 3, "z": 4, "y": 9, "x": 11}
    data = numbers([sizes[axis] for axis in stored], dtype)
    path = tmp_path / "a.lif"
    microscope.write_lif(path, {"one": microscope.lif_image("one", data, stored)})
    image = sc.open(path)
    truth = moved(data, stored, axes)
    assert (image.axes, image.shape, image.dtype) == (axes, truth.shape, dtype)
    np.testing.assert_array_equal(image.read(), truth)
    np.testing.assert_array_equal(image[..., 2:7, 3:].read(), truth[..., 2:7, 3:])


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"dyes": ("DAPI", "GFP")}, ("DAPI", "GFP")),
        ({"dyes": ("DAPI",)}, ("Green", "Red")),
        ({"tables": ("Gray", "Gray")}, ()),
    ],
)
def test_sizes_times_and_channels_of_a_lif(tmp_path, microscope, given, names) -> None:
    sizes = {"t": 2.5, "z": 1e-6, "y": 0.25e-6, "x": 0.25e-6}
    one = microscope.lif_image("one", numbers((3, 2, 4, 9, 11)), "tczyx", sizes=sizes, **given)
    image = sc.open(microscope.write_lif(tmp_path / "a.lif", {"one": one}))
    assert image.unit == "um"
    assert image.voxel_size == pytest.approx((1, 0.25, 0.25))
    assert (image.time.interval, image.time.unit) == (2.5, "s")
    assert image.channels == names
    assert len(image.display) == 2


@pytest.mark.parametrize("row", [None, 36])
@pytest.mark.parametrize("axes", ["yxs", "zyxs"])
def test_colours_of_a_lif_are_red_green_and_blue(tmp_path, microscope, axes, row) -> None:
    truth = numbers((4, 9, 11, 3)[-len(axes) :], "uint8")
    one = microscope.lif_image("one", truth, axes, row=row)
    image = sc.open(microscope.write_lif(tmp_path / "a.lif", {"one": one}))
    assert image.axes == f"{axes[:-1]}c"
    np.testing.assert_array_equal(image.read(), truth)
    np.testing.assert_array_equal(image[..., 2:7, 3:, 1:].read(), truth[..., 2:7, 3:, 1:])


def lif_of_two(microscope, path):
    truths = numbers((4, 9, 11)), numbers((20, 30), "uint8")
    pairs = zip(("left", "right"), truths, ("zyx", "yx"), strict=True)
    images = {name: microscope.lif_image(name, truth, axes) for name, truth, axes in pairs}
    microscope.write_lif(path, images)
    return truths


def test_images_of_a_lif_are_chosen_or_members(tmp_path, microscope) -> None:
    truths = lif_of_two(microscope, tmp_path / "a.lif")
    with pytest.raises(MetadataError, match="0: 'left'; 1: 'right'"):
        sc.open(tmp_path / "a.lif")
    images = sc.open_folder(tmp_path / "a.lif")
    for n, name in enumerate(("left", "right")):
        np.testing.assert_array_equal(sc.open(tmp_path / "a.lif", series=name).read(), truths[n])
        np.testing.assert_array_equal(images[str(n)].read(), truths[n])


def test_a_folder_opens_each_image_of_its_files(tmp_path, microscope) -> None:
    lif_of_two(microscope, tmp_path / "a.lif")
    one = microscope.lif_image("one", numbers((9, 11)), "yx")
    microscope.write_lif(tmp_path / "b.lif", {"one": one})
    microscope.write_nd2(tmp_path / "c.nd2", numbers((3, 1, 9, 11)), "P")
    keys = ("a.lif/0", "a.lif/1", "b.lif", "c.nd2/0", "c.nd2/1", "c.nd2/2")
    assert sc.open_folder(tmp_path).keys == keys
    matched = sc.open_folder(tmp_path / "{name}.lif")
    assert matched.keys == ("a.lif/0", "a.lif/1", "b.lif")
    chosen = sc.open_folder(tmp_path / "*.lif", series=0)
    assert chosen.keys == ("a.lif", "b.lif")
    (tmp_path / "b.lif").write_bytes(b"no LIF")  # it fails when it is read, and not the others
    assert sc.open_folder(tmp_path / "*.lif").keys == ("a.lif/0", "a.lif/1", "b.lif")


def test_files_of_several_images_are_not_stacked(tmp_path, microscope) -> None:
    for name in ("a_c1.lif", "a_c2.lif"):
        truth = lif_of_two(microscope, tmp_path / name)[0]
    pattern = str(tmp_path / "{name}_c{c}.lif")
    with pytest.raises(ParameterError, match="has 2: 0: 'left'; 1: 'right'"):
        sc.open_folder(pattern, stack={"c": "c"})
    images = sc.open_folder(pattern, stack={"c": "c"}, series="left")
    np.testing.assert_array_equal(images["a"].read(), [truth, truth])


def test_files_that_break_off_are_refused(tmp_path, microscope) -> None:
    microscope.write_nd2(tmp_path / "a.nd2", numbers((3, 1, 9, 11)), "Z")
    one = microscope.lif_image("one", numbers((4, 9, 11)), "zyx")
    microscope.write_lif(tmp_path / "a.lif", {"one": one})
    for path in (tmp_path / "a.nd2", tmp_path / "a.lif"):
        whole = path.read_bytes()
        for size in (0, 10, 300, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(SourceError, match=path.name):
                sc.open(path).read()


# All of them


@pytest.fixture(scope="module")
def both(tmp_path_factory, microscope):
    """An ND2, one that is compressed, and a LIF, of the same voxels."""
    folder = tmp_path_factory.mktemp("both")
    stored = numbers((2, 3, 2, 9, 11))
    two = {"channels": ("DAPI", "GFP")}
    microscope.write_nd2(folder / "a.nd2", stored, "TZ", **two)
    microscope.write_nd2(folder / "b.nd2", stored, "TZ", packed=True, **two)
    one = microscope.lif_image("one", stored, "tzcyx")
    microscope.write_lif(folder / "c.lif", {"one": one})
    return stored.transpose(0, 2, 1, 3, 4), sorted(folder.iterdir())


@given(st.data())
def test_any_region_is_that_of_the_array(both, data) -> None:
    truth, paths = both
    source = open_source(data.draw(st.sampled_from(paths)))
    begin = [data.draw(st.integers(0, n)) for n in truth.shape]
    shape = [data.draw(st.integers(0, n - b)) for n, b in zip(truth.shape, begin, strict=True)]
    roi = Roi(begin, shape)
    voxels = pickle.loads(pickle.dumps(source)).read(roi)
    np.testing.assert_array_equal(voxels, truth[roi.to_slices()])
    assert voxels.flags.owndata
    assert voxels.flags.writeable


def test_threads_read_at_once(both) -> None:
    truth, paths = both
    for path in paths:
        source = open_source(path)
        rois = [Roi((t, c, z, 0, 0), (1, 1, 1, 9, 11)) for t, c, z in np.ndindex(2, 2, 3)] * 5
        with ThreadPoolExecutor(4) as pool:
            for roi, voxels in zip(rois, pool.map(source.read, rois), strict=True):
                np.testing.assert_array_equal(voxels, truth[roi.to_slices()])


def test_steps_run_on_them_and_see_a_change(tmp_path, microscope) -> None:
    path = tmp_path / "a.nd2"

    def doubled():
        return sc.open(path) * 2

    for n in (0, 1):
        microscope.write_nd2(path, numbers((4, 1, 9, 11)) + n, "Z")
        result = doubled()
        run = sc.run(result, store=tmp_path / "store")
        np.testing.assert_array_equal(run[result].read(), (numbers((4, 9, 11)) + n) * 2)
        assert sc.plan(doubled(), store=tmp_path / "store").is_done


def test_they_are_copied_from_a_server(web, microscope) -> None:
    truth = numbers((3, 4, 1, 9, 11))
    microscope.write_nd2(web.folder / "a.nd2", truth, "PZ")
    np.testing.assert_array_equal(sc.open(web.url("a.nd2"), series=1).read(), truth[1, :, 0])
    one = microscope.lif_image("one", truth[0, :, 0], "zyx")
    microscope.write_lif(web.folder / "a.lif", {"one": one})
    np.testing.assert_array_equal(sc.open(web.url("a.lif")).read(), truth[0, :, 0])


def test_a_level_is_refused(both) -> None:
    for path in both[1]:
        with pytest.raises(MetadataError, match="is read at level 0"):
            sc.open(path, level=1)


@pytest.mark.parametrize("ending", MICROSCOPE_ENDINGS)
def test_without_a_library_the_format_and_the_extra_are_named(
    tmp_path, monkeypatch, ending
) -> None:
    kind = next(each for each in FORMATS if ending in each.endings)
    monkeypatch.setitem(sys.modules, kind.package, None)
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"whatever")
    for opened in (sc.open, sc.open_folder):
        with pytest.raises(MissingExtra) as caught:
            opened(path)
        for said in (kind.name, ending, kind.package, f"scutoid[{kind.extra}]"):
            assert said in str(caught.value)
    with pytest.raises(MissingExtra):
        sc.open_folder(tmp_path)


# bioio, by what stands in for it


class StandIn:
    """What `bioio.BioImage` gives, as far as it is used."""

    scenes = ("left", "right")
    reader = property(lambda self: self)
    channel_names = ("DAPI", "GFP")
    physical_pixel_sizes = types.SimpleNamespace(Z=2.0, Y=0.5, X=0.5)
    time_interval = timedelta(seconds=2)

    def __init__(self, path) -> None:
        if "unknown" in str(path):
            raise UnsupportedFileFormatError
        order = "TCZYXS" if "colours" in str(path) else "TCZYX"
        self.dims = types.SimpleNamespace(order=order)
        self.unit = None if "unitless" in str(path) else "micrometer"
        self.number = 0

    def set_scene(self, number) -> None:
        self.number = number

    @property
    def dimension_properties(self):
        one = types.SimpleNamespace(unit=self.unit)
        return types.SimpleNamespace(T=types.SimpleNamespace(unit=None), Z=one, Y=one, X=one)

    @property
    def xarray_dask_data(self):
        order = self.dims.order
        truth = stood_in(self.number, len(order))
        return types.SimpleNamespace(
            data=da.from_array(truth, chunks=(1, 1, 2, 5, 11, 3)[: truth.ndim]),
            dims=tuple(order),
            shape=truth.shape,
            dtype=truth.dtype,
            sizes=dict(zip(order, truth.shape, strict=True)),
        )

    @classmethod
    def determine_plugin(cls, path) -> None:
        if not str(path).endswith(".ours"):
            raise UnsupportedFileFormatError


class UnsupportedFileFormatError(Exception):
    """As bioio has one."""


def stood_in(number, n_dims=5):
    return numbers((2, 1 if n_dims > 5 else 2, 3, 9, 11, 3)[:n_dims]) + number


@pytest.fixture
def stand_in(monkeypatch):
    module = types.ModuleType("bioio")
    module.BioImage = StandIn
    module.__spec__ = importlib.machinery.ModuleSpec("bioio", None)
    monkeypatch.setitem(sys.modules, "bioio", module)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("name", ["a.dv", "a.OIB", "a.ours"])
def test_what_bioio_reads(tmp_path, name) -> None:
    path = tmp_path / name
    path.write_bytes(b"voxels")
    for n, series in enumerate(StandIn.scenes):
        image = sc.open(path, series=series)
        assert (image.axes, image.voxel_size, image.unit) == ("tczyx", (2, 0.5, 0.5), "um")
        assert (image.channels, image.time.interval) == (("DAPI", "GFP"), 2)
        np.testing.assert_array_equal(image.read(), stood_in(n))
        np.testing.assert_array_equal(image[1, :, 1:, 3:7].read(), stood_in(n)[1, :, 1:, 3:7])
    with pytest.raises(MetadataError, match="0: 'left'; 1: 'right'"):
        sc.open(path)


@pytest.mark.usefixtures("stand_in")
def test_what_bioio_does_not_say_is_unknown(tmp_path) -> None:
    for name in ("unitless.dv", "colours.dv", "unknown.dv", "a.vsi", "a.txt"):
        (tmp_path / name).write_bytes(b"voxels")
    assert sc.open_folder(tmp_path / "unitless.dv").keys == ("0", "1")
    assert sc.open(tmp_path / "unitless.dv", series=0).unit is None
    image = sc.open(tmp_path / "colours.dv", series=0)
    assert image.axes == "tzyxc"
    np.testing.assert_array_equal(image.read(), stood_in(0, 6)[:, 0])
    with pytest.raises(SourceError, match="pip install bioio-dv"):
        sc.open(tmp_path / "unknown.dv")
    with pytest.raises(SourceError, match=r"a zarr, a TIFF.*\.nd2"):
        sc.open(tmp_path / "a.txt")


def read_ims(source, request):
    """Read such a file, as another package might."""
    del request
    if not str(source).endswith(".ims"):
        return None
    return open_source(np.load(source, allow_pickle=False), axes="zyx")


def test_a_backend_of_another_package_comes_before_bioio(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bioio", None)
    info = tmp_path / "packages" / "other-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[scutoid.backends]\nims = other_ims:read_ims\n")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    module = types.ModuleType("other_ims")
    module.read_ims = read_ims
    monkeypatch.setitem(sys.modules, "other_ims", module)
    _has_backends.cache_clear()
    with (tmp_path / "a.ims").open("wb") as file:
        np.save(file, numbers((4, 9, 11)))
    np.testing.assert_array_equal(sc.open(tmp_path / "a.ims").read(), numbers((4, 9, 11)))
    for folder in (tmp_path / "*.ims", tmp_path / "a.ims"):
        images = sc.open_folder(folder)
        np.testing.assert_array_equal(images[images.keys[0]].read(), numbers((4, 9, 11)))
    _has_backends.cache_clear()
