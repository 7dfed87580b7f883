"""The API of daisy on our block engine: a script for daisy 1 or 2 needs one changed import.

::

    from scutoid.integrations import daisy  # was: import daisy

docs/daisy.md lists what is the same, and where results differ from daisy's.
"""

from scutoid.integrations.daisy._block import Block, BlockStatus
from scutoid.integrations.daisy._client import Client, Context
from scutoid.integrations.daisy._geometry import Coordinate, Roi
from scutoid.integrations.daisy._run import (
    Server,
    TaskState,
    get_tracking_basedir,
    run_blockwise,
    set_log_basedir,
    set_tracking_basedir,
)
from scutoid.integrations.daisy._task import Pipeline, Task

__all__ = [
    "Block",
    "BlockStatus",
    "Client",
    "Context",
    "Coordinate",
    "Pipeline",
    "Roi",
    "Server",
    "Task",
    "TaskState",
    "get_tracking_basedir",
    "run_blockwise",
    "set_log_basedir",
    "set_tracking_basedir",
]
