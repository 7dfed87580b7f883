"""Tasks on grids of blocks: plans, the order in which blocks may run, and the run itself.

A block carries geometry and no pixels; functions read and write storage themselves.
"""

from scutoid.blocks._block import Block, BlockStatus
from scutoid.blocks._budget import parse_bytes
from scutoid.blocks._connect import Blocks, connect
from scutoid.blocks._event_log import EventLog
from scutoid.blocks._journal import Journal
from scutoid.blocks._levels import conflict_order, lower_neighbours
from scutoid.blocks._mask import Mask
from scutoid.blocks._report import BlockTime, Failure, Report, TaskReport
from scutoid.blocks._run import run_blocks
from scutoid.blocks._scheduler import Batch, Scheduler, WorkerFailure
from scutoid.blocks._task import After, BlockTask
from scutoid.geometry import BlockGrid

__all__ = [
    "After",
    "Batch",
    "Block",
    "BlockGrid",
    "BlockStatus",
    "BlockTask",
    "BlockTime",
    "Blocks",
    "EventLog",
    "Failure",
    "Journal",
    "Mask",
    "Report",
    "Scheduler",
    "TaskReport",
    "WorkerFailure",
    "conflict_order",
    "connect",
    "lower_neighbours",
    "parse_bytes",
    "run_blocks",
]
