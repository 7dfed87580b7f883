"""One way of keying inputs, as a process: ``keys_work.py WHAT [...]``; prints a line of JSON.

walk N             list N tiny files and ask for the size and time of each, and nothing else
digest N           the same, and read and hash each
open N             open them as a collection
plan N             plan a step that does next to nothing on each of them
run N              run it
hash WAY GB        read or hash a large file that is in memory: read, scutoid, sha256sum, ...
cold WAY GB        the same from the disk
zarr HOW CHUNKS    key a zarr: by its listing, by content, or by content that is known
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

WORK = Path(__file__).parent / "scratch"
STORE = WORK / "members_store"
MEMO = WORK / "keys_memo"
_PER_FOLDER = 1000
_PIECE = 4 * 2**20


def members_of(n):
    return WORK / f"members_{n}"


def large_of(gb):
    return WORK / f"large_{gb}.bin"


def zarr_of(n):
    return WORK / f"keys_{n}.zarr"


def prepare_members(n):
    """Write images of four voxels, a thousand a folder."""
    import numpy as np

    folder, done = members_of(n), WORK / f"members_{n}.done"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    np.save(folder / "0.npy", np.zeros((2, 2), "uint64"))
    header = (folder / "0.npy").read_bytes()[:-32]
    (folder / "0.npy").unlink()
    for number in range(n):
        inside = folder / f"{number // _PER_FOLDER:04}"
        if number % _PER_FOLDER == 0:
            inside.mkdir()
        (inside / f"{number:07}.npy").write_bytes(header + number.to_bytes(8, "little") * 4)
    done.touch()


def prepare_large(gb):
    """Write bytes that do not repeat within what a disk or a hash might notice."""
    path = large_of(gb)
    if path.exists() and path.stat().st_size == gb * 10**9:
        return
    piece = bytearray(os.urandom(10**8))
    with path.open("wb") as file:
        for number in range(gb * 10):
            piece[:8] = number.to_bytes(8, "little")
            file.write(piece)


def prepare_zarr(n):
    """Write an array of n chunks of 32 KiB."""
    import numpy as np
    import zarr

    done = WORK / f"keys_{n}.done"
    if done.exists():
        return
    shutil.rmtree(zarr_of(n), ignore_errors=True)
    array = zarr.create_array(
        zarr_of(n), shape=(n, 128, 128), chunks=(1, 128, 128), dtype="uint16", compressors=None
    )
    rng = np.random.default_rng(0)
    for begin in range(0, n, 500):
        array[begin : begin + 500] = rng.integers(1, 2**16, (500, 128, 128), "uint16")
    done.touch()


def files_of(n):
    for folder in os.scandir(members_of(n)):
        for file in os.scandir(folder):
            yield file.path, file.stat()


def walk(n):
    """List and ask, no more."""
    assert sum(1 for _ in files_of(n)) == n


def digest(n):
    """Read and hash each file."""
    for path, _ in files_of(n):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - the least that can be done
            hashlib.sha256(file.read()).hexdigest()


def opened(n):
    import scutoid as sc

    return sc.open_folder(members_of(n) / "*" / "*.npy")


def double(image):
    """Do next to nothing."""
    return int(image[0, 0]) * 2


def planned(n):
    import scutoid as sc

    started = time.perf_counter()
    target = sc.step(double)(opened(n))
    begun = time.perf_counter()
    steps = sc.plan(target, store=STORE).steps
    ended = time.perf_counter()
    return {"open": begun - started, "plan": ended - begun, "n_done": steps[0].n_done}


def run(n):
    import scutoid as sc

    target = sc.step(double)(opened(n))
    started = time.perf_counter()
    done = sc.run(target, store=STORE, workers=2)
    return {"run": time.perf_counter() - started, "n_cached": done.steps[0].n_cached}


def read_through(path, update):
    """Give a file to a function piece by piece."""
    piece = memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(piece):
            update(piece[:size])


def by_scutoid(path):
    from scutoid.store import key_of_path

    key_of_path(path)


def by_xxh3(path):
    import xxhash

    read_through(path, xxhash.xxh3_128().update)


def by_blake3(path):
    import blake3

    read_through(path, blake3.blake3().update)


HASHES = {
    "read": lambda path: read_through(path, len),
    "scutoid": by_scutoid,
    "sha256sum": lambda path: subprocess.run(["sha256sum", path], check=True, capture_output=True),
    "xxh3": by_xxh3,
    "blake3": by_blake3,
}


def hashed(way, gb, *, is_cold=False):
    path = large_of(gb)
    HASHES[way](Path(__file__))  # imports what it needs
    if is_cold:
        os.sync()
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    else:
        read_through(path, len)
    started = time.perf_counter()
    HASHES[way](path)
    return {"seconds": time.perf_counter() - started}


def keyed_zarr(how, n):
    from scutoid.arrays import open_source
    from scutoid.store import HashMemo, key_of_source

    memo = HashMemo(MEMO) if how == "known" else None
    source = open_source(str(zarr_of(n)), key="listing" if how == "listing" else "content")
    if memo is not None:
        key_of_source(source.identity, source.spec, memo)
        memo.save()
        memo = HashMemo(MEMO)
    started = time.perf_counter()
    key_of_source(source.identity, source.spec, memo)
    return {"seconds": time.perf_counter() - started}


def main():
    what, *given = sys.argv[1:]
    started = time.perf_counter()
    if what in ("hash", "cold"):
        said = hashed(given[0], int(given[1]), is_cold=what == "cold")
    elif what == "zarr":
        said = keyed_zarr(given[0], int(given[1]))
    else:
        simple = {"walk": walk, "digest": digest, "plan": planned, "run": run}
        found = simple[what](int(given[0]))
        said = found if isinstance(found, dict) else {}
    print(json.dumps({"seconds": time.perf_counter() - started} | said))


if __name__ == "__main__":
    main()
