"""A Dask cluster that stands from run to run, and gives each run the lines that are its own."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from scutoid.executors._dask_cluster import Link
from scutoid.executors._work import Work, WorkerPool

_logger = logging.getLogger(__name__)
_CLOSING_SECONDS = 5.0
_ANSWER_SECONDS = 5.0


class Lender(Protocol):
    """Opens pools of workers on a link."""

    def open(self, works: Sequence[Work], workers: int) -> WorkerPool:
        """Begin a run's part."""
        ...


class StandingExecutor:
    """An executor whose cluster, or client, serves several runs.

    At the end of a run its folder gets what workers have printed meanwhile: of a cluster of its own
    the new part of each file, of any other the lines that Dask keeps.

    Parameters
    ----------
    cluster : object
        As it is given to a `DaskExecutor`.
    workers : int
        Workers of a cluster of its own.
    logs : Path
        Folder for what these print.
    lend : callable
        Returns an executor of a link that is lent.
    handles_resources : bool
        Whether workers say what they have of resources.
    """

    handles_timeout = True
    handles_setup = True

    def __init__(
        self,
        cluster: object,
        workers: int,
        logs: Path,
        *,
        lend: Callable[[Link], Lender],
        handles_resources: bool,
    ) -> None:
        self.handles_resources = handles_resources
        self._logs = logs
        self._link = Link.to(cluster, workers, logs, is_default=True)
        self._lent = lend(self._link)

    @property
    def client(self) -> Any:
        """The `distributed.Client`."""
        return self._link.client

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Give a run the workers that are there."""
        pool = self._lent.open(works, workers)
        if logs is None:
            return pool
        return cast("WorkerPool", _Gathering(pool, self._gathering(logs)))

    def close(self) -> None:
        """End the connection, and a cluster of its own."""
        self._link.close(_CLOSING_SECONDS)

    def _gathering(self, logs: Path) -> Callable[[], None]:
        """Note how far the lines are, and return what copies those that come."""
        if self._link.own is None:
            since = time.time()
            return lambda: _ask(self._link.client, since, logs)
        before = {path.name: path.stat().st_size for path in self._logs.glob("*") if path.is_file()}
        return lambda: _copy(self._logs, before, logs)


class _Gathering:
    """A pool of workers, after whose end lines are gathered."""

    def __init__(self, pool: WorkerPool, gather: Callable[[], None]) -> None:
        self._pool = pool
        self._gather = gather

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def stop(self, *, grace: float) -> None:
        """End the pool, then gather; lines that cannot be had do not spoil the run."""
        try:
            self._pool.stop(grace=grace)
        finally:
            try:
                self._gather()
            except Exception:
                _logger.warning("lines of workers were not gathered", exc_info=True)


def _copy(source: Path, before: Mapping[str, int], target: Path) -> None:
    """Copy what files have got since."""
    for path in sorted(source.glob("*-*.*")):
        start = before.get(path.name, 0)
        if not path.is_file() or path.stat().st_size <= start:
            continue
        target.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as lines, (target / path.name).open("ab") as copied:
            lines.seek(start)
            shutil.copyfileobj(lines, copied)


def _ask(client: Any, since: float, target: Path) -> None:
    """Write down the lines that Dask's workers have kept since a time, a file a worker."""
    if client.status != "running":
        return
    found = client.sync(
        client.scheduler.broadcast,
        msg={"op": "get_logs", "start": since},
        on_error="ignore",
        callback_timeout=_ANSWER_SECONDS,
    )
    for number, (address, lines) in enumerate(sorted(found.items())):
        if lines:
            target.mkdir(parents=True, exist_ok=True)
            text = "\n".join(line for _, line in reversed(lines))
            (target / f"dask-worker-{number}.log").write_text(f"{address}\n{text}\n")
