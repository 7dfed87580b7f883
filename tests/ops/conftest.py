"""Every operation that users get: how to call it, what it declares, and what it must equal.

A new operation needs a line in `CASES`: `test_declarations.py` fails without one, and
`test_everywhere.py` runs all of them in blocks, by every executor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from skimage import filters
from skimage.morphology import ball, disk
from skimage.morphology import local_maxima as skimage_maxima

import scutoid as sc
from scutoid import kernels

EXACT, WITHIN_HALO, APPROXIMATE = "Exact", "Exact within halo", "Approximate"
NOT_OPS = {"n4"}
"""What is handed to an operation."""


@dataclass(frozen=True)
class Scene:
    """Images of one shape; a movie is taken apart into what each place is."""

    image: sc.Image
    mask: sc.Image
    labels: sc.Image
    smooth: sc.Image

    def named(self) -> dict[str, sc.Image]:
        return {name: getattr(self, name) for name in ("image", "mask", "labels", "smooth")}

    def places(self) -> list[Scene]:
        """Return the scene of each place along the iterated axes."""
        iterated = [n for n, axis in enumerate(self.image.axes) if axis in "tc"]
        sizes = [self.image.shape[n] for n in iterated]
        return [
            Scene(**{k: opened(np.asarray(v)[at], "yx") for k, v in self.named().items()})
            for at in np.ndindex(*sizes)
        ]


def opened(array: np.ndarray, axes: str) -> sc.Image:
    spacing = tuple({"z": 2, "y": 1, "x": 1}[axis] for axis in axes if axis in "zyx")
    return sc.open(array, axes=axes, voxel_size=spacing, unit="um")


def make_scene(axes: str, shape: tuple[int, ...], seed: int) -> Scene:
    """Small blobs, most of them apart: smoothed noise above its 85th percentile."""
    sigma = [1.2 if axis in "zyx" else 0 for axis in axes]
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma)
    image = ((smooth - smooth.min()) / np.ptp(smooth) * 60000).astype("uint16")
    mask = smooth > np.percentile(smooth, 85)
    labels = np.zeros(shape, "uint32")
    space = tuple(n for n, axis in enumerate(axes) if axis in "zyx")
    for at in np.ndindex(*[n for n, axis in zip(shape, axes, strict=True) if axis in "tc"]):
        labels[at] = ndimage.label(mask[at])[0]
    longest = max(
        max(part.stop - part.start for part in found)
        for found in ndimage.find_objects(ndimage.label(mask, structure(mask.ndim, space))[0])
    )
    assert longest <= EXTENT
    return Scene(*(opened(one, axes) for one in (image, mask, labels, smooth)))


def structure(ndim: int, space: tuple[int, ...]) -> np.ndarray:
    found = np.zeros((3,) * ndim, bool)
    for axis in space:
        found[tuple(slice(None) if n == axis else 1 for n in range(ndim))] = True
    return found


EXTENT = 18
SHAPES = {"volume": ("zyx", (14, 19, 23)), "movie": ("tcyx", (2, 2, 21, 18))}


@cache
def scene(name: str) -> Scene:
    return make_scene(*SHAPES[name], seed=len(name))


@dataclass(frozen=True)
class Case:
    """One way to call an operation."""

    op: str
    kind: str
    build: Callable[[Scene], Any]
    """From lazy images to a lazy result."""
    equals: Callable[[Scene], Any] | None = None
    """The same by another library; default: the operation in one block."""
    scene: str = "volume"
    note: str = ""
    rtol: float = 0.0
    """Of a result that is approximate against `equals`, in one block too."""

    @property
    def name(self) -> str:
        return "-".join(filter(None, (self.op, self.note, self.scene)))

    def lazy(self) -> Any:
        """Call the operation on lazy images."""
        return self.build(scene(self.scene))

    def read(self, result: Any) -> Any:
        """Return what a lazy result holds."""
        return read(result)

    def expected(self) -> Any:
        """Compute the result on whole arrays, for each place by itself."""
        whole = self.equals or (lambda one: read(self.build(one)))
        if self.scene == "volume":
            return whole(scene("volume"))
        found = [whole(place) for place in scene("movie").places()]
        return np.stack(found).reshape(*SHAPES["movie"][1][:2], *found[0].shape)


def read(result: Any) -> Any:
    if isinstance(result, sc.Image):
        return result.read()
    return result.to_pandas() if isinstance(result, sc.Table) else result.get()


def a(image: sc.Image) -> np.ndarray:
    return np.asarray(image)


def f32(image: sc.Image) -> np.ndarray:
    return a(image).astype("float32")


def round_one(image: sc.Image, radius: int) -> np.ndarray:
    return (ball if image.ndim == 3 else disk)(radius).astype(bool)


def two_of_each(batch: np.ndarray) -> np.ndarray:
    """A model in integers: each voxel with its neighbour along each axis."""
    out = batch.astype("int64")
    for axis in range(2, batch.ndim):
        out = ndimage.correlate1d(out, [1, 2], axis=axis, mode="constant")
    return out[:, 0]


def segmenter(image: np.ndarray) -> np.ndarray:
    return ndimage.label(image)[0]


def without_small(s: Scene) -> np.ndarray:
    labels, _ = ndimage.label(a(s.mask))
    return np.bincount(labels.ravel())[labels] * a(s.mask) >= 9


def seeds(s: Scene) -> np.ndarray:
    found = ndimage.label(skimage_maxima(a(s.smooth)))[0]
    return (found * a(s.mask)).astype("uint32")


def lazy_seeds(s: Scene) -> sc.Image:
    """Seeds of the watershed: every maximum of the mask."""
    if s.image.ndim == 4:
        shape = (*s.image.shape[:2], -1)
        stacked = np.stack([seeds(place) for place in s.places()])
        return opened(stacked.reshape(*shape[:2], *stacked.shape[1:]), s.image.axes)
    return opened(seeds(s), s.image.axes)


def resampled(s: Scene) -> np.ndarray:
    scale = 1.5 / np.array(s.image.voxel_size)
    shape = [round(n / f) for n, f in zip(s.image.shape, scale, strict=True)]
    return ndimage.affine_transform(
        a(s.image), scale, (scale - 1) / 2, shape, order=1, mode="nearest"
    )


def scaled(s: Scene) -> np.ndarray:
    found = a(s.image)
    for axis, (n, m) in enumerate(zip(found.shape, (9, 40, 11)[-found.ndim :], strict=True)):
        found = found.take((2 * np.arange(m) + 1) * n // (2 * m), axis)
    return found


def moved(s: Scene) -> Any:
    return np.eye(n_axes(s)) * 0.9 + 0.05


def n_axes(s: Scene) -> int:
    return sum(axis in "zyx" for axis in s.image.axes)


ATLAS = np.repeat([[[7], [8], [0]], [[8], [614454277], [9]]], 8, axis=2).astype("uint32")
TREE = pd.DataFrame({"id": [1, 7, 8, 614454277], "parent_id": [None, 1, 1, 8]})


def by_region(s: Scene) -> Any:
    atlas = sc.open(ATLAS, voxel_size=(14, 7, 3), unit="um")
    return sc.count_by_region(s.labels, atlas, regions=TREE)


def bias_of(s: Scene) -> Any:
    return sc.estimate_bias(s.image, factor=3)


# fmt: off
IMAGES = (
    Case("gaussian", EXACT, lambda s: sc.gaussian(s.image, sigma=1.1),
         lambda s: ndimage.gaussian_filter(f32(s.image), 1.1)),
    Case("median", EXACT, lambda s: sc.median(s.image, size=4),
         lambda s: ndimage.median_filter(a(s.image), 4)),
    Case("difference_of_gaussians", EXACT, lambda s: sc.difference_of_gaussians(s.image, low=0.5),
         lambda s: ndimage.gaussian_filter(f32(s.image), 0.5)
         - ndimage.gaussian_filter(f32(s.image), 0.8)),
    Case("laplacian_of_gaussian", EXACT, lambda s: sc.laplacian_of_gaussian(s.image, sigma=0.9),
         lambda s: ndimage.gaussian_laplace(f32(s.image), 0.9)),
    Case("white_tophat", EXACT, lambda s: sc.white_tophat(s.image, radius=2),
         lambda s: ndimage.white_tophat(a(s.image), footprint=round_one(s.image, 2))),
    Case("subtract_background", APPROXIMATE,
         lambda s: sc.subtract_background(s.image, radius=5, factor=2)),
    Case("correct_bias", APPROXIMATE, lambda s: sc.correct_bias(s.image, bias_of(s), factor=3)),
    Case("threshold", EXACT, lambda s: sc.threshold(s.image, level=30000),
         lambda s: a(s.image) > 30000),
    Case("threshold_local", EXACT, lambda s: sc.threshold_local(s.image, size=5),
         lambda s: a(s.image) > filters.threshold_local(a(s.image), 5)),
    Case("hysteresis", EXACT, lambda s: sc.hysteresis(s.image, low=30000, high=45000),
         lambda s: filters.apply_hysteresis_threshold(a(s.image), 30000, 45000)),
    Case("erosion", EXACT, lambda s: sc.erosion(s.mask, footprint=1),
         lambda s: ndimage.binary_erosion(a(s.mask), round_one(s.mask, 1))),
    Case("dilation", EXACT, lambda s: sc.dilation(s.mask, footprint=2),
         lambda s: ndimage.binary_dilation(a(s.mask), round_one(s.mask, 2))),
    Case("opening", EXACT, lambda s: sc.opening(s.mask, footprint=1),
         lambda s: ndimage.binary_opening(a(s.mask), round_one(s.mask, 1))),
    Case("closing", EXACT, lambda s: sc.closing(s.mask, footprint=2),
         lambda s: ndimage.binary_closing(a(s.mask), round_one(s.mask, 2))),
    Case("fill_holes", EXACT, lambda s: sc.fill_holes(sc.threshold_local(s.image, size=3)),
         lambda s: ndimage.binary_fill_holes(
             a(s.image) > filters.threshold_local(a(s.image), 3))),
    Case("remove_small", EXACT, lambda s: sc.remove_small(s.mask, min_size=9), without_small),
    Case("distance_transform", EXACT, lambda s: sc.distance_transform(s.mask, max_distance=4),
         lambda s: np.minimum(4, ndimage.distance_transform_edt(
             a(s.mask), sampling=s.mask.voxel_size))),
    Case("label", EXACT, lambda s: sc.label(s.mask),
         lambda s: ndimage.label(a(s.mask))[0].astype("uint32")),
    Case("local_maxima", EXACT, lambda s: sc.local_maxima(s.smooth),
         lambda s: skimage_maxima(a(s.smooth)).astype(bool)),
    Case("local_maxima", WITHIN_HALO,
         lambda s: sc.local_maxima(s.smooth, s.mask, h=0.01, max_extent=EXTENT), note="h"),
    Case("watershed", WITHIN_HALO,
         lambda s: sc.watershed(s.image, lazy_seeds(s), s.mask, max_extent=EXTENT),
         lambda s: kernels.reference_watershed(a(s.image), seeds(s), a(s.mask))),
    Case("split_touching", WITHIN_HALO,
         lambda s: sc.split_touching(s.mask, min_distance=2, max_extent=EXTENT)),
    Case("stitch", APPROXIMATE,
         lambda s: sc.stitch(s.mask, segment=segmenter, halo=EXTENT),
         lambda s: ndimage.label(a(s.mask))[0].astype("uint32")),
    Case("predict", WITHIN_HALO,
         lambda s: sc.predict(
             s.image, model=lambda: two_of_each, halo=1, tile=4, batch=3, dtype="int64"),
         lambda s: two_of_each(a(s.image)[None, None])[0]),
    Case("downsample", EXACT, lambda s: sc.downsample(s.image, factors=3),
         lambda s: kernels.downsample(a(s.image), 3, "mean")),
    Case("resample", EXACT, lambda s: sc.resample(s.image, voxel_size=1.5), resampled),
    Case("affine_transform", EXACT, lambda s: sc.affine_transform(s.image, matrix=moved(s)),
         lambda s: ndimage.affine_transform(a(s.image), moved(s), order=1)),
    Case("scale_nearest", EXACT,
         lambda s: sc.scale_nearest(s.image, shape=(9, 40, 11)[-n_axes(s):]), scaled),
    Case("pad", EXACT, lambda s: sc.pad(s.image, width=3, fill="reflect"),
         lambda s: np.pad(a(s.image), 3, "symmetric")),
    Case("flip", EXACT, lambda s: sc.flip(s.image, axis="x"), lambda s: a(s.image)[..., ::-1]),
    Case("concatenate", EXACT, lambda s: sc.concatenate([s.image, s.image], axis="y"),
         lambda s: np.concatenate([a(s.image)] * 2, -2)),
    Case("project", EXACT, lambda s: sc.project(s.image, axis="y"),
         lambda s: a(s.image).max(-2)),
    Case("pyramid", EXACT, lambda s: sc.pyramid(s.image, levels=2), lambda s: a(s.image)),
    Case("normalize_percentile", EXACT, lambda s: sc.normalize_percentile(s.image)),
    Case("density", EXACT, lambda s: sc.density(s.labels, factors=4)),
)

OTHERS = (
    Case("otsu", EXACT, lambda s: sc.otsu(s.image), lambda s: filters.threshold_otsu(a(s.image))),
    Case("li", EXACT, lambda s: sc.li(s.image), lambda s: filters.threshold_li(a(s.image))),
    Case("li", APPROXIMATE, lambda s: sc.li(s.smooth), lambda s: filters.threshold_li(a(s.smooth)),
         note="floats", rtol=1e-4),
    Case("triangle", EXACT, lambda s: sc.triangle(s.image),
         lambda s: filters.threshold_triangle(a(s.image))),
    Case("percentile", EXACT, lambda s: sc.percentile(s.smooth, q=[3, 50]),
         lambda s: np.percentile(a(s.smooth), [3, 50]).tolist()),
    Case("estimate_bias", APPROXIMATE, bias_of),
    Case("transpose", EXACT, lambda s: sc.transpose(s.image, axes="xzy"),
         lambda s: a(s.image).transpose(2, 0, 1)),
    Case("detect_spots", EXACT, lambda s: sc.detect_spots(s.image, sigma=1, threshold=2000)),
    Case("measure", EXACT, lambda s: sc.measure(s.labels, intensity=s.image)),
    Case("count", EXACT, lambda s: sc.count(s.labels, size=20)),
    Case("estimate_cells", EXACT, lambda s: sc.estimate_cells(sc.measure(s.labels), size=20)),
    Case("count_by_region", EXACT, by_region),
)
# fmt: on

ALONE = {"normalize_percentile", "density"}
"""Images that are not made place by place."""
CASES = (
    *IMAGES,
    *(replace(case, scene="movie") for case in IMAGES if case.op not in ALONE),
    *OTHERS,
)


OF_ONE_IMAGE = {
    "affine_transform", "concatenate", "count_by_region", "density", "resample", "scale_nearest",
    "transpose", "watershed",
}  # fmt: skip
"""Of single images, or called here with what depends on one."""

SELECTED = {
    "op_case": CASES,
    "exact_case": [case for case in CASES if case.kind == EXACT],
    "member_case": [
        case for case in CASES if case.scene == "volume" and case.op not in OF_ONE_IMAGE
    ],
    "volume_case": [case for case in CASES if case.scene == "volume"],
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test every case in turn, or the name of every operation."""
    for fixture, cases in SELECTED.items():
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, cases, ids=[case.name for case in cases])
    if "op_name" in metafunc.fixturenames:
        names = [n for n in sc.__all__ if n in sc.ops.__all__ and n not in NOT_OPS]
        metafunc.parametrize("op_name", names)


@pytest.fixture(scope="session")
def op_cases() -> tuple[Case, ...]:
    """All ways to call the operations."""
    return CASES


@pytest.fixture(scope="session")
def scene_named() -> Callable[[str], Scene]:
    """Returns the images of a scene."""
    return scene
