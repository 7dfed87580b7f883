"""Presets: where they are read from, what is refused, and the numbers that they give."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import scutoid as sc
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.errors import MemoryLimitError, ParameterError, SourceNotFound, WorkerError
from scutoid.executors import default_workers, find_executor, preset_file, read_preset
from scutoid.geometry import Roi
from scutoid.steps.planning import _planner as planner


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A function that writes the user's file of presets."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(text):
        preset_file().parent.mkdir(parents=True)
        preset_file().write_text(text)

    return write


def test_presets_are_the_users_own_and_never_those_of_the_working_folder(tmp_path, monkeypatch):
    for name in ("presets.toml", "scutoid/presets.toml", ".config/scutoid/presets.toml"):
        file = tmp_path / "work" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("[mine]\nkind = 'slurm'\n")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for relative in ("", ".", ".config"):
        monkeypatch.setenv("XDG_CONFIG_HOME", relative)
        assert preset_file() == tmp_path / "home/.config/scutoid/presets.toml"
        with pytest.raises(ParameterError, match=r"known name(.|\n)*scutoid/presets.*not there"):
            find_executor("mine")


def test_a_preset_is_an_executor_by_its_name(own):
    own("[mine]\nkind = 'local'\nworkers = 3\n[slurm]\ncores = 1\nworkers = 40\n")
    assert find_executor("mine").handles_setup
    assert [default_workers(name) for name in ("mine", "slurm")] == [3, 40]
    assert default_workers("lsf") == default_workers("processes")
    with pytest.raises(
        ParameterError, match=r"lsf, mine, pbs, processes, serial, sge, slurm.*stand in"
    ):
        find_executor("others")


def test_a_cluster_of_a_preset_leaves_ctrl_c_as_it_was(tmp_path):
    script = """if True:
        import signal, sys
        import numpy as np, scutoid as sc
        from scutoid.errors import WorkerError
        def own(number, frame):
            raise KeyboardInterrupt
        for handler in (signal.default_int_handler, own):
            for name in [name for name in sys.modules if name.startswith("dask_jobqueue")]:
                del sys.modules[name]
            signal.signal(signal.SIGINT, handler)
            try:
                sc.run(sc.gaussian(sc.open(np.ones((8, 8))), sigma=1), store="r", executor="slurm")
            except WorkerError:
                pass
            assert "dask_jobqueue" in sys.modules
            assert signal.getsignal(signal.SIGINT) is handler, handler
    """
    _in_a_process_of_its_own(script, tmp_path)


def test_a_cluster_of_a_preset_in_another_thread_says_where_it_can_be_begun(tmp_path):
    script = """if True:
        import concurrent.futures
        import numpy as np, scutoid as sc
        step = sc.gaussian(sc.open(np.ones((8, 8))), sigma=1)
        with concurrent.futures.ThreadPoolExecutor() as threads:
            error = threads.submit(sc.run, step, store="r", executor="slurm").exception()
        assert type(error).__name__ == "WorkerError" and "in the main thread" in str(error), error
    """
    _in_a_process_of_its_own(script, tmp_path)


def _in_a_process_of_its_own(script, tmp_path):
    environment = {**os.environ, "PATH": "", "XDG_CONFIG_HOME": str(tmp_path / "config")}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[slurm", "is TOML"),
        ("slurm = 4", "is a table"),
        *((f"[{name}]\nkind = 'slurm'", "another name") for name in ("serial", "dask", "threads")),
        ("[mine]\ncores = 4", "says its kind"),
        ("[mine]\nkind = 'slrum'", "says its kind"),
        ("[slurm]\nworkers = 0", "1 worker or more"),
        ("[slurm]\nworkers = true", "1 worker or more"),
        ("[slurm]\ntls = 'no'", "true or false"),
        ("[local]\ncores = 4", "no options but workers"),
        ("[local]\ntls = false", "no options but workers"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(own, text, rule):
    own(text)
    with pytest.raises(ParameterError, match=rule) as raised:
        find_executor("slurm")
    assert str(preset_file()) in str(raised.value)


def test_a_file_that_cannot_be_read_is_told_by_its_name(own):
    own("")
    preset_file().unlink()
    preset_file().mkdir()  # rights do not keep everybody from a file
    for name in ("slurm", "none"):
        with pytest.raises(ParameterError, match=f"can be read(.|\n)*{preset_file()}"):
            find_executor(name)


def test_a_preset_of_a_file_is_named_unless_it_is_the_only_one(tmp_path):
    file = tmp_path / "presets.toml"
    with pytest.raises(SourceNotFound, match="in a file"):
        read_preset(file)
    file.write_text("[slurm]\ncores = 2\n")
    assert read_preset(file).options == {"cores": 2}
    file.write_text("[slurm]\ncores = 2\n[pbs]\ncores = 3\n")
    assert read_preset(file, "pbs").kind == "pbs"
    with pytest.raises(ParameterError, match="with the name of one"):
        read_preset(file)
    with pytest.raises(ParameterError, match="one of those in its file"):
        read_preset(file, "sge")


@pytest.fixture
def batch_system(tmp_path, monkeypatch):
    """A command sbatch that refuses every job."""
    command = tmp_path / "bin/sbatch"
    command.parent.mkdir()
    command.write_text(
        "#!/bin/sh\necho 'sbatch: error: invalid partition specified: mian' >&2\nexit 1\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run_on(path, text, **options):
    path.write_text(text)
    task = BlockTask("t", lambda block: None, BlockGrid(Roi((0,), (3,)), 1), **options)
    return run_blocks(task, executor=read_preset(path), workers=2)


def test_what_a_preset_leaves_out_is_what_dask_is_configured_with(tmp_path, batch_system):
    dask = pytest.importorskip("dask")
    said = {"jobqueue.slurm.memory": "1GB", "jobqueue.slurm.cores": 1}
    with dask.config.set(said), pytest.raises(WorkerError, match="invalid partition") as raised:
        run_on(tmp_path / "p.toml", "[slurm]\nwalltime = '00:07:00'\ninterface = 'lo'\n")
    assert "#SBATCH --mem=954M" in raised.value.remedy
    assert "#SBATCH -t 00:07:00" in raised.value.remedy


def test_defaults_of_jobs_are_there_after_a_configuration_that_took_them_away(
    tmp_path, batch_system, monkeypatch
):
    dask = pytest.importorskip("dask")
    pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
    monkeypatch.delitem(dask.config.config, "jobqueue", raising=False)
    with pytest.raises(WorkerError, match="invalid partition"):
        run_on(tmp_path / "p.toml", "[slurm]\ncores = 1\nmemory = '1GB'\ninterface = 'lo'\n")


def test_jobs_need_the_commands_of_the_batch_system(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkerError, match="not found in PATH"):
        run_on(tmp_path / "p.toml", "[slurm]\ncores = 1\nmemory = '1GB'\n")


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("cores = 1\nmemory = '1GB'\ncroes = 2", ParameterError, "croes"),
        ("cores = 1", ParameterError, "memory"),
        ("cores = 1\nmemory = '1GB'\nworker_extra_args = '--x'", ParameterError, "list of texts"),
        ("cores = 1\nmemory = '1GB'\nqueue = 'mian'", WorkerError, "invalid partition.*mian"),
    ],
)
def test_what_a_batch_system_does_not_take_is_told(
    tmp_path, batch_system, caplog, text, error, said
):
    pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
    with pytest.raises(error, match=said):
        run_on(
            tmp_path / "p.toml", f"[slurm]\n{text}\nscheduler_options = {{host = '127.0.0.1'}}\n"
        )
    assert not list((tmp_path / "cache").glob("scutoid/*"))
    assert "closing the cluster failed" not in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("memory = '1GB'\ncroes = 2", "croes"),
        ("cores = 1", "memory"),
        *(
            (f"cores = 1\nmemory = '1GB'\n{option}", said)
            for option, said in (
                ("worker_extra_args = 'x'", "list of texts"),
                ("job_script_prologue = [1]", "list of texts"),
                ("scheduler_options = 'x'", "a table"),
                ("processes = 0", "from 1 on"),
                ("processes = 'two'", "processes(.|\\n)*two"),
                ("processes = true", "True"),
                ("interface = 3", 'interface is a text(.|\\n)*3(.|\\n)*interface = "eth0"'),
                ("local_directory = ['/scratch']", "local_directory is a text"),
                ("job_extra_directives = '--gres=gpu:1'", "directives is a list of texts"),
                ("job_directives_skip = '-t'", "skip is a list of texts"),
                ("job_cpu = 'four'", "a kind that dask-jobqueue does not take: (.|\\n)*'four'"),
            )
        ),
        ("cores = 'four'\nmemory = '1GB'", "cores(.|\\n)*four"),
        ("cores = 1\nmemory = 'much'", "much"),
        ("cores = 1\nmemory = '0GB'", "more than nothing(.|\\n)*0GB"),
        ("cores = 1\nmemory = '1GB'\nqueue = ['short']", "queue is a text or a number"),
        ("cores = 1\nmemory = 16", "with a unit"),
    ],
)
def test_a_preset_that_is_wrong_is_refused_before_anything_is_begun(
    tmp_path, batch_system, text, said
):
    pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
    file = tmp_path / "p.toml"
    file.write_text(f"[slurm]\n{text}\n")
    smooth = sc.gaussian(sc.open(np.zeros((8, 8))), sigma=1)
    with pytest.raises(ParameterError, match=said) as raised:
        sc.run(smooth, store=tmp_path / "s", executor=read_preset(file))
    assert str(file) in str(raised.value)
    assert not list((tmp_path / "s").glob("runs/*"))
    assert not list((tmp_path / "cache").glob("scutoid/*"))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("shared_temp_directory = '/proc/none'", "as shared_temp_directory"),
        ("log_directory = '/proc/none'", "as log_directory"),
    ],
)
def test_folders_that_are_not_there_are_told_by_their_option(tmp_path, batch_system, option, said):
    pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
    file = tmp_path / "p.toml"
    with pytest.raises(ParameterError, match=said) as raised:
        run_on(file, f"[slurm]\ncores = 1\nmemory = '1GB'\n{option}\n")
    assert str(file) in str(raised.value)


def test_what_is_stored_needs_no_batch_system(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
    monkeypatch.setenv("PATH", str(tmp_path))
    smooth = sc.gaussian(sc.open(np.zeros((8, 8))), sigma=1)
    with pytest.raises(WorkerError, match="not found in PATH"):
        sc.run(smooth, store=tmp_path / "s", executor="slurm")
    assert not list((tmp_path / "s").glob("runs/*"))
    sc.run(smooth, store=tmp_path / "s", executor="serial")
    assert sc.run(smooth, store=tmp_path / "s", executor="slurm").ok


def test_an_option_that_is_empty_is_not_that_of_dasks_configuration(tmp_path, batch_system):
    dask = pytest.importorskip("dask")
    pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
    text = "[slurm]\ncores = 1\nmemory = '1GB'\ninterface = 'lo'\njob_script_prologue = []\n"
    with (
        dask.config.set({"jobqueue.slurm.job-script-prologue": ["module load python"]}),
        pytest.raises(WorkerError, match="invalid partition") as raised,
    ):
        run_on(tmp_path / "p.toml", text)
    assert "module load" not in raised.value.remedy


def test_a_block_fits_in_a_jobs_memory_divided_by_its_processes(tmp_path, batch_system):
    pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
    text = "[slurm]\ncores = 2\nprocesses = {}\nmemory = '1GB'\ninterface = 'lo'\n"
    for processes, error in ((2, MemoryLimitError), (1, WorkerError)):
        with pytest.raises(error, match=r"in the memory|invalid partition"):
            run_on(tmp_path / "p.toml", text.format(processes), bytes_per_block=700_000_000)
    assert not list((tmp_path / "cache").glob("scutoid/*"))


def test_a_step_is_compared_with_the_memory_of_workers_elsewhere(
    tmp_path, batch_system, monkeypatch
):
    pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
    monkeypatch.setattr(planner, "physical_memory", lambda: 2_000_000)  # of the driver's machine

    @sc.step(out="value", version="1")
    def total(image):
        return float(np.asarray(image).sum())

    text = "[slurm]\ncores = 1\nprocesses = 1\nmemory = '{}'\ninterface = 'lo'\n"
    size = total(sc.open(np.zeros((1000, 1000))))
    with pytest.raises(MemoryLimitError, match="allowed"):
        sc.run(size, store=tmp_path / "s", executor="serial")
    for memory, error in (("1MB", MemoryLimitError), ("1GB", WorkerError)):
        (tmp_path / "p.toml").write_text(text.format(memory))
        with pytest.raises(error, match=r"there|invalid partition"):
            sc.run(size, store=tmp_path / "s", executor=read_preset(tmp_path / "p.toml"))
