"""Say what all names of `scutoid` cost to import, beyond numpy, and which modules cost most.

Starts fresh interpreters with ``-X importtime``, so it needs the Python that scutoid is installed
for::

    .venv/bin/python tools/import_cost.py [RUNS]
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from collections import defaultdict

LIMIT = 0.3
"""Seconds that the import may take, beyond numpy."""
SHOWN = 12
ALL_NAMES = "[getattr(scutoid, n) for n in scutoid.__all__ if n not in ('Progress', 'view')]"
_LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)$")


def imports_of(statement: str) -> dict[str, float]:
    """Return each module that a statement loads, and the seconds of its own code."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement],
        capture_output=True,
        text=True,
        check=True,
    )
    matches = (_LINE.match(line) for line in done.stderr.splitlines())
    return {match[4]: int(match[1]) / 1e6 for match in matches if match}


def main() -> int:
    """Measure, print, and fail above the limit."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    samples: dict[str, list[float]] = defaultdict(list)
    totals = []
    for _ in range(runs):
        # Interpreter and numpy first: what they load is not scutoid's making
        before = imports_of("import numpy")
        cost = {
            name: seconds
            for name, seconds in imports_of(f"import numpy, scutoid\n{ALL_NAMES}").items()
            if name not in before
        }
        totals.append(sum(cost.values()))
        for name, seconds in cost.items():
            samples[name].append(seconds)
    total = statistics.median(totals)
    own = sum(statistics.median(s) for name, s in samples.items() if name.startswith("scutoid"))
    print(f"names of scutoid: {total * 1000:.0f} ms beyond numpy, median of {runs} runs")
    print(f"  {own * 1000:.0f} ms in scutoid's own modules, the rest in what they load")
    slowest = sorted(samples, key=lambda name: -statistics.median(samples[name]))[:SHOWN]
    for name in slowest:
        print(f"  {statistics.median(samples[name]) * 1000:6.1f} ms  {name}")
    if total > LIMIT:
        print(f"more than the {LIMIT * 1000:.0f} ms that it may take", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
