"""Pictures are read alike, whatever another library has told Pillow."""

from __future__ import annotations

import threading

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image, ImageFile

import scutoid as sc
from scutoid.arrays._pillow import STRICT
from scutoid.errors import SourceError

PIXELS = np.random.default_rng(0).integers(0, 255, (60, 60)).astype("uint8")
ENDINGS = pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp"])


@ENDINGS
@pytest.mark.parametrize("is_lenient", [False, True])
def test_a_picture_cut_off_anywhere_is_refused(tmp_path, monkeypatch, ending, is_lenient) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", is_lenient)
    path, cut = tmp_path / f"whole{ending}", tmp_path / f"cut{ending}"
    iio.imwrite(path, PIXELS)
    whole, expected = path.read_bytes(), sc.open(path).read()
    for size in range(len(whole) // 20, len(whole), len(whole) // 20):
        cut.write_bytes(whole[:size])
        try:
            found = sc.open(cut).read()
        except SourceError as error:
            assert str(cut) in str(error)  # noqa: PT017 - or all its pixels are there
        else:
            np.testing.assert_array_equal(found, expected)
    assert is_lenient == ImageFile.LOAD_TRUNCATED_IMAGES


@ENDINGS
@pytest.mark.parametrize("limit", [1000, 3000], ids=["an error of Pillow", "a warning of Pillow"])
def test_a_large_picture_is_read(tmp_path, monkeypatch, ending, limit) -> None:
    path = tmp_path / f"a{ending}"
    iio.imwrite(path, PIXELS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert sc.open(path).read().shape == (60, 60)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_settings_are_given_back_by_the_last_thread(monkeypatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with STRICT:
            entered.set()
            leave.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    entered.wait()
    with STRICT:
        assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    leave.set()
    thread.join()
    assert ImageFile.LOAD_TRUNCATED_IMAGES
