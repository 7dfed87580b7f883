"""Calls that mypy must refuse, each with the code of its error: read by it, and never run."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import scutoid as sc

array = np.zeros((4, 4))
image = sc.open(array)
images = sc.open_folder("scans/*.tif")


@sc.blockwise
def bright(image: NDArray[Any], *, level: float) -> NDArray[np.bool_]:
    return image > level


@sc.blockwise(halo=2)
def inside(image: NDArray[Any], labels: NDArray[Any], *, size: int) -> NDArray[Any]:
    return np.where(labels > 0, image, size)


@sc.reduction(merge=max)
def brightest(image: NDArray[Any]) -> float:
    return float(image.max())


# Keywords that there are not
sc.gaussian(image, sigmaa=3)  # error: call-overload
sc.gaussian(array, sigmaa=3)  # error: call-overload
sc.label(images, conectivity=1)  # error: call-overload
sc.otsu(image, bins=64)  # error: call-overload
sc.measure(sc.label(image), intensities=image)  # error: call-overload
sc.watershed(image, sc.label(image), maxextent=3)  # error: call-overload
sc.density(image, factor=2)  # error: call-overload
bright(image, levl=3)  # error: call-overload
inside(image, image, level=3)  # error: call-overload
sc.erosion(image, footprint=1, border_value=True)  # error: call-overload

# What a call must give, and of which type
sc.gaussian(image)  # error: call-overload
sc.gaussian(image, sigma="wide")  # error: arg-type
sc.gaussian("scan.tif", sigma=3)  # error: call-overload
bright(image)  # error: call-overload
bright(image, image, level=3)  # error: call-overload
bright(image, level=sc.otsu(image))  # error: call-overload
inside(image, size=3)  # error: call-overload
shape = sc.measure(image).shape  # error: attr-defined

# Options
sc.gaussian.options(nmae="smooth")  # error: call-arg
sc.label.options(nmae="cells")  # error: call-arg
bright.options(keep="always")  # error: arg-type
sc.watershed.options(blok=64)  # error: call-arg

# Decorators
sc.blockwise(hallo=2)  # error: call-overload
sc.blockwise(out="imge")  # error: call-overload
sc.blockwise(border="mirror")  # error: call-overload
sc.reduction(out="value")  # error: call-overload
sc.blockwise(renamed=("cutoff", "level"))  # error: call-overload

# Results of a run and of a store
run = sc.run(image, store="results")
cells_shape = run.table("cells").shape  # error: attr-defined
run.image("smooth").to_pandas()  # error: attr-defined
run.image("both", outputs=1)  # error: call-arg
run[image].to_pandas()  # error: attr-defined
run[0]  # error: call-overload
sc.Store("results").value("otsu").read()  # error: attr-defined

# Arithmetic
image + "a"  # error: operator
above = image > None  # error: operator


@sc.pipeline
def nuclei(path: str, *, sigma: float = 2.0) -> sc.Table:
    return sc.measure(sc.label(sc.gaussian(sc.open(path), sigma=sigma)))


nuclei("brain.ome.zarr", sigmaa=3)  # error: call-arg
