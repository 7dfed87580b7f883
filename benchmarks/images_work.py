"""One way of counting objects in a folder of images, as a process: ``images_work.py WAY N``.

Of each of N images of 512 x 512 uint16 there are, at the end, the smoothed image, the mask of what
is above a level, and the number of objects in the mask; and one table of all numbers.  A second run
finds that nothing has changed.  Prints the sum of the numbers.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys

import images_kernels as kernels
from images_kernels import (
    count,
    denoise,
    files_of,
    mask_of,
    out_of,
    read,
    read_table,
    write,
    write_table,
)

WORKERS = 2


def bare_one(given):
    """Do one image, unless its results are newer than it is."""
    path, out, known, is_synced = given
    results = [out / f"{letter}{path.name}" for letter in "sm"]
    made = path.stat().st_mtime_ns
    if known is not None and all(
        file.exists() and file.stat().st_mtime_ns > made for file in results
    ):
        return path.name, known
    smooth = denoise(read(path))
    mask = mask_of(smooth)
    for file, array in zip(results, (smooth, mask), strict=True):
        write(file, array)
        if is_synced:
            with file.open("rb") as written:
                os.fsync(written.fileno())
    return path.name, count(mask)


def bare(n, way="bare"):
    """Two processes and nothing else; results that are newer than their image are kept."""
    out = out_of(way, n)
    out.mkdir(exist_ok=True)
    known = read_table(out)
    given = [(file, out, known.get(file.name), way == "synced") for file in files_of(n)]
    with multiprocessing.Pool(WORKERS) as pool:
        return write_table(out, pool.map(bare_one, given))


def synced(n):
    """The same, and each result is on the disk before the next image is begun."""
    return bare(n, "synced")


def scutoid(n):
    """Three steps over a folder."""
    import scutoid as sc

    out = out_of("scutoid", n)
    images = sc.open_folder(kernels.folder_of(n) / "*.tif")
    smooth = sc.step(denoise, out="image", dtype="float32")(images)
    mask = sc.step(mask_of, out="image", dtype=bool)(smooth)
    counts = sc.step(count)(mask)
    sc.run(counts, mask, smooth, store=out, workers=WORKERS)
    return write_table(out, counts.to_dict().items())


def joblib(n):
    """Each step remembered by the content of what it is given."""
    from joblib import Memory, Parallel, delayed

    out = out_of("joblib", n)
    memory = Memory(out, verbose=0)
    cached = [memory.cache(step) for step in (denoise, mask_of, count)]
    rows = Parallel(n_jobs=WORKERS)(delayed(joblib_one)(cached, file) for file in files_of(n))
    return write_table(out, rows)


def joblib_one(cached, path):
    found = read(path)
    for step in cached:
        found = step(found)
    return path.name, found


def luigi(n):
    """A task a step and image, done where its file is."""
    import luigi as lib

    out = out_of("luigi", n)
    out.mkdir(exist_ok=True)

    class Step(lib.Task):
        path = lib.Parameter()

        def output(self):
            name = f"{type(self).__name__}_{os.path.basename(self.path)}"  # noqa: PTH119
            return lib.LocalTarget(out / name)

    class Denoise(Step):
        def run(self):
            with self.output().temporary_path() as beside:
                write(beside, denoise(read(self.path)))

    class Mask(Step):
        def requires(self):
            return Denoise(self.path)

        def run(self):
            with self.output().temporary_path() as beside:
                write(beside, mask_of(read(self.input().path)))

    class Count(Step):
        def requires(self):
            return Mask(self.path)

        def run(self):
            with self.output().open("w") as file:
                file.write(str(count(read(self.input().path))))

    tasks = [Count(str(file)) for file in files_of(n)]
    assert lib.build(tasks, workers=WORKERS, local_scheduler=True, log_level="ERROR")
    rows = []
    for task in tasks:
        with task.output().open() as file:
            rows.append((task.path, int(file.read())))
    return write_table(out, rows)


def redun(n):
    """A task a step and image, from file to file."""
    from redun import Scheduler
    from redun.config import Config

    import images_redun

    out = out_of("redun", n)
    out.mkdir(exist_ok=True)
    logging.disable(logging.INFO)
    config = {
        "backend": {"db_uri": f"sqlite:///{out}/redun.db"},
        "executors.local": {"type": "local", "mode": "process", "max_workers": str(WORKERS)},
    }
    scheduler = Scheduler(config=Config(config))
    scheduler.load()
    paths = [str(file) for file in files_of(n)]
    numbers = scheduler.run(images_redun.main(paths, str(out)))
    return write_table(out, list(zip(paths, numbers, strict=True)))


def prefect(n):
    """A task a step and image, in threads; results are kept by inputs and code."""
    out = out_of("prefect", n)
    os.environ |= {
        "PREFECT_HOME": str(out),
        "PREFECT_LOCAL_STORAGE_PATH": str(out / "results"),
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    from prefect import flow, task
    from prefect.cache_policies import INPUTS, TASK_SOURCE
    from prefect.task_runners import ThreadPoolTaskRunner

    kept = {"persist_result": True, "cache_policy": INPUTS + TASK_SOURCE}

    @task(**kept)
    def denoised(path, _changed):
        return denoise(read(path))

    @task(**kept)
    def masked(smooth):
        return mask_of(smooth)

    @task(**kept)
    def counted(mask):
        return count(mask)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=WORKERS))
    def main():
        found = []
        for file in files_of(n):
            smooth = denoised.submit(str(file), file.stat().st_mtime_ns)
            found.append((file.name, counted.submit(masked.submit(smooth))))
        return [(name, future.result()) for name, future in found]

    return write_table(out, main())


def main():
    ways = (bare, synced, scutoid, joblib, luigi, redun, prefect)
    chosen = {way.__name__: way for way in ways}[sys.argv[1]]
    print(chosen(int(sys.argv[2])))


if __name__ == "__main__":
    main()
