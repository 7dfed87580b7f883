"""Connections to a Dask cluster: the caller's, or a new one on this machine."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from contextlib import suppress

from scutoid.errors import MissingExtra, ParameterError, WorkerError
from scutoid.executors._dask_types import DaskClient, DaskCluster
from scutoid.executors._worker import _die_with

_logger = logging.getLogger(__name__)

_CLOSING_SECONDS = 5.0


class Link:
    """A client of a scheduler, and the parts of it that are ours to close.

    Parameters
    ----------
    client : distributed.Client
        The client.
    is_ours : bool, optional
        Whether the client is closed with the link.
    own : cluster, optional
        A cluster that is ended with the link.
    """

    def __init__(
        self, client: DaskClient, *, is_ours: bool = False, own: DaskCluster | None = None
    ) -> None:
        self.client = client
        self._is_ours = is_ours
        self._own = own

    @classmethod
    def to(cls, cluster: object, workers: int) -> Link:
        """Connect to the scheduler of a client, a cluster or an address; None: to a new cluster.

        Raises
        ------
        MissingExtra
            If distributed is not installed.
        ParameterError
            If the client is closed, or one of a coroutine.
        WorkerError
            If the scheduler cannot be reached, or the new cluster does not start.
        """
        try:
            distributed = importlib.import_module("distributed")
        except ImportError as error:
            raise MissingExtra.of("distributed", extra="dask") from error
        if isinstance(cluster, distributed.Client):
            _check(cluster)
            return cls(cluster)
        own = _start(workers) if cluster is None else None
        try:
            client = distributed.Client(own or cluster, set_as_default=False)
        except BaseException as error:
            if own is not None:
                _end(own, _CLOSING_SECONDS)
            if not isinstance(error, (OSError, ValueError)):
                raise
            raise WorkerError(
                "a Dask scheduler can be reached",
                value=f"{type(error).__name__}: {error}",
                place=str(cluster),
            ) from error
        return cls(client, is_ours=True, own=own)

    def close(self, seconds: float) -> None:
        """Close our client and cluster; the cluster's processes are killed after `seconds`."""
        try:
            if self._is_ours:
                try:
                    self.client.close(timeout=seconds)
                except Exception:
                    _logger.debug("closing the client failed", exc_info=True)
        finally:
            if self._own is not None:
                _end(self._own, seconds)


def _check(client: DaskClient) -> None:
    if client.status != "running" or client.asynchronous:
        raise ParameterError(
            "a Dask client is connected, and is not called from its own event loop",
            value=client,
            place="executor=",
            remedy="give a new distributed.Client, or its cluster or address",
        )


def _start(workers: int) -> DaskCluster:
    """Start processes; not a LocalCluster, whose processes import the user's script again."""
    # The driver's own path, so that the modules beside its script are found.  Dask starts workers
    # from its nannies, and hands the path down.
    preload = (
        f"import sys; sys.path += [part for part in {sys.path!r} if part not in sys.path]; "
        f"from {__name__} import settle; settle({os.getpid()})"
    )
    deploy = importlib.import_module("distributed.deploy.subprocess")
    try:
        cluster: DaskCluster = deploy.SubprocessCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            scheduler_kwargs={"preload": [preload]},
            # How much memory blocks take is bounded by the run, not by pausing workers.
            worker_kwargs={"preload_nanny": [preload], "memory_limit": 0},
        )
    except (OSError, RuntimeError) as error:
        raise WorkerError(
            "a Dask cluster starts on this machine", value=f"{type(error).__name__}: {error}"
        ) from error
    return cluster


def settle(driver: int) -> None:
    """Make a process of our cluster end with the driver, and not by Ctrl-C in the terminal."""
    with suppress(PermissionError):
        os.setpgid(0, 0)
    _die_with(driver)


def _end(cluster: DaskCluster, seconds: float) -> None:
    parts = [cluster.scheduler, *cluster.workers.values()]
    processes = [process for part in parts if (process := getattr(part, "process", None))]
    try:
        cluster.close(timeout=seconds)
    except Exception:
        _logger.debug("closing the cluster failed", exc_info=True)
    finally:
        for process in processes:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                with suppress(ProcessLookupError):
                    process.kill()
