"""volara with scutoid in daisy's place: a threshold in worker processes and in this one."""

import sys
from pathlib import Path

import daisy
import numpy as np
import zarr
from funlib.persistence import prepare_ds
from volara.blockwise import Threshold
from volara.datasets import Labels, Raw
from volara.logging import set_log_basedir


def check(holds, what):
    """Raise if something does not hold."""
    if not holds:
        raise RuntimeError(what)


def main(folder):
    """Threshold an image whose size is no multiple of the blocks'."""
    image = np.random.default_rng(0).integers(0, 255, (37, 50, 41), dtype=np.uint8)
    array = prepare_ds(folder / "images.zarr/raw", image.shape, dtype=image.dtype, mode="w")
    array[:] = image
    check(daisy.__name__ == "scutoid.integrations.daisy", f"daisy is {daisy}")
    n_blocks = 3 * 4 * 3
    for multiprocessing in (True, False):
        name = "processes" if multiprocessing else "serial"
        set_log_basedir(folder / f"logs-{name}")
        task = Threshold(
            in_data=Raw(store=folder / "images.zarr/raw"),
            mask=Labels(store=folder / f"images.zarr/{name}"),
            threshold=100,
            block_size=(16, 16, 16),
            num_workers=2,
        )
        outcome = task.run_blockwise(multiprocessing=multiprocessing)
        is_done = outcome if multiprocessing else outcome[task.task_name].is_done()
        check(is_done, f"{name}: {outcome}")
        found = zarr.open(folder / f"images.zarr/{name}", mode="r")[:]
        check(np.array_equal(found, image > 100), f"{name}: other voxels")
        done = zarr.open(task.block_ds, mode="r")[:]
        check(np.count_nonzero(done) == n_blocks, f"{name}: {done}")
        if not multiprocessing:
            again = task.run_blockwise(multiprocessing=False)[task.task_name]
            check(again.skipped_count == n_blocks, f"again: {again}")
    print("threshold: the same voxels in processes and in one, and done blocks were left out")


main(Path(sys.argv[1]))
