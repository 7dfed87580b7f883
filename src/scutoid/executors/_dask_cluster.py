"""Connections to a Dask cluster: the caller's, or a new one on this machine."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

from scutoid.errors import MissingExtra, ParameterError, WorkerError
from scutoid.executors._dask_address import check_handshake, credentials_for, peer_of
from scutoid.executors._dask_own import OwnCluster
from scutoid.executors._dask_types import DaskClient, OwnedCluster
from scutoid.executors._dask_waiting import patience
from scutoid.executors._presets import Preset

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
    own : OwnedCluster, optional
        A cluster that is ended with the link.
    """

    def __init__(
        self, client: DaskClient, *, is_ours: bool = False, own: OwnedCluster | None = None
    ) -> None:
        self.client = client
        self.own = own
        self._is_ours = is_ours

    @classmethod
    def to(
        cls,
        cluster: object,
        workers: int,
        logs: Path | None = None,
        *,
        is_default: bool = False,
    ) -> Link:
        """Connect to the scheduler of a client, a cluster or an address; to a new one for a preset.

        None is a new cluster on this machine.  What a new cluster prints goes to `logs`.  A client
        of ours computes what Dask computes elsewhere in this process if it `is_default`.  A link to
        a cluster that stands is lent.

        Raises
        ------
        MissingExtra
            If distributed is not installed, or cryptography for a new cluster.
        ParameterError
            If the client is closed, or one of a coroutine; if an address is none, or there are no
            credentials for it, or wrong ones; if the patience in the environment is no time.
        WorkerError
            If the scheduler cannot be reached, or the new cluster does not start.
        """
        distributed = _distributed()
        patience()
        if isinstance(cluster, Link):
            return _Lent(cluster.client, own=cluster.own)
        if isinstance(cluster, distributed.Client):
            _check(cluster)
            return cls(cluster)
        if isinstance(cluster, str):
            _check_address(cluster, asks=True)
        own = _started(cluster, workers, logs)
        try:
            if own is None:
                client = distributed.Client(cluster, set_as_default=is_default)
            else:
                client = distributed.Client(
                    own.address, security=own.security, set_as_default=is_default
                )
        except BaseException as error:
            if own is not None:
                own.close()
            if not isinstance(error, (OSError, ValueError)):
                raise
            raise WorkerError(
                "a Dask scheduler can be reached",
                value=f"{type(error).__name__}: {error}",
                place=str(cluster),
                remedy=None if own else "see that it runs, and can be reached from this machine",
            ) from error
        return cls(client, is_ours=True, own=own)

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return self.client.scheduler.address

    def close(self, seconds: float) -> None:
        """Close our client, for which there are some seconds, and end our cluster."""
        try:
            if self._is_ours:
                try:
                    self.client.close(timeout=seconds)
                except Exception:
                    _logger.debug("closing the client failed", exc_info=True)
        finally:
            if self.own is not None:
                self.own.close()


class _Lent(Link):
    """A link for one of several runs; it does not end with the run."""

    def close(self, seconds: float) -> None:
        """Leave it to whom it belongs."""


def check_cluster(cluster: object) -> None:
    """Refuse what no connection can come of, without starting or asking anything.

    Raises
    ------
    MissingExtra
        If distributed is not installed, or dask-jobqueue for a preset.
    ParameterError
        If the client is closed, or one of a coroutine; if the preset has wrong options; if an
        address is none, or its credentials lack or cannot be read; if the patience in the
        environment is no time.
    WorkerError
        If the commands of the preset's batch system are not there.
    """
    distributed = _distributed()
    patience()
    if isinstance(cluster, distributed.Client):
        _check(cluster)
    if isinstance(cluster, str):
        _check_address(cluster)
    if isinstance(cluster, Preset) and cluster.kind != "local":
        from scutoid.executors._job_options import JobOptions

        JobOptions.of(cluster)


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtra.of("distributed", extra="dask") from error


def _started(cluster: object, workers: int, logs: Path | None) -> OwnedCluster | None:
    """Start what is no cluster yet."""
    if isinstance(cluster, Preset) and cluster.kind != "local":
        from scutoid.executors._job_cluster import JobCluster

        return JobCluster(cluster, workers, logs)
    return OwnCluster(workers, logs) if cluster is None or isinstance(cluster, Preset) else None


def _check(client: DaskClient) -> None:
    if client.status != "running" or client.asynchronous:
        raise ParameterError(
            "a Dask client is connected, and is not called from its own event loop",
            value=client,
            place="executor=",
            remedy="give a new distributed.Client, or its cluster or address",
        )


def _check_address(address: str, *, asks: bool = False) -> None:
    """Refuse an address of which no client can come; with `asks`, by what its scheduler says."""
    place = f"executor={address!r}"
    peer = peer_of(address, place)
    scheme = address.partition("://")[0]
    backends = importlib.import_module("distributed.comm.registry").backends
    if peer is None and scheme not in backends:
        raise ParameterError(
            "the address of a Dask scheduler begins as Dask has it",
            value=address,
            place="executor=",
            remedy=f"give tls://host:port; Dask knows {', '.join(sorted(backends))}",
        )
    credentials = credentials_for(address, place, or_give=", or give a client that has them")
    if asks:
        check_handshake(peer, place, credentials)
