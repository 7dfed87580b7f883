"""What the pages of the documentation show works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy import ndimage

import scutoid as sc

DOCS = Path(__file__).parents[1] / "docs"
FILE = re.compile(r"\A# (\w+\.py)\n")


def run_page(name, folder):
    """Run all Python of a page as one script; a block that begins with a file's name is that."""
    text = (DOCS / name).read_text(encoding="utf-8")
    script = []
    for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        named = FILE.match(block)
        if named:
            (folder / named[1]).write_text(block, encoding="utf-8")
        else:
            script.append(block)
    (folder / "page.py").write_text("".join(script), encoding="utf-8")
    command = [sys.executable, "-W", "error", "page.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_blocks(tmp_path):
    said = run_page("blocks.md", tmp_path)
    raw = np.random.default_rng(0).integers(0, 255, (100, 120)).astype("uint8")
    smooth = ndimage.uniform_filter(raw.astype("float32"), 5)
    assert np.array_equal(np.asarray(sc.open(tmp_path / "smooth.ome.zarr")), smooth)
    assert "smooth: 16 of 16 blocks done" in said
    assert f"voxels above: {int((smooth > 130).sum())}" in said
    assert said.count("working on") == 16
    labels = np.asarray(sc.open(tmp_path / "labels.ome.zarr"))
    assert np.array_equal(labels > 0, raw > 100)


def test_opening(tmp_path):
    said = run_page("opening.md", tmp_path)
    assert "well='B03', rest='s1_w1'; or well='B03_s1', rest='w1'" in said
    assert "Image(\"plate['B03/1']\", cyx, (2, 64, 80), uint16)" in said
    assert re.search(r"key +well +site +mean\n0 +B03/1 +B03 +1 ", said)


def test_sessions():
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="s-") as short:  # for sockets below it
        said = run_page("sessions.md", Path(short))
        assert said.count("gaussian") == 1  # of the plan; it goes to a log as well
        assert "gaussian" in Path(short, "logs", "stdout.log").read_text()


def test_looking(tmp_path):
    said = run_page("looking.md", tmp_path)
    page = (DOCS / "looking.md").read_text()
    assert all(f"# {line}" in page for line in said.splitlines())


def test_daisy(tmp_path):
    run_page("daisy.md", tmp_path)
    printed = "".join(path.read_text() for path in (tmp_path / "daisy_logs").iterdir())
    assert printed.count("('smooth', ") == 16


def test_ops(tmp_path):
    said = run_page("ops.md", tmp_path)
    assert "objects: 3 of 2 components" in said
    assert "stitched: 2" in said
    assert "halo: ((1, 1), (1, 1), (1, 1))" in said
    assert "levels: [(20, 48, 64), (20, 24, 32), (10, 12, 16)]" in said
    assert re.search(r"root +0 +3\n +a +2 +2\n +b +1 +1\n", said)


def test_ops_lists_every_operation():
    """All that users get, in the first column of the table."""
    text = (DOCS / "ops.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    listed = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(listed) == sorted(set(sc.__all__) & set(sc.ops.__all__) - {"n4"})


def test_contributing(tmp_path):
    """The page runs, and so do the law of its example and its suite for a format."""
    run_page("../CONTRIBUTING.md", tmp_path)
    options = ["-q", "--hypothesis-profile=ci", "-p", "no:cacheprovider", "-p", "no:napari"]
    command = [sys.executable, "-m", "pytest", *options, "-k", "brightest or Npy", "page.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_names_in_the_code_are_those_of_the_page_of_terms():
    """New names are there, old ones are gone."""
    text = (DOCS / "terms.md").read_text(encoding="utf-8").split("## Names in the code")[1]
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| ")]
    old, new = (set(re.findall(r"`(\w+)`", " ".join(column))) for column in zip(*rows, strict=True))
    files = list(Path(sc.__file__).parent.rglob("*.py"))
    known = {path.stem for path in files} | {path.parent.name for path in files}
    for path in files:
        known |= set(re.findall(r"^(?:class|def) (\w+)", path.read_text(), flags=re.MULTILINE))
        known |= set(re.findall(r"^(\w+) = ", path.read_text(), flags=re.MULTILINE))
    assert new - known == set()
    assert old & known == set()


def test_links_between_pages_lead_to_files_that_are_there():
    pages = [DOCS.parent / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    linked = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)", page.read_text(encoding="utf-8"))
    ]
    assert len(linked) > 20
    assert [
        f"{page.name}: {link}" for page, link in linked if not (page.parent / link).exists()
    ] == []


def test_decisions_are_listed_with_the_status_that_they_state():
    folder, link = DOCS / "decisions", re.compile(r"\[([^]]*)\]\([^)]*\)")
    table = (folder / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| \[(.*?)\]\((.*?)\) \| (.*?) \|$", table, flags=re.MULTILINE)
    stated = []
    for path in sorted(folder.glob("[0-9]*.md")):
        title, *lines = path.read_text(encoding="utf-8").splitlines()
        number, text = title.removeprefix("# ").split(". ", 1)
        status = next(line for line in lines if line.startswith("Status: "))
        short = re.split("[:;.]", link.sub(r"\1", status.removeprefix("Status: ")))[0]
        stated.append((number, text, path.name, short))
    assert rows == stated


def test_store(tmp_path):
    said = run_page("store.md", tmp_path)
    assert "1 damaged, removed" in said
    assert (tmp_path / "final" / "counts.csv").read_text().startswith("n\n")
    assert np.asarray(sc.open(tmp_path / "final" / "smooth.tif")).shape == (64, 80)


def test_each_promise_names_a_test_that_is_there():
    text = (DOCS / "promises.md").read_text(encoding="utf-8")
    stated = [row for row in text.split("## Not exact")[0].splitlines() if row.startswith("| ")]
    rows = [row for row in stated if not row.startswith(("| promise", "| what happens"))]
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+)`", row)
        assert named, row
        for place in named:
            assert (DOCS.parent / place).exists(), place
