"""What an executor is tested with, ours and those of other packages.

Needs pytest only in the sense that the tests are written in its style.
"""

from scutoid.testing._executors import ExecutorTests, Recorder

__all__ = ["ExecutorTests", "Recorder"]
