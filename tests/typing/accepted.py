"""What mypy knows of calls: read by it in test_typing.py, and never run."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import scutoid as sc
from scutoid.steps import BlockParts, StepBlock

Array = NDArray[Any]

array = np.zeros((4, 4))
image = sc.open(array, voxel_size=0.5)
images = sc.open_folder("scans/*.tif")
plate = sc.open_folder(
    "p/{well}_w{c}.tif", stack={"c": "c"}, channels={"1": "DAPI"}, missing="fill"
)
assert_type(plate, sc.Images)
assert_type(plate.channel("DAPI"), sc.Images)
assert_type(images.crop(sc.Roi((0, 0), (2, 2))).each[:, 0]["a"], sc.Image)

# Operations of one step: an image, a collection, an array
assert_type(sc.gaussian(image, sigma=2), sc.Image)
assert_type(sc.gaussian(images, sigma=(1, 2, 2)), sc.Images)
assert_type(sc.gaussian(array, sigma=2.0), Array)
assert_type(sc.threshold(image, level=sc.otsu(image)), sc.Image)
assert_type(sc.threshold(images, level=sc.otsu(images)), sc.Images)
assert_type(sc.threshold(array, level=3), NDArray[np.bool_])
assert_type(sc.dilation(sc.threshold(image, level=3), footprint=1), sc.Image)
assert_type(sc.distance_transform(image, max_distance=5), sc.Image)
assert_type(sc.distance_transform(array, max_distance=5, voxel_size=(1, 2)), NDArray[np.float64])
assert_type(sc.gaussian.options(name="smooth", block=64, keep="memory")(image, sigma=1), sc.Image)

# Operations of several steps
assert_type(sc.label(image), sc.Image)
assert_type(sc.label(images, connectivity=1), sc.Images)
assert_type(sc.label(array), Array)
assert_type(sc.corrected(image, "a.corrections"), sc.Image)
assert_type(sc.corrected.options(block=8)(array, "a.corrections", overlap=0.6), Array)
assert_type(sc.unapplied(image, "a.corrections"), sc.Table)
assert_type(sc.suspicious(image, array), sc.Table)
assert_type(sc.suspicious(array), pd.DataFrame)
assert_type(sc.label.options(name="cells")(images), sc.Images)
assert_type(sc.resample(image, like=image, order=0), sc.Image)
assert_type(sc.hysteresis(image, low=1, high=sc.otsu(image)), sc.Image)
assert_type(sc.local_maxima(image, sc.label(image), h=2), sc.Image)
assert_type(sc.otsu(image), sc.Value)
assert_type(sc.otsu(images), sc.Values)
assert_type(sc.otsu(array), float)
assert_type(sc.measure(sc.label(image), intensity=image), sc.Table)
assert_type(sc.measure(sc.label(images)), sc.Tables)
assert_type(sc.measure(sc.label(array)), pd.DataFrame)
assert_type(sc.count(sc.measure(sc.label(image))), sc.Table)
assert_type(sc.detect_spots(image, sigma=1, threshold=5), sc.Table)
assert_type(sc.detect_spots(array, sigma=sc.um(2), threshold_rel=0.2), pd.DataFrame)
assert_type(sc.estimate_cells(sc.measure(sc.label(image)), cell_size=4), sc.Table)
assert_type(sc.compare(sc.label(image), array), sc.Table)
assert_type(sc.compare(sc.label(images), images, thresholds=(0.5, 0.7)), sc.Tables)
assert_type(sc.compare(images, images, total=True), sc.Table)
assert_type(sc.compare(array, array, total=True), pd.DataFrame)
assert_type(sc.match_objects(images, images, threshold=0.7), sc.Tables)
spots = sc.detect_spots(image, sigma=1, threshold=5)
assert_type(sc.compare_points(spots, pd.DataFrame(), max_distance=sc.um(5)), sc.Table)
assert_type(sc.compare_points(sc.measure(images), spots, max_distance=5), sc.Tables)
assert_type(sc.compare_points(sc.measure(images), spots, max_distance=5, total=True), sc.Table)
assert_type(sc.match_points(pd.DataFrame(), pd.DataFrame(), max_distance=5), pd.DataFrame)
assert_type(sc.concatenate([image, image], axis="z"), sc.Image)
assert_type(sc.concatenate([array, array], axis=0), Array)
assert_type(sc.pyramid(image, levels=3), sc.Image)

# What else is returned, and what the first input does not tell
assert_type(sc.watershed(image, sc.label(image)), sc.Image)
assert_type(sc.watershed(image, sc.label(image), report=True), tuple[sc.Image, sc.Table])
assert_type(sc.split_touching(images, report=True), tuple[sc.Images, sc.Tables])
assert_type(sc.split_touching(array, h=0.5), Array)
table = pd.DataFrame({"y": [1.0], "x": [2.0]})
assert_type(sc.density(table, like=image, voxel_size=5), sc.Image)
assert_type(sc.count_by_region(table, image, regions="tree.csv"), sc.Table)
assert_type(sc.count_by_region(table, array, regions="tree.csv"), pd.DataFrame)


# A user's own steps
@sc.blockwise
def bright(
    image: Array, *, level: float | sc.Value, block: StepBlock = sc.injected
) -> NDArray[np.bool_]:
    return np.asarray(image > level)


assert_type(bright(image, level=3), sc.Image)
assert_type(bright(image, level=sc.otsu(image)), sc.Image)
assert_type(bright(images, level=3), sc.Images)
assert_type(bright(array, level=3), NDArray[np.bool_])
assert_type(bright(image=array, level=3), NDArray[np.bool_])
assert_type(bright.options(name="b", retries=0, where=image)(image, level=3), sc.Image)
assert_type(bright.along("yx")(image, level=3), sc.Image)


@sc.blockwise(halo=2, dtype="same")
def inside(image: Array, labels: Array | None = None, *, size: int = 3) -> Array:
    return image if labels is None else np.where(labels > 0, image, size)


assert_type(inside(image), sc.Image)
assert_type(inside(image, sc.label(image), size=2), sc.Image)
assert_type(inside(images, image), sc.Images)
assert_type(inside(image, images), sc.Images)
assert_type(inside(array, array), Array)


@sc.blockwise(dtype="same")
def joined(*images: Array) -> Array:
    return np.asarray(np.max(images, axis=0))


assert_type(joined(image, image, image, image), sc.Image)
assert_type(joined(*[image, image]), sc.Image)
assert_type(joined(array, array), Array)


@sc.blockwise(out="table", position=("y", "x"))
def peaks(image: Array, *, above: float) -> pd.DataFrame:
    return pd.DataFrame(np.argwhere(image > above), columns=["y", "x"])


assert_type(peaks(image, above=1), sc.Table)
assert_type(peaks(images, above=1), sc.Tables)
assert_type(peaks(array, above=1), pd.DataFrame)


@sc.blockwise(out="parts")
def sums(image: Array) -> dict[str, Array]:
    return {"sum": image.sum(keepdims=True)}


@sc.step(out="table")
def summary(parts: BlockParts, cells: pd.DataFrame) -> pd.DataFrame:
    return cells.assign(sum=sum(parts[index]["sum"].item() for index in parts))


assert_type(sums(image), sc.Parts)
assert_type(summary(sums(image), peaks(image, above=1)), sc.Table)
assert_type(summary(sums(images), table), sc.Tables)


@sc.step
def mean(image: Array) -> float:
    return float(image.mean())


assert_type(mean(image), sc.Value)
assert_type(mean(images), sc.Values)
assert_type(mean(array), float)


@sc.step
def names(tables: dict[str, pd.DataFrame]) -> list[str]:
    return list(tables)


assert_type(names(sc.gather(peaks(images, above=1))), sc.Value)


@sc.reduction(merge=max)
def brightest(image: Array) -> float:
    return float(image.max())


@sc.reduction(merge=max, finish=str, out="value")
def named(image: Array, *, unit: str = "") -> float:
    return float(image.max())


assert_type(brightest(image), sc.Value)
assert_type(brightest(array), float)
assert_type(named(images, unit="um"), sc.Values)
assert_type(named(array), str)


@sc.blockwise(out=("image", "table"))
def both(image: Array) -> tuple[Array, pd.DataFrame]:
    return image, pd.DataFrame()


first, second = both(image)


# Results of a run and of a store: by name of any kind, by method or by what was run of one
smooth = sc.gaussian(image, sigma=2)
cells = sc.measure(sc.label(smooth))
run = sc.run(cells, smooth, store="results")
assert_type(sc.report(run), Path)
assert_type(run.report, Path | None)
store = sc.Store("results")
assert_type(run["measure"].to_pandas()["size"].mean(), Any)
assert_type(run[cells], sc.Table)
assert_type(run[smooth], sc.Image)
assert_type(run[sc.measure(sc.label(images))], sc.Tables)
assert_type(run.image("gaussian"), sc.Image)
assert_type(run.images("gaussian"), sc.Images)
assert_type(run.table("measure").to_pandas(), pd.DataFrame)
assert_type(run.tables("measure"), sc.Tables)
assert_type(run.value("otsu"), sc.Value)
assert_type(run.values("otsu"), sc.Values)
assert_type(run.files("report"), sc.Files)
assert_type(run.table("both", output=1), sc.Table)
assert_type(store["measure"].to_pandas()["size"].mean(), Any)
assert_type(store.image("gaussian").shape, tuple[int, ...])
assert_type(store.table("measure"), sc.Table)
assert_type(sc.gaussian(store.images("gaussian"), sigma=1), sc.Images)


# Arithmetic and comparison
assert_type(image > 300, sc.Image)
assert_type((image > 300) & (image < 400), sc.Image)
assert_type(image - smooth, sc.Image)
assert_type(2 * image, sc.Image)
assert_type(image == 5, sc.Image)
assert_type(~(image > 3), sc.Image)
assert_type(image.astype("float32"), sc.Image)
assert_type(images > 3, sc.Images)
assert_type(sc.otsu(image) * 2, sc.Value)
assert_type(image[1:, :4], sc.Image)
assert_type(images["a"], sc.Image)


@sc.pipeline
def nuclei(path: str, *, sigma: float = 2.0) -> sc.Table:
    return sc.measure(sc.label(sc.gaussian(sc.open(path), sigma=sigma)))


assert_type(nuclei("brain.ome.zarr", sigma=3), sc.Table)
