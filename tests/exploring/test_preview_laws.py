"""A preview equals the full run: bit for bit for halos, up to numbering for whole objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import scutoid as sc

FEW = settings(max_examples=8)


@sc.blockwise(halo=2, check_halo=False, block=7)
def running_mean(image):
    """Rounding depends on where a block begins."""
    return ndimage.uniform_filter(image.astype("float64"), 5)


@sc.blockwise(halo=((1, 0), (0, 2)), border="reflect", dtype="float64", axes="yx")
def slanted(image):
    return np.roll(image, (1, -2), (0, 1)).astype("float64")


@sc.blockwise(dtype="float32", block_invariant=True)
def scaled(image, *, by):
    return (image * by).astype("float32")


@sc.blockwise(halo=1, block=6, out=("image", "image"), dtype=("same", "float32"))
def two(image):
    return ndimage.maximum_filter(image, 3), ndimage.minimum_filter(image, 3).astype("float32")


@sc.reduction(merge=max)
def brightest(image):
    return int(image.max())


HALOS = {
    "gaussian": lambda i: sc.gaussian(i, sigma=1),
    "median": lambda i: sc.median(i, size=3),
    "rounding by block": running_mean,
    "another halo on each side": slanted,
    "second of two images": lambda i: two(i)[1],
    "chain": lambda i: slanted(sc.gaussian(running_mean(i), sigma=0.7)),
    "not stored between": lambda i: sc.gaussian(running_mean.options(keep=False)(i), sigma=1),
    "threshold of the whole image": lambda i: sc.threshold(i, level=sc.otsu(i)),
    "value of a step": lambda i: scaled(i, by=brightest(sc.gaussian(i, sigma=1))),
    "top hat": lambda i: sc.white_tophat(i, radius=2),
    "background of the whole image": lambda i: sc.subtract_background(i, radius=6),
    "scaled by percentiles": sc.normalize_percentile,
    "pooled": lambda i: sc.downsample(sc.gaussian(i, sigma=1), factors=2),
    "pooled, then filtered": lambda i: sc.median(sc.downsample(i, factors=2), size=3),
    "flipped": lambda i: sc.flip(sc.gaussian(i, sigma=1), axis="x"),
    "padded": lambda i: sc.pad(sc.gaussian(i, sigma=1), width=3),
    "pyramid": lambda i: sc.pyramid(sc.gaussian(i, sigma=1), levels=2),
    "cropped": lambda i: sc.gaussian(i, sigma=1)[..., 3:, 2:-1],
    "lit alike": lambda i: sc.correct_bias(i, sc.estimate_bias(i, factors=2), factors=2),
    "sheared": lambda i: sc.affine_transform(i, matrix=_shear(i), order=1),
    "joined": lambda i: sc.concatenate([i, sc.median(i, size=3)], axis="x"),
    "projected": lambda i: sc.gaussian(sc.project(sc.gaussian(i, sigma=1), axis="y"), sigma=1),
    "distances": lambda i: sc.distance_transform(i > 100, max_distance=5),
    "maxima": lambda i: sc.local_maxima(i, min_distance=2),
    "some blocks": lambda i: sc.gaussian.options(where=[sc.Roi((3,) * i.ndim, (6,) * i.ndim)])(
        i, sigma=1
    ),
    "density of all objects": lambda i: sc.density(
        sc.measure(sc.label(i > 150)), like=i, factors=2
    ),
    "sum of two": lambda i: sc.gaussian(i, sigma=1) + sc.gaussian(i, sigma=2),
}


def _shear(image):
    n = sum(axis in "zyx" for axis in image.axes)
    return np.eye(n, n + 1) + 0.1 * np.eye(n, n + 1, 1)


@dataclass(frozen=True)
class Drawn:
    """An image, and a region of something that is made of it."""

    array: np.ndarray
    axes: str
    places: tuple[float, ...]

    @property
    def image(self):
        """The image, opened."""
        return sc.open(self.array, axes=self.axes)

    def roi(self, result):
        """A region by shares of the axes, often at an edge."""
        offset, shape = [], []
        for length, low, high in zip(
            result.shape, self.places[::2], self.places[1::2], strict=False
        ):
            first = min(int(length * min(low, high)), length - 1)
            last = max(int(np.ceil(length * max(low, high))), first + 1)
            offset.append(first)
            shape.append(last - first)
        return sc.Roi(sc.Coordinate(*offset) + result.roi.offset, shape)


@st.composite
def drawn(draw, *, is_noise=True):
    axes = draw(st.sampled_from(["yx", "zyx", "cyx", "tzyx"]))
    sides = {"t": (1, 2), "c": (1, 2), "z": (5, 9), "y": (12, 30), "x": (12, 30)}
    shape = tuple(draw(st.integers(*sides[axis])) for axis in axes)
    random = np.random.default_rng(draw(st.integers(0, 99)))
    array = random.integers(0, 200, shape).astype("uint16")
    if not is_noise:
        sigma = [0 if axis in "tc" else 1 for axis in axes]
        array = (ndimage.gaussian_filter(array.astype(float), sigma) * 8).astype("uint16")
    side = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
    places = tuple(draw(side) for _ in range(8))
    return Drawn(array, axes, places)


BY_BLOCK = ("rounding by block", "chain", "not stored between")
"""Their last digits depend on the blocks."""


@pytest.mark.parametrize("name", HALOS)
@FEW
@given(found=drawn())
def test_steps_with_a_halo_equal_the_full_run_bit_for_bit(name, found):
    result = HALOS[name](found.image)
    roi = found.roi(result)
    whole = np.asarray(result)[roi.to_slices(result.roi.offset)]
    for exact in (True,) if name in BY_BLOCK else (True, False):
        looked = sc.preview(result, roi, exact=exact)
        assert looked.array.dtype == whole.dtype
        np.testing.assert_array_equal(looked.array, whole)


@sc.blockwise(labels=True, dtype="uint32", halo=1)
def wider(labels):
    return np.where(labels > 0, labels, ndimage.maximum_filter(labels, 3))


def _segment(array):
    return ndimage.label(array > 800)[0].astype("int64")


LABELS = {
    "label": lambda i: sc.label(i > 800),
    "label with corners": lambda i: sc.label(i > 800, connectivity=2),
    "label by value": lambda i: sc.label(sc.threshold(i, level=800).astype("uint8"), by_value=True),
    "labels after holes": lambda i: sc.label(sc.fill_holes(i > 800)),
    "labels without small ones": lambda i: sc.label(sc.remove_small(i > 800, min_size=6)),
    "small labels removed": lambda i: sc.remove_small(sc.label(i > 800), min_size=6),
    "hysteresis": lambda i: sc.label(sc.hysteresis(i, low=780, high=860)),
    "a halo after labels": lambda i: wider(sc.label(i > 800)),
    "a halo between labels": lambda i: sc.label(sc.gaussian(sc.label(i > 850) > 0, sigma=1) > 0.3),
    "watershed": lambda i: sc.watershed(i, sc.label(i > 850), i > 780, max_extent=9),
    "of the whole image's level": lambda i: sc.label(sc.threshold(i, level=sc.otsu(i))),
    "split": lambda i: sc.split_touching(i > 780, min_distance=3),
    "stitched": lambda i: sc.stitch(i, segment=_segment, halo=2, block=_blocks(i)),
    "pooled": lambda i: sc.label(sc.downsample(i, factors=2) > 800),
}


def _blocks(image):
    return {axis: 7 for axis in image.axes if axis in "zyx"}


def assert_same_objects(mine, whole, touching):
    """Each object that is not marked is one of the whole image, with the same voxels here."""
    np.testing.assert_array_equal((mine > 0) | touching, (whole > 0) | touching)
    for number in np.unique(mine[~touching & (mine > 0)]):
        (other,) = np.unique(whole[mine == number])
        np.testing.assert_array_equal(mine == number, whole == other)


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("margin", [0, 4, 40])
@FEW
@given(found=drawn(is_noise=False))
def test_objects_equal_the_full_run_up_to_numbering_but_for_those_that_go_on(name, margin, found):
    result = LABELS[name](found.image)
    roi = found.roi(result)
    looked = sc.preview(result, roi, margin=margin)
    whole = np.asarray(result)[roi.to_slices(result.roi.offset)]
    beyond = going_on(result, roi, margin)
    joined = [axis for axis in result.axes if axis in "zyx"]
    for place in np.ndindex(
        *[n for axis, n in zip(result.axes, whole.shape, strict=True) if axis not in joined]
    ):
        order = sorted(range(whole.ndim), key=lambda n: result.axes[n] in joined)
        mine, full, cut = (a.transpose(order)[place] for a in (looked.array, whole, looked.touches))
        assert_same_objects(mine, full, cut | beyond.transpose(order)[place])
    if margin == 40:
        assert not looked.touching.size  # all of these images is seen


def going_on(result, roi, margin):
    """Where objects of the whole image are that go on beyond the region and its margin."""
    array = np.asarray(result)
    offset = roi.offset - result.roi.offset
    found = np.zeros(tuple(roi.shape), bool)
    spatial = [n for n, axis in enumerate(result.axes) if axis in "zyx"]
    places = [range(n) if i not in spatial else [0] for i, n in enumerate(roi.shape)]
    for place in np.array(np.meshgrid(*places, indexing="ij")).reshape(len(places), -1).T:
        wide, inner = [], []
        for n, (first, size, at) in enumerate(zip(offset, roi.shape, place, strict=True)):
            is_seen = n in spatial
            wide.append(
                slice(max(first - margin, 0), first + size + margin)
                if is_seen
                else slice(first + at, first + at + 1)
            )
            inner.append(slice(None) if is_seen else slice(at, at + 1))
        seen, numbers = array[tuple(wide)], set()
        for n in spatial:
            if wide[n].start > 0:
                numbers |= set(np.unique(seen.take(0, n)))
            if wide[n].stop < array.shape[n]:
                numbers |= set(np.unique(seen.take(-1, n)))
        here = array[roi.to_slices(result.roi.offset)][tuple(inner)]
        found[tuple(inner)] = np.isin(here, list(numbers - {0}))
    return found


@FEW
@given(found=drawn(is_noise=False), margin=st.sampled_from([0, 3, 40]))
def test_rows_of_whole_objects_equal_those_of_the_full_run(found, margin):
    image = found.image
    labels = sc.label(image > 800)
    table = sc.measure(labels, intensity=image if "c" not in found.axes else None)
    roi = found.roi(labels)
    looked = sc.preview((labels, table), roi, margin=margin)
    rows = looked.table[~looked.table["touches_edge"]].drop(columns=["touches_edge", "label"])
    whole = table.to_pandas()
    seen = np.asarray(labels)[roi.to_slices()]
    columns = [c for c in rows.columns if c in ("n_voxels", "t", "c") or c in "zyx"]
    known = {tuple(np.round(row, 6)) for row in whole[columns].to_numpy(float)}
    assert {tuple(np.round(row, 6)) for row in rows[columns].to_numpy(float)} <= known
    if margin == 40:
        places = [n for n, axis in enumerate(found.axes) if axis in "tc"]
        each = np.moveaxis(seen, places, range(len(places))).reshape(
            -1, *(s for n, s in enumerate(seen.shape) if n not in places)
        )
        assert len(rows) == sum(len(np.unique(a[a > 0])) for a in each)


@FEW
@given(found=drawn(is_noise=False), size=st.sampled_from([4, 30]))
def test_holes_of_whole_objects_are_filled(found, size):
    result = sc.fill_holes(found.image > 780, max_size=size)
    roi = found.roi(result)
    looked = sc.preview(result, roi, margin=size)
    np.testing.assert_array_equal(looked.array, np.asarray(result)[roi.to_slices()])
