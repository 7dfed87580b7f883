"""Objects that touch are parted the same in any blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import measure

import scutoid as sc
from scutoid.errors import ParameterError, RunFailed
from scutoid.kernels import reference_watershed

STACKS = Path(__file__).parents[2].parent / "shared" / "data" / "embryo3d"


def balls(shape, radius, n, seed):
    """Balls that touch, away from each other's centres, and how bright they are."""
    rng = np.random.default_rng(seed)
    centres = [rng.integers(0, shape)]
    for _ in range(20 * n):
        place = rng.integers(0, shape)
        apart = np.linalg.norm(np.array(centres) - place, axis=1)
        if apart.min() > 1.5 * radius and len(centres) < n:
            centres.append(place)
    grid = np.moveaxis(np.indices(shape), 0, -1)
    distance = np.min([np.linalg.norm(grid - c, axis=-1) for c in centres], axis=0)
    return distance < radius, (100 * np.exp(-((distance / radius) ** 2))).astype("uint16")


@st.composite
def scenes(draw):
    ndim = draw(st.integers(2, 3))
    shape = tuple(draw(st.integers(6, {2: 32, 3: 14}[ndim])) for _ in range(ndim))
    mask, image = balls(shape, draw(st.integers(2, 5)), 8, draw(st.integers(0, 2**16)))
    for axis in range(ndim):  # walls thirteen voxels apart leave rooms of twelve
        mask[(slice(None),) * axis + (slice(draw(st.integers(3, 12)), None, 13),)] = False
    options = {
        "min_distance": draw(st.integers(1, 6)),
        "h": draw(st.sampled_from([None, 0.5, 3])),
        "connectivity": draw(st.integers(1, ndim)),
    }
    return mask, draw(st.sampled_from([None, image])), options, draw(st.integers(7, 30))


@given(scenes())
@settings(max_examples=12, deadline=None)
def test_equals_the_whole_array_for_any_block(tmp_path_factory, case) -> None:
    mask, image, options, block = case
    whole = sc.split_touching(mask, image, **options, max_extent=12)
    images = [sc.open(item) for item in (mask, image) if item is not None]
    labels, table = sc.split_touching(*images, **options, max_extent=12, exact=True, report=True)
    sc.run(labels, table, store=tmp_path_factory.mktemp("s"), executor="serial", block=block)
    np.testing.assert_array_equal(np.asarray(labels), whole)
    assert len(table.to_pandas()) == 0
    np.testing.assert_array_equal(whole != 0, mask)


