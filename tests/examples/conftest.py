"""What tests of the examples have in common."""

from __future__ import annotations

import pytest


@pytest.fixture
def scutoid(forks):
    """Run a command of scutoid in a folder; returns what it prints."""

    def run(*words, cwd):
        done = forks.run("scutoid", *words, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
