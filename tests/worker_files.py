"""Which file of tests goes to which worker of pytest-xdist: whole files, the long ones first."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

LONG = (
    "tests/cluster/test_matrix.py",
    "tests/integrations/test_prefect_example.py",
    "tests/executors/test_dask_leaves.py",
    "tests/steps/running/test_store_at_url.py",
    "tests/cluster/test_array.py",
    "tests/cluster/test_slurm_sessions.py",
    "tests/steps/results/test_rights.py",
    "tests/test_fuzz.py",
    "tests/steps/running/test_collections_at_url.py",
    "tests/steps/running/test_shares_at_url.py",
    "tests/steps/running/test_killed_shares_at_url.py",
    "tests/steps/results/test_store_faults.py",
    "tests/examples/test_plate.py",
    "tests/steps/running/test_signals.py",
    "tests/steps/running/test_run_share.py",
    "tests/test_soak_store.py",
    "tests/cli/test_cli.py",
    "tests/test_docs.py",
    "tests/ops/test_everywhere.py",
    "tests/integrations/test_daisy_tutorial.py",
    "tests/executors/test_dask.py",
    "tests/executors/test_dask_guests.py",
    "tests/executors/test_connect.py",
    "tests/exploring/test_preview_laws.py",
    "tests/steps/running/test_taken_blocks.py",
    "tests/steps/running/test_shared_store_at_url.py",
    "tests/store/test_kills.py",
    "tests/test_soak.py",
    "tests/test_soak_faults.py",
    "tests/test_soak_bucket.py",
    "tests/views/test_neuroglancer_browser.py",
)
"""Files that take long: where one comes last, a core waits for it, as their order is drawn."""


class WorkerFiles(LoadFileScheduling):
    """Give each file to one worker; a test whose worker died has failed, and the rest goes on.

    `LoadFileScheduling` runs the test that killed a worker again on the next one, and gives a new
    worker files that have nothing left to run, for whose end it then waits.
    """

    def _assign_work_unit(self, node):
        file = next((file for file in LONG if file in self.workqueue), None)
        if file is not None:
            self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)

    def remove_node(self, node):
        files = self.assigned_work[node]
        ended_at = next(
            (test for ends in files.values() for test, ended in ends.items() if not ended), None
        )
        if ended_at is not None:
            files[self._split_scope(ended_at)][ended_at] = True
        self.assigned_work[node] = {
            file: ends for file, ends in files.items() if not all(ends.values())
        }
        super().remove_node(node)
        return ended_at
