"""One image of several files: the voxels that numpy holds, of the files that are asked for."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.arrays import Stacking, open_source, open_stack
from scutoid.errors import MetadataError, ParameterError, PipelineError, SourceError
from scutoid.geometry import Roi

SIZES = {"t": 2, "c": 3, "z": 2, "y": 4, "x": 5, "r": 2}


class Files:
    """Arrays that stand for files; takes note of those that are opened."""

    def __init__(self, axes, file_axes):
        self.stacked = "".join(a for a in axes if a not in file_axes)
        shape = tuple(SIZES[a] for a in axes)
        self.whole = np.random.default_rng(0).integers(1, 999, shape).astype("uint16")
        front = np.moveaxis(
            self.whole, [axes.index(a) for a in self.stacked], range(len(self.stacked))
        )
        left = [a for a in axes if a in file_axes]
        front = front.transpose(
            *range(len(self.stacked)),
            *(len(self.stacked) + left.index(a) for a in file_axes if a in left),
        )
        places = itertools.product(*(range(SIZES[a]) for a in self.stacked))
        self.by_path = {"-".join(map(str, place)): front[place] for place in places}
        self.file_axes = file_axes
        self.opened = []

    def open(self, path):
        self.opened.append(path)
        return open_source(self.by_path[path], axes=self.file_axes)

    def stack(self, paths=None, **options):
        places = tuple(tuple(map(str, range(SIZES[a]))) for a in self.stacked)
        names = ("DAPI", "GFP", "RFP") if "c" in self.stacked else ()
        stacking = Stacking(self.stacked, places, names)
        return open_stack(paths or list(self.by_path), stacking, self.open, **options)


AXES = {
    "channels": ("cyx", "yx"),
    "planes": ("zyx", "yx"),
    "time points of volumes": ("tzyx", "zyx"),
    "all": ("tczyx", "yx"),
    "an axis between those of the files": ("czyx", "cyx"),
    "two, around one of the files": ("tczyx", "cyx"),
    "planes of colour pictures": ("zyxc", "yxc"),
    "rounds": ("rcyx", "yx"),
}


@pytest.mark.parametrize(("axes", "file_axes"), AXES.values(), ids=AXES)
def test_the_stacked_axes_stand_where_they_belong(axes, file_axes):
    files = Files(axes, file_axes)
    source = files.stack()
    assert (source.spec.axes, source.spec.shape) == (axes, files.whole.shape)
    assert np.array_equal(source.read(source.spec.roi), files.whole)
    assert all(source.chunks[axes.index(axis)] == 1 for axis in files.stacked)
    again = pickle.loads(pickle.dumps(source))
    assert np.array_equal(again.read(again.spec.roi), files.whole)


@given(st.data())
def test_any_region_is_that_of_the_whole_and_of_the_files_in_it(data):
    axes, file_axes = data.draw(st.sampled_from(list(AXES.values())))
    files = Files(axes, file_axes)
    source = files.stack()
    files.opened.clear()
    slices = {}
    for axis in axes:
        start = data.draw(st.integers(0, SIZES[axis]))
        slices[axis] = slice(start, data.draw(st.integers(start, SIZES[axis])))
    roi = Roi([slices[a].start for a in axes], [slices[a].stop - slices[a].start for a in axes])
    found = source.read(roi)
    assert np.array_equal(found, files.whole[tuple(slices[a] for a in axes)])
    assert found.flags.c_contiguous
    assert found.dtype == "uint16"
    places = itertools.product(*(range(SIZES[a])[slices[a]] for a in files.stacked))
    wanted = {"-".join(map(str, place)) for place in places} if found.size else set()
    assert set(files.opened) | {next(iter(files.by_path))} == wanted | {next(iter(files.by_path))}
    source.read(roi)
    assert len(files.opened) == len(set(files.opened))


def test_an_axis_of_one_place_is_that_along_which_files_are_stacked():
    arrays = {n: np.full((1, 1, 4, 5), n, "uint8") for n in range(3)}
    stacking = Stacking("c", (("a", "b", "c"),), ("a", "b", "c"))
    source = open_stack(
        [0, 1, 2], stacking, lambda n: open_source(arrays[n], axes="czyx", voxel_size=(2, 1, 1))
    )
    assert (source.spec.axes, source.spec.shape) == ("czyx", (3, 1, 4, 5))
    assert source.spec.voxel_size == (2, 1, 1)
    assert np.array_equal(source.read(source.spec.roi)[:, 0, 0, 0], [0, 1, 2])


def test_a_file_that_has_the_axis_itself_is_refused():
    stacking = Stacking("c", (("a", "b"),), ("a", "b"))
    with pytest.raises(MetadataError, match="is one place on it") as raised:
        open_stack(["p.npy"], stacking, lambda _: open_source(np.zeros((4, 5, 3)), axes="yxc"))
    assert raised.value.place == "p.npy"


def test_the_scale_is_that_of_the_first_file_where_its_axes_are_all():
    def opened(_):
        return open_source(np.zeros((4, 5)), voxel_size=0.5, unit="um", origin=(1, 2))

    channels = open_stack(["a", "b"], Stacking("c", (("1", "2"),), ("1", "2")), opened).spec
    assert (channels.voxel_size, channels.unit, channels.origin) == ((0.5, 0.5), "um", (1, 2))
    planes = Stacking("z", (("1", "2"),))
    assert open_stack(["a", "b"], planes, opened).spec.voxel_size is None
    given = open_stack(["a", "b"], planes, opened, voxel_size=(2, 0.5, 0.5), unit="mm").spec
    assert (given.voxel_size, given.unit) == ((2, 0.5, 0.5), "mm")


OTHERS = {
    "shape": {"shape": (4, 6)},
    "dtype": {"dtype": "uint8"},
    "axes": {"axes": "zx"},
    "sizes": {"voxel_size": (1, 2)},
}


@pytest.mark.parametrize("what", OTHERS)
def test_files_that_differ_are_refused_with_both_names_when_they_are_read(what):
    def opened(path):
        given = {"shape": (4, 5), "dtype": "uint16", "axes": "yx", "voxel_size": (1, 1)}
        given |= OTHERS[what] if path == "b.tif" else {}
        array = np.zeros(given.pop("shape"), given.pop("dtype"))
        return open_source(array, **given)

    stacking = Stacking("c", (("1", "2"),), ("1", "2"))
    source = open_stack(["a.tif", "b.tif"], stacking, opened)
    assert source.read(Roi((0, 0, 0), (1, 4, 5))).shape == (1, 4, 5)
    with pytest.raises(SourceError, match="agree") as raised:
        source.read(source.spec.roi)
    assert "a.tif" in str(raised.value)
    assert "b.tif" in str(raised.value)
    assert what in raised.value.value


def test_a_place_without_a_file_is_zero():
    files = Files("cyx", "yx")
    source = files.stack([None, "1", None])
    found = source.read(source.spec.roi)
    assert np.array_equal(found[1], files.whole[1])
    assert not found[[0, 2]].any()


def test_what_is_no_stacking_is_refused():
    with pytest.raises(ParameterError, match="along axes of t, c, z"):
        Stacking("y", (("1", "2"),))
    with pytest.raises(ParameterError, match="a name of its own"):
        Stacking("c", (("1", "2"),), ("DAPI", "DAPI"))


def test_one_channel_of_a_stacking_has_its_files():
    stacking = Stacking("tc", (("0", "1"), ("1", "2")), ("DAPI", "GFP"))
    rest, numbers = stacking.channel("GFP")
    assert (rest, numbers) == (Stacking("tc", (("0", "1"), ("2",)), ("GFP",)), [1, 3])
    assert stacking.channel(-1) == stacking.channel(1) == (rest, numbers)
    with pytest.raises(PipelineError, match="DAPI, GFP"):
        stacking.channel("RFP")


def test_a_voxel_size_that_is_given_holds_for_files_that_differ_or_round():
    def opened(path):
        sizes = {"a": (0.325, 0.325), "b": (0.3250001, 0.325), "c": None}
        unit = None if path == "c" else "um"
        return open_source(np.ones((4, 5)), voxel_size=sizes[path], unit=unit)

    stacking = Stacking("c", (("1", "2"),), ("1", "2"))
    rounded = open_stack(["a", "b"], stacking, opened)
    assert rounded.read(rounded.spec.roi).all()
    for paths in (["a", "c"], ["c", "a"]):
        source = open_stack(paths, stacking, opened)
        with pytest.raises(SourceError, match="give voxel_size= and unit="):
            source.read(source.spec.roi)
        source = open_stack(paths, stacking, opened, voxel_size=0.5, unit="um")
        assert source.read(source.spec.roi).all()
        assert source.spec.voxel_size == (0.5, 0.5)


def test_the_distance_of_planes_is_unknown_and_said_until_it_is_given():
    def opened(_):
        return open_source(np.zeros((4, 5)), voxel_size=0.5, unit="um")

    stacking = Stacking("z", (("1", "2"),))
    spec = open_stack(["a", "b"], stacking, opened).spec
    assert (spec.voxel_size, spec.sizes) == (None, {"y": 0.5, "x": 0.5})
    assert ["z" in str(note) and "voxel_size" in str(note) for note in spec.notes] == [True]
    given = open_stack(["a", "b"], stacking, opened, voxel_size={"z": 2}).spec
    assert (given.voxel_size, given.unit, given.notes) == ((2, 0.5, 0.5), "um", ())
