"""Images of members go from step to step in memory, and are what would be read of their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.arrays import ImageSpec, TimeScale, open_source, write_tiff
from scutoid.errors import RunFailed
from scutoid.steps.results import _stored_image
from scutoid.steps.work import MemberHandover, _handover, _members

RNG = np.random.default_rng(11)
SPECS = {
    "plain": ImageSpec((20, 30), "uint16", "yx"),
    "placed": ImageSpec((5, 20, 30), "uint16", "zyx", (2, 0.3, 0.3), "um", (1.5, -2.0, 0.1)),
    "of times": ImageSpec(
        (2, 3, 20, 30), "float32", "tcyx", channels=("a", "b", "c"), time=TimeScale(2.5, "s", 60)
    ),
    "in colours": ImageSpec((20, 30, 3), "uint8", "yxc"),
}


def brighter(image):
    return (image + 1).astype("float32")


def mask_of(image):
    return image > image.mean()


def facts_of(image, *, voxel_size, origin):
    return [float(image.sum()), image.dtype.name, list(image.shape), voxel_size, origin]


def sum_of_one(image):
    return int(image.sum())


def sum_of(one, other):
    return float((one + other).sum())


@sc.blockwise
def tinted(image, *, block):
    return image * 2 + block.index


def folder_of(place: Path, spec: ImageSpec, n: int = 3) -> sc.Images:
    place.mkdir()
    for number in range(n):
        image = (RNG.random(spec.shape) * 200).astype(spec.dtype)
        write_tiff(place / f"{number}.tif", image, spec)
    return sc.open_folder(place / "*.tif")


def chain_on(images):
    first = sc.step(brighter, out="image", dtype="float32")(images)
    second = tinted(first)
    mask = sc.step(mask_of, out="image", dtype=bool)(second)
    return first, second, mask, sc.step(facts_of)(mask)


@pytest.fixture
def opened(monkeypatch):
    """Paths of stored images that are opened."""
    paths: list[str] = []

    def noting(path, **metadata):
        paths.append(path)
        return open_source(path, **metadata)

    monkeypatch.setattr(_stored_image, "open_source", noting)
    return paths


def run(store: Path, *results) -> None:
    """Run and read nothing of it, as checks of halos and reports do."""
    sc.run(*results, store=store, executor="serial", report=False, check_halo=False)


def all_of(store: Path, images) -> list[object]:
    results = chain_on(images)
    run(store, *results)
    *made, facts = results
    found: list[object] = [
        (image[key].framed, np.asarray(image[key]).tobytes()) for image in made for key in facts
    ]
    return [*found, facts.to_dict()]


@pytest.mark.parametrize("name", SPECS)
def test_handed_images_are_what_their_files_hold(tmp_path, monkeypatch, opened, name):
    images = folder_of(tmp_path / "in", SPECS[name])
    handed = all_of(tmp_path / "handed", images)
    monkeypatch.setattr(_handover.MEMBERS, "limit", 0)
    assert all_of(tmp_path / "read", images) == handed


def test_no_file_of_a_member_is_read_again_in_a_run(tmp_path, opened):
    run(tmp_path / "s", *chain_on(folder_of(tmp_path / "in", SPECS["placed"])))
    assert not opened


def test_each_reader_gets_voxels_of_its_own(tmp_path):
    images = folder_of(tmp_path / "in", SPECS["plain"], 2)
    first = sc.step(brighter, out="image", dtype="float32")(images)

    def emptied(image):
        image[:] = 0
        return float(image.sum())

    def both(one, other):
        one[:] = 0
        return float(other.sum())

    zero, sums = sc.step(emptied)(first), sc.step(both)(first, first)
    run(tmp_path / "s", zero, sums, first)
    wanted = {key: float(np.asarray(first[key]).sum()) for key in first}
    assert zero.to_dict() == dict.fromkeys(wanted, 0.0)
    assert sums.to_dict() == wanted


def test_an_array_that_a_step_fills_again_is_not_handed_on(tmp_path, monkeypatch):
    images = folder_of(tmp_path / "in", SPECS["plain"])
    buffer = np.zeros(SPECS["plain"].shape, "uint16")
    put, shared = _handover.MEMBERS.put, []

    def noting(key, own, **given):
        shared.append(np.shares_memory(own, buffer))
        put(key, own, **given)

    def filled(image):
        buffer[...] = image + 1
        return buffer

    monkeypatch.setattr(_handover.MEMBERS, "put", noting)
    made = sc.step(filled, out="image", dtype="uint16", version="1")(images)
    total = sc.step(sum_of_one)(made)
    run(tmp_path / "store", made, total)
    assert shared == [False] * 3
    assert total.to_dict() == {key: int((np.asarray(images[key]) + 1).sum()) for key in total}


def test_members_that_nobody_has_taken_are_forgotten(tmp_path):
    images = folder_of(tmp_path / "in", SPECS["plain"])
    first = sc.step(brighter, out="image", dtype="float32")(images)

    def refused(image):
        raise ValueError(image.shape)

    with pytest.raises(RunFailed):
        run(tmp_path / "s", sc.step(refused)(first), first)
    assert not _handover.MEMBERS._held
    assert _handover.MEMBERS._bytes == 0


def test_what_has_to_make_room_is_read_from_its_file(tmp_path, monkeypatch, opened):
    monkeypatch.setattr(_handover.MEMBERS, "limit", 2500)  # one image of float32, not two
    images = folder_of(tmp_path / "in", SPECS["plain"])
    first = sc.step(brighter, out="image", dtype="float32")(images)
    sums = sc.step(sum_of)(first, tinted(first))
    run(tmp_path / "s", sums, first)
    assert opened
    assert sums.to_dict() == {key: float((np.asarray(first[key]) * 3).sum()) for key in first}


def test_an_image_that_is_taken_is_read_from_its_store(tmp_path):
    spec = SPECS["plain"]
    image = np.arange(600, dtype="uint16").reshape(spec.shape)
    write_tiff(tmp_path / "a.tif", image, spec)

    class Stored:
        def image(self, output):
            return open_source(tmp_path / "a.tif")

    handover = MemberHandover("way", {0: 1})
    handover.put("k", 0, image.copy(), spec, tmp_path / "a.tif")
    source = handover.take("k", 0, Stored()).image(0)
    part = spec.roi.shift((3, 4)).intersect(spec.roi)
    for region in (part, spec.roi, part, spec.roi):
        np.testing.assert_array_equal(source.read(region), image[region.to_slices()])
        source.read(region)[:] = 0
    assert handover.take("k", 0, stored := Stored()) is stored


CALLS: list[str] = []


def first(image):
    CALLS.append(f"first {image[0, 0]}")
    return image + 1


def second(image):
    CALLS.append(f"second {image[0, 0] - 1}")
    return image > 0


def third(image, mask):
    CALLS.append(f"third {image[0, 0] - 1}")
    return int(mask.sum())


def test_a_member_goes_through_all_its_steps_before_the_next_begins(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(24):
        image = np.full((4, 4), 1000 + number, "uint16")
        write_tiff(folder / f"{number:02}.tif", image, ImageSpec((4, 4), "uint16", "yx"))
    bright = sc.step(first, out="image")(sc.open_folder(folder / "*.tif"))
    mask = sc.step(second, out="image")(bright)
    sums = sc.step(third)(bright, mask)
    CALLS.clear()
    sc.run(sums, store=tmp_path / "results", executor="serial")
    calls = [call for call in CALLS if " 10" in call]  # others try what is returned
    names = ("first", "second", "third")
    assert calls == [f"{name} {number}" for number in range(1000, 1024) for name in names]
    assert sums.to_dict()["07.tif"] == 16


def test_memory_that_a_member_has_freed_is_kept_for_the_next(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(_members, "keep_freed_memory", lambda: calls.append(1))
    write_tiff(tmp_path / "a.tif", np.zeros((4, 4), "uint16"), ImageSpec((4, 4), "uint16", "yx"))
    bright = sc.step(brighter, out="image")(sc.open_folder(tmp_path / "*.tif"))
    sc.run(bright, store=tmp_path / "results", executor="serial")
    assert calls == [1]
