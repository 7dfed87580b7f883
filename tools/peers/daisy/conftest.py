"""Logs of each test of daisy's go to a folder of its own."""

import daisy
import pytest
from daisy.logging import set_log_basedir

if daisy.__name__ != "scutoid.integrations.daisy":
    raise RuntimeError(f"scutoid stands in the place of daisy, not {daisy}")


@pytest.fixture(autouse=True)
def own_logs(tmp_path):
    """Set the folder of logs."""
    set_log_basedir(tmp_path / "logs")
