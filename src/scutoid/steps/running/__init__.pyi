from ._debug import debug
from ._halo_check import HaloCheck, check_halo
from ._outcome import Run, RunStep
from ._run import plan, run
from ._run_share import run_share
from ._stored_results import cached_outputs

__all__ = [
    "HaloCheck",
    "Run",
    "RunStep",
    "cached_outputs",
    "check_halo",
    "debug",
    "plan",
    "run",
    "run_share",
]
