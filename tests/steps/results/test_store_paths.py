"""Stores and images at paths as people write them: with dots, links, and other alphabets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.cli._main import run_command
from scutoid.errors import StoreError

IMAGE = np.arange(16.0).reshape(4, 4)
WRITTEN = {
    "dots": "../results",
    "dots-within": "deep/../../results",
    "dots-behind-a-link": "link/../results",
    "a-dot": "./a/./results",
    "two-slashes": "a//results",
    "dots-in-names": "..results",
    "spaces-and-signs": "a b%20?#/r\u00e9sultats",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "elsewhere/deep")
    monkeypatch.chdir(folder)
    return folder


@sc.blockwise(block=2, dtype="float64", version="1")
def double(image):
    return image * 2


@pytest.mark.parametrize("is_absolute", [False, True], ids=["relative", "absolute"])
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_store_is_written_and_read_where_its_path_leads(here, written, is_absolute):
    path = f"{here}/{written}" if is_absolute else written
    run = sc.run(double(sc.open(IMAGE)), store=path, executor="serial")
    assert run.ok
    assert Path(path, "double").is_dir()
    np.testing.assert_array_equal(sc.Store(os.path.realpath(path))["double"].read(), IMAGE * 2)
    again = sc.run(double(sc.open(IMAGE)), store=os.path.realpath(path), executor="serial")
    assert again.step("double").n_cached == 4
    assert sc.Store(path).verify().ok


PIPELINE = """
import scutoid as sc

@sc.blockwise(block=2, dtype="float64")
def double(image):
    return image * 2

@sc.pipeline
def doubled():
    return double(sc.open("image.npy"))
"""


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN.keys())
def test_the_command_line_writes_where_the_path_leads(here, written, capsys):
    np.save(here / "image.npy", IMAGE)
    (here / "pipe.py").write_text(PIPELINE)
    store = ("--store", written)
    assert run_command(["run", "pipe.py", *store, "--executor", "serial"]) == 0
    np.testing.assert_array_equal(sc.Store(written)["double"].read(), IMAGE * 2)
    assert run_command(["verify", *store]) == 0
    assert run_command(["export", "double", f"{written}/copy.npy", *store]) == 0
    np.testing.assert_array_equal(np.load(Path(written, "copy.npy")), IMAGE * 2)


@pytest.mark.parametrize("ending", ["zarr", "tif"])
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN.keys())
def test_an_image_is_created_opened_and_exported_where_its_path_leads(here, written, ending):
    path = f"{written}.{ending}"
    out = sc.create(path, like=IMAGE, block=2)
    for index in np.ndindex(2, 2):
        corner = tuple(2 * n for n in index)
        roi = sc.Roi(corner, (2, 2))
        out.write(roi, IMAGE[roi.to_slices()])
    assert Path(path).exists()
    np.testing.assert_array_equal(sc.open(path).read(), IMAGE)
    exported = sc.export(double(sc.open(path)), f"{written}/copy.{ending}")
    assert exported.samefile(f"{written}/copy.{ending}")


def test_a_path_as_a_parameter_counts_by_the_file_that_is_opened(here, tmp_path):
    @sc.step(out="value", version="1")
    def text(image, *, path):
        return path.read_text()

    given = Path("link/../a.txt")
    (here / "a.txt").write_text("beside the link")
    (tmp_path / "elsewhere/a.txt").write_text("first")
    assert sc.run(text(sc.open(IMAGE), path=given), store="r").value("text").get() == "first"
    (tmp_path / "elsewhere/a.txt").write_text("second")
    assert sc.run(text(sc.open(IMAGE), path=given), store="r").value("text").get() == "second"


def test_a_store_whose_path_no_image_can_be_written_to_says_why(tmp_path):
    path = tmp_path / os.fsdecode(b"r\xff")
    with pytest.raises((sc.errors.RunFailed, StoreError), match="UTF-8"):
        sc.run(double(sc.open(IMAGE)), store=path, executor="serial")
