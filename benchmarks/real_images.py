"""Real images: nuclei beside plain scikit-image, cells of a cortex, points in an atlas.

    python benchmarks/real_images.py DATA [--work DIR] [--keep]

``DATA`` holds the folders ``embryo3d``, ``nuclei2d``, ``cortex_crop`` and ``atlas``;
``--keep`` writes the section into RESULTS.md.  No times are taken: `examples/real_data.py` says
what is compared.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from harness import report

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import real_data
import real_points

COLUMNS = {
    "half": "images",
    "by": "",
    "true": "true",
    "found": "found",
    "count_error": "count error",
    **{
        f"{name}_{iou}": f"{name if name != 'f1' else 'F1'} at {iou}"
        for iou in real_data.IOUS
        for name in ("precision", "recall", "f1")
    },
    "unlike": "objects unlike the other's",
}
HALVES = {"tuned": "tuned on", "other": "others"}
ABOUT = (
    "Denoise, threshold, split, label: `examples/nuclei.py` beside the same steps in scipy and "
    "scikit-image on whole images (`examples/nuclei_whole.py`). Parameters were tuned on every "
    "other image, so what counts are the others; their figures were seen at four settings on the "
    "way, none of which was chosen by them. Masks and numbered components are equal in all voxels "
    "of all images (the run fails otherwise); what comes after differs where scikit-image's "
    "watershed settles ties by another rule, and where the two find seeds otherwise. Count error: "
    "differences image by image, summed, over the number of true objects."
)


def section(figures):
    """Return a table of one study."""
    lines = [
        f"| {' | '.join(COLUMNS.values())} |",
        f"|{'---|' * len(COLUMNS)}",
    ]
    for row in figures:
        cells = row | {"half": HALVES[row["half"]]}
        lines.append(f"| {' | '.join(str(cells[name]) for name in COLUMNS)} |")
    return f"{figures[0]['study']}:\n\n" + "\n".join(lines)


def main():
    """Compare, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = given.work or Path(folder)
        tables = [
            section(real_data.compare(given.data, study, work))
            for study in (real_data.EMBRYO, real_data.FOLDER)
        ]
    points = [real_points.cortex(given.data), real_points.atlas(given.data)]
    report("Real images", "\n\n".join([ABOUT, *tables, *points]), keep=given.keep)


if __name__ == "__main__":
    main()
