from ._batch import Batch, WorkerFailure
from ._block import Block, BlockStatus, Done
from ._budget import parse_bytes
from ._check import check_ability
from ._connect import Blocks, connect
from ._event_log import EventLog
from ._journal import Journal
from ._levels import conflict_order, lower_neighbours
from ._mask import Mask
from ._report import BlockTime, Failure, Report, TaskReport
from ._run import run_blocks
from ._sample import sample_blocks
from ._scheduler import Scheduler
from ._task import After, BlockGrid, BlockTask

__all__ = [
    "After",
    "Batch",
    "Block",
    "BlockGrid",
    "BlockStatus",
    "BlockTask",
    "BlockTime",
    "Blocks",
    "Done",
    "EventLog",
    "Failure",
    "Journal",
    "Mask",
    "Report",
    "Scheduler",
    "TaskReport",
    "WorkerFailure",
    "check_ability",
    "conflict_order",
    "connect",
    "lower_neighbours",
    "parse_bytes",
    "run_blocks",
    "sample_blocks",
]