@st.composite
def clumps(draw):
    """Masks of components of up to 9 voxels on each axis, at the image's edges as well."""
    ndim = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, {1: 40, 2: 20, 3: 11}[ndim])) for _ in range(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = ndimage.gaussian_filter(rng.random(shape), draw(st.sampled_from([0, 1]))) > 0.45
    if draw(st.booleans()):
        mask[:] = True
    for axis in range(ndim):
        mask[(slice(None),) * axis + (slice(draw(st.integers(3, 9)), None, 10),)] = False
    size = draw(st.none() | st.tuples(*[st.integers(1, 5)] * ndim))
    return mask, size, draw(st.integers(1, ndim)), draw(st.integers(1, 4)), draw(st.integers(6, 20))


@given(clumps())
@settings(max_examples=15, deadline=None)
def test_the_parts_are_those_of_distances_on_the_whole_array(tmp_path_factory, case) -> None:
    mask, size, connectivity, min_distance, block = case
    options = {"connectivity": connectivity, "min_distance": min_distance}
    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    components, _ = ndimage.label(mask, structure)
    distance = np.ones(mask.shape)
    if not mask.all():
        distance = ndimage.distance_transform_edt(mask, sampling=size)
    maxima = sc.local_maxima(distance, components, min_distance=min_distance)
    seeds, _ = ndimage.label(maxima, np.ones((3,) * mask.ndim))
    flooded = reference_watershed(-distance, seeds, mask, connectivity)
    wanted = measure.label(flooded, connectivity=connectivity)
    image = sc.open(mask, axes="zyx"[-mask.ndim :], voxel_size=size)
    labels = sc.split_touching(image, **options, max_extent=9, exact=True)
    sc.run(labels, store=tmp_path_factory.mktemp("s"), executor="serial", block=block)
    np.testing.assert_array_equal(np.asarray(labels), wanted)
    if size is None:
        np.testing.assert_array_equal(sc.split_touching(mask, **options), wanted)


def test_an_array_is_split_whole_however_large_its_objects() -> None:
    y, x = np.ogrid[:130, :230]
    mask = (y - 65) ** 2 + (x - 65) ** 2 < 60**2
    mask |= (y - 65) ** 2 + (x - 150) ** 2 < 50**2
    labels = sc.split_touching(mask, h=1)
    assert (labels[65, 65], labels[65, 150], labels.max()) == (1, 2, 2)
    assert np.flatnonzero(labels[65] == 2)[0] == 115  # the waist


def test_two_discs_that_touch_are_two_and_numbered_by_first_voxel() -> None:
    y, x = np.ogrid[:30, :40]
    mask = ((y - 16) ** 2 + (x - 10) ** 2 < 64) | ((y - 11) ** 2 + (x - 23) ** 2 < 81)
    labels = sc.split_touching(mask, h=0.5)
    assert ndimage.label(mask)[1] == 1
    assert labels.max() == 2
    assert labels[11, 23] == 1
    assert labels[16, 10] == 2


def test_each_component_stays_an_object_even_beside_a_larger_one() -> None:
    mask = np.zeros((30, 30), bool)
    mask[3:20, 3:20] = True
    mask[21:24, 8:11] = True
    labels = sc.split_touching(mask, min_distance=15)
    assert labels.max() == 2
    assert (labels[21:24, 8:11] == 2).all()


def test_bright_spots_part_what_distances_do_not() -> None:
    mask = np.ones((9, 30), bool)
    image = np.zeros((9, 30), "uint8")
    image[4, [5, 24]] = 200
    image = ndimage.gaussian_filter(image, 3)
    assert sc.split_touching(mask, image).max() == 2
    assert sc.split_touching(mask, image, h=100).max() == 1


def test_voxels_of_anisotropic_size_are_measured_in_their_unit() -> None:
    # Long in voxels along z only because voxels are short there: one ball of diameter 12
    z, y, x = np.ogrid[:49, :13, :13]
    mask = ((z - 24) / 4) ** 2 + (y - 6) ** 2 + (x - 6) ** 2 < 36
    image = sc.open(mask, voxel_size=(0.25, 1, 1), unit="um")
    labels = sc.split_touching(image, h=0.6, min_distance=1, max_extent=60)
    assert np.asarray(labels).max() == 1


def test_a_component_that_does_not_fit_is_reported_or_refused(tmp_path) -> None:
    mask, _ = balls((20, 120), 6, 40, 0)
    mask[10] = True
    labels, table = sc.split_touching(sc.open(mask), max_extent=8, report=True)
    sc.run(labels, table, store=tmp_path, executor="serial", block=20)
    found = np.asarray(labels)
    np.testing.assert_array_equal(found != 0, mask)
    report = table.to_pandas()
    whole = sc.split_touching(mask)
    one = ndimage.label(mask)[0] == ndimage.label(mask)[0][10, 0]
    assert report["n_voxels"].sum() == one.sum()
    assert set(report["label"]) == set(found[one])
    assert abs(int(found.max()) - int(whole.max())) <= 0.2 * whole.max()
    exact = sc.split_touching(sc.open(mask), max_extent=8, exact=True)
    with pytest.raises(RunFailed, match="max_extent"):
        sc.run(exact, store=tmp_path, executor="serial", block=20)


@pytest.mark.parametrize("fill", [False, True])
def test_nothing_and_everything(fill) -> None:
    mask = np.full((12, 13), fill)
    for objects in (mask, sc.open(mask)):
        labels = np.asarray(sc.split_touching(objects))
        assert labels.shape == mask.shape
        assert ((labels != 0) == fill).all()


def test_time_points_and_channels_are_split_alone() -> None:
    movie = np.stack([balls((24, 25), 5, 6, seed)[0] for seed in range(3)])
    labels = np.asarray(sc.split_touching(sc.open(movie, axes="tyx")))
    for t in range(3):
        np.testing.assert_array_equal(labels[t], sc.split_touching(movie[t]))


@pytest.mark.parametrize("lazy", [False, True])
def test_bad_input_is_refused(lazy) -> None:
    given = sc.open if lazy else np.asarray
    mask = given(np.ones((6, 7), bool))
    with pytest.raises(ParameterError, match="compare first"):
        sc.split_touching(given(np.ones((6, 7))))
    with pytest.raises(ParameterError, match="max_extent"):
        sc.split_touching(mask, max_extent=0)
    with pytest.raises(ParameterError, match="min_distance"):
        sc.split_touching(mask, min_distance=-1)
    with pytest.raises(ParameterError, match="real numbers"):
        sc.split_touching(mask, given(np.ones((6, 7), complex)))
    with pytest.raises(ParameterError, match="NaN"):
        np.asarray(sc.split_touching(mask, given(np.full((6, 7), np.nan))))


@pytest.mark.data
def test_real_nuclei_are_split_the_same_in_blocks(tmp_path) -> None:
    paths = sorted((STACKS / "images").glob("*.tif*"))
    if not paths:
        pytest.skip(f"no stacks in {STACKS}")
    stack = tifffile.imread(paths[-1])
    smooth = ndimage.gaussian_filter(stack[10:40].astype("float32"), 1)
    mask = smooth > sc.otsu(smooth)
    image = sc.open(mask, voxel_size=(1.75, 0.8, 0.8), unit="um")
    whole = np.asarray(sc.split_touching(image, max_extent=90))
    labels = sc.split_touching(image, max_extent=90)
    sc.run(labels, store=tmp_path, executor="threads", workers=2, block=(15, 60, 60))
    np.testing.assert_array_equal(np.asarray(labels), whole)
    assert whole.max() > ndimage.label(mask)[1]


@pytest.mark.parametrize("shape", [(0,), (0, 4), (0, 0), (3, 0, 4), (0, 0, 0)])
def test_a_mask_without_voxels_has_no_objects(shape):
    mask = np.zeros(shape, bool)
    for found in (sc.split_touching(mask), np.asarray(sc.split_touching(sc.open(mask)))):
        assert found.shape == shape
