"""What an OME-Zarr says of the size of its voxels: what is not said is unknown, as for arrays."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import open_source
from scutoid.errors import MetadataError

VOXELS = np.arange(4 * 6 * 8, dtype="uint8").reshape(4, 6, 8)
HALF = {"type": "scale", "scale": [2.0, 0.5, 0.5]}
MOVED = {"type": "translation", "translation": [1.0, 2.0, 3.0]}


def write(path, steps, *, outer=None, unit: str | None = "micrometer", version=3, arrays=("0",)):
    """Write an image whose metadata have these transformations; None: no such field."""
    group = zarr.create_group(str(path), zarr_format=version, overwrite=True)
    for name in arrays:
        group.create_array(name, data=VOXELS, chunks=(2, 3, 4))
    axes = [{"name": a, "type": "space"} | ({"unit": unit} if unit else {}) for a in "zyx"]
    multiscale = {
        "axes": axes,
        "datasets": [
            {"path": name} | ({} if steps is None else {"coordinateTransformations": steps})
            for name in arrays
        ],
    }
    if outer is not None:
        multiscale["coordinateTransformations"] = outer
    if version == 2:
        group.attrs["multiscales"] = [multiscale | {"version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    return path


UNSAID = {
    "missing": None,
    "empty": [],
    "only a translation": [MOVED],
    "identity": [{"type": "identity"}],
    "identity and translation": [{"type": "identity"}, MOVED],
}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("outer", [None, [HALF]], ids=["alone", "with one for all levels"])
@pytest.mark.parametrize("name", UNSAID)
def test_without_a_scale_the_size_of_voxels_is_unknown(tmp_path, name, outer, version) -> None:
    path = write(tmp_path / "a.ome.zarr", UNSAID[name], outer=outer, version=version)
    spec = open_source(path).spec
    plain = open_source(VOXELS).spec
    assert (spec.voxel_size, spec.unit, spec.origin) == (None, plain.unit, plain.origin)
    np.testing.assert_array_equal(np.asarray(sc.open(path)), VOXELS)
    given_size = open_source(path, voxel_size=(2, 1, 1), unit="um").spec
    assert (given_size.voxel_size, given_size.unit) == ((2.0, 1.0, 1.0), "um")


REFUSED = {
    "two scales": [HALF, HALF],
    "a scale after a translation": [MOVED, HALF],
    "two translations": [HALF, MOVED, MOVED],
    "a scale of text": [{"type": "scale", "scale": ["2.0", "0.5", "0.5"]}],
    "a scale that is text": [{"type": "scale", "scale": "123"}],
    "a scale of true": [{"type": "scale", "scale": [2.0, True, 0.5]}],
    "a scale of nothing": [{"type": "scale", "scale": [2.0, None, 0.5]}],
    "a scale for two axes": [{"type": "scale", "scale": [0.5, 0.5]}],
    "a scale of zero": [{"type": "scale", "scale": [2.0, 0, 0.5]}],
    "a negative scale": [{"type": "scale", "scale": [-2.0, 0.5, 0.5]}],
    "a scale without end": [{"type": "scale", "scale": [math.inf, 0.5, 0.5]}],
    "a scale that is no number": [{"type": "scale", "scale": [math.nan, 0.5, 0.5]}],
    "a scale in a file": [{"type": "scale", "path": "scale"}],
    "a translation of text": [HALF, {"type": "translation", "translation": ["1", "2", "3"]}],
    "an affine one": [{"type": "affine", "affine": [[1.0]]}],
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("place", ["of a level", "of all levels"])
def test_a_scale_that_is_none_is_refused(tmp_path, name, place) -> None:
    path = tmp_path / "a.ome.zarr"
    if place == "of a level":
        write(path, REFUSED[name])
    else:
        write(path, [HALF], outer=REFUSED[name])
    with pytest.raises(MetadataError):
        open_source(path)


sizes = st.tuples(*[st.floats(1e-3, 1e3)] * 3)


@given(scale=sizes, outer=st.none() | sizes, start=st.none() | sizes, number=st.integers(1, 99))
def test_the_scale_of_a_level_is_that_of_all_levels_times_its_own(
    tmp_path_factory, scale, outer, start, number
) -> None:
    steps = [{"type": "scale", "scale": [number, *scale[1:]]}]
    if start is not None:
        steps.append({"type": "translation", "translation": list(start)})
    of_all = None if outer is None else [{"type": "scale", "scale": list(outer)}]
    path = write(tmp_path_factory.mktemp("o") / "a.ome.zarr", steps, outer=of_all)
    spec = open_source(path).spec
    factors = np.array(outer or (1, 1, 1))
    np.testing.assert_allclose(spec.voxel_size, np.array([number, *scale[1:]]) * factors)
    np.testing.assert_allclose(spec.origin or (0, 0, 0), np.array(start or (0, 0, 0)) * factors)


def test_ones_without_a_unit_are_no_size_and_ones_with_a_unit_are_one(tmp_path) -> None:
    ones = [{"type": "scale", "scale": [1, 1, 1]}]
    assert open_source(write(tmp_path / "a.zarr", ones, unit=None)).spec.voxel_size is None
    assert open_source(write(tmp_path / "b.zarr", ones)).spec.voxel_size == (1.0, 1.0, 1.0)


def rename(path, name):
    """Have the metadata name another array."""
    file = path / "zarr.json"
    metadata = json.loads(file.read_text())
    metadata["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = name
    file.write_text(json.dumps(metadata))


@pytest.mark.parametrize("name", ["../other/0", "{other}/0", "0/../../other/0", "file://{other}/0"])
def test_an_image_names_no_array_outside_itself(tmp_path, name) -> None:
    path = write(tmp_path / "in.ome.zarr", [HALF])
    other = write(tmp_path / "other", [HALF])
    rename(path, name.format(other=other))
    with pytest.raises(MetadataError, match="allow_outside"):
        sc.open(path)
    np.testing.assert_array_equal(np.asarray(sc.open(path, allow_outside=True)), VOXELS)


@pytest.mark.parametrize("name", ["scale0/image", "./0"])
def test_an_image_names_arrays_at_any_depth_below_itself(tmp_path, name) -> None:
    path = write(tmp_path / "in.ome.zarr", [HALF], arrays=("0", "scale0/image"))
    rename(path, name)
    np.testing.assert_array_equal(np.asarray(sc.open(path)), VOXELS)


@pytest.mark.parametrize("depth", ["", "scale0/"], ids=["itself", "a folder on the way"])
def test_a_link_leads_to_no_array_outside_the_image(tmp_path, depth) -> None:
    path = write(tmp_path / "in.ome.zarr", [HALF], arrays=("0", f"{depth}image"))
    rename(path, f"{depth}image")
    link = Path(path) / (depth or "image").rstrip("/")
    link.rename(tmp_path / "elsewhere")
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MetadataError, match=r"a link to .*elsewhere.*\n.*\n.*allow_outside"):
        sc.open(path)
    np.testing.assert_array_equal(np.asarray(sc.open(path, allow_outside=True)), VOXELS)


@pytest.mark.parametrize("inner", [False, True], ids=["to the image", "within it"])
def test_links_that_stay_in_the_image_are_followed(tmp_path, *, inner) -> None:
    path = Path(write(tmp_path / "in.ome.zarr", [HALF]))
    link = path / "linked" if inner else tmp_path / "alias.ome.zarr"
    link.symlink_to(path / "0" if inner else path)
    if inner:
        rename(path, "linked")
    np.testing.assert_array_equal(np.asarray(sc.open(path if inner else link)), VOXELS)
