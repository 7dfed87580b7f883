"""Waiting for Dask workers that are not there: told now and then, and given up by a patience."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from scutoid.errors import WorkerError
from scutoid.executors._dask_needs import lacking_memory, lacking_resources
from scutoid.executors._dask_types import DaskClient, OwnedCluster, Present
from scutoid.executors._telling import Telling
from scutoid.executors._work import Waiting, Work
from scutoid.settings import time_of
from scutoid.texts import size_text

PATIENCE = "SCUTOID_DASK_PATIENCE"
"""In the environment: how long a run waits for a cluster without workers, such as "2h"."""


def patience() -> float:
    """Return what the environment says, in seconds; without limit where it says nothing.

    Raises
    ------
    ParameterError
        If that is no time.
    """
    return time_of(PATIENCE, math.inf)


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
        self._works = works
        self._client = client
        self._own = own
        self._most = workers
        self._patience = patience()
        self._since = time.monotonic()
        self._telling = Telling()

    def lacking(self, present: Sequence[Present]) -> str:
        """Return what steps need and no worker has, and how to start some that do; "": nothing."""
        resources = " ".join(lacking_resources(self._works, present))
        memory = lacking_memory(self._works, present)
        what = [resources] if resources else []
        how = [f"--resources {resources!r}"] if resources else []
        if memory:
            what.append(f"{size_text(memory)} of memory")
            how.append(f"--memory-limit {memory}")
        return f"{' and '.join(what)}; start some with {' '.join(how)}" if what else ""

    def is_over(self) -> None:
        """Note that there are workers that can do something."""
        self._since = time.monotonic()
        self._telling.begin_again()

    def goes_on(self, workers: int, lacking: str) -> list[Waiting]:
        """Tell, if it is time to, that no worker can do anything.

        Parameters
        ----------
        workers : int
            Number of those that are there.
        lacking : str
            What they lack, in words.

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
                f"a Dask cluster has a worker for what is left to do within {self._patience:g} s",
                value=self._reason(workers, lacking) if workers else "there is none",
                place=str(self._client),
                remedy="start such workers and run again: what was done is kept where there is a "
                f"journal; {PATIENCE}=2h waits longer for those of a queue",
            )
        if not self._telling.is_due(seconds):
            return []
        return [Waiting(self._most, seconds, self._reason(workers, lacking))]

    def _reason(self, workers: int, lacking: str) -> str:
        if workers:
            return f"none of {workers} has {lacking}"
        return "the cluster has none" if self._own is None else self._own.waiting()
