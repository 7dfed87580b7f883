"""What the soak of the store runs: a pipeline with every kind of result, and a driver of it.

The driver can kill itself: before its n-th change of a file of the store, or when half of what it
writes then is written.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import scutoid as sc
from scutoid.blocks import Journal
from scutoid.store import Pack

CALLS = "SOAK_STORE_CALLS"
"""Environment variable: the folder in which calls are counted."""
SECONDS = "SOAK_STORE_SECONDS"
"""Environment variable: so long a call takes."""
BLOCK, SHAPE, MEMBERS = 8, (40, 56), 12
BRIGHT = 380
RETRIES = 50
"""Every worker that is killed is charged to a block."""
IN_BLOCKS = ("double", "sharper", "chained", "sums", "bright")
N_BLOCKS = -(-SHAPE[0] // BLOCK) * -(-SHAPE[1] // BLOCK)
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}


def _count(name: str, which: object) -> None:
    """Count a call outside the store, and take as long as a real block might."""
    with Path(os.environ[CALLS], f"{name}-{which}").open("ab", buffering=0) as file:
        file.write(b"x")
    time.sleep(float(os.environ.get(SECONDS, "0.002")))


@sc.blockwise(dtype="uint16", version="1", storage=sc.Storage(levels=2), retries=RETRIES)
def double(image: Any, *, block: Any) -> Any:
    """An image in shards, with a pyramid."""
    _count("double", block.index)
    return image.astype("uint16") * 2


@sc.blockwise(dtype="uint16", version="1", halo=1, keep=False)
def lighter(image: Any) -> Any:
    """An image that is computed inside the blocks of the next step."""
    return image + np.uint16(7)


@sc.blockwise(dtype="uint16", version="1", retries=RETRIES)
def sharper(image: Any, *, block: Any) -> Any:
    """An image of a step that is not kept."""
    _count("sharper", block.index)
    return image ^ np.uint16(5)


@sc.blockwise(dtype="int64", version="1", halo=4, sees_neighbours=True, retries=RETRIES)
def chained(image: Any, *, neighbours: Any, block: Any) -> Any:
    """A number that depends on all that neighbours have written before."""
    _count("chained", block.index)
    return image.astype("int64") + neighbours.sum() % 1009 + 1


@sc.blockwise(out="parts", version="1", retries=RETRIES)
def sums(image: Any, *, block: Any) -> Any:
    """A small array a block."""
    _count("sums", block.index)
    return {"sum": np.array([image.sum(dtype="int64")])}


@sc.blockwise(out="table", position=("y", "x"), version="1", retries=RETRIES)
def bright(image: Any, *, block: Any) -> Any:
    """A table, joined at the end."""
    _count("bright", block.index)
    y, x = np.nonzero(image > BRIGHT)
    return pd.DataFrame({"y": y.astype("float64"), "x": x.astype("float64"), "value": image[y, x]})


@sc.step(version="1", retries=RETRIES)
def total(image: Any) -> Any:
    """A value."""
    _count("total", 0)
    return {"sum": int(image.sum()), "max": int(image.max())}


@sc.step(version="1", retries=RETRIES)
def profile(image: Any) -> Any:
    """An array."""
    _count("profile", 0)
    return np.repeat(image.mean(0), 64)


@sc.step(out="files", version="1", retries=RETRIES)
def note(image: Any, *, folder: Path) -> None:
    """Files."""
    _count("note", 0)
    (folder / "note.txt").write_text(f"the sum is {image.sum()}\n")


@sc.blockwise(dtype="uint16", version="1", retries=RETRIES)
def triple(image: Any, *, key: str) -> Any:
    """A collection of images."""
    _count("triple", key)
    return image.astype("uint16") * 3


@sc.step(version="1", retries=RETRIES)
def count(image: Any, *, key: str) -> Any:
    """A collection of values."""
    _count("count", key)
    return {"n": int((image > BRIGHT).sum()), "key": key}


@sc.step(out="table", version="1", retries=RETRIES)
def rows(image: Any, *, key: str) -> Any:
    """A collection of tables."""
    _count("rows", key)
    return pd.DataFrame({"row": np.arange(len(image)), "mean": image.mean(1)})


@sc.step(version="1", retries=RETRIES)
def grand(counts: Any) -> Any:
    """A value of all members."""
    _count("grand", 0)
    return sum(one["n"] for one in counts.values())


NAMES = (
    "double", "sharper", "chained", "sums", "bright", "total", "profile", "note", "triple", "count",
    "rows", "grand",
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """The folder of a pipeline, and what it computes there."""

    folder: Path
    seed: int

    @property
    def store(self) -> Path:
        """The store."""
        return self.folder / "store"

    def raw(self) -> Any:
        """The image."""
        return np.random.default_rng(self.seed).integers(1, 250, SHAPE).astype("uint8")

    def member(self, number: int, *, is_other: bool = False) -> Any:
        """The image of a member, or another one that takes its place for a while."""
        rng = np.random.default_rng([self.seed, number + MEMBERS * is_other])
        return rng.integers(1, 250, (16, 20 + number)).astype("uint8")

    def prepare(self) -> None:
        """Write the inputs."""
        for name in ("calls", "plate"):
            (self.folder / name).mkdir(parents=True)
        np.save(self.folder / "raw.npy", self.raw())
        (self.folder / "seed").write_text(str(self.seed))
        for number in range(MEMBERS):
            np.save(self.folder / "plate" / f"{number:02}.npy", self.member(number))

    def results(self) -> tuple[Any, ...]:
        """The pipeline, in the order of `NAMES`."""
        twice = double(sc.open(np.load(self.folder / "raw.npy"), voxel_size=(2.0, 2.0), unit="um"))
        thrice = triple(sc.open_folder(self.folder / "plate" / "*.npy", read=np.load))
        counts = count(thrice)
        return (
            twice, sharper(lighter(twice)), chained(twice), sums(twice), bright(twice),
            total(twice), profile(twice), note(twice), thrice, counts, rows(thrice),
            grand(sc.gather(counts)),
        )  # fmt: skip

    def truth(self, other: int | None = None) -> dict[str, Any]:
        """The results by plain numpy, in the form of `plain`, with another image of one member."""
        twice = self.raw().astype("uint16") * 2
        corners = itertools.product(*(range(0, n, BLOCK) for n in SHAPE))
        blocks = [(y, x, twice[y : y + BLOCK, x : x + BLOCK]) for y, x in corners]
        tables = []
        for y0, x0, part in blocks:
            y, x = np.nonzero(part > BRIGHT)
            tables.append(
                pd.DataFrame({"y": y + float(y0), "x": x + float(x0), "value": part[y, x]})
            )
        members = [self.member(n, is_other=n == other) for n in range(MEMBERS)]
        thrice = {f"{n:02}.npy": image.astype("uint16") * 3 for n, image in enumerate(members)}
        counts = {k: {"n": int((m > BRIGHT).sum()), "key": k} for k, m in thrice.items()}
        return {
            "double": (twice, (2.0, 2.0), "um"),
            "sharper": ((twice + np.uint16(7)) ^ np.uint16(5), (2.0, 2.0), "um"),
            "chained": (_chained(twice), (2.0, 2.0), "um"),
            "sums": {
                n: {"sum": np.array([part.sum(dtype="int64")])}
                for n, (*_, part) in enumerate(blocks)
            },
            "bright": pd.concat(tables, ignore_index=True),
            "total": {"sum": int(twice.sum()), "max": int(twice.max())},
            "profile": np.repeat(twice.mean(0), 64),
            "note": {"note.txt": f"the sum is {twice.sum()}\n"},
            "triple": {key: (member, None, None) for key, member in thrice.items()},
            "count": counts,
            "rows": {
                key: pd.DataFrame({"row": np.arange(len(m)), "mean": m.mean(1)})
                for key, m in thrice.items()
            },
            "grand": sum(one["n"] for one in counts.values()),
        }

    def n_calls(self, name: str) -> int:
        """How often a block, member or step has been called."""
        path = self.folder / "calls" / name
        return path.stat().st_size if path.exists() else 0

    def done(self) -> set[str]:
        """What the store has recorded as done: a block, a member or a step each."""
        found = set()
        for entry, recipe in sc.Store(self.store).entries() if self.store.is_dir() else ():
            name = recipe.step
            if recipe.kind == "collection":
                pack = Pack(entry.path / "items.pack")
                found |= {f"{name}-{pack.meta(member)['key']}" for member in pack}
            elif name in IN_BLOCKS:
                blocks = np.flatnonzero(Journal.read(entry.journal))
                found |= {f"{name}-{index}" for index in blocks}
            elif entry.status == "complete":
                found.add(f"{name}-0")
        return found


def _chained(image: Any) -> Any:
    """What `chained` makes, level after level; a block sees those of lower levels around it."""
    out = np.zeros(image.shape, "int64")
    places = list(itertools.product(*(range(0, n, BLOCK) for n in SHAPE)))
    level = {place: tuple(at // BLOCK % 2 for at in place) for place in places}
    for y, x in sorted(places, key=lambda place: (level[place], place)):
        top, left = max(y - 4, 0), max(x - 4, 0)
        seen = 0
        for other in places:
            if level[other] < level[y, x]:
                part = out[other[0] : other[0] + BLOCK, other[1] : other[1] + BLOCK]
                begin = [max(a - b, 0) for a, b in zip((top, left), other, strict=True)]
                ends = (y + BLOCK + 4 - other[0], x + BLOCK + 4 - other[1])
                if min(ends) > 0:
                    seen += int(part[begin[0] : ends[0], begin[1] : ends[1]].sum())
        region = np.s_[y : y + BLOCK, x : x + BLOCK]
        out[region] = image[region].astype("int64") + seen % 1009 + 1
    return out


class Killer:
    """Counts the changes of files that this process makes, and kills it before one of them.

    Parameters
    ----------
    store : Path
        Changes below it are counted.
    n : int, optional
        Before which of them to kill; without it they are only counted.
    """

    def __init__(self, store: Path, n: int | None = None) -> None:
        self.store = str(store)
        self.n = n
        self.count = 0
        sys.addaudithook(self._hook)
        os.fsync = self._before(os.fsync)
        os.write = self._halved(os.write)
        os.pwrite = self._halved(os.pwrite)

    def _is_due(self) -> bool:
        self.count += 1
        return self.n is not None and self.count > self.n

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        is_open = event == "open" and isinstance(args[2], int)
        changes = is_open and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (changes or event in _CHANGES) and self.store in str(args[0]) and self._is_due():
            os.kill(os.getpid(), signal.SIGKILL)

    def _before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            if self._is_due():
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args)

        return call

    def _halved(self, function: Callable[..., int]) -> Callable[..., int]:
        def call(descriptor: int, content: Any, *where: int) -> int:
            if self._is_due():
                function(descriptor, bytes(content)[: len(content) // 2], *where)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(descriptor, content, *where)

        return call


def drive(folder: Path, executor: str, kill_at: int | None = None) -> None:
    """Be the driver: run what is left; afterwards the file `changes` says how many there were."""
    site = Site(folder, int((folder / "seed").read_text()))
    results = site.results()
    killer = Killer(site.store, kill_at)
    (folder / "begun").touch()
    options = {"executor": executor, "workers": 2, "block": BLOCK}
    sc.run(*results, store=site.store, check_halo=False, **options)  # each call is counted
    (folder / "changes").write_text(str(killer.count))


if __name__ == "__main__":
    drive(Path.cwd(), sys.argv[1], *map(int, sys.argv[2:]))
