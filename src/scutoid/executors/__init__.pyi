from ._connect import ConnectExecutor
from ._dask_join import meet_over_dask
from ._doors import Wire
from ._environment import CONNECTION_VARIABLE, LAUNCH_VARIABLE, TASK_VARIABLE, WORKER_VARIABLE
from ._launch import Launch
from ._pickling import dump_value, dumps, loads
from ._presets import Preset, preset_file, read_preset
from ._processes import standing
from ._registry import (
    Executor,
    check_executor,
    check_ready,
    computing_there,
    default_workers,
    find_executor,
    is_auto,
    is_of_dask,
    knows_memory,
    quiet_executor,
)
from ._rendezvous import Rendezvous, meet
from ._serial import SerialExecutor
from ._work import (
    FAILED,
    MOST_ITEMS,
    GivenUp,
    ItemFailure,
    Job,
    Joined,
    Lost,
    Message,
    NoHeartbeat,
    Outcome,
    Waiting,
    Work,
    WorkerPool,
)
from ._workbench import Workbench, current_worker

__all__ = [
    "CONNECTION_VARIABLE",
    "FAILED",
    "LAUNCH_VARIABLE",
    "MOST_ITEMS",
    "TASK_VARIABLE",
    "WORKER_VARIABLE",
    "ConnectExecutor",
    "Executor",
    "GivenUp",
    "ItemFailure",
    "Job",
    "Joined",
    "Launch",
    "Lost",
    "Message",
    "NoHeartbeat",
    "Outcome",
    "Preset",
    "Rendezvous",
    "SerialExecutor",
    "Waiting",
    "Wire",
    "Work",
    "Workbench",
    "WorkerPool",
    "check_executor",
    "check_ready",
    "computing_there",
    "current_worker",
    "default_workers",
    "dump_value",
    "dumps",
    "find_executor",
    "is_auto",
    "is_of_dask",
    "knows_memory",
    "loads",
    "meet",
    "meet_over_dask",
    "preset_file",
    "quiet_executor",
    "read_preset",
    "standing",
]
