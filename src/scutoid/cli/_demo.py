"""A demonstration without data of the user: count the cells of a simulated brain."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ImageSpec, create_image

if TYPE_CHECKING:
    import pandas as pd

    from scutoid.steps import Run

SHAPE = (96, 160, 160)
VOXEL_SIZE = (2.0, 1.0, 1.0)
_SEED = 20261121
_N_SINGLE = 260
_N_PAIRS = 30
_RADIUS = 3.0
_APART = 10.0
_TOUCHING = 6.0
_TRIES = 5000


@dataclass(frozen=True, slots=True, eq=False)
class Brain:
    """A simulated brain."""

    image: NDArray[np.uint16]
    """Intensities, (z, y, x)."""
    regions: NDArray[np.uint8]
    """Number of a region in each voxel, 0 outside."""
    centres: NDArray[np.float64]
    """Centres of the placed cells, in voxels, shape (n, 3)."""


def simulate(shape: tuple[int, int, int] = SHAPE) -> Brain:
    """Simulate a brain: an ellipsoid in four regions, with bright cells on a sloping background.

    Each call gives the same voxels.  Some cells touch another one.

    Parameters
    ----------
    shape : tuple of int
        (z, y, x), in voxels.
    """
    rng = np.random.default_rng(_SEED)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).astype("float32")
    middle = (np.array(shape) - 1) / 2
    inside = (((grid - middle) / (0.46 * np.array(shape))) ** 2).sum(axis=-1)
    regions = _regions(grid, middle, inside)
    centres = _place(rng, shape, middle)
    slope = 200 + 220 * grid[..., 1] / shape[1] + 120 * grid[..., 0] / shape[0]
    light = np.where(inside < 1, slope, 90).astype("float32")
    for centre in centres:
        _add_cell(light, centre, brightness=rng.uniform(350, 700))
    image = rng.poisson(light).clip(0, 65535).astype(np.uint16)
    return Brain(image, regions, centres)


def _regions(
    grid: NDArray[np.float32], middle: NDArray[np.float64], inside: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Divide the ellipsoid: a shell, and three parts of its core along y."""
    regions = np.where(inside < 1, 1, 0).astype(np.uint8)
    core = inside < 0.55
    along = grid[..., 1] - middle[1]
    reach = 0.12 * grid.shape[1]
    regions[core & (along < -reach)] = 2
    regions[core & (np.abs(along) <= reach)] = 3
    regions[core & (along > reach)] = 4
    return regions


