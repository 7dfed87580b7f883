"""Environment variables of worker processes."""

from __future__ import annotations

CONNECTION_VARIABLE = "SCUTOID_CONNECTION"
"""The path of the connection file of a run to join."""

TASK_VARIABLE = "SCUTOID_TASK"
"""The name of the one task that a worker is for."""

LAUNCH_VARIABLE = "SCUTOID_LAUNCH"
"""The name of the launched worker that a process is, or is a child of."""

WORKER_VARIABLE = "SCUTOID_WORKER"
"""The number of the launched worker that a process is: no two that live at once have the same."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Variables that limit the threads of numeric libraries."""

# Blocks take and give back some ten megabytes many times a second.  Without these, glibc hands each
# back to the system, which clears the pages again (a third of a second of four in the benchmark of
# smoothing), and keeps arenas for threads that come and go (a fifth of a worker's memory).
MEMORY_VARIABLES = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TOP_PAD_": str(4 * 2**20),
}
"""Settings of the C library's allocator in worker processes, unless the user has set them."""
