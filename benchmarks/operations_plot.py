"""Draw what operations cost: ``operations_plot.py DATA PICTURE``; needs matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

COLOURS = ("#0072b2", "#d55e00", "#009e73")


def main():
    said = json.loads(Path(sys.argv[1]).read_text())
    rows = list(dict.fromkeys(one["row"] for one in said["sized"]))
    figure, (time, memory, blocks) = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
    for row, colour in zip(rows, COLOURS, strict=True):
        for way, line in (("default", "-"), ("reference", "--")):
            ours = [one for one in said["sized"] if (one["row"], one["way"]) == (row, way)]
            sides = [one["side"] for one in ours]
            label = f"{row}{', whole array' if way == 'reference' else ''}"
            given = {"color": colour, "linestyle": line, "marker": "o", "label": label}
            voxels = [one["wall"] / one["side"] ** 3 * 1e9 for one in ours]
            time.plot(sides, voxels, **given)
            memory.plot(sides, [one["mb"] for one in ours], **given)
        cut = [one for one in said["blocked"] if one["row"] == row]
        sizes = [one["block"] for one in cut]
        blocks.plot(sizes, [one["wall"] for one in cut], marker="o", color=colour, label=row)
    shared = {"xscale": "log", "yscale": "log"}
    sides = sorted({one["side"] for one in said["sized"]})
    cuts = sorted({one["block"] for one in said["blocked"]})
    time.set(**shared, xlabel="voxels a side", ylabel="ns a voxel", title="time")
    memory.set(**shared, xlabel="voxels a side", ylabel="MB above idle", title="memory")
    title = f"time by the block, {said['side']}^3"
    blocks.set(
        xscale="log", xlabel="voxels a side of a block", ylabel="s", title=title, ylim=(0, None)
    )
    for axes, ticks in ((time, sides), (memory, sides), (blocks, cuts)):
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    lines, labels = time.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=3, handlelength=4, fontsize=9)
    figure.savefig(sys.argv[2], dpi=90)


if __name__ == "__main__":
    main()
