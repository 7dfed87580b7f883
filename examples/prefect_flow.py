"""Denoise and segment a folder of images with Prefect, and count the objects.

Results are TIFF and Parquet files that you can open; a second run takes them from there, and makes
again only what has changed or was damaged::

    python prefect_flow.py INPUT_FOLDER RESULT_FOLDER [--dask N] [--sigma 2] [--threshold 400]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from scipy import ndimage

from scutoid.integrations.prefect import ByContent, ImageSource, StoreSerializer


@task(cache_policy=NO_CACHE)
def list_images(folder: str) -> list[ImageSource]:
    """List the images; it runs each time, so that new files are found."""
    return [ImageSource(path) for path in sorted(Path(folder).glob("*.tif"))]


@task(cache_policy=ByContent())
def denoise(image: ImageSource, sigma: float) -> np.ndarray:
    """Smooth an image."""
    return ndimage.gaussian_filter(image.read(), sigma)


@task(cache_policy=ByContent())
def segment(denoised: np.ndarray, threshold: float) -> np.ndarray:
    """Tell objects from background."""
    return denoised > threshold


@task(cache_policy=ByContent())
def count(names: list[str], masks: list[np.ndarray]) -> pd.DataFrame:
    """Count the objects of each image."""
    counts = [ndimage.label(mask)[1] for mask in masks]
    return pd.DataFrame({"image": names, "objects": counts})


@flow(persist_result=False)  # its tasks keep theirs
def measure(folder: str, sigma: float, threshold: float) -> list[str]:
    """Run all of it; return how each task ended."""
    images = list_images(folder)
    denoised, masks = [], []
    for image in images:
        named = {"task_run_name": image.name}  # what the names of the files begin with
        denoised.append(denoise.with_options(**named).submit(image, sigma))
        masks.append(segment.with_options(**named).submit(denoised[-1], threshold))
    table = count.submit([image.name for image in images], masks)
    print(table.result().to_string(index=False))
    states = []
    for step, futures in {"denoise": denoised, "segment": masks, "count": [table]}.items():
        for future in futures:
            future.wait()  # a future knows how its task ended once it was waited for
            states.append(f"{step} {future.state.name}")
    return states


def main() -> None:
    """Read the command line and run the flow."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("results")
    parser.add_argument("--dask", type=int, metavar="N", help="run in N processes of Dask")
    parser.add_argument("--sigma", type=float, default=2)
    parser.add_argument("--threshold", type=float, default=400)
    given = parser.parse_args()
    options = {"result_serializer": StoreSerializer(folder=given.results)}
    if given.dask:
        from prefect_dask import DaskTaskRunner

        cluster = {"n_workers": given.dask, "threads_per_worker": 1, "dashboard_address": None}
        options["task_runner"] = DaskTaskRunner(cluster_kwargs=cluster)
    states = measure.with_options(**options)(given.folder, given.sigma, given.threshold)
    print("STATES", json.dumps(states))


if __name__ == "__main__":
    main()
