"""A folder of 1,000 images that is up to date: how long it takes to find that out.

python benchmarks/warm_folder.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

from harness import WORK, write_section

N_IMAGES = 1000
FOLDER, STORE = WORK / "folder", WORK / "folder_store"


def prepare():
    """Write 1,000 images of 512 x 512 uint16."""
    import numpy as np
    import tifffile

    if FOLDER.exists():
        return
    FOLDER.mkdir(parents=True)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 200, (512, 512)).astype("uint16")
    image[100:120, 100:130] = 3000
    for number in range(N_IMAGES):
        tifffile.imwrite(FOLDER / f"{number:04}.tif", np.roll(image, number, axis=0))


def work():
    """Denoise, threshold and count; print the seconds beyond imports, and how many steps ran."""
    import scutoid as sc

    started = time.perf_counter()
    mask = sc.threshold(sc.gaussian(sc.open_folder(FOLDER / "*.tif"), sigma=2), level=500)
    run = sc.run(count(mask), store=STORE, workers=2)
    seconds = time.perf_counter() - started
    sys.stdout.write(f"{seconds} {sum(step.n_done - step.n_cached for step in run.steps)}\n")


def count(mask):
    """Count the foreground of each image."""
    import scutoid as sc

    def foreground(mask):
        return int(mask.sum())

    return sc.step(foreground)(mask)


def main():
    """Measure a cold and several warm runs."""
    if sys.argv[1:] == ["work"]:
        work()
        return
    prepare()
    shutil.rmtree(STORE, ignore_errors=True)
    rows = []
    for label in ("cold", "warm", "warm", "warm"):
        done = subprocess.run(
            [sys.executable, __file__, "work"], check=True, capture_output=True, text=True
        )
        seconds, n_ran = done.stdout.split()
        rows.append(
            f"| {label} | {float(seconds):.2f} | {1000 * float(seconds) / N_IMAGES:.2f} | {n_ran} |"
        )
    head = (
        "| run | s beyond imports | ms an image | members computed, of 3,000 |\n|---|---|---|---|"
    )
    about = f"{N_IMAGES} images of 512 x 512 uint16: denoise, threshold, count; 2 processes."
    write_section("A folder that is up to date", f"{about}\n\n{head}\n" + "\n".join(rows))


if __name__ == "__main__":
    main()
