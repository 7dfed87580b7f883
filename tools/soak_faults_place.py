"""Where the drivers of a site of the soak of faults run: users, a disk, a Dask cluster."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from soak_store import processes_in
from soak_store_driver import CALLS, SECONDS, Site

USERS, GROUP = (12001, 12002), 12000
MOUNTS = "SOAK_FAULTS_MOUNTS"
"""Environment variable: set where disks can be mounted, and vanish with this process."""
_DRIVER = str(Path(__file__).with_name("soak_faults_driver.py").resolve())
_POLL = 0.005
_BEGINNING = 180.0


class Place:
    """Begins drivers, and knows their workers.

    Parameters
    ----------
    site : Site
        The folder.
    executor : str
        "serial", "processes" or "dask".
    """

    def __init__(self, site: Site, executor: str) -> None:
        self.site = site
        self.executor = executor
        self.has_disk = MOUNTS in os.environ
        """Whether its store lies on a disk of its own, which can be filled."""
        has_setpriv = shutil.which("setpriv") is not None
        self.has_users = os.geteuid() == 0 and has_setpriv and executor != "dask"
        self._cluster: subprocess.Popen[bytes] | None = None

    @property
    def _environment(self) -> dict[str, str]:
        own = {CALLS: str(self.site.folder / "calls"), SECONDS: "0.01"}
        return {**os.environ, **own, "PYTHONDONTWRITEBYTECODE": "1"}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Make the disk, the cluster and the rights of two users, where these are wanted."""
        store = self.site.store
        store.mkdir()
        if self.has_disk:
            _run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(store))
        if self.has_users:
            for path in (self.site.folder, *self.site.folder.rglob("*")):
                os.chown(path, USERS[0], GROUP)
                path.chmod(0o2775 if path.is_dir() else 0o664)
        try:
            if self.executor == "dask":
                self._begin_cluster()
            yield
        finally:
            if self._cluster is not None:
                self._end_cluster(self._cluster)
            if self.has_disk:
                _run("umount", "-l", str(store))

    def _begin_cluster(self) -> None:
        folder = self.site.folder / "cluster"
        folder.mkdir()
        self._cluster = subprocess.Popen(
            [sys.executable, _DRIVER, "serve", str(folder)],
            cwd=folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        end = time.monotonic() + _BEGINNING
        while not (folder / "address").exists():
            if time.monotonic() > end or self._cluster.poll() is not None:
                raise RuntimeError("a Dask cluster could not be begun")
            time.sleep(_POLL)

    def _end_cluster(self, cluster: subprocess.Popen[bytes]) -> None:
        children = _below(cluster.pid)
        cluster.kill()
        cluster.wait()
        for number in children:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def begin(self, options: Sequence[str], user: int) -> subprocess.Popen[bytes]:
        """Begin a driver, as one of two users."""
        folder, executor = self.site.folder, self.executor
        if executor == "dask":
            executor = (folder / "cluster" / "address").read_text()
        command = [sys.executable, _DRIVER, executor, *options]
        if self.has_users:
            rights = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
            ids = [f"--reuid={USERS[user]}", f"--regid={GROUP}", "--clear-groups"]
            command = ["sh", "-c", 'umask 002; exec "$@"', "sh", "setpriv", *ids, *rights, *command]
        with (folder / "driver.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=folder,  # by this the processes of a site are told from all others
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def workers(self, driver: subprocess.Popen[Any]) -> list[int]:
        """Return the numbers of the processes that compute blocks."""
        if self._cluster is None:
            return _below(driver.pid)
        return [int(n) for n in (self.site.folder / "cluster" / "workers").read_text().split()]

    def fill(self, room: int) -> None:
        """Leave so many bytes of the disk free."""
        with suppress(OSError), (self.site.store / ".ballast").open("wb") as file:
            free = shutil.disk_usage(self.site.store).free
            os.posix_fallocate(file.fileno(), 0, max(free - room, 1))

    def empty(self) -> None:
        """Give the room back."""
        (self.site.store / ".ballast").unlink(missing_ok=True)

    def left(self, seconds: float) -> list[int]:
        """Wait until what a driver began has ended; return what has not, after killing it."""
        end = time.monotonic() + seconds
        while left := processes_in(self.site.folder):
            if time.monotonic() > end:
                for number in left:
                    with suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)
                return left
            time.sleep(_POLL)
        calls = -1
        while self._cluster is not None and calls != (calls := self.n_calls()):
            time.sleep(0.3)  # its workers live on, with what was under way
        return []

    def clear(self) -> None:
        """Remove all results, and the counts of calls: the next drivers begin anew."""
        for folder in (self.site.store, self.site.folder / "calls"):
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def n_calls(self) -> int:
        """How often blocks, members and steps have been called."""
        return sum(path.stat().st_size for path in (self.site.folder / "calls").iterdir())


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _below(pid: int) -> list[int]:
    """Return the processes below one that have none below themselves, but trackers of resources."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                rest = (entry / "stat").read_text().rpartition(")")[2].split()
                if rest[0] != "Z" and b"resource_tracker" not in (entry / "cmdline").read_bytes():
                    parents[int(entry.name)] = int(rest[1])
    found, level = [], [pid]
    while level:
        level = [one for one, above in parents.items() if above in level]
        found += level
    return [one for one in found if one not in parents.values()]
