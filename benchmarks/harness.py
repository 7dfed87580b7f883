"""Timing whole processes, or a part of what they do, with the peak memory of each process tree."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

WORK = Path(__file__).parent / "scratch"


@dataclass(frozen=True)
class Memory:
    """What a process tree took at a moment."""

    at: float
    """Of `time.monotonic`, which is the same in all processes."""
    mb: float
    n_processes: int


@dataclass(frozen=True)
class Sample:
    """One run of a command."""

    seconds: float
    said: str
    memory: list[Memory]

    @property
    def peak_mb(self):
        """Most memory of the tree at a time."""
        return max((one.mb for one in self.memory), default=0.0)

    def within(self, begin, end):
        """Return the same of a part of the run, between two times of `time.monotonic`."""
        inside = [one for one in self.memory if begin <= one.at <= end]
        return Sample(end - begin, self.said, inside)


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


def rollup(pid, *names):
    """Return sums over all that a process has mapped, such as "Rss" and "Pss", in MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return [0.0] * len(names)
    found = {name: int(value.split()[0]) * 1024 / 1e6 for name, value in _pairs(lines)}
    return [found.get(name, 0.0) for name in names]


def _pairs(lines):
    return (line.split(":", 1) for line in lines)


def proportional(pid):
    """Return the proportional set size of a process and all below it, in MB."""
    return sum(rollup(one, "Pss")[0] for one in tree(pid))


def cpu_seconds(pid):
    """Return the processor time of a process and all below it, those that have ended included."""
    ticks = 0
    for one in tree(pid):
        try:
            line = Path(f"/proc/{one}/stat").read_text()
        except OSError:
            continue
        # After the name, which may hold spaces: user, system, and both of ended children
        ticks += sum(int(number) for number in line.rpartition(")")[2].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass
class Proportional:
    """The memory of a process tree in which each page counts once.

    What the kernel says about sharing takes it milliseconds, in which it may hold up the process;
    so resident memory is read each time, and what of it is shared at most a tenth of the time.
    """

    shared: dict[int, float] = field(default_factory=dict)
    not_before: float = 0.0

    def __call__(self, pids):
        """Return the sum over processes in MB."""
        is_due = time.monotonic() >= self.not_before
        begun = time.monotonic()
        for pid in pids:
            if is_due or pid not in self.shared:
                total, own = rollup(pid, "Rss", "Pss")
                self.shared[pid] = total - own
        if is_due:
            ended = time.monotonic()
            self.not_before = ended + 9 * (ended - begun)
        return sum(max(resident(pid) - self.shared[pid], 0.0) for pid in pids)


def summed(pids):
    """Return the sum of the resident memory of processes in MB."""
    return sum(resident(pid) for pid in pids)


def run(command, *, memory=summed, more=None):
    """Run a command; measure wall time and the memory of its process tree, every 20 ms.

    `more` are variables of its environment, `memory` gives the MB of a list of processes.
    """
    # Installed packages have been compiled; ours would be compiled again in each process without.
    settings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.PIPE, text=True, env=settings | (more or {})
    )
    found = []

    def sample():
        while process.poll() is None:
            pids = tree(process.pid)
            found.append(Memory(time.monotonic(), memory(pids), len(pids)))
            time.sleep(0.02)

    sampler = threading.Thread(target=sample)
    sampler.start()
    said, _ = process.communicate()
    seconds = time.perf_counter() - started
    sampler.join()
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Sample(seconds, said.strip(), found)


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
