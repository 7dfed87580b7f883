"""Logs of each test of daisy's go to a folder of its own."""

import pytest
from daisy.logging import set_log_basedir


@pytest.fixture(autouse=True)
def own_logs(tmp_path):
    """Set the folder of logs."""
    set_log_basedir(tmp_path / "logs")
