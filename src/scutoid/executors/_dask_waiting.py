"""Waiting for Dask workers that are not there: told now and then, and given up by a patience."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence

from scutoid.errors import WorkerError
from scutoid.executors._dask_types import DaskClient, OwnedCluster, Present
from scutoid.executors._telling import Telling
from scutoid.executors._work import Waiting, Work
from scutoid.settings import time_of

PATIENCE = "SCUTOID_DASK_PATIENCE"
"""In the environment: how long a run waits for a cluster without workers, such as "2h"."""


class Wait:
    """A run's wait for workers.

    Parameters
    ----------
    works : Sequence[Work]
        Of the run.
    client : distributed.Client
        Of the cluster.
    own : OwnedCluster, optional
        The cluster, where the run has started it.
    workers : int
        Number of workers that are wanted.

    Raises
    ------
    ParameterError
        If the patience in the environment is no time.
    """

    def __init__(
        self, works: Sequence[Work], client: DaskClient, own: OwnedCluster | None, workers: int
    ) -> None:
        self._needs = sorted({need for work in works for need in work.requires.items()})
        self._client = client
        self._own = own
        self._most = workers
        self._patience = time_of(PATIENCE, math.inf)
        self._since = time.monotonic()
        self._telling = Telling()

    def lacking(self, present: Iterable[Present]) -> list[str]:
        """Return what steps require and no worker has, such as "gpu=1"."""
        if not self._needs:
            return []
        states = list(present)
        return [
            f"{name}={n}"
            for name, n in self._needs
            if not any(state.resources.get(name, 0) >= n for state in states)
        ]

    def is_over(self) -> None:
        """Note that there are workers that can do something."""
        self._since = time.monotonic()
        self._telling.begin_again()

    def goes_on(self, workers: int, lacking: Sequence[str]) -> list[Waiting]:
        """Tell, if it is time to, that no worker can do anything.

        Parameters
        ----------
        workers : int
            Number of those that are there.
        lacking : Sequence[str]
            What they lack.

        Raises
        ------
        WorkerError
            If no worker will ever join, or patience is at its end.
        """
        seconds = time.monotonic() - self._since
        if self._own is not None and not workers:
            self._own.check()
        if seconds > self._patience:
            raise WorkerError(
                f"a Dask cluster has a worker within {self._patience:g} s",
                value="there is none",
                place=str(self._client),
                remedy="start workers and run again: what was done is kept where there is a "
                f"journal; {PATIENCE}=2h waits longer for those of a queue",
            )
        if not self._telling.is_due(seconds):
            return []
        return [Waiting(self._most, seconds, self._reason(workers, lacking))]

    def _reason(self, workers: int, lacking: Sequence[str]) -> str:
        if workers:
            needed = " ".join(lacking)
            return f"none of {workers} has {needed}; start some with --resources {needed!r}"
        return "the cluster has none" if self._own is None else self._own.waiting()


def serves(works: Sequence[Work], resources: Mapping[str, float]) -> frozenset[int] | None:
    """Return the numbers of the works that a Dask worker of some resources can do; None: all."""
    served = frozenset(
        number
        for number, work in enumerate(works)
        if not work.is_own_loop
        and all(resources.get(name, 0) >= n for name, n in work.requires.items())
    )
    return None if len(served) == len(works) else served
