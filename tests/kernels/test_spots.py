"""Spots of an array: where they are found, and that nothing beyond their reach matters."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.feature import blob_log

from scutoid.errors import ParameterError
from scutoid.kernels import find_spots, spot_reach, spot_response


def gaussians(shape, centres, width, height=100.0):
    """A sum of Gaussian spots at sub-voxel centres; `width` is one number or one an axis."""
    grid = np.indices(shape).astype(float)
    widths = np.broadcast_to(width, len(shape))
    image = np.zeros(shape)
    for centre in centres:
        parts = zip(grid, centre, widths, strict=True)
        image += height * np.exp(-0.5 * sum(((g - c) / w) ** 2 for g, c, w in parts))
    return image


def by_definition(image, sigmas, threshold, exclusion, method):
    """The rule, voxel by voxel."""
    responses = [spot_response(image, sigma, method=method) for sigma in sigmas]
    candidates = []
    for scale, voxel in itertools.product(range(len(sigmas)), np.ndindex(image.shape)):
        value = responses[scale][voxel]
        ratio = 1.0 if method == "log" else 1.6 * (2 / (1 + 1.6**2)) ** 0.5
        looks = [int(4 * ratio * width + 0.5) for width in sigmas[scale]]
        near = tuple(slice(max(v - n, 0), v + n + 1) for v, n in zip(voxel, looks, strict=True))
        rounding = 16 * np.finfo(value.dtype).eps * float(image[near].max())
        if not value > max(threshold, rounding):
            continue
        wins = True
        for hop in itertools.product((-1, 0, 1), repeat=image.ndim + 1):
            there = (*(v + h for v, h in zip(voxel, hop[:-1], strict=True)), scale + hop[-1])
            inside = all(
                0 <= t < n for t, n in zip(there, (*image.shape, len(sigmas)), strict=True)
            )
            if any(hop) and inside:
                other = responses[there[-1]][there[:-1]]
                wins &= bool(value > other if hop < (0,) * len(hop) else value >= other)
        if wins:
            candidates.append((float(value), voxel, scale))
    kept = []
    for value, voxel, scale in candidates:
        is_beaten = False
        for other_value, other, other_scale in candidates:
            radius = np.asarray(exclusion[max(scale, other_scale)])
            near = (((np.array(voxel) - other) / radius) ** 2).sum() < 1
            first = (-other_value, other, other_scale) < (-value, voxel, scale)
            is_beaten |= bool(near and first)
        if not is_beaten:
            kept.append((voxel, scale, value))
    return sorted(kept)


@given(
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=7).flatmap(
        lambda shape: hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1, 9]))
    ),
    st.sampled_from(["uint8", "float32", "float64"]),
    st.sampled_from(["log", "dog"]),
    st.sampled_from([(1.0,), (0.7, 1.2), (0.6, 0.9, 1.5)]),
    st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=60)
def test_spots_are_those_of_the_definition(image, dtype, method, scales, threshold) -> None:
    image = image.astype(dtype)
    sigmas = [(s,) * image.ndim for s in scales]
    exclusion = [(2.0 * s,) * image.ndim for s in scales]
    spots = find_spots(image, sigmas, threshold=threshold, exclusion=exclusion, method=method)
    found = list(
        zip(map(tuple, spots.voxel), spots.scale, spots.strength, strict=True)  # in C order
    )
    assert found == by_definition(image, sigmas, threshold, exclusion, method)
    assert (np.abs(spots.shift) <= 0.5).all()


@pytest.mark.parametrize("method", ["log", "dog"])
@given(data=st.data())
@settings(max_examples=30)
def test_nothing_beyond_the_reach_of_a_voxel_matters(method, data) -> None:
    sigmas, exclusion = [(0.6, 1.0), (1.1, 1.3)], [(1.0, 1.8), (2.2, 2.5)]
    reach = spot_reach(sigmas, method=method, exclusion=exclusion)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    image = rng.integers(0, 9, (40, 44)).astype("uint16")
    low = np.array(
        [data.draw(st.integers(r, n - r - 1)) for r, n in zip(reach, image.shape, strict=True)]
    )
    part = image[tuple(slice(v - r, v + r + 1) for v, r in zip(low, reach, strict=True))]
    whole, local = (
        find_spots(one, sigmas, threshold=0.5, exclusion=exclusion, method=method)
        for one in (image, part)
    )
    there = whole.take((whole.voxel == low).all(axis=1))
    here = local.take((local.voxel == reach).all(axis=1))
    for name in ("shift", "scale", "strength"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))


@pytest.mark.parametrize("method", ["log", "dog"])
@pytest.mark.parametrize(
    ("shape", "width"), [((64, 72), 2.0), ((32, 40, 44), 2.0), ((24, 60, 60), (1.2, 3, 3))]
)
def test_every_gaussian_is_found_once_at_its_place_and_scale(shape, width, method) -> None:
    rng = np.random.default_rng(4)
    widths = np.broadcast_to(width, len(shape))
    spacing = np.ceil(6 * widths).astype(int)
    corners = itertools.product(
        *(range(s // 2 + 2, n - s // 2, s) for s, n in zip(spacing, shape, strict=True))
    )
    centres = np.array([np.array(c) + rng.uniform(-0.5, 0.5, len(shape)) for c in corners])
    image = 50 + gaussians(shape, centres, width) + rng.normal(0, 0.5, shape)
    factors = np.array([0.5, 0.65, 0.8165, 1.0, 1.25, 1.6])
    sigmas = [tuple(widths * f) for f in factors]
    exclusion = [tuple(np.sqrt(len(shape)) * np.array(s)) for s in sigmas]
    spots = find_spots(image, sigmas, threshold=15, exclusion=exclusion, method=method)
    assert len(spots) == len(centres) > 10
    found = spots.voxel + spots.shift
    distance = np.linalg.norm(found[:, None] - centres[None], axis=2)
    assert sorted(distance.argmin(axis=0)) == list(range(len(centres)))
    assert np.sqrt((distance.min(axis=0) ** 2).mean()) < 0.15
    best = np.sqrt(len(shape) * 0.5) ** -1  # sigma / width at which a Gaussian is strongest
    nearest = np.abs(np.log(factors / best)).argmin()
    assert (np.abs(spots.scale - nearest) <= (0 if method == "log" else 1)).all()
    expected = {2: 0.5, 3: 0.5577}[len(shape)] * 100
    assert np.abs(spots.strength / expected - 1).max() < (0.1 if method == "log" else 0.2)


@pytest.mark.parametrize("shape", [(80, 90), (40, 44, 48)])
def test_isolated_spots_are_those_of_blob_log(shape) -> None:
    rng = np.random.default_rng(1)
    spacing = 20
    corners = itertools.product(*(range(10, n - 9, spacing) for n in shape))
    centres = np.array([np.array(c) + rng.uniform(-0.5, 0.5, len(shape)) for c in corners])
    image = gaussians(shape, centres, 2.0, height=1.0)
    scales = np.linspace(1.0, 3.0, 5)
    spots = find_spots(
        image,
        [(s,) * len(shape) for s in scales],
        threshold=0.2,
        exclusion=[(np.sqrt(len(shape)) * s,) * len(shape) for s in scales],
    )
    blobs = blob_log(image, min_sigma=1.0, max_sigma=3.0, num_sigma=5, threshold=0.2)
    expected = blobs[np.lexsort(blobs[:, :-1].T[::-1])]
    np.testing.assert_array_equal(spots.voxel, expected[:, :-1])
    np.testing.assert_allclose(scales[spots.scale], expected[:, -1])


def test_the_response_is_the_normalised_laplacian_of_a_gaussian() -> None:
    image = np.random.default_rng(0).random((30, 31, 32))
    found = spot_response(image, (1.5, 1.5, 1.5))
    expected = -(1.5**2) * ndimage.gaussian_laplace(image, 1.5)
    np.testing.assert_allclose(found, expected, atol=2e-3)  # whose kernel does not sum to zero


@pytest.mark.parametrize("method", ["log", "dog"])
def test_a_bright_background_is_no_spot(method) -> None:
    for dtype, bound in (("uint16", 0.05), ("float64", 1e-9)):
        response = spot_response(np.full((20, 21, 22), 60_000, dtype), (1, 2, 3), method=method)
        assert np.abs(response).max() < bound


def test_a_saturated_spot_is_one() -> None:
    image = np.minimum(gaussians((40, 40), [(20.3, 19.8)], 3.0, 1000), 200).astype("uint8")
    spots = find_spots(image, [(2, 2), (4, 4), (6, 6)], threshold=20, exclusion=[(6, 6)] * 3)
    assert len(spots) == 1
    np.testing.assert_allclose((spots.voxel + spots.shift)[0], (20.3, 19.8), atol=0.5)


def test_of_two_spots_within_the_exclusion_radius_the_stronger_stays() -> None:
    image = gaussians((20, 60), [(10, 15), (10, 31)], 2.0) + gaussians(
        (20, 60), [(10, 23)], 2.0, 150
    )
    common = {"sigmas": [(2, 2)], "threshold": 5}
    assert find_spots(image, exclusion=[(4, 4)], **common).voxel[:, 1].tolist() == [15, 23, 31]
    assert find_spots(image, exclusion=[(8.1, 8.1)], **common).voxel[:, 1].tolist() == [23]


@given(
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=20),
    st.sampled_from(["uint8", "uint16", "float32", "float64", "int64"]),
    st.floats(0, 250),
    st.floats(0.5, 4),
    st.sampled_from(["log", "dog"]),
)
@settings(max_examples=60, deadline=None)
def test_nothing_is_found_on_a_flat_background(shape, dtype, level, width, method) -> None:
    image = np.full(shape, level).astype(dtype)
    widths = (width,) * len(shape)
    spots = find_spots(image, [widths], threshold=0, exclusion=[widths], method=method)
    assert len(spots) == 0


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (1, 7, 1)])
def test_small_and_empty_arrays_hold_no_spots_on_a_flat_background(shape) -> None:
    spots = find_spots(
        np.full(shape, 7.0), [(2,) * len(shape)], threshold=1e-6, exclusion=[(3,) * len(shape)]
    )
    assert len(spots) == 0
    assert spots.voxel.shape == (0, len(shape))


@pytest.mark.parametrize(
    "bad", [np.full((3, 3), np.nan), np.full((3, 3), np.inf), np.ones((3, 3), complex)]
)
def test_what_is_not_a_finite_number_is_refused(bad) -> None:
    with pytest.raises(ParameterError, match="finite"):
        find_spots(bad, [(1, 1)], threshold=1, exclusion=[(1, 1)])


def test_a_threshold_below_zero_is_refused() -> None:
    with pytest.raises(ParameterError, match="0 or more"):
        find_spots(np.ones((3, 3)), [(1, 1)], threshold=-1, exclusion=[(1, 1)])
