"""Calls that no worker can take, by which an adaptive cluster sees how many are wanted.

Blocks are sent to workers that are there, so of those that wait for workers to come a scheduler
sees nothing: a cluster that starts from none would never have one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from scutoid.executors._dask_types import DaskClient, DaskFuture

# Dask takes a call whose time it does not know for 0.5 s, and wants so many threads that all calls
# are done in 5 s: ten calls a thread.
_CALLS_PER_THREAD = 10
# Where blocks are short, some worker has none at many a look.
_HOLD_SECONDS = 5.0


class Invitations:
    """Wishes for workers that a cluster's scheduler sees.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    run : str
        Tells the runs apart that share a cluster.
    workers : int
        Number of workers that are wanted.
    """

    def __init__(self, client: DaskClient, run: str, workers: int) -> None:
        self._client = client
        self._run = run
        self._workers = workers
        self._futures: Sequence[DaskFuture] = ()
        self._wanted_until = 0.0

    def keep(self, *, wanted: bool, threads: int) -> None:
        """Have as many as are needed, or none once they have not been for some seconds.

        Parameters
        ----------
        wanted : bool
            Whether more workers would have something to do.
        threads : int
            Most threads that a worker has; a run uses one of them.
        """
        now = time.monotonic()
        if wanted:
            self._wanted_until = now + _HOLD_SECONDS
        is_due = bool(self._futures) and now < self._wanted_until
        n = self._workers * _CALLS_PER_THREAD * max(threads, 1) if wanted or is_due else 0
        if n == len(self._futures):
            return
        self.withdraw()
        if n:
            name = f"scutoid-wants-workers-{self._run}"
            self._futures = self._client.map(
                *(_never_called, range(n)),
                key=f"{name}-{n}",
                resources={name: 1},  # which no worker has
                pure=False,
                retries=0,
            )

    def withdraw(self) -> None:
        """Have none."""
        if self._futures:
            futures, self._futures = self._futures, ()
            self._client.cancel(futures)


def _never_called(number: int) -> None:
    """Be a name in the lists of the scheduler."""
