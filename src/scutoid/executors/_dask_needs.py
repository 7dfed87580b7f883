"""What works need of a Dask worker, and which workers have it: named resources, memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scutoid.errors import MemoryLimitError
from scutoid.executors._dask_types import Present
from scutoid.executors._work import Work
from scutoid.texts import size_text


def serves(works: Sequence[Work], worker: Present) -> frozenset[int] | None:
    """Return the numbers of the works that a worker can do; None: all."""
    served = frozenset(
        number
        for number, work in enumerate(works)
        if not work.is_own_loop
        and all(worker.resources.get(name, 0) >= n for name, n in work.requires.items())
        and _is_enough(worker.memory, work.memory)
    )
    return None if len(served) == len(works) else served


def lacking_resources(works: Sequence[Work], present: Sequence[Present]) -> list[str]:
    """Return what works require and no worker has, such as "gpu=1"."""
    needs = sorted({need for work in works for need in work.requires.items()})
    return [
        f"{name}={n}"
        for name, n in needs
        if not any(worker.resources.get(name, 0) >= n for worker in present)
    ]


def lacking_memory(works: Sequence[Work], present: Sequence[Present]) -> int:
    """Return the bytes that an item of a work needs and no worker has; 0: some have enough."""
    most = max((work.memory for work in works), default=0)
    return 0 if any(_is_enough(worker.memory, most) for worker in present) else most


def check_memory(works: Sequence[Work], limits: Iterable[int]) -> None:
    """Refuse works of which one item needs more memory than each worker has.

    Parameters
    ----------
    works : Sequence[Work]
        Of a run.
    limits : iterable of int
        Bytes that workers have, as far as it is known; 0: as many as they like.

    Raises
    ------
    MemoryLimitError
        If no worker has enough.
    """
    known = list(limits)
    for work in works:
        if known and not any(_is_enough(limit, work.memory) for limit in known):
            raise MemoryLimitError(
                "a block fits in the memory of one worker",
                value=f"about {size_text(work.memory)} needed, {size_text(max(known))} there",
                place=f"task {work.name!r}",
                remedy="use smaller blocks, or workers with more memory (a preset's memory = is "
                "that of a job, divided by its processes); memory= of the run says that you know "
                "better",
            )


def _is_enough(limit: int, needed: int) -> bool:
    return not limit or limit >= needed
