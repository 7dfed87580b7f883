"""What `operations.py` compares: each operation of scutoid beside whole-array calls of others.

A row has two functions of a `Scene`.  Both end with a result on the disk, as a zarr, Parquet or
JSON, and neither begins with anything but a zarr.  They import what they use when they are called,
so that a process that runs one of them holds nothing of the other.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blobs import LEVEL

SIGMA, RADIUS, TOPHAT, WINDOW = 2, 3, 4, 15
STRONG, MIN_SIZE, FARTHEST = 2000, 50, 16
SPOTS = {"sigma": (2, 4), "threshold": 300}
MIN_DISTANCE, MAX_EXTENT = 4, 64
STEP = 1.5
"""Voxels of the image in one of the resampled."""
PROPERTIES = ("label", "area", "centroid", "bbox")
PROPERTIES += tuple(f"intensity_{name}" for name in ("mean", "min", "max", "std"))


@dataclass(frozen=True)
class Scene:
    """Where the inputs of a row lie, and where its result goes."""

    raw: Path
    """Zarr of uint16: blobs on noise."""
    mask: Path
    """Zarr of bool: what of it is brighter than a level."""
    out: Path

    def image(self) -> np.ndarray:
        """Read the image."""
        return _read(self.raw)

    def foreground(self) -> np.ndarray:
        """Read the mask."""
        return _read(self.mask)

    def write(self, result: Any) -> Any:
        """Write what a reference has found, in the chunks of its input, and return it."""
        if isinstance(result, np.ndarray):
            import zarr

            chunks = zarr.open_array(self.raw, mode="r").chunks
            chunks = tuple(min(c, n) for c, n in zip(chunks, result.shape, strict=True))
            zarr.create_array(self.out / "image.zarr", data=result, chunks=chunks)
        elif isinstance(result, float):
            (self.out / "value.json").write_text(json.dumps(result))
        else:
            result.to_parquet(self.out / "table.parquet")
        return result


def _read(path: Path) -> np.ndarray:
    import zarr

    return zarr.open_array(path, mode="r")[:]


@dataclass(frozen=True)
class Row:
    """An operation, and what does the same on the whole array."""

    ours: Callable[[Scene], Any]
    """A lazy result of scutoid."""
    reference: Callable[[Scene], Any]
    """An array, a float or a table."""
    is_equal: bool = True
    """Whether both give the same numbers."""


def raw_of(scene):
    import scutoid as sc

    return sc.open(scene.raw, voxel_size=1, unit="um")


def mask_of(scene):
    import scutoid as sc

    return sc.open(scene.mask)


def on_raw(name, **given):
    """An operation of scutoid on the image."""

    def ours(scene):
        import scutoid as sc

        return getattr(sc, name)(raw_of(scene), **given)

    return ours


def on_mask(name, **given):
    """An operation of scutoid on the mask."""

    def ours(scene):
        import scutoid as sc

        return getattr(sc, name)(mask_of(scene), **given)

    return ours


def ball(radius):
    from skimage.morphology import ball

    return ball(radius).astype(bool)


def gaussian(scene):
    from scipy import ndimage

    return ndimage.gaussian_filter(scene.image().astype("float32"), SIGMA)


def median(scene):
    from scipy import ndimage

    return ndimage.median_filter(scene.image(), 3)


def white_tophat(scene):
    from scipy import ndimage

    return ndimage.white_tophat(scene.image(), footprint=ball(TOPHAT))


def threshold_local(scene):
    from skimage.filters import threshold_local

    image = scene.image()
    return image > threshold_local(image, WINDOW)


def otsu(scene):
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(scene.image().ravel()))


def hysteresis(scene):
    from skimage.filters import apply_hysteresis_threshold

    return apply_hysteresis_threshold(scene.image(), LEVEL, STRONG)


def erosion(scene):
    from scipy import ndimage

    return ndimage.binary_erosion(scene.foreground(), ball(RADIUS))


def opening(scene):
    from scipy import ndimage

    return ndimage.binary_opening(scene.foreground(), ball(RADIUS))


def resample(scene):
    from scipy import ndimage

    image = scene.image()
    shape = [round(n / STEP) for n in image.shape]
    shift = [(STEP - 1) / 2] * image.ndim
    matrix = np.diag([STEP] * image.ndim)
    return ndimage.affine_transform(image, matrix, shift, shape, order=1, mode="nearest")


def downsample(scene):
    from skimage.transform import downscale_local_mean

    image = scene.image()
    return np.rint(downscale_local_mean(image, (2,) * image.ndim)).astype(image.dtype)


def fill_holes(scene):
    from scipy import ndimage

    return ndimage.binary_fill_holes(scene.foreground())


def without_small(mask):
    from skimage.morphology import remove_small_objects

    return remove_small_objects(mask, max_size=MIN_SIZE - 1)


def remove_small(scene):
    return without_small(scene.foreground())


def distance(scene):
    from scipy import ndimage

    return np.minimum(ndimage.distance_transform_edt(scene.foreground()), FARTHEST)


def label(scene):
    from scipy import ndimage

    return ndimage.label(scene.foreground())[0].astype("uint32")


def regions(labels, image):
    """The table of scikit-image, with scutoid's names where both are compared."""
    import pandas as pd
    from skimage.measure import regionprops_table

    table = pd.DataFrame(regionprops_table(labels, image, properties=PROPERTIES))
    return table.rename(columns={"area": "n_voxels"})


