"""Axes that a file does not name: what was assumed is said, wherever it matters."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tifffile
import zarr

import scutoid as sc
from scutoid.errors import PipelineError, ScutoidWarning

STACK = np.arange(3 * 20 * 30, dtype="uint16").reshape(3, 20, 30)


def animation(path):
    from PIL import Image

    first, *others = (Image.fromarray((page % 256).astype("uint8")) for page in STACK)
    first.save(path, save_all=True, append_images=others)


WRITERS = {
    "a.tif": lambda path: tifffile.imwrite(path, STACK, photometric="minisblack"),
    "bare.tif": lambda path: tifffile.imwrite(path, STACK, photometric="minisblack", metadata=None),
    "a.npy": lambda path: np.save(path, STACK),
    "a.zarr": lambda path: zarr.save_array(str(path), STACK),
    "a.png": animation,
}


@sc.blockwise(halo=5)
def smooth(image):
    return image


@pytest.fixture(params=WRITERS)
def path(request, tmp_path):
    """Return the path of a stack whose axes no one names."""
    WRITERS[request.param](tmp_path / request.param)
    return tmp_path / request.param


def test_an_assumption_is_warned_of_once_and_shown(path, tmp_path) -> None:
    with pytest.warns(ScutoidWarning, match="taken for zyx") as caught:
        image = sc.open(path)
    assert len(caught) == 1
    assert path.name in str(caught[0].message)
    assert "zyx (assumed)" in repr(image)
    result = image + 1  # from here on it is the same silence as ever, but for plans and reprs
    assert "zyx (assumed)" in repr(result)
    plan = sc.plan(result, store=tmp_path / "store")
    assert [text for text in plan.warnings if "taken for zyx" in text]
    assert "taken for zyx" in str(plan)
    assert sc.run(result, store=tmp_path / "store").warnings == plan.warnings


def test_a_halo_that_does_not_fit_asks_for_the_axes(path) -> None:
    with pytest.warns(ScutoidWarning):
        image = sc.open(path)
    with pytest.raises(PipelineError, match=r"(?s)axis 'z'.*is it axes='tyx'\?"):
        smooth(image).read()
    with pytest.raises(PipelineError, match=r"is it axes='tyx'\?"):
        smooth(image + 1).read()
    assert smooth(sc.open(path, axes="tyx")).shape == STACK.shape


@pytest.mark.parametrize("axes", ["zyx", "tyx", "cyx"])
def test_axes_that_are_given_are_no_assumption(path, axes, tmp_path) -> None:
    image = sc.open(path, axes=axes)
    assert repr(image).startswith(f"Image({path.name!r}, {axes}, ")
    assert not sc.plan(image + 1, store=tmp_path / "store").warnings


def test_a_folder_says_it_in_its_plan_and_its_run(tmp_path) -> None:
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", STACK, photometric="minisblack")
    images = sc.open_folder(tmp_path / "*.tif") + 1
    plan = sc.plan(images, store=tmp_path / "store")
    (said,) = plan.warnings
    assert "image 'a.tif'" in said
    assert "taken for zyx" in said
    with pytest.warns(ScutoidWarning, match="taken for zyx"):
        assert sc.run(images, store=tmp_path / "store").ok
    named = sc.open_folder(tmp_path / "*.tif", axes="tyx") + 1
    assert not sc.plan(named, store=tmp_path / "store").warnings


def test_a_folder_whose_first_image_is_damaged_is_planned(tmp_path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    tifffile.imwrite(tmp_path / "b.tif", STACK, photometric="minisblack")
    images = sc.open_folder(tmp_path / "*.tif") + 1
    assert not sc.plan(images, store=tmp_path / "store").warnings


NAMED = {
    "an array": lambda _: STACK,
    "two axes": lambda path: tifffile.imwrite(path / "a.tif", STACK[0]) or path / "a.tif",
    "OME": lambda path: (
        tifffile.imwrite(path / "a.ome.tif", STACK, metadata={"axes": "ZYX"}) or path / "a.ome.tif"
    ),
    "ImageJ": lambda path: (
        tifffile.imwrite(path / "a.tif", STACK, imagej=True, metadata={"axes": "TYX"})
        or path / "a.tif"
    ),
    "tifffile": lambda path: (
        tifffile.imwrite(path / "a.tif", STACK, photometric="minisblack", metadata={"axes": "ZYX"})
        or path / "a.tif"
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_names_its_axes_is_no_assumption(tmp_path, name) -> None:
    source = NAMED[name](tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScutoidWarning)
        image = sc.open(source)
    assert "assumed" not in repr(image)


def test_an_array_is_asked_of_only_where_its_halo_does_not_fit() -> None:
    with pytest.raises(PipelineError, match=r"is it axes='tyx'\?"):
        smooth(sc.open(STACK)).read()
    with pytest.raises(PipelineError, match="a halo is not larger") as caught:
        smooth(sc.open(STACK, axes="zyx")).read()
    assert "is it axes" not in str(caught.value)
