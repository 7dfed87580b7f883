"""What some operations cost by the size of the image, and by that of a block; and a plot of it."""

from __future__ import annotations

import json
import statistics
import sys

from harness import WORK, run
from operations_measure import DEFAULT, HERE, REFERENCE, cost, ways_of
from operations_work import prepare

GROWING = ("gaussian 2", "label + measure", "whole chain to table")
BLOCKS = (32, 64, 128)
"""Voxels a side of a block."""
WHOLE = 512
"""Voxels a side up to which the whole-array calls are measured: the chain takes 66 GB of 1024^3."""
PICTURE = HERE.parent / "docs" / "images" / "costs.png"


def medians(costs):
    """Return the medians of the wall time and of the memory."""
    return [statistics.median(getattr(one, what) for one in costs) for what in ("wall", "mb")]


def by_size(sizes, repeats, workers):
    """Measure each operation at each size, in turn beside its reference."""
    found = []
    for side in sizes:
        prepare(side)
        names = (REFERENCE, DEFAULT) if side <= WHOLE else (DEFAULT,)
        chosen = [way for way in ways_of(None) if way.name in names]
        for row in GROWING:
            costs = {way.name: [] for way in chosen}
            for _ in range(repeats if side <= WHOLE else 1):
                for way in chosen:
                    costs[way.name].append(cost(row, way, side, workers=workers))
            for name, one in costs.items():
                wall, mb = medians(one)
                found.append({"row": row, "way": name, "side": side, "wall": wall, "mb": mb})
            print(*found[-len(chosen) :], sep="\n", file=sys.stderr)
    return found


def by_block(side, repeats, workers):
    """Measure each operation with blocks of several sizes, in turn."""
    (way,) = [way for way in ways_of(None) if way.name == DEFAULT]
    found = []
    for row in GROWING:
        costs = {block: [] for block in BLOCKS if block <= side}
        for _ in range(repeats):
            for block, one in costs.items():
                one.append(cost(row, way, side, workers=workers, more=["--block", block]))
        for block, one in costs.items():
            wall, mb = medians(one)
            found.append({"row": row, "block": block, "wall": wall, "mb": mb})
        print(*found[-len(costs) :], sep="\n", file=sys.stderr)
    return found


def shown(one):
    """Seconds, nanoseconds a voxel and MB, as a cell."""
    return f"{one['wall']:.2f}, {one['wall'] / one['side'] ** 3 * 1e9:.0f}, {one['mb']:.0f}"


def size_table(found, sizes):
    lines = [
        "| | " + " | ".join(f"{side}^3" for side in sizes) + " |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    for row in GROWING:
        for way in (DEFAULT, REFERENCE):
            ours = [one for one in found if (one["row"], one["way"]) == (row, way)]
            name = f"{row}{', reference' if way == REFERENCE else ''}"
            cells = [*map(shown, ours), *["not measured"] * (len(sizes) - len(ours))]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def block_table(found, side):
    blocks = sorted({one["block"] for one in found})
    heads = [f"{side}^3", *(f"blocks of {block}^3" for block in blocks)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in GROWING:
        ours = [one for one in found if one["row"] == row]
        shown = [f"{one['wall']:.2f}, {one['mb']:.0f}" for one in ours]
        lines.append(f"| {row} | {' | '.join(shown)} |")
    return "\n".join(lines)


def growth(sizes, repeats, workers, *, is_drawn):
    """Measure by size and by block, and return the tables."""
    sized = by_size(sizes, repeats, workers)
    side = max(side for side in sizes if side <= 256)
    blocked = by_block(side, repeats, workers)
    about = (
        f"As in the section on operations, with the default executor; medians of {repeats} turns, "
        f"{workers} workers. By the image's size: s, ns a voxel, MB above idle; chunks and blocks "
        f"of 128^3. Above {WHOLE}^3 once, and without the reference, which would not fit."
    )
    parts = [
        about,
        size_table(sized, sizes),
        "By the block's size: s, MB above idle.",
        block_table(blocked, side),
    ]
    if is_drawn:
        data = WORK / "operations_growth.json"
        data.write_text(json.dumps({"sized": sized, "blocked": blocked, "side": side}))
        run([sys.executable, HERE / "operations_plot.py", data, PICTURE])
        parts.append(f"![time and memory by size](../docs/images/{PICTURE.name})")
    return "\n\n".join(parts)