def _place(
    rng: np.random.Generator, shape: tuple[int, int, int], middle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Place single cells far from one another, and give some of them a neighbour that touches."""
    share = float(np.prod(shape) / np.prod(SHAPE))
    n_single, n_pairs = max(round(_N_SINGLE * share), 4), max(round(_N_PAIRS * share), 1)
    centres: list[NDArray[np.float64]] = []
    for centre in rng.uniform(0, 1, (_TRIES, 3)) * shape:
        is_inside = (((centre - middle) / (0.40 * np.array(shape))) ** 2).sum() < 1
        if is_inside and _is_free(centre, centres) and len(centres) < n_single:
            centres.append(centre)
    for first in centres[:]:
        direction = rng.normal(size=3)
        second = first + _TOUCHING * direction / np.linalg.norm(direction)
        others = [centre for centre in centres if centre is not first]
        if len(centres) < n_single + n_pairs and _is_free(second, others):
            centres.append(second)
    return np.array(centres)


def _is_free(centre: NDArray[np.float64], others: list[NDArray[np.float64]]) -> bool:
    return not others or bool(np.linalg.norm(np.array(others) - centre, axis=1).min() > _APART)


def _add_cell(light: NDArray[np.float32], centre: NDArray[np.float64], brightness: float) -> None:
    low = np.maximum(np.floor(centre - 3 * _RADIUS), 0).astype(int)
    high = np.minimum(np.ceil(centre + 3 * _RADIUS) + 1, light.shape).astype(int)
    axes = [np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True)]
    distance = axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2] ** 2
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    light[box] += (brightness * np.exp(-distance / (2 * (_RADIUS / 1.8) ** 2))).astype("float32")


def matched(detected: NDArray[np.float64], placed: NDArray[np.float64], radius: float) -> int:
    """Count placed cells with a detected cell within a radius, each of which counts once."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    if not len(detected) or not len(placed):
        return 0
    apart = cdist(placed, detected)
    rows, columns = linear_sum_assignment(np.where(apart <= radius, apart, 1e6))
    return int((apart[rows, columns] <= radius).sum())


def run_demo(out: Path, workers: int | None) -> int:
    """Simulate, run the pipeline, and print what was found and the places of the results."""
    from scutoid.cli import _demo_pipeline as demo
    from scutoid.progress import Progress
    from scutoid.steps import run

    brain = simulate()
    data = out / "brain"
    image, regions = data / "brain.ome.zarr", data / "regions.ome.zarr"
    if not regions.exists():  # the same every time, so existing files are right
        _write(image, brain.image)
        _write(regions, brain.regions)
    print(f"simulated a brain of {brain.image.shape} voxels with {len(brain.centres)} cells\n")
    store = out / "results"
    smooth, cells, table, counts = demo.count_cells(image, regions)
    with Progress() as progress:
        done = run(
            smooth,
            cells,
            table,
            counts,
            store=store,
            workers=workers,
            block=64,
            listeners=[progress],
        )
    detected = table.to_pandas()
    centres = detected[["z_voxel", "y_voxel", "x_voxel"]].to_numpy()
    n_matched = matched(centres, brain.centres, _RADIUS)
    print(
        f"\nfound {len(detected)} cells; {n_matched} of the {len(brain.centres)} that were placed"
    )
    _print_regions(counts.to_pandas(), brain, demo.REGIONS)
    _print_where(done, out, image, store)
    return 0


def _write(path: Path, array: NDArray[Any]) -> None:
    spec = ImageSpec(array.shape, array.dtype, "zyx", voxel_size=VOXEL_SIZE, unit="um")
    path.parent.mkdir(parents=True, exist_ok=True)
    create_image(path, spec).write(spec.roi, array)


def _print_regions(counts: pd.DataFrame, brain: Brain, names: dict[int, str]) -> None:
    places = brain.centres.round().astype(int).clip(0, np.array(brain.image.shape) - 1)
    truth = brain.regions[tuple(places.T)]
    print(f"\n{'region':<14}{'found':>7}{'placed':>8}")
    n_cells = counts.set_index("region")["cells"].to_dict()
    for number, name in names.items():
        n_found = int(n_cells[name])
        print(f"{name:<14}{n_found:>7}{int((truth == number).sum()):>8}")


def _print_where(done: Run, out: Path, image: Path, store: Path) -> None:
    n_cached = sum(step.n_cached == step.n_blocks for step in done.steps)
    print(
        f"\n{len(done.steps)} steps, of which {n_cached} were up to date, in {done.seconds:.1f} s"
    )
    print(f"\nThe results are open files in {store}/<step>/<key>; look at them:")
    command = "scutoid" if shutil.which("scutoid") else f"{Path(sys.executable).name} -m scutoid"
    print(f"  {command} ls --store {store}")
    print(f"  {command} show by_region --store {store}")
    print(f"  {command} view cells measure --store {store}  (pip install 'scutoid[napari]')")
    print(f"  {command} report --open --store {store}")
    print(f"  {command} serve --store {store}  (pip install 'scutoid[web]')")
    print("or in Python:")
    print("  import scutoid as sc")
    print(f"  sc.Store({str(store)!r})['measure'].to_pandas()")
    print(f"  sc.open({str(image)!r})")
    print(f"\nGive the same command again, and nothing runs; remove {out} when you are done.")
