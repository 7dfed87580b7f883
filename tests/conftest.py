"""What the tests of all folders share."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# How long an example takes says nothing on a machine that other work shares
settings.register_profile("scutoid", deadline=None)
settings.load_profile("scutoid")


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Undo that SIGINT is ignored, as in background jobs: what tests start would inherit it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
