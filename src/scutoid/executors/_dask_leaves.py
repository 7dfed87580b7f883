"""How a worker of Dask left: with a goodbye, with its whole job, or by what it was at.

::

    lifetime, retired, scaled down     the scheduler expects it            polite
    SIGTERM: cancelled, preempted,     its nanny says so as it closes,     polite
      requeued, at its time limit        or it itself, if it has none
    node or job is gone                its nanny does not answer either    gone
    crash, too much memory             its nanny starts another one, or    crash
                                         it has none and has said nothing
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from scutoid.executors._dask_types import DaskNanny, DaskScheduler, DaskWorker

Leave = Literal["polite", "gone", "crash"]

_TOPIC = "scutoid-leaves"
_LOOKS = 30
_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 2.0


async def announce_leave(is_nanny: bool, dask_worker: DaskNanny | DaskWorker) -> None:
    """Let a nanny say to the scheduler that it closes, before it ends its worker.

    Parameters
    ----------
    is_nanny : bool
        False for a worker that has none.
    dask_worker : distributed.Nanny or distributed.Worker
        Given by Dask, in whose process this runs.
    """
    if TYPE_CHECKING:
        from distributed import Nanny, Worker
    from distributed.diagnostics.plugin import NannyPlugin, WorkerPlugin

    async def say(server: Any) -> None:
        with suppress(Exception):  # it closes in any case
            said = server.scheduler.log_event(topic=_TOPIC, msg={"closes": server.address})
            await asyncio.wait_for(said, _ANSWER_SECONDS)

    class NannyGoodbye(NannyPlugin):
        async def teardown(self, nanny: Nanny) -> None:
            await say(nanny)

    class WorkerGoodbye(WorkerPlugin):
        async def teardown(self, worker: Worker) -> None:
            await say(worker)

    if _TOPIC not in dask_worker.plugins:
        goodbye = NannyGoodbye() if is_nanny else WorkerGoodbye()
        await dask_worker.plugin_add(goodbye, _TOPIC)


async def how_left(worker: str, nanny: str | None, dask_scheduler: DaskScheduler) -> Leave:
    """Find out how a worker left that is no longer there.

    Parameters
    ----------
    worker, nanny : str
        Their addresses.
    dask_scheduler : distributed.Scheduler
        Given by Dask, in whose process this runs.
    """
    for _ in range(_LOOKS):
        if _is_expected(worker, dask_scheduler) or _has_said_so(nanny or worker, dask_scheduler):
            return "polite"
        if nanny is None or any(each.nanny == nanny for each in dask_scheduler.workers.values()):
            return "crash"
        if not await _answers(nanny, dask_scheduler):
            return "polite" if _has_said_so(nanny, dask_scheduler) else "gone"
        await asyncio.sleep(_LOOK_SECONDS)
    return "crash"


def _is_expected(worker: str, scheduler: DaskScheduler) -> bool:
    ends = [event for _, event in scheduler.get_events(worker) if _is_end(event)]
    return bool(ends) and bool(ends[-1].get("expected"))


def _is_end(event: object) -> bool:
    return isinstance(event, dict) and event.get("action") == "remove-worker"


def _has_said_so(address: str, scheduler: DaskScheduler) -> bool:
    return any(event.get("closes") == address for _, event in scheduler.get_events(_TOPIC))


async def _answers(nanny: str, scheduler: DaskScheduler) -> bool:
    from distributed.core import rpc

    asked = rpc(nanny, connection_args=scheduler.connection_args)  # type: ignore[no-untyped-call]
    try:
        await asyncio.wait_for(asked.identity(), _ANSWER_SECONDS)
    except (TimeoutError, OSError):
        return False
    else:
        return True
    finally:
        with suppress(OSError):
            await asked.close_rpc()  # type: ignore[no-untyped-call]