def label_and_measure(scene):
    from scipy import ndimage

    return regions(ndimage.label(scene.foreground())[0], scene.image())


def ours_label_and_measure(scene):
    import scutoid as sc

    return sc.measure(sc.label(mask_of(scene)), intensity=raw_of(scene), properties=())


def ours_measured_only(scene):
    import scutoid as sc

    labels = sc.label.options(keep=False)(mask_of(scene))
    return sc.measure(labels, intensity=raw_of(scene), properties=())


def split(mask):
    """Distance, its peaks, and a watershed from them, as scikit-image's own example has it."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    distance = ndimage.distance_transform_edt(mask)
    peaks = peak_local_max(
        distance, min_distance=MIN_DISTANCE, exclude_border=False, labels=mask.view("uint8")
    )
    seeds = np.zeros(mask.shape, "int32")
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, seeds, mask=mask)


def split_touching(scene):
    return split(scene.foreground()).astype("uint32")


def local_maxima(scene):
    from skimage.morphology import local_maxima

    return local_maxima(scene.image()).astype(bool)


def spots(scene):
    import pandas as pd
    from skimage.feature import blob_log

    low, high = SPOTS["sigma"]
    image = scene.image().astype("float32")
    found = blob_log(image, low, high, 3, threshold=SPOTS["threshold"], log_scale=True)
    return pd.DataFrame(found, columns=["z_voxel", "y_voxel", "x_voxel", "scale_voxel"])


def chain(scene):
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    image = scene.image()
    smooth = ndimage.gaussian_filter(image.astype("float32"), SIGMA)
    mask = ndimage.binary_fill_holes(smooth > threshold_otsu(smooth.ravel()))
    return regions(split(without_small(mask)), image)


def ours_chain(scene):
    import scutoid as sc

    raw = raw_of(scene)
    smooth = sc.gaussian(raw, sigma=SIGMA)
    mask = sc.fill_holes(sc.threshold(smooth, level=sc.otsu(smooth)))
    objects = sc.split_touching(
        sc.remove_small(mask, min_size=MIN_SIZE), min_distance=MIN_DISTANCE, max_extent=MAX_EXTENT
    )
    return sc.measure(objects, intensity=raw, properties=())


ROWS = {
    "gaussian 2": Row(on_raw("gaussian", sigma=SIGMA), gaussian),
    "median 3": Row(on_raw("median", size=3), median),
    "white_tophat 4": Row(on_raw("white_tophat", radius=TOPHAT), white_tophat),
    "threshold_local 15": Row(on_raw("threshold_local", size=WINDOW), threshold_local),
    "otsu": Row(on_raw("otsu"), otsu),
    "hysteresis": Row(on_raw("hysteresis", low=LEVEL, high=STRONG), hysteresis),
    "erosion 3": Row(on_mask("erosion", footprint=RADIUS), erosion),
    "opening 3": Row(on_mask("opening", footprint=RADIUS), opening),
    "resample 1.5": Row(on_raw("resample", voxel_size=STEP), resample),
    "downsample 2": Row(on_raw("downsample", factors=2), downsample),
    "fill_holes": Row(on_mask("fill_holes"), fill_holes),
    "remove_small 50": Row(on_mask("remove_small", min_size=MIN_SIZE), remove_small),
    "distance_transform 16": Row(on_mask("distance_transform", max_distance=FARTHEST), distance),
    "label": Row(on_mask("label"), label),
    "label + measure": Row(ours_label_and_measure, label_and_measure),
    "measure, labels not kept": Row(ours_measured_only, label_and_measure),
    "split_touching": Row(
        on_mask("split_touching", min_distance=MIN_DISTANCE, max_extent=MAX_EXTENT),
        split_touching,
        is_equal=False,  # ties are settled otherwise, and seeds chosen
    ),
    "local_maxima": Row(on_raw("local_maxima"), local_maxima, is_equal=False),  # whole plateaus
    "detect_spots": Row(on_raw("detect_spots", n_scales=3, **SPOTS), spots, is_equal=False),
    "whole chain to table": Row(ours_chain, chain, is_equal=False),
}


def quiet():
    """Leave out what libraries warn of that no figure depends on."""
    warnings.filterwarnings("ignore")
