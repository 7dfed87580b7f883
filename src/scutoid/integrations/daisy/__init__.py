"""The API of daisy on our block engine: a script for daisy 1 or 2 needs one changed import.

::

    from scutoid.integrations import daisy  # was: import daisy

docs/daisy.md lists what is the same, and where results differ from daisy's.
"""

from scutoid.integrations.daisy import block, cl_monitor, logging
from scutoid.integrations.daisy._block import Block, BlockStatus
from scutoid.integrations.daisy._blockwise import run_blockwise
from scutoid.integrations.daisy._client import Client
from scutoid.integrations.daisy._context import Context
from scutoid.integrations.daisy._geometry import Coordinate, Roi
from scutoid.integrations.daisy._observers import JsonProgressObserver
from scutoid.integrations.daisy._server import SerialServer, Server
from scutoid.integrations.daisy._states import TaskState
from scutoid.integrations.daisy._task import Pipeline, Task
from scutoid.integrations.daisy._tracking import (
    get_done_marker_basedir,
    get_tracking_basedir,
    set_done_marker_basedir,
    set_tracking_basedir,
)
from scutoid.integrations.daisy.logging import (
    get_worker_log_basename,
    redirect_stdouterr,
    set_log_basedir,
)

__all__ = [
    "Block",
    "BlockStatus",
    "Client",
    "Context",
    "Coordinate",
    "JsonProgressObserver",
    "Pipeline",
    "Roi",
    "SerialServer",
    "Server",
    "Task",
    "TaskState",
    "block",
    "cl_monitor",
    "get_done_marker_basedir",
    "get_tracking_basedir",
    "get_worker_log_basename",
    "logging",
    "redirect_stdouterr",
    "run_blockwise",
    "set_done_marker_basedir",
    "set_log_basedir",
    "set_tracking_basedir",
]
