"""What the tests of batch systems share."""

from __future__ import annotations

import pytest

from scutoid.executors import preset_file

PRESET = {
    "cores": 1,
    "processes": 1,
    "memory": '"1GB"',
    "walltime": '"00:20:00"',
    "interface": '"lo"',
}


@pytest.fixture
def jobs(slurm, tmp_path, monkeypatch, wait_for):
    """A function that describes the jobs of executor="slurm"."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def describe(**options):
        preset_file().parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{name} = {value}" for name, value in (PRESET | options).items()]
        preset_file().write_text("\n".join(["[slurm]", *lines]))
        return slurm

    describe()
    yield describe
    wait_for(lambda: not slurm.jobs())
    assert not list((tmp_path / "cache").glob("scutoid/*"))
