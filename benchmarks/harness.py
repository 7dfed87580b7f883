"""Timing whole processes, with the peak memory of each process tree."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

WORK = Path(__file__).parent / "scratch"


@dataclass(frozen=True)
class Sample:
    """One run of a command."""

    seconds: float
    peak_mb: float
    said: str


def tree(pid):
    """List a process and all below it."""
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [
                one for child in (task / "children").read_text().split() for one in tree(int(child))
            ]
    except OSError:
        pass
    return found


def resident(pid):
    """Return the resident memory of a process in MB."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(command):
    """Run a command; measure wall time and the peak of its process tree, sampled every 20 ms."""
    # Installed packages have been compiled; ours would be compiled again in each process without.
    settings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.PIPE, text=True, env=settings
    )
    peak = [0.0]

    def sample():
        while process.poll() is None:
            peak[0] = max(peak[0], sum(resident(pid) for pid in tree(process.pid)))
            time.sleep(0.02)

    sampler = threading.Thread(target=sample)
    sampler.start()
    said, _ = process.communicate()
    seconds = time.perf_counter() - started
    sampler.join()
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Sample(seconds, peak[0], said.strip())


def interleaved(commands, repeats):
    """Run several commands in turn, so that a change of the machine's speed hits all of them."""
    samples = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            samples[name].append(run(command))
    return samples


def table(samples, reference):
    """Return a Markdown table: median, range, ratio to the reference pair by pair, peak memory."""
    lines = ["| | s, median (range) | ratio to the limit | peak MB |", "|---|---|---|---|"]
    for name, found in samples.items():
        seconds = [s.seconds for s in found]
        pairs = zip(found, samples[reference], strict=True)
        ratios = [a.seconds / b.seconds for a, b in pairs]
        lines.append(
            f"| {name} | {statistics.median(seconds):.1f} "
            f"({min(seconds):.1f} to {max(seconds):.1f}) "
            f"| {statistics.median(ratios):.2f} | {max(s.peak_mb for s in found):.0f} |"
        )
    return "\n".join(lines)


def machine():
    """Describe the machine in a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}"
    )


def write_section(title, text):
    """Put a section into RESULTS.md, in the place of an older one of the same title."""
    path = Path(__file__).parent / "RESULTS.md"
    old = path.read_text() if path.exists() else "# Measured\n"
    parts = old.split("\n## ")
    kept = [part for part in parts[1:] if not part.startswith(f"{title}\n")]
    sections = [*kept, f"{title}\n\n{machine()}\n\n{text.strip()}\n"]
    path.write_text("\n## ".join([parts[0].rstrip() + "\n", *sections]))


def report(title, text, *, keep):
    """Print a section, and put it into RESULTS.md if it is one to keep."""
    print(f"## {title}\n\n{machine()}\n\n{text}")
    if keep:
        write_section(title, text)
