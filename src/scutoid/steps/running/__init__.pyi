from ._outcome import Run, RunStep
from ._run import plan, run

__all__ = [
    "Run",
    "RunStep",
    "plan",
    "run",
]
