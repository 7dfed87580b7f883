"""Every operation that users get: how to call it, what it declares, and what it must equal.

A new operation needs a line in `CASES`: `test_declarations.py` fails without one, and
`test_everywhere.py` runs all of them in blocks, by every executor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
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
    lowest: float = 0
    highest: float = 60000

    def level(self, share: float) -> float:
        """Return an intensity between the lowest and the highest; whole where these are."""
        return type(self.highest)(self.lowest + share * (self.highest - self.lowest))

    def named(self) -> dict[str, sc.Image]:
        return {name: getattr(self, name) for name in ("image", "mask", "labels", "smooth")}

    def places(self) -> list[Scene]:
        """Return the scene of each place along the iterated axes."""
        iterated = [n for n, axis in enumerate(self.image.axes) if axis in "tc"]
        sizes = [self.image.shape[n] for n in iterated]
        axes = "".join(axis for axis in self.image.axes if axis in "zyx")
        return [
            replace(self, **{k: opened(np.asarray(v)[at], axes) for k, v in self.named().items()})
            for at in np.ndindex(*sizes)
        ]


def opened(array: np.ndarray, axes: str) -> sc.Image:
    spacing = tuple({"z": 2, "y": 1, "x": 1}[axis] for axis in axes if axis in "zyx")
    return sc.open(array, axes=axes, voxel_size=spacing, unit="um")


def make_scene(
    axes: str,
    shape: tuple[int, ...],
    seed: int,
    dtype: str = "uint16",
    tones: int = 60000,
    grain: float = 1.2,
) -> Scene:
    """Blobs, most of them apart, or crumbs: smoothed noise above its 85th percentile."""
    sigma = [grain if axis in "zyx" else 0 for axis in axes]
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma)
    mask = smooth > np.percentile(smooth, 85)
    smooth = np.floor((smooth - smooth.min()) / (np.ptp(smooth) or 1) * tones) / tones
    lowest, highest = RANGES.get(dtype, (0, 60000))
    image = (lowest + smooth * (highest - lowest)).astype(dtype)
    labels = np.zeros(shape, "uint32")
    for at in places_of(axes, shape):
        labels[at] = ndimage.label(mask[at])[0]
    return Scene(*(opened(one, axes) for one in (image, mask, labels, smooth)), lowest, highest)


RANGES = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-20000, 30000), "float32": (-1.0, 2.0)}


def places_of(axes: str, shape: tuple[int, ...]) -> Any:
    """Return where each place lies, along the axes that come first."""
    return np.ndindex(*[n for n, axis in zip(shape, axes, strict=True) if axis in "tc"])


def longest(scene: Scene) -> int:
    """Return how many voxels the longest object takes on an axis, touching corners included."""
    mask = np.asarray(scene.mask)
    extents = [
        part.stop - part.start
        for at in places_of(scene.mask.axes, mask.shape)
        for found in ndimage.find_objects(ndimage.label(mask[at], corners(mask[at]))[0])
        for part in found
    ]
    return max(extents, default=1)


def corners(mask: np.ndarray) -> np.ndarray:
    return np.ones((3,) * mask.ndim, bool)


EXTENT = 18
SHAPES = {"volume": ("zyx", (14, 19, 23)), "movie": ("tcyx", (2, 2, 21, 18))}


@cache
def scene(name: str) -> Scene:
    return make_scene(*SHAPES[name], seed=len(name))


Chosen = SimpleNamespace
"""Parameters of a call, by name."""


@dataclass(frozen=True)
class Case:
    """One way to call an operation."""

    op: str
    kind: str
    call: Callable[[Scene, Chosen], Any]
    """From lazy images and parameters to a lazy result."""
    equals: Callable[[Scene, Chosen], Any] | None = None
    """The same by another library; default: the operation in one block."""
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values of the parameters, the usual one first."""
    scene: str = "volume"
    note: str = ""
    rtol: float = 0.0
    """Of a result that is approximate against `equals`, in one block too."""
    is_summed: bool = False
    """Whether sums of floats and of 64-bit integers are within rounding."""
    dtypes: str = "iuf"
    """Kinds of intensities that are as declared."""

    @property
    def name(self) -> str:
        return "-".join(filter(None, (self.op, self.note, self.scene)))

    def chosen(self, given: Mapping[str, Any]) -> Chosen:
        usual = {name: values[0] for name, values in self.choices.items()}
        return Chosen(**{"extent": EXTENT, **usual, **given})

    def build(self, scene: Scene, **given: Any) -> Any:
        """Call the operation on lazy images."""
        return self.call(scene, self.chosen(given))

    def lazy(self) -> Any:
        return self.build(scene(self.scene))

    def read(self, result: Any) -> Any:
        """Return what a lazy result holds."""
        return read(result)

    def expected(self, of: Scene | None = None, **given: Any) -> Any:
        """Compute the result on whole arrays, for each place by itself."""
        of = of or scene(self.scene)
        whole = self.equals or (lambda one, chosen: read(self.call(one, chosen)))
        found = [whole(place, self.chosen(given)) for place in of.places()]
        if not set("tc") & set(of.image.axes):
            return found[0]
        sizes = [n for n, axis in zip(of.image.shape, of.image.axes, strict=True) if axis in "tc"]
        return np.stack(found).reshape(*sizes, *found[0].shape)


