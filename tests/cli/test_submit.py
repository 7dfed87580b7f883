"""`scutoid submit`: the script of a job array; `scutoid run --share`: what an element does."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.cli._main import run_command
from scutoid.cli._submit import ArrayJob, job_of_element, requeue, run_tokens
from scutoid.errors import ParameterError

PIPELINE = """
import os, time
import numpy as np
import scutoid as sc


@sc.blockwise(version="1", check_halo=False, dtype="uint8")
def slow(image, *, place, seconds, name):
    with open(f"{place}/ran", "a") as file:
        file.write("x")
    while os.path.exists(f"{place}/hold"):
        time.sleep(0.01)
    time.sleep(seconds)
    return image + np.uint8(1)


@sc.step(out="value", version="1")
def total(image):
    return float(np.asarray(image).sum())


@sc.pipeline
def cells(place: str, seconds: float = 0.0, name: str = ""):
    image = np.arange(1024).reshape(32, 32).astype("uint8") % 7
    return total(slow(sc.open(image), place=place, seconds=seconds, name=name))
"""
EXPECTED = float((np.arange(1024) % 256 % 7 + 1).sum())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "a folder; with 'quotes' $HOME"
    place.mkdir()
    (place / "cells.py").write_text(PIPELINE)
    monkeypatch.chdir(place)
    return place


def job(**given):
    fields = {"file": "cells.py", "tokens": (), "store": Path("/data/results"), "n": 20}
    return ArrayJob(**(fields | given))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n": 0}, "an array has 1 element"),
        ({"cpus": 0}, "1 core or more"),
        ({"time": "soon"}, "a time limit is minutes"),
        ({"time": "1:00\n#SBATCH --uid=0"}, "a time limit is minutes"),
        ({"notice": 5}, "an element is told 60 s"),
        ({"options": ("mem=16G\n#SBATCH --uid=0",)}, "an option of sbatch is its name"),
        ({"options": ("--mem=16G",)}, "an option of sbatch is its name"),
        ({"options": ("array=1-3",)}, r"(?s)array of sbatch is given by scutoid.*--array says"),
        ({"options": ("arr=1-3",)}, "array of sbatch is given by scutoid"),
        ({"options": ("output=here",)}, "output of sbatch is given by scutoid"),
        ({"options": ("signal=USR1@30",)}, r"(?s)signal of sbatch.*--notice says"),
        ({"options": ("open-mode=truncate",)}, "open-mode of sbatch is given by scutoid"),
        ({"options": ("wrap=hostname",)}, "wrap of sbatch is given by scutoid"),
        ({"options": ("parsable",)}, "parsable of sbatch is given by scutoid"),
        ({"options": ("no-requeue",)}, "no-requeue of sbatch is given by scutoid"),
        ({"options": ("time=1:00",)}, r"(?s)time of sbatch.*--time gives"),
        ({"time": "2", "notice": 120}, r"(?s)told of its time limit.*120 s before the end of 120"),
        ({"time": "0:01:00", "notice": 60}, "told of its time limit"),
        ({"time": "0-0:1", "notice": 60}, "told of its time limit"),
        ({"tokens": ("--image", "s3://key:secret@host/a.zarr")}, "no credentials are written"),
        ({"tokens": ("--image=https://h/a?X-Amz-Signature=0a",)}, "no credentials are written"),
        ({"tokens": ("--image", "https://h/a?se=1&sig=0a")}, "no credentials are written"),
        ({"store": Path("/data/re\nsults")}, "no line breaks"),
    ],
)
def test_what_slurm_would_not_take_is_refused(given, said):
    with pytest.raises(ParameterError, match=said):
        job(**given)


def test_what_is_of_the_users_choice_in_an_array_is_taken():
    options = ("mem=16G", "partition=short", "time-min=1", "error=e.log", "nodes=1", "hold")
    for limit in ("0", "3", "1:00:00", "1-0", None):  # 0: no limit
        assert "#SBATCH --time-min=1\n" in job(options=options, time=limit).script(Path("/x"))


@pytest.mark.parametrize("given", ["dask", "slurm", "local", "tls://node:8786", "preset"])
def test_an_element_has_no_workers_elsewhere(folder, capsys, given):
    (folder / "p.toml").write_text("[slurm]\n")
    chosen = ["--preset", "p.toml"] if given == "preset" else ["--executor", given]
    command = ["submit", "cells.py", "--place", str(folder), "--dry-run", *chosen]
    assert run_command(command) == 2
    said = capsys.readouterr().err
    assert "in its own job" in said
    assert "processes, threads or serial" in said


@pytest.mark.parametrize("value", ["a b", "$(touch x)", "`x`", "'", '"', "a\nb", "-", "", "*", "ü"])
def test_every_value_in_the_script_is_one_word_of_the_shell(value):
    script = job(tokens=("--name", value), store=Path("/data/re sults")).script(Path(f"/x/{value}"))
    lines = script[script.index("\ncd ") + 1 :]
    words = shlex.split(lines)
    assert words[:3] == ["cd", "--", str(Path(f"/x/{value}"))]
    assert words[words.index("--name") + 1] == value
    assert words[-3:] == ["--share", "$SLURM_ARRAY_TASK_ID/20", "--requeue"]
    assert "#SBATCH --output='/data/re sults/runs/slurm-%A_%a.log'\n" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_the_script_hands_back_before_the_time_limit():
    script = job(time="4:00:00", notice=180, options=("mem=16G",), cpus=4).script(Path("/x"))
    for line in ("signal=B:TERM@180", "requeue", "open-mode=append", "mem=16G", "time=4:00:00"):
        assert f"#SBATCH --{line}\n" in script
    assert "export SCUTOID_GRACE=150s\n" in script
    assert "\nexec " in script
    assert "--workers 4 " in script
    for tokens in (("--workers", "2"), ("--workers=2",)):
        assert job(tokens=tokens).script(Path("/x")).count("--workers") == 1


@pytest.mark.parametrize(
    "own",
    [["--array", "20"], ["--array=20"], ["--dry-run"], ["--dry_run"], ["--sbatch", "mem=1G"]],
)
def test_options_of_the_array_are_not_those_of_the_run(own):
    assert run_tokens(["--sigma", "2", *own, "--store=x"]) == ("--sigma", "2", "--store=x")


def test_the_script_for_a_store_at_a_url_has_no_credentials_and_logs_here(
    bucket, folder, capsys, monkeypatch
):
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.setenv(f"AWS_{name}", "so-secret")
    command = ["submit", "cells.py", "--place", str(folder), "--array", "2", "--dry-run"]
    assert run_command([*command, "--store", bucket.url("results")]) == 0
    printed = capsys.readouterr().out
    assert "so-secret" not in printed
    assert f"--store {bucket.url('results')} " in printed
    assert f"#SBATCH --output={shlex.quote(f'{Path.cwd()}/slurm-%A_%a.log')}\n" in printed


def test_no_store_at_a_url_has_a_secret_in_it(folder, capsys):
    command = ["submit", "cells.py", "--place", str(folder), "--array", "2", "--dry-run"]
    assert run_command([*command, "--store", "s3://me:so-secret@bucket/results"]) == 2
    said = capsys.readouterr()
    assert "so-secret" not in said.err + said.out


def test_a_folder_of_logs_has_a_name_that_slurm_takes():
    with pytest.raises(ParameterError, match="no line breaks"):
        job(store="s3://bucket/results").script(Path("/data/re\nsults"))


def test_a_dry_run_prints_the_script_and_writes_nothing(folder, capsys):
    before = sorted(folder.iterdir())
    code = run_command(["submit", "cells.py", "--place", str(folder), "--array", "3", "--dry-run"])
    assert code == 0
    printed = capsys.readouterr().out
    assert "#SBATCH --array=1-3\n" in printed
    assert f"--place {shlex.quote(str(folder))}" in printed
    assert "--dry" not in printed
    assert [path for path in sorted(folder.iterdir()) if path.name != "__pycache__"] == before


def test_a_pipeline_that_cannot_run_is_refused_before_it_is_submitted(folder, capsys):
    assert run_command(["submit", "cells.py", "--array", "3"]) == 2
    assert "place" in capsys.readouterr().err


def test_elements_without_a_worker_are_refused_before_they_are_submitted(folder, capsys, commands):
    assert run_command(["submit", "cells.py", "--place", "p", "--workers", "0"]) == 2
    assert "1 worker or more" in capsys.readouterr().err
    assert not list(folder.glob("scutoid-results*"))


def test_a_sample_for_no_worker_is_refused_before_it_is_taken(folder, capsys):
    sample = ("plan", "cells.py", "--place", "p", "--time-sample", "1", "--store", "results")
    assert run_command([*sample, "--workers", "0"]) == 2
    assert "1 worker or more" in capsys.readouterr().err
    assert not Path("results").exists()


def test_without_slurm_it_is_said_how_to_see_the_script(folder, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert run_command(["submit", "cells.py", "--place", str(folder)]) == 2
    assert "--dry-run" in capsys.readouterr().err


def test_where_slurm_is_not_configured_it_is_said_what_to_do(folder, capsys, commands):
    (commands / "sbatch").write_text("#!/bin/bash\necho 'sbatch: fatal: no source' >&2\nexit 1\n")
    (commands / "sbatch").chmod(0o755)
    assert run_command(["submit", "cells.py", "--place", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "no source" in said
    assert "SLURM_CONF" in said
    assert "--dry-run" in said


@pytest.mark.parametrize("share", ["3", "3/", "/3", "a/b", "0/3", "4/3", "1/3/5"])
def test_a_share_that_is_none_is_refused(folder, capsys, share):
    assert run_command(["run", "cells.py", "--place", str(folder), "--share", share]) == 2
    assert "a share is" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["force", "accept"])
def test_what_is_for_all_of_a_run_is_not_for_a_share(folder, capsys, option):
    given = ["run", "cells.py", "--place", str(folder), "--share", "1/2", f"--{option}", "slow"]
    assert run_command(given) == 2
    assert "one run and not by each share" in capsys.readouterr().err


def test_a_share_requeues_only_as_an_element_of_an_array(folder, capsys, monkeypatch):
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    given = ["run", "cells.py", "--place", str(folder), "--share", "1/2", "--requeue"]
    assert run_command(given) == 2
    assert "elements of a job array" in capsys.readouterr().err
    element = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
    assert job_of_element(element) == "7_3"  # 7 alone is the whole array


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Stand-ins for the commands of SLURM; `say` is the state of the job, `asked` what was told."""
    place = tmp_path / "bin"
    place.mkdir()
    for name, body in (("squeue", 'cat "$0.says"'), ("scontrol", 'echo "$@" > "$0.asked"')):
        (place / name).write_text(f"#!/bin/bash\n{body}\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return place


@pytest.mark.parametrize(
    ("state", "starts", "is_asked"),
    [("RUNNING", "", True), ("COMPLETING", "", False), ("", "", False), ("RUNNING", "3", False)],
)
def test_an_element_that_was_cancelled_or_gets_nowhere_is_not_requeued(
    commands, monkeypatch, state, starts, is_asked
):
    (commands / "squeue.says").write_text(state)
    monkeypatch.setenv("SLURM_RESTART_COUNT", starts)
    requeue("7_3", None)
    asked = commands / "scontrol.asked"
    assert asked.exists() == is_asked
    assert not is_asked or asked.read_text().split() == ["requeue", "7_3"]


def element(folder, part, *more, **environment):
    """Start what a script of an array runs."""
    command = [sys.executable, "-P", "-m", "scutoid", "run", "cells.py", "--place", str(folder)]
    command += ["--block", "8", "--executor", "serial", "--share", part, *more]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(is_so, *processes):
    end = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < end, [p.communicate()[0] for p in processes if p.poll()]
        time.sleep(0.02)


def value_in(folder):
    return sc.Store(folder / "results")["total"].get()


def test_an_element_that_is_told_to_end_finishes_its_block_and_is_requeued(folder, commands):
    (commands / "squeue.says").write_text("RUNNING")
    (folder / "hold").touch()
    slurm = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1", "SCUTOID_GRACE": "60s"}
    slurm["SLURM_CLUSTER_NAME"] = "here"
    first = element(folder, "1/2", "--requeue", **slurm)
    until((folder / "ran").exists, first)
    first.send_signal(signal.SIGTERM)
    (folder / "hold").unlink()
    said = first.communicate(timeout=120)[0]
    assert first.returncode == 143, said
    assert (commands / "scontrol.asked").read_text().split() == ["requeue", "7_1"]
    assert len((folder / "ran").read_text()) < 16
    again = element(folder, "1/2", "--requeue", **slurm)
    said = again.communicate(timeout=120)[0]
    assert again.returncode == 0, said
    assert len((folder / "ran").read_text()) == 16
    assert value_in(folder) == EXPECTED
    records = [json.loads(path.read_text()) for path in folder.glob("results/runs/*/run.json")]
    assert [record["array"] for record in records] == ["here 7", "here 7"]  # both are of one


def test_elements_that_are_killed_leave_their_blocks_to_others(folder):
    (folder / "hold").touch()
    first, second = element(folder, "1/2"), element(folder, "2/2")
    until(
        lambda: (folder / "ran").exists() and len((folder / "ran").read_text()) == 2, first, second
    )
    first.kill()
    first.communicate()
    (folder / "hold").unlink()
    said = second.communicate(timeout=120)[0]
    assert second.returncode == 0, said
    assert len((folder / "ran").read_text()) == 17  # the one that was killed within twice
    assert value_in(folder) == EXPECTED
    assert sc.Store(folder / "results").verify(heal=False).ok
