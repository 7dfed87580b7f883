"""Channels, crops and indices of all images of a collection are those of each image."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import GeometryError, PipelineError, RunFailed
from scutoid.testing import assert_would_run, with_given

KEYS = ("A1", "A2", "B1")


def voxels(n, c):
    return np.random.default_rng((n, c)).integers(0, 999, (6, 7)).astype("uint16")


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir()
    for n, well in enumerate(KEYS):
        for c in (1, 2):
            np.save(folder / f"{well}_w{c}.npy", voxels(n, c))
    return folder


@pytest.fixture
def whole(tmp_path):
    folder = tmp_path / "whole"
    folder.mkdir()
    for n, well in enumerate(KEYS):
        image = np.stack([voxels(n, 1), voxels(n, 2)])
        tifffile.imwrite(
            folder / f"{well}.ome.tif",
            image,
            metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}},
        )
    return folder


def stacked(plate, **options):
    channels = {"1": "DAPI", "2": "GFP"}
    return sc.open_folder(plate / "{well}_w{c}.npy", stack={"c": "c"}, channels=channels, **options)


@sc.blockwise
def kept(image):
    return image


@sc.step
def total(image):
    return int(image.sum())


@sc.step
def difference(image, other):
    return int(image.astype("int64").sum() - other.astype("int64").sum())


SOURCES = {
    "files that are stacked": lambda plate, whole, store: stacked(plate),
    "files": lambda plate, whole, store: sc.open_folder(whole),
    "results": lambda plate, whole, store: kept(sc.open_folder(whole)),
    "results in a store": lambda plate, whole, store: sc.run(
        kept(sc.open_folder(whole)), store=store, executor="serial"
    ).images("kept"),
}
PARTS = {
    "a channel by name": lambda images: images.channel("GFP"),
    "a channel by number": lambda images: images.channel(0),
    "the last channel": lambda images: images.channel(-1),
    "a crop": lambda images: images.crop(sc.Roi((0, 1, 2), (2, 3, 4))),
    "a channel of a crop": lambda images: images.crop(sc.Roi((0, 1, 2), (2, 3, 4))).channel("GFP"),
    "a crop of a channel": lambda images: images.channel("DAPI").crop(sc.Roi((1, 2), (3, 4))),
}
INDICES = {
    "a place": (1,),
    "all, and a place": (slice(None), 2),
    "an ellipsis": (..., slice(1, -1)),
    "from the end": (slice(None), slice(-3, None), -2),
    "a slice alone": slice(1, 2),
    "a place alone": np.int64(1),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_all_is_that_part_of_each(plate, whole, tmp_path, source, part):
    images = SOURCES[source](plate, whole, tmp_path / "store")
    taken = PARTS[part](images)
    totals = total(taken)
    sc.run(totals, store=tmp_path / "store", executor="serial")
    assert len(taken) == len(KEYS)
    for key in taken.keys:
        wanted = PARTS[part](images[key])
        found = taken[key]
        assert (found.axes, found.shape, found.channels) == (
            wanted.axes,
            wanted.shape,
            wanted.channels,
        )
        assert np.array_equal(found.read(), wanted.read())
        assert totals[key].get() == int(wanted.read().sum())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_each_image_is_cut_as_one_is(plate, whole, tmp_path, source, index):
    images = SOURCES[source](plate, whole, tmp_path / "store")
    totals = total(images.each[index])
    for key in images.keys:
        assert totals[key].get() == int(images[key][index].read().sum())


def test_parts_go_to_workers_and_are_gathered_and_stand_beside_one_another(plate, tmp_path):
    images = stacked(plate)
    both = difference(images.channel("GFP"), images.channel("DAPI"))
    below = images.each[:, 1:] * 2

    @sc.step
    def all_of(members):
        return {key: int(image.sum()) for key, image in members.items()}

    together = all_of(sc.gather(images.channel("GFP").crop(sc.Roi((0, 0), (2, 2)))))
    sc.run(both, below, together, store=tmp_path / "store", workers=2)
    for n, key in enumerate(KEYS):
        assert both[key].get() == int(voxels(n, 2).sum()) - int(voxels(n, 1).sum())
        assert np.array_equal(below[key].read()[1], voxels(n, 2)[1:] * 2)
        assert together.get()[key] == int(voxels(n, 2)[:2, :2].sum())


def test_each_part_is_another_result_and_found_again(plate, tmp_path):
    takes = {
        **{name: take(stacked(plate)) for name, take in PARTS.items()},
        "all": stacked(plate),
        "place": stacked(plate).each[1],
        "row": stacked(plate).each[:, 1],
    }
    del takes["the last channel"]  # the same as by its name
    for taken in takes.values():
        assert_would_run(total(taken), store=tmp_path / "store", steps={"total"})
        sc.run(total(taken), store=tmp_path / "store", executor="serial")
    for taken in (*takes.values(), stacked(plate).channel(-1)):
        assert_would_run(total(taken), store=tmp_path / "store", steps=())


def test_a_step_on_one_channel_does_not_run_again_for_a_file_of_another(plate, tmp_path):
    def targets():
        images = stacked(plate)
        return (
            total.options(name="dapi")(images.channel("DAPI")),
            total.options(name="gfp")(images.channel("GFP")),
            total.options(name="both")(images),
        )

    sc.run(*targets(), store=tmp_path / "store", executor="serial")
    np.save(plate / "A2_w2.npy", voxels(9, 9))
    plan = sc.plan(*targets(), store=tmp_path / "store")
    assert {step.name: step.n_done for step in plan} == {"dapi": 3, "gfp": 2, "both": 2}
    assert plan["gfp"].reason == "1 of 3 members changed: A2 (A2_w2.npy)"


def test_files_of_other_channels_are_neither_opened_nor_watched(plate, tmp_path):
    for well in KEYS:
        (plate / f"{well}_w2.npy").write_bytes(b"no image")
    totals = total(stacked(plate).channel("DAPI"))
    sc.run(totals, store=tmp_path / "store", executor="serial")
    assert totals.to_dict() == {key: int(voxels(n, 1).sum()) for n, key in enumerate(KEYS)}


def test_a_member_without_a_file_of_the_channel_is_zero(plate):
    (plate / "A2_w2.npy").unlink()
    images = stacked(plate, missing="fill").channel("GFP")
    assert not images["A2"].read().any()
    assert np.array_equal(images["B1"].read(), voxels(2, 2))


def test_other_axes_stay_where_a_channel_is_taken(tmp_path):
    for t in range(2):
        for c in range(2):
            np.save(tmp_path / f"x_t{t}_c{c}.npy", np.full((1, 4, 5), 10 * t + c))
    images = sc.open_folder(
        tmp_path / "{s}_t{t:d}_c{c:d}.npy", stack={"t": "t", "c": "c"}, axes="cyx"
    )
    found = images.channel("1")["x"]
    assert (found.axes, found.shape) == ("tyx", (2, 4, 5))
    assert found.read()[:, 0, 0].tolist() == [1, 11]


def test_a_part_of_results_that_are_given_is_taken_of_them(plate):
    totals = total.options(name="first")(stacked(plate))
    given = with_given(totals, {"first": dict.fromkeys(KEYS, 3)})
    assert given.to_dict() == dict.fromkeys(KEYS, 3)
    cut = kept(stacked(plate)).channel("GFP")
    again = with_given(total(cut), {"total": dict.fromkeys(KEYS, 4)})
    assert again.to_dict() == dict.fromkeys(KEYS, 4)
    named = kept(stacked(plate)).channel("GFP").options(name="copied")
    assert named["A1"].shape == (6, 7)


REFUSED = {
    "no such channel, of files": (
        lambda plate, whole: stacked(plate).channel("RFP"),
        PipelineError,
        "DAPI, GFP",
    ),
    "no such channel, by number": (
        lambda plate, whole: stacked(plate).channel(2),
        PipelineError,
        "DAPI, GFP",
    ),
    "a step in a slice": (lambda plate, whole: stacked(plate).each[::2], GeometryError, "step 1"),
    "a mask": (lambda plate, whole: stacked(plate).each[np.ones(2, bool)], GeometryError, "slices"),
    "a new axis": (lambda plate, whole: stacked(plate).each[None], GeometryError, "slices"),
    "an index of the collection": (
        lambda plate, whole: stacked(plate)[:, 0],
        PipelineError,
        r"images\.each\[",
    ),
    "a region that is none": (lambda plate, whole: stacked(plate).crop(3), Exception, "offset"),
}


@pytest.mark.parametrize(("take", "error", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_taken_is_refused_at_once(plate, whole, take, error, text):
    with pytest.raises(error, match=text):
        take(plate, whole)


def test_what_one_image_lacks_fails_that_member(plate, whole, tmp_path):
    tifffile.imwrite(whole / "A2.ome.tif", voxels(1, 1), metadata={"axes": "YX"})
    totals = total.options(retries=0)(sc.open_folder(whole).channel("GFP"))
    with pytest.raises(RunFailed, match="an axis 'c' has channels"):
        sc.run(totals, store=tmp_path / "store", executor="serial")
    assert sc.plan(totals, store=tmp_path / "store")["total"].n_done == 2
