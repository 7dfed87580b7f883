"""What a batch system is understood to say of the jobs of a run."""

from __future__ import annotations

import pytest

from scutoid.executors._batch_queue import BatchQueue


@pytest.fixture
def says(tmp_path, monkeypatch):
    """A function that lets squeue say some lines."""
    command = tmp_path / "bin/squeue"
    command.parent.mkdir()
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")

    def say(*lines, code=0, complaint=""):
        said = "\n".join(lines)
        command.write_text(
            f"#!/bin/sh\ncat <<'E'\n{said}\nE\necho '{complaint}' >&2\nexit {code}\n"
        )
        command.chmod(0o755)

    return say


def queue_of(*jobs):
    queue = BatchQueue("slurm")
    for job in jobs:
        queue.took(job)
    return queue


@pytest.mark.parametrize(
    ("state", "is_over"),
    [
        *((state, False) for state in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING")),
        *((state, False) for state in ("SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT")),
        *((state, True) for state in ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "DEADLINE")),
        *((state, True) for state in ("NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY", "PREEMPTED")),
        ("REVOKED", True),
    ],
)
def test_jobs_that_are_over_are_replaced_and_others_waited_for(says, state, is_over):
    queue = queue_of("7", "8")
    says(f"7|{state}|Reason", "8|RUNNING|None")
    assert queue.look() == ({"7"} if is_over else set())
    assert (f"1 jobs {state.lower()} (Reason)" in queue.text) is not is_over


def test_jobs_that_slurm_has_forgotten_are_over(says):
    queue = queue_of("7")
    says(code=1, complaint="slurm_load_jobs error: Invalid job id specified")
    assert queue.look() == {"7"}


def test_a_batch_system_that_does_not_answer_has_ended_no_job(says):
    queue = queue_of("7")
    says(code=1, complaint="slurm_load_jobs error: Unable to contact slurm controller")
    assert queue.look() == set()
    says("7|PENDING|Priority")
    assert queue.look() == set()
    assert queue.text == "1 jobs pending (Priority)"


@pytest.mark.parametrize(("state", "is_trouble"), [("FAILED", True), ("PREEMPTED", False)])
def test_jobs_that_end_without_a_worker_are_trouble_but_not_preempted_ones(says, state, is_trouble):
    queue = queue_of()
    for n in range(1, 6):
        assert queue.trouble is None
        queue.took(str(n))
        says(f"{n}|{state}|None")
        assert queue.look() == {str(n)}
    assert (queue.trouble == "5 jobs ended before a worker joined") is is_trouble
    queue.note_workers()
    assert queue.trouble is None
