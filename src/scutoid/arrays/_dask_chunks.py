"""Where chunks of dask arrays are computed: where Dask computes in this process.

::

    in a worker of Dask       in that worker; what the cluster holds is fetched from there
    where a client is         in the client's cluster
    elsewhere                 in the thread that asks
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from scutoid.errors import SourceError

_PATIENCE_SECONDS = 60.0
"""How long a worker waits for a part that the cluster has lost and computes again."""
_PAUSE_SECONDS = 1.0


def computed(chunk: Any, place: str) -> Any:
    """Compute a chunk.

    Parameters
    ----------
    chunk : dask.array.Array
        A dask array of one chunk.
    place : str
        Names it in errors.

    Returns
    -------
    array-like
        Its voxels.

    Raises
    ------
    SourceError
        If parts of it lie in a cluster that cannot be reached from here, or are lost.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return chunk.compute(scheduler="synchronous")
    if _is_in_worker(distributed):
        return _filled(distributed, chunk, place).compute(scheduler="synchronous")
    futures = futures_of(chunk)
    client = _client_here(distributed, futures)
    if futures and client is None:
        raise _unreachable(place)
    return chunk.compute(scheduler="synchronous" if client is None else client)


def futures_of(array: Any) -> Sequence[Any]:
    """Return the parts of a dask array that a cluster holds, or is computing."""
    distributed = sys.modules.get("distributed")
    found: Sequence[Any] = () if distributed is None else distributed.futures_of(array)
    return found


def cluster_of(array: Any, place: str) -> str | None:
    """Wait until the parts of an array that a cluster computes are done, and return its identity.

    Workers that wait for such parts could keep each other from computing them.

    Returns
    -------
    str or None
        None if no part of it lies in a cluster.

    Raises
    ------
    SourceError
        If a part has failed, was cancelled, or its client is closed.
    """
    futures = futures_of(array)
    if not futures:
        return None
    distributed = importlib.import_module("distributed")
    client = _client_here(distributed, futures)
    if client is None:
        raise _unreachable(place)
    with suppress(distributed.CancelledError), client.as_current():
        distributed.wait(futures)
    for future in futures:
        if future.status != "finished":
            raise SourceError(
                "the parts of a dask array that its cluster holds are computed",
                value=f"{future.status}: {future.exception() if future.status == 'error' else ''}",
                place=f"{place}, {future.key}",
                remedy="persist it again",
            )
    return _identity(client)


def check_cluster(cluster: str | None, place: str) -> None:
    """Refuse, in a worker, an array with parts that lie in another cluster.

    Raises
    ------
    SourceError
        If this is no worker of that cluster.
    """
    if cluster is None:
        return
    distributed = importlib.import_module("distributed")
    if not _is_in_worker(distributed) or _identity(distributed.get_client()) != cluster:
        raise _unreachable(place)


def _unreachable(place: str) -> SourceError:
    return SourceError(
        "an array that was persisted in a cluster of Dask is read where that cluster is",
        value="the run's workers are not of that cluster, or its client is closed",
        place=place,
        remedy="give the client as executor=, or the array that it was before persist()",
    )


def _is_in_worker(distributed: Any) -> bool:
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def _client_here(distributed: Any, futures: Sequence[Any]) -> Any:
    """Return the client of an array's parts, else that of this process, which is in use."""
    if futures:
        client = futures[0].client
    else:
        try:
            client = distributed.Client.current()
        except ValueError:
            return None
    is_usable = client is not None and client.status == "running" and not client.asynchronous
    return client if is_usable else None


def _identity(client: Any) -> str:
    return str(client.scheduler_info(n_workers=0)["id"])


def _filled(distributed: Any, chunk: Any, place: str) -> Any:
    """Return a chunk with what the cluster holds of it, fetched by this worker."""
    graph = dict(chunk.__dask_graph__().cull(set(_keys(chunk))))
    keys = [key for key, value in graph.items() if isinstance(value, distributed.Future)]
    if not keys:
        return chunk
    graph |= _fetched(distributed, keys, place)
    rebuild, arguments = chunk.__dask_postpersist__()
    return rebuild(graph, *arguments)


def _fetched(distributed: Any, keys: Sequence[Any], place: str) -> dict[Any, Any]:
    """Fetch what the cluster holds, from the workers that have it."""
    client = distributed.get_client()
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        # Known to be done: a client that only gets the key is never told so.
        futures = [distributed.Future(key, client, state="memory") for key in keys]
        try:
            return dict(zip(keys, client.gather(futures), strict=True))
        except Exception as error:
            if time.monotonic() >= end:
                raise SourceError(
                    "the parts of a dask array that its cluster holds stay there during a run",
                    value=f"{type(error).__name__}: {error}",
                    place=place,
                    remedy="keep the array that persist() returned",
                ) from error
            time.sleep(_PAUSE_SECONDS)


def _keys(chunk: Any) -> list[Any]:
    keys = chunk.__dask_keys__()
    while keys and isinstance(keys[0], list):
        keys = [key for nested in keys for key in nested]
    return list(keys)