def read(result: Any) -> Any:
    if isinstance(result, sc.Image):
        return result.read()
    return result.to_pandas() if isinstance(result, sc.Table) else result.get()


def a(image: sc.Image) -> np.ndarray:
    return np.asarray(image)


def floats(image: sc.Image) -> np.ndarray:
    return a(image).astype("float64" if image.dtype == "float64" else "float32")


def n_axes(s: Scene) -> int:
    return sum(axis in "zyx" for axis in s.image.axes)


def each(s: Scene, value: Any) -> Any:
    """Cut numbers for three axes down to those that there are."""
    return value[-n_axes(s) :] if isinstance(value, tuple) else value


def hops(s: Scene, p: Chosen) -> int | None:
    return p.connectivity and min(p.connectivity, n_axes(s))


def touching(s: Scene, p: Chosen) -> np.ndarray:
    return ndimage.generate_binary_structure(n_axes(s), hops(s, p) or 1)


def round_one(s: Scene, radius: int) -> np.ndarray:
    return (ball if n_axes(s) == 3 else disk)(radius).astype(bool)


def footprint(s: Scene, p: Chosen) -> Any:
    """A radius, or an array that is longer to one side."""
    if p.footprint:
        return p.footprint
    lopsided = np.zeros((3, 2, 4)[-n_axes(s) :], bool)
    lopsided[0] = lopsided[..., -1] = True
    return lopsided


def binary(by_scipy: Callable[..., Any]) -> Callable[[Scene, Chosen], np.ndarray]:
    def whole(s: Scene, p: Chosen) -> np.ndarray:
        shape = round_one(s, p.footprint) if p.footprint else footprint(s, p)
        return by_scipy(a(s.mask), shape, border_value=p.border)

    return whole


def above_low_from_high(s: Scene, p: Chosen) -> np.ndarray:
    found, n = ndimage.label(a(s.image) > s.level(0.5), touching(s, p))
    stays = np.zeros(n + 1, bool)
    stays[found[a(s.image) > s.level(0.75)]] = True
    stays[0] = False
    return stays[found]


def holey(image: np.ndarray) -> np.ndarray:
    """A mask with many small holes, for blobs have few: by the last digits of intensities."""
    digits = image * 1000 if image.dtype.kind == "f" else image
    return digits.astype("int64") % 7 > 1


def filled(s: Scene, p: Chosen) -> np.ndarray:
    return ndimage.binary_fill_holes(holey(a(s.image)), touching(s, p))


def without_small(s: Scene, p: Chosen) -> np.ndarray:
    labels, _ = ndimage.label(a(s.mask), touching(s, p))
    return (np.bincount(labels.ravel())[labels] >= p.min_size) & a(s.mask)


def distance(s: Scene) -> np.ndarray:
    return ndimage.distance_transform_edt(a(s.mask), sampling=s.mask.voxel_size)


def two_of_each(batch: np.ndarray) -> np.ndarray:
    """A model in integers: each voxel with its neighbour along each axis."""
    out = batch.astype("int64")
    for axis in range(2, batch.ndim):
        out = ndimage.correlate1d(out, [1, 2], axis=axis, mode="constant")
    return out[:, 0]


def segmenter(image: np.ndarray) -> np.ndarray:
    return ndimage.label(image)[0]


def seeds(s: Scene) -> np.ndarray:
    found = ndimage.label(skimage_maxima(a(s.smooth)))[0]
    return (found * a(s.mask)).astype("uint32")


def lazy_seeds(s: Scene) -> sc.Image:
    """Seeds of the watershed: every maximum of the mask."""
    if n_axes(s) == s.image.ndim:
        return opened(seeds(s), s.image.axes)
    stacked = np.stack([seeds(place) for place in s.places()])
    return opened(stacked.reshape(s.image.shape), s.image.axes)


