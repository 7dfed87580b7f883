"""The command line on folders of images: what failed is said, and so is what is left out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scutoid.cli._main import run_command

PIPELINE = """
import pandas as pd
import scutoid as sc

@sc.step(out="table", retries=0)
def rows(image):
    return pd.DataFrame({"y": range(len(image)), "sum": image.sum(axis=1)})

@sc.step(retries=0)
def brightest(image):
    return int(image.max())

@sc.step(out="files", retries=0)
def report(image, *, folder):
    (folder / "report.txt").write_text(str(image.max()))

@sc.pipeline
def count():
    images = sc.open_folder("plate/*.npy", group=r"(?P<well>[A-Z]\\d)")
    named = (images + 1).options(name="brighter")
    return rows(images), brightest(images), report(images), named
"""
CELLS = """
import scutoid as sc

@sc.pipeline
def cells(folder: str):
    images = sc.open_folder(folder + "/{well}.npy", voxel_size=1, unit="um")
    nuclei = sc.label(images > 0)
    return (images + 1).options(name="brighter"), nuclei, sc.measure(nuclei)
"""
RUN = ("run", "pipe.py", "--executor", "serial")


@pytest.fixture
def plate(tmp_path, monkeypatch):
    (tmp_path / "pipe.py").write_text(PIPELINE)
    (tmp_path / "plate").mkdir()
    for key in ("A1", "A2", "B1"):
        np.save(tmp_path / "plate" / f"{key}.npy", np.ones((2, 3)))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "plate"


def test_an_incomplete_result_ends_with_1_unless_that_is_allowed(plate, capsys) -> None:
    (plate / "A2.npy").write_bytes(b"no image")
    assert run_command([*RUN]) == 1
    for step in ("rows", "brightest"):
        for command in (["show", step], ["export", step, "m.csv"], ["export", step, "folder"]):
            capsys.readouterr()
            assert run_command(command) == 1
            said = capsys.readouterr()
            assert "1 of 3 were not finished: A2.npy" in said.err
            assert "--partial allow" in said.err
            assert len(said.err.splitlines()) == 4
            assert not Path(command[-1]).exists()
            assert run_command([*command, "--partial", "allow"]) == 0
            said = capsys.readouterr()
            assert "without 1 of 3 members, which were not finished: A2.npy" in said.err
        assert set(pd.read_csv("m.csv")["key"]) == {"A1.npy", "B1.npy"}
        assert set(pd.read_csv("m.csv")["well"]) == {"A1", "B1"}
        Path("m.csv").unlink()
        shutil.rmtree("folder")
    for step in ("report", "brighter"):
        capsys.readouterr()
        assert run_command(["show", step]) == 1
        assert "1 of 3 were not finished: A2.npy" in capsys.readouterr().err
        assert run_command(["show", step, "--partial", "allow"]) == 0
        said = capsys.readouterr()
        assert "without 1 of 3 members" in said.err
        assert "3 members" in said.out
    np.save(plate / "A2.npy", np.ones((2, 3)))
    assert run_command([*RUN]) == 0
    for step in ("report", "brighter"):
        assert run_command(["show", step]) == 0
    for step in ("rows", "brightest"):
        assert run_command(["show", step]) == 0
        assert "well" in capsys.readouterr().out
        assert run_command(["export", step, "m.csv"]) == 0
        assert "without" not in capsys.readouterr().err
        assert list(pd.read_csv("m.csv")["well"].unique()) == ["A1", "A2", "B1"]


def test_a_table_of_a_folder_is_not_written_with_an_ending_that_is_no_format(plate, capsys) -> None:
    run_command([*RUN])
    for path in ("cells.ods", "s3://bucket/cells.csv"):
        assert run_command(["export", "rows", path]) == 2
    assert "whose name has no ending" in capsys.readouterr().err
    assert sorted(p.name for p in plate.parent.iterdir()) == ["pipe.py", "plate", "results"]


def test_a_plate_is_exported_with_labels_and_tables(plate, capsys) -> None:
    Path("cells.py").write_text(CELLS)
    assert run_command(["run", "cells.py", "--folder", "plate", "--executor", "serial"]) == 0
    command = ["export", "brighter", "out.ome.zarr", "--labels", "nuclei=label"]
    assert run_command([*command, "--tables", "measure", "--tables", "nuclei=measure"]) == 0
    field = Path("out.ome.zarr/A/2/0")
    assert sorted(path.name for path in (field / "tables").iterdir() if path.is_dir()) == [
        "measure",
        "nuclei",
    ]
    assert len(pd.read_parquet(field / "tables/nuclei/table.parquet")) == 1
    assert (field / "labels" / "nuclei").is_dir()
    capsys.readouterr()
    assert run_command([*command[:3], "--tables", "absent"]) == 2
    assert "absent" in capsys.readouterr().err


def test_a_pipeline_takes_a_folder_at_a_url(plate, web, capsys) -> None:
    shutil.copytree(plate, web.folder / "plate")
    Path("cells.py").write_text(CELLS)
    command = ["run", "cells.py", "--folder", web.url("plate"), "--executor", "serial"]
    assert run_command(command) == 0
    capsys.readouterr()
    assert run_command(["show", "measure"]) == 0
    assert "A2" in capsys.readouterr().out
    web.lists = False
    assert run_command(command) == 2
    assert "a table with a column path of URLs" in capsys.readouterr().err


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["at the end", "at once"])
@pytest.mark.parametrize("command", [["show", "rows"], ["ls"], ["du"], ["plan", "pipe.py"]])
def test_who_reads_no_further_is_no_error(plate, command, unbuffered) -> None:
    run_command([*RUN])
    process = subprocess.Popen(
        [sys.executable, "-m", "scutoid", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert (process.wait(), said) == (141, "")
