"""What a Dask cluster and a bucket cost: blocks that do nothing, smoothing, requests a block.

    python benchmarks/clusters.py [--repeats 3] [--quick]

A `LocalCluster` of two worker processes beside ``client.map`` on it, and beside our own processes;
a store in a bucket (moto on the loop-back interface, behind a proxy that counts) beside one in a
folder.  What is compared runs in turn, each in a process of its own.  ``--quick`` is a smoke run
of small sizes in about a minute, which prints its tables and leaves RESULTS.md alone.

Needs the extra ``test``: distributed, s3fs and moto.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from harness import WORK, interleaved, report, run

SCRIPT = Path(__file__).parent / "clusters_work.py"
SMOOTHING = Path(__file__).parent / "smoothing_work.py"


def measured(cases, repeats):
    """Run cases in turn; give what each run said."""
    commands = {case: [sys.executable, SCRIPT, *case] for case in cases}
    return {
        case: [json.loads(sample.said.splitlines()[-1]) for sample in samples]
        for case, samples in interleaved(commands, repeats).items()
    }


def median(runs, name):
    """The median of what runs say of one thing."""
    return statistics.median(one[name] for one in runs)


def ratio(runs, others, name):
    """The median of the ratios, run by run."""
    return statistics.median(a[name] / b[name] for a, b in zip(runs, others, strict=True))


def table(heads, rows):
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def blocks(sizes, n_map, repeats):
    """Blocks that do nothing, on a cluster that is up."""
    ours = [("blocks", "scutoid", n) for n in sizes]
    map_of_dask = ("blocks", "map", n_map)
    found = measured([*ours, map_of_dask], repeats)
    heads = [
        "",
        "blocks",
        "us a block",
        "ratio to client.map",
        "first block after, s",
        "cluster's own start, s",
        "tasks in the scheduler",
        "its MB more at the peak",
        "processor's us a block: driver",
        "scheduler",
        "workers",
    ]
    rows = [
        [
            "scutoid" if case in ours else "client.map",
            f"{median(runs, 'n'):,.0f}",
            f"{median(runs, 'us'):.2f}",
            f"{ratio(runs, found[map_of_dask], 'us'):.4f}",
            f"{median(runs, 'start'):.2f}",
            f"{median(runs, 'up'):.2f}",
            f"{median(runs, 'tasks'):,.0f}",
            f"{median(runs, 'mb'):.0f}",
            *(f"{median(runs, f'{name}_us'):.2f}" for name in ("driver", "scheduler", "workers")),
        ]
        for case, runs in found.items()
    ]
    about = (
        "Blocks that do nothing, 2 worker processes of one thread, on a cluster that is up; "
        f"medians of {repeats} runs in turn. What a block costs is counted from the begin of the "
        "first until the driver knows of the last. The scheduler is in a process of its own: MB "
        "are what that has at its peak beyond what it had with both workers up, tasks the most "
        "that it knew at once. Seconds of processors are those from the call to its end, of all "
        "threads; both workers together."
    )
    return f"{about}\n\n{table(heads, rows)}"


def smoothing(side, repeats):
    """A Gaussian of a volume, on a cluster that is up and by our own processes."""
    run([sys.executable, SMOOTHING, "prepare", 64, side])
    ways = {
        "our own processes": ("smooth", "processes", side),
        "LocalCluster that is up": ("smooth", "dask", side),
        "the same, that does not sample": ("smooth", "unsampled", side),
    }
    found = measured(ways.values(), repeats)
    check_same(found, "of smoothing")
    reference = found[ways["our own processes"]]
    rows = []
    for what, case in ways.items():
        cells = [what]
        for which in ("first", "later"):
            runs = found[case]
            for name in (which, f"{which}_cpu"):
                cells += [f"{median(runs, name):.2f}", f"{ratio(runs, reference, name):.2f}"]
        rows.append(cells)
    about = (
        f"Gaussian of sigma 2 on {side}^3 uint16 (zarr, chunks of 64^3) to float32, blocks of "
        f"128^3, 2 workers; medians of {repeats} processes in turn, each with two runs. Our own "
        "processes start in each run, those of the cluster before; in its first run they import "
        "what they need. Dask samples a hundred times a second what its workers are at, for its "
        "page, unless distributed.worker.profile.enabled is False. Voxels are the same bit for bit."
    )
    heads = ["", "first run, s", "ratio", "of processors, s", "ratio"]
    heads += ["a later one, s", "ratio", "of processors, s", "ratio"]
    return f"{about}\n\n{table(heads, rows)}"


def bucket(side, repeats):
    """A chain of two steps of small blocks, in a bucket and in a folder."""
    cases = {place: ("store", place, side) for place in ("folder", "bucket")}
    found = measured(cases.values(), repeats)
    check_same(found, "in a bucket")
    heads = ["", "s", "ratio", "client's ms a block", "ratio", "blocks", "batches", "requests"]
    heads += ["a block", "2 a block, 2 a batch"]
    rows = []
    for place, case in cases.items():
        runs = found[case]
        last = runs[-1]
        n, batches, asked = last["n"], last["batches"], sum(last["requests"].values())
        seconds, slower = median(runs, "seconds"), ratio(runs, found[cases["folder"]], "seconds")
        ms = f"{median(runs, 'cpu') / n * 1e3:.2f}"
        more = f"{ratio(runs, found[cases['folder']], 'cpu'):.2f}"
        row = [place, f"{seconds:.2f}", f"{slower:.2f}", ms, more, f"{n:,}", batches]
        rows.append([*row, f"{asked:,}", f"{asked / n:.2f}", f"{2 * n + 2 * batches:,}"])
    kinds = found[cases["bucket"]][-1]["requests"]
    told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    about = (
        f"A chain of two steps without halo, {n:,} blocks of 16^3 uint16 in all, 2 processes; "
        f"medians of {repeats} runs in turn. Times are those of moto and the proxy: a request of "
        "either takes milliseconds of a processor, which are not among those of the client: driver "
        "and workers, from the call to its end."
    )
    return f"{about}\n\n{table(heads, rows)}\n\nRequests: {told}."


def check_same(found, of):
    """End if runs did not find the same voxels."""
    digests = {digest for runs in found.values() for one in runs for digest in one["digest"]}
    if len(digests) != 1:
        raise SystemExit(f"results {of} differ: {digests}")


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    repeats = 1 if given.quick else given.repeats
    sizes = [10**3, 10**4] if given.quick else [10**4, 10**5, 10**6]
    WORK.mkdir(exist_ok=True)
    parts = [
        blocks(sizes, sizes[0], repeats),
        smoothing(128 if given.quick else 512, repeats),
        bucket(64 if given.quick else 128, repeats),
    ]
    report("Clusters and buckets", "\n\n".join(parts), keep=not given.quick)


if __name__ == "__main__":
    main()