def resampled(s: Scene, p: Chosen) -> np.ndarray:
    scale = p.voxel_size / np.array(s.image.voxel_size)
    shape = [max(1, round(n / f)) for n, f in zip(s.image.shape, scale, strict=True)]
    return ndimage.affine_transform(
        a(s.image), np.diag(scale), (scale - 1) / 2, shape, order=p.order, mode="nearest"
    )


def scaled(s: Scene, p: Chosen) -> np.ndarray:
    found = a(s.image)
    for axis, (n, m) in enumerate(zip(found.shape, each(s, p.shape), strict=True)):
        found = found.take((2 * np.arange(m) + 1) * n // (2 * m), axis)
    return found


def moved(s: Scene, p: Chosen) -> Any:
    return np.eye(n_axes(s)) * p.stretch + 0.05


ATLAS = np.repeat([[[7], [8], [0]], [[8], [614454277], [9]]], 8, axis=2).astype("uint32")
TREE = pd.DataFrame({"id": [1, 7, 8, 614454277], "parent_id": [None, 1, 1, 8]})


def by_region(s: Scene, p: Chosen) -> Any:
    atlas, size = (ATLAS, (14, 7, 3)) if n_axes(s) == 3 else (ATLAS[1], (7, 3))
    return sc.count_by_region(
        s.labels, sc.open(atlas, voxel_size=size, unit="um"), regions=TREE, level=p.level
    )


def bias_of(s: Scene, p: Chosen) -> Any:
    return sc.estimate_bias(s.image, factors=p.factors)


def bright_objects(s: Scene) -> Any:
    """Objects of the image, which meet those of the labels."""
    return sc.label(sc.threshold(s.image, level=s.level(0.6)))


# fmt: off
IMAGES = (
    Case("gaussian", EXACT, lambda s, p: sc.gaussian(s.image, sigma=each(s, p.sigma)),
         lambda s, p: ndimage.gaussian_filter(floats(s.image), each(s, p.sigma)),
         {"sigma": (1.1, 0.4, (0.0, 1.0, 2.0))}),
    Case("median", EXACT, lambda s, p: sc.median(s.image, size=each(s, p.size)),
         lambda s, p: ndimage.median_filter(a(s.image), each(s, p.size)),
         {"size": (4, 3, (1, 2, 5))}),
    Case("difference_of_gaussians", EXACT,
         lambda s, p: sc.difference_of_gaussians(s.image, low=p.low),
         lambda s, p: ndimage.gaussian_filter(floats(s.image), p.low)
         - ndimage.gaussian_filter(floats(s.image), 1.6 * p.low),
         {"low": (0.5, 0.8)}),
    Case("laplacian_of_gaussian", EXACT,
         lambda s, p: sc.laplacian_of_gaussian(s.image, sigma=each(s, p.sigma)),
         lambda s, p: ndimage.gaussian_laplace(floats(s.image), each(s, p.sigma)),
         {"sigma": (0.9, (0.5, 1.0, 2.0))}),
    Case("white_tophat", EXACT, lambda s, p: sc.white_tophat(s.image, radius=p.radius),
         lambda s, p: ndimage.white_tophat(a(s.image), footprint=round_one(s, p.radius)),
         {"radius": (2, 1, 3)}, dtypes="uf"),  # differences of signed types may not fit them
    Case("subtract_background", APPROXIMATE,
         lambda s, p: sc.subtract_background(
             s.image, radius=p.radius, method=p.method, factors=p.factors),
         None, {"radius": (5, 3), "method": ("opening", "median"), "factors": (2, 3)}),
    Case("correct_bias", APPROXIMATE,
         lambda s, p: sc.correct_bias(s.image, bias_of(s, p), factors=p.factors),
         None, {"factors": (3, 2)}),
    Case("threshold", EXACT, lambda s, p: sc.threshold(s.image, level=s.level(p.level)),
         lambda s, p: a(s.image) > s.level(p.level), {"level": (0.5, 0.1)}),
    Case("threshold_local", EXACT,
         lambda s, p: sc.threshold_local(s.image, size=each(s, p.size), method=p.method),
         lambda s, p: a(s.image) > filters.threshold_local(a(s.image), each(s, p.size), p.method),
         {"size": (5, 3, (1, 3, 7)), "method": ("gaussian", "median")}),
    Case("hysteresis", EXACT,
         lambda s, p: sc.hysteresis(
             s.image, low=s.level(0.5), high=s.level(0.75), connectivity=hops(s, p)),
         above_low_from_high, {"connectivity": (None, 2, 3)}),
    *(Case(name, EXACT,
           lambda s, p, name=name: getattr(sc, name)(
               s.mask, footprint=footprint(s, p), border=p.border),
           binary(getattr(ndimage, f"binary_{name}")),
           {"footprint": (1, 2, None), "border": (False, True)})
      for name in ("erosion", "dilation", "opening", "closing")),
    Case("fill_holes", EXACT,
         lambda s, p: sc.fill_holes(
             sc.blockwise(holey, dtype=bool, block_invariant=True)(s.image),
             connectivity=hops(s, p)),
         filled, {"connectivity": (None, 2, 3)}),
    Case("remove_small", EXACT,
         lambda s, p: sc.remove_small(s.mask, min_size=p.min_size, connectivity=hops(s, p)),
         without_small, {"min_size": (9, 2, 30), "connectivity": (None, 2, 3)}),
    Case("distance_transform", EXACT,
         lambda s, p: sc.distance_transform(s.mask, max_distance=p.max_distance),
         lambda s, p: np.minimum(p.max_distance, distance(s)), {"max_distance": (4, 1, 2.5)}),
    Case("label", EXACT,
         lambda s, p: sc.label(s.mask, connectivity=hops(s, p), dtype=p.dtype),
         lambda s, p: ndimage.label(a(s.mask), touching(s, p))[0].astype(p.dtype),
         {"connectivity": (None, 2, 3), "dtype": ("uint32", "uint64")}),
    Case("local_maxima", EXACT,
         lambda s, p: sc.local_maxima(s.image, min_distance=p.min_distance),
         None, {"min_distance": (1, 2)}),
    Case("local_maxima", WITHIN_HALO,
         lambda s, p: sc.local_maxima(s.smooth, s.mask, h=p.h, max_extent=p.extent),
         None, {"h": (0.01, 0.3)}, note="h"),
    Case("watershed", WITHIN_HALO,
         lambda s, p: sc.watershed(
             s.image, lazy_seeds(s), s.mask, connectivity=hops(s, p), max_extent=p.extent),
         lambda s, p: kernels.reference_watershed(
             a(s.image), seeds(s), a(s.mask), connectivity=hops(s, p)),
         {"connectivity": (None, 2, 3)}),
    Case("split_touching", WITHIN_HALO,
         lambda s, p: sc.split_touching(
             s.mask, min_distance=p.min_distance, connectivity=hops(s, p), max_extent=p.extent),
         None, {"min_distance": (2, 1, 3), "connectivity": (None, 2, 3)}),
    Case("stitch", APPROXIMATE,
         lambda s, p: sc.stitch(s.mask, segment=segmenter, halo=p.extent, match=p.match),
         lambda s, p: ndimage.label(a(s.mask))[0].astype("uint32"),
         {"match": ("iou", "containment")}),
    Case("predict", WITHIN_HALO,
         lambda s, p: sc.predict(
             s.image, model=lambda: two_of_each, halo=1, tile=p.tile, batch=p.batch,
             dtype="int64"),
         lambda s, p: two_of_each(a(s.image)[None, None])[0],
         {"tile": (4, None, 1), "batch": (3, 1)}),
    Case("downsample", EXACT,
         lambda s, p: sc.downsample(s.image, factors=each(s, p.factors), method=p.method),
         lambda s, p: kernels.downsample(a(s.image), each(s, p.factors), p.method),
         {"factors": (3, 2, (1, 2, 3)), "method": ("mean", "mode", "nearest", "max")}),
    Case("resample", EXACT,
         lambda s, p: sc.resample(s.image, voxel_size=p.voxel_size, order=p.order), resampled,
         {"voxel_size": (1.5, 0.8), "order": (1, 0)}),
    Case("affine_transform", EXACT,
         lambda s, p: sc.affine_transform(s.image, matrix=moved(s, p), order=p.order),
         lambda s, p: ndimage.affine_transform(a(s.image), moved(s, p), order=p.order),
         {"stretch": (0.9, -0.5, 2.0), "order": (1, 0)}),
    Case("scale_nearest", EXACT, lambda s, p: sc.scale_nearest(s.image, shape=each(s, p.shape)),
         scaled, {"shape": ((9, 40, 11), (1, 3, 20))}),
    Case("pad", EXACT, lambda s, p: sc.pad(s.image, width=each(s, p.width), fill=p.fill),
         lambda s, p: np.pad(
             a(s.image), each(s, p.width), "edge" if p.fill == "nearest" else "symmetric"),
         {"width": (3, 1, ((1, 2), (0, 3), (2, 0))), "fill": ("reflect", "nearest")}),
    Case("flip", EXACT, lambda s, p: sc.flip(s.image, axis=p.axis),
         lambda s, p: np.flip(a(s.image), -" xy".index(p.axis)), {"axis": ("x", "y")}),
    Case("concatenate", EXACT, lambda s, p: sc.concatenate([s.image, s.image], axis=p.axis),
         lambda s, p: np.concatenate([a(s.image)] * 2, -" xy".index(p.axis)),
         {"axis": ("y", "x")}),
    Case("project", EXACT, lambda s, p: sc.project(s.image, axis=p.axis, method=p.method),
         lambda s, p: getattr(a(s.image), p.method)(-" xy".index(p.axis)),
         {"axis": ("y", "x"), "method": ("max", "min")}),
    Case("pyramid", EXACT, lambda s, p: sc.pyramid(s.image, levels=2), lambda s, p: a(s.image)),
    Case("normalize_percentile", EXACT,
         lambda s, p: sc.normalize_percentile(s.image, high=p.high), None, {"high": (99.8, 90)}),
    Case("density", EXACT, lambda s, p: sc.density(s.labels, factors=p.factors),
         None, {"factors": (4, 3)}),
)

OTHERS = (
    Case("otsu", EXACT, lambda s, p: sc.otsu(s.image),
         lambda s, p: filters.threshold_otsu(a(s.image).ravel())),
    Case("li", EXACT, lambda s, p: sc.li(s.image),
         # In a wide type: scikit-image 0.26 subtracts the minimum, by which an int8 overflows
         lambda s, p: filters.threshold_li(a(s.image).astype("int64")), dtypes="iu"),
    Case("li", APPROXIMATE, lambda s, p: sc.li(s.smooth),
         lambda s, p: filters.threshold_li(a(s.smooth)), note="floats", rtol=1e-4),
    Case("triangle", EXACT, lambda s, p: sc.triangle(s.image),
         lambda s, p: filters.threshold_triangle(a(s.image))),
    Case("percentile", EXACT, lambda s, p: sc.percentile(s.image, q=p.q),
         lambda s, p: np.percentile(a(s.image), p.q).tolist(), {"q": ([3, 50], 99.9)}),
    Case("estimate_bias", APPROXIMATE, bias_of, None, {"factors": (3, 2)}),
    Case("transpose", EXACT,
         lambda s, p: sc.transpose(s.image, axes=s.image.axes[-1] + s.image.axes[:-1]),
         lambda s, p: np.moveaxis(a(s.image), -1, 0)),
    Case("detect_spots", EXACT,
         lambda s, p: sc.detect_spots(s.image, sigma=p.sigma, threshold_rel=0.2, method=p.method),
         None, {"sigma": (1, [1, 2], 0.7), "method": ("log", "dog")}),
    Case("measure", EXACT, lambda s, p: sc.measure(s.labels, intensity=s.image), is_summed=True),
    Case("count", EXACT, lambda s, p: sc.count(s.labels, cell_size=p.cell_size),
         None, {"cell_size": (20, 5)}),
    Case("estimate_cells", EXACT,
         lambda s, p: sc.estimate_cells(sc.measure(s.labels), cell_size=p.cell_size),
         None, {"cell_size": (20, 5)}),
    *(Case("compare", EXACT,
           lambda s, p, total=total: sc.compare(
               s.labels, bright_objects(s), thresholds=p.thresholds, total=total),
           None, {"thresholds": ((0.5, 0.7), 0.2)}, note="total" * total)
      for total in (False, True)),
    Case("match_objects", EXACT,
         lambda s, p: sc.match_objects(s.labels, bright_objects(s), threshold=p.threshold),
         None, {"threshold": (0.5, 0.2)}),
    *(Case(name, EXACT,
           lambda s, p, name=name: getattr(sc, name)(
               sc.detect_spots(s.image, sigma=1, threshold_rel=0.2), sc.measure(s.labels),
               max_distance=p.max_distance),
           None, {"max_distance": (3, 1)})
      for name in ("compare_points", "match_points")),
    Case("count_by_region", EXACT, by_region, None, {"level": (None, 1)}),
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
    "affine_transform", "count_by_region", "density", "resample", "scale_nearest", "transpose",
    "watershed",
}  # fmt: skip
"""Of single images, or called here with what depends on one."""

SELECTED = {
    "op_case": CASES,
    "member_case": [
        case
        for case in CASES
        if case.scene == "volume" and case.op not in OF_ONE_IMAGE and case.note != "total"
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


@pytest.fixture(scope="session", name="make_scene")
def make_scene_fixture() -> Callable[..., Scene]:
    """Makes the images of a scene, of any axes and shape."""
    return make_scene


@pytest.fixture(scope="session", name="longest")
def longest_fixture() -> Callable[[Scene], int]:
    """Tells how long the objects of a scene are."""
    return longest
