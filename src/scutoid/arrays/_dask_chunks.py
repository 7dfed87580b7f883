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
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
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
    if distributed is None or _is_in_worker(distributed):
        return chunk.compute(scheduler="synchronous")
    future = next(_futures_of(chunk), None)
    client = _client_here(distributed, future)
    if future is not None and client is None:
        raise _unreachable(place)
    return chunk.compute(scheduler="synchronous" if client is None else client)


def _futures_of(array: Any) -> Iterator[Any]:
    """Yield the parts of a dask array that a cluster holds, or is computing.

    Unlike Dask's own function it makes no tasks of layers that have none yet.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return
    for layer in array.dask.layers.values():
        if isinstance(layer, _materialized_layer()):
            yield from (each for each in layer.values() if isinstance(each, distributed.Future))


def _materialized_layer() -> Any:
    return importlib.import_module("dask.highlevelgraph").MaterializedLayer


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
    futures = list(_futures_of(array))
    if not futures:
        return None
    distributed = importlib.import_module("distributed")
    client = _client_here(distributed, futures[0])
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


def filled(array: Any, cluster: str | None) -> Any:
    """Return, in a worker, an array with tasks that fetch what the cluster holds of it.

    Parameters
    ----------
    array : dask.array.Array
        An array that was sent here.
    cluster : str or None
        What `cluster_of` has said of it.

    Raises
    ------
    SourceError
        If this is no worker of that cluster.
    """
    if cluster is None:
        return array
    distributed = importlib.import_module("distributed")
    if not _is_in_worker(distributed) or _identity(distributed.get_client()) != cluster:
        raise _unreachable("dask array")
    graph, made = array.dask, _materialized_layer()
    layers = {
        name: made({key: _task(distributed, key, value) for key, value in layer.items()})
        if isinstance(layer, made)
        else layer
        for name, layer in graph.layers.items()
    }
    rebuild, arguments = array.__dask_postpersist__()
    return rebuild(type(graph)(layers, graph.dependencies), *arguments)


def _task(distributed: Any, key: Any, value: Any) -> Any:
    # The key is hidden from Dask, which would take it for another part that the task needs.
    return (partial(_fetched, key),) if isinstance(value, distributed.Future) else value


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


def _client_here(distributed: Any, future: Any) -> Any:
    """Return the client of a part of an array, else that of this process, if it can be used."""
    if future is not None:
        client = future.client
    else:
        try:
            client = distributed.Client.current()
        except ValueError:
            return None
    is_usable = client is not None and client.status == "running" and not client.asynchronous
    return client if is_usable else None


def _identity(client: Any) -> str:
    return str(client.scheduler_info(n_workers=0)["id"])


def _fetched(key: Any) -> Any:
    """Fetch what the cluster holds, from the worker that has it."""
    distributed = importlib.import_module("distributed")
    client = distributed.get_client()
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        # Known to be done: a client that only gets the key is never told so.
        future = distributed.Future(key, client, state="memory")
        try:
            return client.gather(future)
        except Exception as error:
            if time.monotonic() >= end:
                raise SourceError(
                    "the parts of a dask array that its cluster holds stay there during a run",
                    value=f"{type(error).__name__}: {error}",
                    place=str(key),
                    remedy="keep the array that persist() returned",
                ) from error
            time.sleep(_PAUSE_SECONDS)
