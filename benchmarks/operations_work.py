"""One operation, one way, as a process of its own: ``operations_work.py ROW WAY SIDE [BLOCK]``.

WAY is "reference", an executor of scutoid, or "default" for none that is named.  All that is needed
is imported, and the same done on a tiny image, before the clock starts; ``--idle`` measures that
tiny run alone.  Says, as JSON, when the work began and ended, its processor time, the memory
before, and what it found.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np

import blobs
from blobs import CHUNK, LEVEL, WORK
from harness import cpu_seconds, proportional
from operations_rows import ROWS, Scene, quiet

TINY = 48


def scene_of(side, place):
    return Scene(blobs.volume(side), WORK / f"blobs_mask_{side}.zarr", place)


def prepare(side):
    """Write the inputs of such a side."""
    import zarr

    blobs.prepare(side)
    scene = scene_of(side, WORK)
    if scene.mask.exists():
        return
    beside = scene.mask.with_suffix(".part")
    raw = zarr.open_array(scene.raw, mode="r")
    mask = zarr.create_array(beside, shape=raw.shape, chunks=raw.chunks, dtype=bool, overwrite=True)
    for z in range(0, side, CHUNK):
        mask[z : z + CHUNK] = raw[z : z + CHUNK] > LEVEL
    beside.rename(scene.mask)


def fresh(place):
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def carry_out(row, way, scene, workers, block=None):
    """Do the work; return a function that reads what came of it."""
    if way == "reference":
        result = scene.write(row.reference(scene))
        return lambda: result
    import scutoid as sc

    result = row.ours(scene)
    more = {} if way == "default" else {"executor": way}
    more |= {} if block is None else {"block": block}
    sc.run(result, store=scene.out, workers=workers, **more)
    return lambda: value_of(result)


def value_of(result):
    """What a lazy result of scutoid holds."""
    import scutoid as sc

    if isinstance(result, sc.Image):
        return np.asarray(result)
    return result.to_pandas() if isinstance(result, sc.Table) else float(result.get())


def digest(found):
    """Name a result by its content: of tables the number of voxels of each object, or the rows."""
    if isinstance(found, float):
        return repr(found)
    if not isinstance(found, np.ndarray):
        if "n_voxels" not in found:
            return f"{len(found)} rows"
        found = found.sort_values("label")["n_voxels"].to_numpy().astype("int64")
    content = hashlib.sha256(np.ascontiguousarray(found).view("uint8")).hexdigest()
    return f"{found.dtype} {found.shape} {content[:16]}"


def number(found):
    """How many objects, rows or voxels of the foreground there are."""
    if isinstance(found, float):
        return found
    if not isinstance(found, np.ndarray):
        return len(found)
    return int(found.max()) if found.dtype == np.uint32 else int(np.count_nonzero(found))


def measured(work):
    """Do some work between two looks at the clock and the processor's time."""
    me = os.getpid()
    os.sync()  # what was written before would be written during this work
    idle, cpu, begin = proportional(me), cpu_seconds(me), time.monotonic()
    done = work()
    end, used = time.monotonic(), cpu_seconds(me) - cpu
    return done, {"idle": idle, "begin": begin, "end": end, "cpu": used}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("way")
    parser.add_argument("side", type=int)
    parser.add_argument("place", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--block", type=int)
    parser.add_argument("--idle", action="store_true")
    given = parser.parse_args()
    quiet()
    row, place = ROWS[given.row], given.place
    started = time.monotonic()
    first = given.way if given.way == "reference" else "serial"
    carry_out(row, first, scene_of(TINY, fresh(place)), given.workers)
    start = time.monotonic() - started
    scene = scene_of(TINY if given.idle else given.side, fresh(place))
    read, said = measured(lambda: carry_out(row, given.way, scene, given.workers, given.block))
    found = read()
    said |= {"start": start, "digest": digest(found), "number": number(found)}
    shutil.rmtree(place)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
