"""Calls in a Dask cluster: to one worker, to nannies, and to the scheduler.

Results arrive in a queue that one thread reads, in the order in which calls end.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from scutoid.errors import WorkerError
from scutoid.executors import _dask_worker
from scutoid.executors._dask_job import Seat
from scutoid.executors._dask_types import DaskClient, DaskFuture, Present

_ANSWER_SECONDS = 2.0
INTERRUPTED = -1
"""In the place of a worker's number: no result, but somebody wants to be seen to."""


class Calls:
    """What a run has a cluster call.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    """

    def __init__(self, client: DaskClient) -> None:
        self.client = client
        self._done: queue.SimpleQueue[tuple[int, DaskFuture | None, object]] = queue.SimpleQueue()

    def arrived(self, seconds: float) -> tuple[int, DaskFuture | None, object] | None:
        """Take the next result; None after some seconds without any.

        Returns
        -------
        tuple or None
            Number of the worker, its future (None: `ask_scheduler` asked about it), the result.
        """
        with suppress(queue.Empty):
            return self._done.get(timeout=seconds) if seconds > 0 else self._done.get_nowait()
        return None

    def interrupt(self) -> None:
        """Have the waiting for results return, from any thread."""
        self._done.put((INTERRUPTED, None, None))

    def in_worker(
        self, seat: Seat, function: Callable[..., object], *args: object, **options: object
    ) -> DaskFuture:
        """Have a worker call a function; its result, or exception, will have arrived."""
        future = self.client.submit(
            *(function, *args),
            workers=[seat.address],
            allow_other_workers=False,
            pure=False,
            retries=0,
            **options,
        )

        async def fetch() -> None:
            result: object
            try:
                result = await future
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - sent on
                result = error
            self._done.put((seat.number, future, result))

        # Not `future.result()`: if the worker dies before its result is fetched, Dask waits for it
        # to be computed again, which a call that is pinned to that worker never will be.
        self.client.loop.add_callback(fetch)
        return future

    def ask_scheduler(
        self, number: int, function: Callable[..., object], *args: object, otherwise: object
    ) -> None:
        """Have the scheduler call a function about a worker; `otherwise` arrives if it cannot."""

        async def ask() -> None:
            answer = otherwise
            with suppress(Exception, asyncio.CancelledError):
                asked: object = self.client.run_on_scheduler(function, *args)
                answer = await asked  # type: ignore[misc]
            self._done.put((number, None, answer))

        self.client.loop.add_callback(ask)

    def ask(
        self,
        function: Callable[..., object],
        questions: Mapping[str, tuple[object, ...]],
        *,
        nanny: bool = False,
        seconds: float = _ANSWER_SECONDS,
    ) -> dict[str, object]:
        """Call a function in workers (or their nannies) at once; return the answers by address.

        A worker that is stuck in C code does not answer, and is left out after some `seconds`; the
        answer of a lost one is an exception.
        """
        arrived: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()

        async def ask(address: str, args: tuple[object, ...]) -> None:
            answer: object
            try:
                answers = await self.client.run(function, *args, workers=[address], nanny=nanny)
                answer = answers[address]
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - sent on
                answer = error
            arrived.put((address, answer))

        for address, args in questions.items():
            self.client.loop.add_callback(ask, address, args)
        end = time.monotonic() + seconds
        answers: dict[str, object] = {}
        with suppress(queue.Empty):
            while len(answers) < len(questions):
                address, answer = arrived.get(timeout=max(end - time.monotonic(), 0.0))
                answers[address] = answer
        return answers

    def workers_present(self) -> dict[str, Present]:
        """Return the workers of the cluster by address.

        Raises
        ------
        WorkerError
            If the scheduler is lost, or the client closed.
        """
        trouble = None
        if self.client.status == "running":
            try:
                present: dict[str, Present]
                present = self.client.run_on_scheduler(_dask_worker.list_workers)
            except Exception as error:  # noqa: BLE001 - raised again below
                trouble = error
            else:
                return present
        raise WorkerError(
            "Dask's scheduler answers while a run goes on",
            value=f"the client is {self.client.status}"
            if trouble is None
            else f"{type(trouble).__name__}: {trouble}",
            place=str(self.client),
            remedy="see that scutoid is installed where the scheduler runs; start the cluster "
            "again, and the run: what was done is kept where there is a journal",
        ) from trouble

    def failed(self, result: object) -> WorkerError:
        """Return the error for a call that Dask fails although its worker is present."""
        return WorkerError(
            "Dask carries out every job that it is given",
            value=f"{type(result).__name__}: {result}",
            place=str(self.client),
            remedy="the workers need the same packages as the driver, and the client must neither "
            "be restarted nor closed in the middle of a run",
        )
