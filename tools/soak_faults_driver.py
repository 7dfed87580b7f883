"""What the soak of faults runs: the pipeline of the soak of the store, refused or ended otherwise.

From its n-th change of a file of the store on this process is refused every one that needs room, as
on a full disk, or that change alone, as by a broken one.  How a run ends is told by the exit code.
"""

from __future__ import annotations

import errno
import os
import select
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import scutoid as sc
from scutoid.errors import ScutoidError
from soak_store_driver import BLOCK, Killer, Site

REFUSED = 3
"""Exit code of a run that ended with an error of scutoid's own."""
INTERRUPTED = 130
"""Exit code of a run that Ctrl-C has ended."""
ACTIONS = {"full": errno.ENOSPC, "broken": errno.EIO}
_NEED_ROOM = {"os.mkdir", "os.link"}


class Refuser(Killer):
    """Counts the changes of files that this process makes, and refuses some.

    Parameters
    ----------
    store : Path
        Changes below it are counted.
    n : int, optional
        From which on; without it they are only counted.
    action : str
        "full": all that need room are refused from then on; "broken": that one.
    """

    def __init__(self, store: Path, n: int | None, action: str) -> None:
        self.number = ACTIONS[action]
        self.is_lasting = action == "full"
        super().__init__(store, n)

    def _refuse(self) -> None:
        if self._is_due() and (self.is_lasting or self.count == (self.n or 0) + 1):
            raise OSError(self.number, os.strerror(self.number))

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        is_open = event == "open" and isinstance(args[2], int)
        changes = is_open and args[2] & (os.O_CREAT | os.O_TRUNC)
        if (changes or event in _NEED_ROOM) and self.store in str(args[0]):
            self._refuse()

    def _before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self._refuse()
            return function(*args)

        return call

    def _halved(self, function: Callable[..., int]) -> Callable[..., int]:
        def call(descriptor: int, content: Any, *where: int) -> int:
            if not self.store.startswith(_store_of(descriptor, self.store)):
                return function(descriptor, content, *where)
            try:
                self._refuse()
            except OSError:
                function(descriptor, bytes(content)[: len(content) // 2], *where)
                raise
            return function(descriptor, content, *where)

        return call


def _store_of(descriptor: int, store: str) -> str:
    """Return `store` where a file lies in it, else its own place."""
    place = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    return store if place.startswith(store) else place


def drive(folder: Path, executor: str, at: int | None = None, action: str = "kill") -> int:
    """Be the driver; return how it ended."""
    site = Site(folder, int((folder / "seed").read_text()))
    counter = Killer(site.store, at) if action == "kill" else Refuser(site.store, at, action)
    try:
        results = site.results()
        (folder / "begun").touch()
        options = {"executor": executor, "workers": 2, "block": BLOCK, "check_halo": False}
        sc.run(*results, store=site.store, report=False, **options)
    except ScutoidError:
        traceback.print_exc()
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    (folder / "changes").write_text(str(counter.count))
    return 0


_ALONE_SECONDS = 15.0


def serve_dask(folder: Path) -> None:
    """Be a Dask cluster for the drivers of a site, until this process is killed."""
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(silence_logs=50, **options) as cluster:
        known, alone_since = None, time.monotonic()
        while not select.select([sys.stdin], [], [], 0.05)[0]:  # until who began this has ended
            # One that is killed before the scheduler knows it is not begun again by its nanny.
            # Where none is left, others come, as in a cluster that is looked after.
            present = set(cluster.scheduler.workers)
            if present:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > _ALONE_SECONDS:
                cluster.scale(0)
                time.sleep(2)
                cluster.scale(2)
                alone_since = time.monotonic()
            begun = [each for each in cluster.workers.values() if each.worker_address in present]
            workers = " ".join(str(each.pid) for each in begun if each.pid is not None)
            if workers != known:
                known = workers
                _put(folder / "workers", workers)
                _put(folder / "address", cluster.scheduler_address)


def _put(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve_dask(Path(sys.argv[2]))
        sys.exit()
    given = [int(each) if each.isdigit() else each for each in sys.argv[2:]]
    sys.exit(drive(Path.cwd(), sys.argv[1], *given))  # type: ignore[arg-type]
