"""What an executor is tested with, and what a run is tested with: an executor in virtual time.

Needs pytest only in the sense that the tests are written in its style.
"""

from scutoid.testing._executors import ExecutorTests, Recorder
from scutoid.testing._simulated import SimulatedExecutor
from scutoid.testing._simulated_worker import SimulatedEvent, SimulatedFault

__all__ = ["ExecutorTests", "Recorder", "SimulatedEvent", "SimulatedExecutor", "SimulatedFault"]
