"""docs/daisy.md names each public name of daisy, and says rightly what is here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from scutoid.integrations import daisy

PAGE = Path(__file__).parents[2] / "docs" / "daisy.md"

# As `dir`, ``__all__`` and the attributes that their constructors set say, written down from the
# installed packages; of classes that are not here, the class alone.
NAMES = {
    "1": """
        Block Block.block_id Block.copy Block.freeze Block.read_roi Block.requested_write_roi
        Block.started_processing Block.status Block.stopped_processing Block.task_id Block.thaw
        Block.write_roi BlockStatus BlockStatus.CREATED BlockStatus.FAILED BlockStatus.PROCESSING
        BlockStatus.SUCCESS BlockwiseDependencyGraph CLMonitor Client Client.acquire_block
        Client.context Client.host Client.port Client.release_block Client.task_id
        Client.tcp_client Client.worker_id Context Context.ENV_VARIABLE Context.copy
        Context.from_env Context.get Context.to_env Coordinate DependencyGraph Roi Scheduler
        SerialServer SerialServer.run_blockwise Server Server.all_done Server.block_bookkeeper
        Server.finished_tasks Server.hostname Server.notify_acquire_block
        Server.notify_block_failure Server.notify_release_block Server.notify_server_exit
        Server.notify_task_done Server.notify_task_start Server.pending_requests Server.port
        Server.register_observer Server.run_blockwise Server.scheduler Server.started_tasks
        Server.stop_event Server.tcp_server Server.unregister_observer Server.worker_pools Task
        Task.check_function Task.fit Task.init_callback_fn Task.max_retries Task.num_workers
        Task.orig_total_roi Task.process_function Task.read_roi Task.read_write_conflict
        Task.requires Task.spawn_worker_function Task.task_id Task.timeout Task.total_roi
        Task.total_write_roi Task.upstream_tasks Task.write_roi TaskState
        TaskState.completed_count TaskState.failed_count TaskState.is_done
        TaskState.orphaned_count TaskState.pending_count TaskState.processing_count
        TaskState.ready_count TaskState.skipped_count TaskState.started
        TaskState.total_block_count Worker WorkerPool block block.Block block.BlockStatus
        block_bookkeeper blocks cl_monitor cl_monitor.BlockFailure cl_monitor.CLMonitor
        cl_monitor.TaskSummary cl_monitor.TqdmLoggingHandler client context convenience coordinate
        dependency_graph expand_roi_to_grid expand_write_roi_to_grid freezable
        get_worker_log_basename logging logging.LOG_BASEDIR logging.get_log_basedir
        logging.get_worker_log_basename logging.redirect_stdouterr logging.set_log_basedir messages
        processing_queue ready_surface redirect_stdouterr roi run_blockwise scheduler serial_server
        server server_observer task task_state task_worker_pools tcp worker worker_pool
    """,
    "2": """
        Block Block.block_id Block.read_roi Block.stats Block.status Block.task_id Block.write_roi
        BlockStats BlockStatus BlockStatus.CREATED BlockStatus.FAILED BlockStatus.PROCESSING
        BlockStatus.SUCCESS BlockwiseDependencyGraph Client Client.acquire_block Client.connected
        Client.context Client.host Client.port Client.resource_tracking Client.task_id
        Client.worker_id Context Context.ENV_VARIABLE Context.copy Context.from_env
        Context.from_env_string Context.get Context.items Context.keys Context.to_env
        Context.values Coordinate DependencyGraph JsonProgressObserver
        JsonProgressObserver.on_finish JsonProgressObserver.on_progress
        JsonProgressObserver.on_start Pipeline Pipeline.edges Pipeline.from_task Pipeline.outputs
        Pipeline.reset Pipeline.run_blockwise Pipeline.sources Pipeline.tasks Roi Scheduler
        SerialServer SerialServer.run_blockwise Server Server.hostname Server.last_task_order
        Server.last_tracking_summary Server.port Server.run_blockwise Task Task.block_grid_shape
        Task.check_function Task.done_marker_path Task.failed_blocks Task.fit Task.max_retries
        Task.max_worker_restarts Task.max_workers Task.process_function Task.read_roi
        Task.read_write_conflict Task.requires Task.reset Task.resource_tracking Task.skip_mask
        Task.task_id Task.timeout_secs Task.total_roi Task.write_roi TaskState
        TaskState.abandon_reason TaskState.abandoned TaskState.completed_count
        TaskState.failed_count TaskState.first_worker_error TaskState.is_done
        TaskState.last_worker_error TaskState.orphaned_count TaskState.pending_count
        TaskState.processing_count TaskState.ready_count TaskState.skipped_count TaskState.started
        TaskState.timeout_reclaim_count TaskState.timeout_secs TaskState.total_block_count
        TaskState.worker_failure_count TaskState.worker_restart_count
        TaskState.worker_start_count __version__ block block.Block block.BlockStatus cl_monitor
        cl_monitor.CLMonitor get_done_marker_basedir get_tracking_basedir get_worker_log_basename
        logging logging.LOG_BASEDIR logging.clear_logs logging.close_all_log_files
        logging.current_slot_files logging.emit_failure logging.format_traceback
        logging.get_log_basedir logging.get_log_level logging.get_log_mode
        logging.get_traceback_style logging.get_worker_log_basename logging.set_log_basedir
        logging.set_log_level logging.set_log_mode logging.set_traceback_style profile_block
        run_blockwise set_done_marker_basedir set_tracking_basedir v1_compat v2
    """,
}
VERDICTS = ("same", "differs: ", "not there: ")


def rows():
    """The rows of the table of names: names, versions, verdict."""
    section = PAGE.read_text().partition("## Every public name")[2].partition("\n## ")[0]
    for text in re.findall(r"^\| `.*\|$", section, flags=re.MULTILINE):
        names, versions, verdict = (cell.strip() for cell in text.strip("|").split("|"))
        assert verdict.startswith(VERDICTS), text
        yield re.findall(r"`([\w.]+)`", names), versions.split(", "), verdict


@pytest.mark.parametrize("version", ["1", "2"])
def test_each_name_stands_in_the_table_once(version):
    listed = [name for names, versions, _ in rows() if version in versions for name in names]
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == set(NAMES[version].split())


def instances(tmp_path):
    """An object of each class, and the attributes of a client in its worker."""

    def look():
        client = daisy.Client()
        Path(tmp_path / "client").write_text(" ".join(dir(client)))
        while True:
            with client.acquire_block() as block:
                if block is None:
                    return

    one = daisy.Roi((0,), (1,))
    task = daisy.Task("t", one, one, one, look)
    server = daisy.Server()
    states = server.run_blockwise([task], progress=False, summary=False)
    return {
        "Block": dir(daisy.Block(one, one, one, task_id="t")),
        "Client": (tmp_path / "client").read_text().split(),
        "Context": dir(daisy.Context()),
        "JsonProgressObserver": dir(daisy.JsonProgressObserver()),
        "Pipeline": dir(daisy.Pipeline([task])),
        "SerialServer": dir(daisy.SerialServer()),
        "Server": dir(server),
        "Task": dir(task),
        "TaskState": dir(states["t"]),
    }


def test_the_table_says_what_is_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    daisy.set_log_basedir(tmp_path / "logs")
    members = instances(tmp_path)

    def is_here(name):
        first, _, rest = name.partition(".")
        if not rest:
            return name in daisy.__all__
        return rest in members.get(first, ()) or rest in dir(getattr(daisy, first, None))

    for names, _, verdict in rows():
        for name in names:
            assert is_here(name) is not verdict.startswith("not there"), (name, verdict)


def test_names_of_daisy_alone_are_all_that_the_package_adds():
    ours = {name for name in daisy.__all__ if name not in NAMES["1"] + NAMES["2"]}
    assert ours <= {"set_log_basedir"}, "say in the table what it is"


def test_scripts_of_daisy_run_unchanged_where_its_name_stands_for_ours(tmp_path):
    script = """
        import daisy
        import daisy.logging
        from daisy import Block
        from daisy.block import BlockStatus
        from daisy.cl_monitor import CLMonitor

        assert daisy.__name__ == "scutoid.integrations.daisy"
        daisy.logging.set_log_basedir("logs")

        def start():
            client = daisy.Client()
            with open(f"worker-{client.context['worker_id']}", "w") as file:
                while True:
                    with client.acquire_block() as block:
                        if block is None:
                            break
                        assert type(block) is Block
                        block.status = BlockStatus.SUCCESS
                        print(block.block_id[1], file=file)

        one = daisy.Roi((0,), (1,))
        task = daisy.Task("t", daisy.Roi((0,), (9,)), one, one, start, num_workers=2)
        server = daisy.Server()
        CLMonitor(server)
        assert server.run_blockwise([task])["t"].is_done()
    """
    shim = Path(__file__).parent / "daisy_shim"
    own = os.environ | {"PYTHONPATH": os.pathsep.join([str(shim), *sys.path])}
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, env=own, timeout=240)
    numbers = "".join(path.read_text() for path in tmp_path.glob("worker-*")).split()
    assert sorted(map(int, numbers)) == list(range(9))
