"""Open and plan one collection, as a process: ``file_sets_work.py WAY N STORE``; prints JSON.

plain      members of one file each
groups     the same, with placeholders as columns
stacked    members of two files each, by a pattern
table      the same, listed in a CSV
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

WORK = Path(__file__).parent / "scratch"
SITES = 25
"""Members of one well."""
CHANNELS = (1, 2)


def folder_of(n, n_channels):
    return WORK / f"sites_{n}_{n_channels}"


def names(n, n_channels):
    """Yield well, site and channel of each file."""
    for number in range(n):
        for channel in CHANNELS[:n_channels]:
            yield f"W{number // SITES:04}", number % SITES + 1, channel


def prepare(n, n_channels):
    """Write images of four voxels; a table lists them."""
    import numpy as np

    folder, done = folder_of(n, n_channels), WORK / f"sites_{n}_{n_channels}.done"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = ["path,well,site,channel"]
    for number, (well, site, channel) in enumerate(names(n, n_channels)):
        path = folder / f"{well}_s{site}_w{channel}.npy"
        np.save(path, np.full((2, 2), number, "uint64"))
        rows.append(f"{path.name},{well},{site},{channel}")
    (folder / "files.csv").write_text("\n".join(rows) + "\n")
    done.touch()


def opened(way, n):
    import scutoid as sc

    if way == "plain":
        return sc.open_folder(folder_of(n, 1) / "*.npy")
    if way == "groups":
        return sc.open_folder(folder_of(n, 1) / "{well}_s{site:d}_w{channel}.npy")
    folder = folder_of(n, len(CHANNELS))
    if way == "table":
        return sc.open_folder(folder / "files.csv", stack={"c": "channel"})
    return sc.open_folder(folder / "{well}_s{site:d}_w{channel}.npy", stack={"c": "channel"})


def total(image):
    return int(image.sum())


def main():
    way, n, store = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    import numpy as np

    import scutoid as sc

    # What is imported at first use does not count
    with tempfile.TemporaryDirectory() as empty:
        np.save(Path(empty) / "one.npy", np.zeros((2, 2), "uint64"))
        one = sc.open_folder(Path(empty) / "{name}.npy", stack={"c": "name"})
        sc.plan(sc.step(total)(one), store=Path(empty) / "store")
    started = time.perf_counter()
    images = opened(way, n)
    begun = time.perf_counter()
    planned = sc.plan(sc.step(total)(images), store=store)
    ended = time.perf_counter()
    if planned.steps[0].n_blocks != n:
        raise SystemExit(f"{planned.steps[0].n_blocks} members")
    print(json.dumps({"open": begun - started, "plan": ended - begun, "both": ended - started}))


if __name__ == "__main__":
    main()
