from ._debug import debug
from ._halo_check import HaloCheck, check_halo
from ._outcome import Run, RunStep
from ._run import plan, run

__all__ = [
    "HaloCheck",
    "Run",
    "RunStep",
    "check_halo",
    "debug",
    "plan",
    "run",
]
