"""What executors, formats and pipelines are tested with, and runs: an executor in virtual time.

Needs pytest only in the sense that the tests are written in its style.
"""

from scutoid.steps import with_given
from scutoid.testing._executors import ExecutorTests, Recorder
from scutoid.testing._formats import FormatTests
from scutoid.testing._pipelines import assert_block_invariant, assert_would_run
from scutoid.testing._simulated import SimulatedExecutor
from scutoid.testing._simulated_worker import SimulatedEvent, SimulatedFault

__all__ = [
    "ExecutorTests",
    "FormatTests",
    "Recorder",
    "SimulatedEvent",
    "SimulatedExecutor",
    "SimulatedFault",
    "assert_block_invariant",
    "assert_would_run",
    "with_given",
]
