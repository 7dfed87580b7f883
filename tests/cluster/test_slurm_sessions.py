"""A session on SLURM: its jobs serve several runs, with one place for temporary files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc

pytest.importorskip("dask_jobqueue", reason='needs pip install "scutoid[jobqueue]"')
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RAW = np.arange(64.0).reshape(8, 8)


@sc.blockwise(dtype="float64", block=4, version="1", check_halo=False)
def told(image, *, factor):
    print("a block below", tempfile.gettempdir())  # noqa: T201 - a log gets it
    return image * factor


def test_jobs_serve_several_runs_in_a_folder_of_the_session_and_end_with_it(
    jobs, tmp_path, wait_for
):
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="s-") as above:
        with sc.session(
            store=tmp_path / "store",
            executor="slurm",
            workers=1,
            temporary_directory=above,
            logs=tmp_path / "logs",
        ) as session:
            runs = [session.run(told(sc.open(RAW), factor=factor)) for factor in (2, 3)]
        assert list(Path(above).iterdir()) == []
    for run, factor in zip(runs, (2, 3), strict=True):
        np.testing.assert_array_equal(np.asarray(run["told"]), RAW * factor)
        said = "".join(log.read_text() for log in run.folder.glob("logs/*"))
        assert said.count(f"a block below {above}/scutoid-") == 4
    wait_for(lambda: not jobs().jobs())
