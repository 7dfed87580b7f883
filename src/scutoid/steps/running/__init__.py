"""Carrying a plan out."""

from scutoid.steps.running._outcome import Run, RunStep
from scutoid.steps.running._run import plan, run

__all__ = [
    "Run",
    "RunStep",
    "plan",
    "run",
]
