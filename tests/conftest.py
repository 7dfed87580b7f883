"""What the tests of all folders share."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes, or is drawn, says nothing on a machine that other work shares
# The same examples each time, so that no change fails by luck; a search for new ones asks for it
settings.register_profile(
    "scutoid",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize="SCUTOID_NEW_EXAMPLES" not in os.environ,
)
settings.load_profile("scutoid")


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Undo that SIGINT is ignored, as in background jobs: what tests start would inherit it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def is_alive():
    """Tells whether a process runs; one that is dead and not yet buried does not."""

    def tell(pid):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state not in "ZX"

    return tell


@pytest.fixture(scope="session")
def wait_for():
    """Waits until something holds, as long as a very busy machine may take to come to it."""

    def wait(condition):
        end = time.monotonic() + 240
        while not condition():
            assert time.monotonic() < end, "it never came to that"
            time.sleep(0.01)

    return wait
