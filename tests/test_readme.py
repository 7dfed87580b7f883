"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

import scutoid as sc
from scutoid.arrays import ImageSpec, create_image

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """Return the code blocks of the README in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def brain(tmp_path):
    """A folder with the image that the example opens, of 30 cells, (z, y, x) = (40, 60, 70)."""
    points = np.zeros((40, 60, 70))
    points[10::20, 8:60:20, 8:70:14] = 1
    noise = np.random.default_rng(11).normal(0, 20, points.shape)
    image = (1000 + ndimage.gaussian_filter(points, 2) * 4e5 + noise).astype("uint16")
    spec = ImageSpec(image.shape, image.dtype, "zyx", voxel_size=(2.0, 1.0, 1.0), unit="um")
    create_image(tmp_path / "brain.ome.zarr", spec).write(spec.roi, image)
    return tmp_path


def run_examples(folder):
    """Run all Python of the README as one script, from start to end."""
    script = folder / "example.py"
    script.write_text("".join(blocks("python")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_is_short_and_runs_and_a_second_time_finds_all_cached(brain):
    assert len([line for line in blocks("python")[0].splitlines() if line]) <= 15
    first = run_examples(brain)
    labels = np.asarray(sc.Store(brain / "results")["label"])
    smooth = ndimage.gaussian_filter(np.asarray(sc.open(brain / "brain.ome.zarr"), "float32"), 2)
    expected, n_objects = ndimage.label(smooth > sc.otsu(smooth))
    assert n_objects == 30
    np.testing.assert_array_equal(labels, expected)
    assert len(sc.Store(brain / "results")["measure"].to_pandas()) == n_objects

    stamps = {path: path.stat().st_mtime_ns for path in brain.rglob("COMPLETE")}
    assert stamps
    assert run_examples(brain) == first
    assert {path: path.stat().st_mtime_ns for path in brain.rglob("COMPLETE")} == stamps


def test_the_commands_of_the_readme_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"^make ([\w-]+)", "".join(blocks("sh")), flags=re.MULTILINE))
    assert named == {"demo", "test"}
    targets = set(re.findall(r"^([\w -]+):", makefile, flags=re.MULTILINE))
    assert named <= {name for target in targets for name in target.split()}


def test_links_lead_to_files_that_are_there():
    linked = re.findall(r"\]\(([^)#:]+)\)", README)
    assert linked
    assert [link for link in linked if not (ROOT / link).exists()] == []
