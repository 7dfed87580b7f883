"""The executors of scutoid itself, by name."""

from __future__ import annotations

from collections.abc import Mapping

# Named by text, for a run imports only what it uses.
OURS: Mapping[str, str] = {
    "auto": "scutoid.executors._processes:AutoExecutor",
    "serial": "scutoid.executors._serial:SerialExecutor",
    "threads": "scutoid.executors._threads:ThreadsExecutor",
    "processes": "scutoid.executors._processes:ProcessesExecutor",
    "dask": "scutoid.executors._dask:DaskExecutor",
}
"""Where the class of each executor is; no preset can have one of these names."""
BEGINS_ANYWHERE = frozenset(OURS) - {"dask"}
"""Those that can begin in any process: nobody has to load them to ask."""
