"""What it costs that each call of a step gets arguments of its own.

    python benchmarks/arguments.py [--repeats 9] [--quick]

For each kind of argument: microseconds that a call pays, those of ``copy.deepcopy`` and of a pickle
and back, and the share of a small block's time: a Gaussian of sigma 2 on 64 x 64 x 64 voxels of
float32.  All are timed in turn in one process.
"""

from __future__ import annotations

import argparse
import copy
import pickle
import random
import statistics
import timeit
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage

from harness import report
from scutoid.steps.declaration import own

_SECONDS = 0.02
"""About what one measurement takes."""


@dataclass
class Settings:
    """A user's own class."""

    weights: list[float]
    table: np.ndarray


def arguments():
    """One of each kind that steps are given."""
    rows = np.arange(10_000.0)
    return {
        "number": 2.5,
        "tuple of 3": (1, 2, 3),
        "dict of 8": dict.fromkeys("abcdefgh", 1.0),
        "list of 1,000": list(range(1000)),
        "array of 8 kB": np.zeros(1000),
        "array of 1 MiB": np.zeros(2**17),
        "array of 64 MiB": np.zeros(2**23),
        "table of 10,000 x 4": pd.DataFrame(dict.fromkeys("zyxv", rows)),
        "object with an array of 64 MiB": Settings([1.0] * 8, np.zeros(2**23)),
        "generator of random numbers": random.Random(1),
    }


def microseconds(work):
    """Time one way once, over as many calls as take a while."""
    once = max(timeit.timeit(work, number=1), 1e-8)
    number = max(1, int(_SECONDS / once))
    return timeit.timeit(work, number=number) / number * 1e6


def ways(value):
    """What is compared."""
    return {
        "own": lambda: own(value),
        "deepcopy": lambda: copy.deepcopy(value),
        "pickle": lambda: pickle.loads(pickle.dumps(value, protocol=5)),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    repeats = 1 if given.quick else given.repeats
    block = np.random.default_rng(1).random((64, 64, 64), dtype=np.float32)
    lines = [
        "| argument | own, us | deepcopy, us | pickle and back, us | own, share of a block |",
        "|---|---|---|---|---|",
    ]
    blocks = []
    for name, value in arguments().items():
        taken = {way: [] for way in ways(value)}
        for _ in range(repeats):
            blocks.append(microseconds(lambda: ndimage.gaussian_filter(block, 2)))
            for way, work in ways(value).items():
                taken[way].append(microseconds(work))
        middle = {way: statistics.median(found) for way, found in taken.items()}
        shown = " | ".join(f"{value:,.1f}" for value in middle.values())
        lines.append(f"| {name} | {shown} | {middle['own'] / statistics.median(blocks):.3%} |")
    lines.append(f"\nThe block: {statistics.median(blocks):,.0f} us. Medians of {repeats}.")
    report("Arguments of a call's own", "\n".join(lines), keep=not given.quick)


if __name__ == "__main__":
    main()
