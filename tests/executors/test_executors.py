"""The executor suite for each of our executors, and for those of the standard library."""

from __future__ import annotations

import concurrent.futures

import pytest

from scutoid.testing import ExecutorTests


class TestSerial(ExecutorTests):
    workers = 1

    @pytest.fixture
    def executor(self):
        return "serial"


class TestThreads(ExecutorTests):
    @pytest.fixture
    def executor(self):
        return "threads"


class TestProcesses(ExecutorTests):
    @pytest.fixture
    def executor(self):
        return "processes"


class TestThreadPoolExecutor(ExecutorTests):
    @pytest.fixture
    def executor(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            yield pool
