"""Threads of a run share one heap, and what is freed serves the next, where glibc is used."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's malloc")

COUNT = """
import ctypes, re, sys, threading
import numpy as np

def info(folder):
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(libc.fopen(f"{folder}/info.xml".encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    return open(f"{folder}/info.xml").read()

def count_heaps(folder):
    return info(folder).count("<heap nr=")

def count_mapped(folder):
    return int(re.search('type="mmap" count="([0-9]+)"', info(folder))[1])
"""
THREADS = """
from scutoid.heap import share_one_heap
share_one_heap()
together = threading.Barrier(3)

def work():
    held = np.ones(10_000)
    together.wait()

threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(count_heaps(sys.argv[1]))
"""
RUN = """
import scutoid as sc

image = np.zeros((40, 40), "uint8")
sc.run(
    sc.gaussian(sc.open(image), sigma=1), store=sys.argv[1], executor="threads", workers=2, block=20
)
print(count_heaps(sys.argv[1]))
"""


BLOCKS = """
from scutoid.heap import share_one_heap
share_one_heap()
before = count_mapped(sys.argv[1])
block = np.ones(2**24, "uint8")
print(count_mapped(sys.argv[1]) - before)
"""


def said(code, folder, **variables):
    """What a new process says; libraries start no threads of their own."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MALLOC_") and name != "GLIBC_TUNABLES"
    }
    done = subprocess.run(
        [sys.executable, "-c", COUNT + code, folder],
        env=own | {"OPENBLAS_NUM_THREADS": "1"} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_threads_that_start_share_one_heap(tmp_path):
    assert said(THREADS, tmp_path) == 1


def test_what_the_environment_says_of_heaps_holds(tmp_path):
    assert said(THREADS, tmp_path, MALLOC_ARENA_MAX="3") == 3


def test_blocks_lie_in_the_heap_from_the_first_on(tmp_path):
    assert said(BLOCKS, tmp_path) == 0


@pytest.mark.parametrize(
    "variables",
    [
        {"MALLOC_MMAP_THRESHOLD_": "100000"},
        {"MALLOC_TRIM_THRESHOLD_": "100000"},
        {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=100000"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_what_the_environment_says_of_sizes_holds(variables, tmp_path):
    assert said(BLOCKS, tmp_path, **variables) == 1


def test_a_run_in_threads_leaves_one_heap(tmp_path):
    assert said(RUN, tmp_path) == 1


def test_freed_pages_go_back_to_the_system():
    script = (
        "import sys\n"
        "from scutoid.free_memory import _fields\nfrom scutoid.heap import give_back_memory\n"
        "kept = [bytes(100_000) for _ in range(2000)]\n"  # in the heap, with what lies between them
        "small = [bytearray(700) for _ in range(2000)]\n"
        "kept = [bytes(700)] + kept[1::400]\n"
        "before = _fields('/proc/self/status')['VmRSS']\n"
        "give_back_memory()\n"
        "print(before - _fields('/proc/self/status')['VmRSS'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(done.stdout) > 50 * 2**20


ARRAYS = """
import resource
import numpy as np

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def arrays():
    return [np.ones(2**17) for _ in range(6)]

arrays()
{}
arrays()
before = faults()
for _ in range(10):
    arrays()
print(faults() - before)
"""
KEEPS = "from scutoid.heap import keep_freed_memory; keep_freed_memory()"


def test_memory_that_was_freed_serves_the_next_arrays(tmp_path):
    cleared, kept = said(ARRAYS.format(""), tmp_path), said(ARRAYS.format(KEEPS), tmp_path)
    assert kept < 100 < cleared


def test_what_the_environment_says_of_freed_memory_holds(tmp_path):
    assert said(ARRAYS.format(KEEPS), tmp_path, MALLOC_TRIM_THRESHOLD_="131072") > 100
