"""Environment variables that workers are started with."""

from __future__ import annotations

CONNECTION_VARIABLE = "SCUTOID_CONNECTION"
"""The path of the connection file of a run to join."""

TASK_VARIABLE = "SCUTOID_TASK"
"""The name of the one task that a worker is for."""

LAUNCH_VARIABLE = "SCUTOID_LAUNCH"
"""Which of the workers that a run has started a process is, or is a child of."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Those by which numeric libraries are kept to some number of threads."""
