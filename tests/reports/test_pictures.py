"""Pictures of results: projections, outlines where the objects are, and refusals that say why."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

import scutoid as sc
from scutoid.errors import StoreError
from scutoid.reports import _pictures as pictures
from scutoid.reports import picture, read_run, shown_picture


@sc.blockwise(version="1", dtype="uint8", halo=1)
def plain(image):
    return image


@sc.blockwise(version="1", dtype="uint16", labels=True)
def objects(image):
    return (image > 100).astype("uint16") * 7


@sc.blockwise(version="1", dtype=bool)
def bright(image):
    return image > 100


@sc.step(version="1")
def total(image):
    return float(image.sum())


def square(size=64, depth=4):
    image = np.full((depth, size, size), 20, "uint8")
    image[1:3, size // 4 : size // 2, size // 4 : size // 2] = 200
    return image


def pixels(png):
    return np.asarray(Pillow.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.fixture
def facts(tmp_path):
    smooth = plain(sc.open(square()))
    found = objects(smooth)
    sc.run(found, total(found), store=tmp_path, block=32, executor="serial", check_halo=False)
    return read_run(tmp_path)


def is_gray(image):
    return (image[..., 0] == image[..., 1]) & (image[..., 1] == image[..., 2])


def test_an_image_is_its_maximum_projection(facts) -> None:
    image = pixels(picture(facts, "plain"))
    assert image.shape == (64, 64, 3)
    assert is_gray(image).all()
    assert image[20, 20, 0] > image[0, 0, 0]


def test_objects_are_outlines_over_the_image_they_came_from(facts) -> None:
    image = pixels(picture(facts, "objects"))
    times = image.shape[0] // 64
    assert image.shape[:2] == (64 * times, 64 * times)
    colored = ~is_gray(image)
    ring = np.zeros_like(colored)
    first, last = 16 * times, 32 * times
    ring[first:last, first:last] = True
    ring[first + 1 : last - 1, first + 1 : last - 1] = False
    np.testing.assert_array_equal(colored, ring)
    assert image[24 * times, 24 * times, 0] > image[0, 0, 0]


def test_masks_between_objects_and_their_image_are_not_opened(tmp_path, monkeypatch) -> None:
    mask = bright(plain(sc.open(square())))
    sc.run(objects(mask), store=tmp_path, block=32, executor="serial", report=False)
    opened, stored = [], pictures._stored

    def noted(run, step, *rest):
        opened.append(step.name)
        return stored(run, step, *rest)

    monkeypatch.setattr(pictures, "_stored", noted)
    picture(read_run(tmp_path), "objects")
    assert opened == ["objects", "plain"]


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("size", [64, 600])
def test_outlines_lie_where_objects_are_at_any_level(tmp_path, levels, size) -> None:
    stored = objects.options(storage=sc.Storage(levels=levels))
    smooth = plain(sc.open(square(size)))
    sc.run(stored(smooth), store=tmp_path, executor="serial", block=size // 2, check_halo=False)
    image = pixels(picture(read_run(tmp_path), "objects"))
    rows, columns = np.nonzero(~is_gray(image))
    for found in (rows, columns):
        scale = image.shape[0] / size
        assert found.min() == pytest.approx(size / 4 * scale, abs=2 + 2**levels * scale)
        assert found.max() == pytest.approx(size / 2 * scale, abs=2 + 2**levels * scale)


def test_a_handle_is_drawn_over_another(tmp_path) -> None:
    image = sc.open(square())
    found = objects(plain(image))
    with pytest.raises(StoreError, match="not run"):
        picture(found)
    run = sc.run(found, store=tmp_path, executor="serial", check_halo=False)
    over = pixels(picture(run["objects"], over=image))
    alone = pixels(picture(run["objects"]))
    assert is_gray(over).mean() > 0.9
    assert not is_gray(alone)[20, 20]


def test_a_member_is_drawn(tmp_path) -> None:
    for key, level in {"a": 30, "b": 250}.items():
        np.save(tmp_path / f"{key}.npy", np.where(square()[1] > 100, level, 0).astype("uint8"))
    smooth = plain(sc.open_folder(tmp_path / "*.npy"))
    sc.run(objects(smooth), store=tmp_path / "store", executor="serial", check_halo=False)
    facts = read_run(tmp_path / "store")
    assert is_gray(pixels(picture(facts, "objects", member="a.npy"))).all()
    assert not is_gray(pixels(picture(facts, "objects", member="b.npy"))).all()
    with pytest.raises(StoreError, match="is stored"):
        picture(facts, "objects", member="c.npy")


@pytest.mark.parametrize(
    ("step", "message"),
    [("total", "an output that is an image"), ("none", "a step of the run")],
)
def test_what_has_no_picture_says_why(facts, step, message) -> None:
    with pytest.raises(StoreError, match=message):
        picture(facts, step)


def test_little_is_read(facts) -> None:
    with pytest.raises(StoreError, match="to read"):
        picture(facts, "plain", budget=100)


def test_a_damaged_image_says_so(facts, tmp_path) -> None:
    (metadata,) = tmp_path.glob("plain/*/image.ome.zarr/zarr.json")
    metadata.write_text("{")
    with pytest.raises(StoreError, match="read cheaply"):
        picture(facts, "plain")
    assert shown_picture(facts, "objects").caption
