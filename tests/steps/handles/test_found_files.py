"""Files that a pattern finds, and what is said of those that it leaves out."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ScutoidWarning, SourceError, SourceNotFound

NO_IMAGES = ("Thumbs.db", "notes.txt", "results.csv", "Experiment.HTD")


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "plate"
    for name in ("A_1", "A_2", "deep/A_1"):
        write(place / f"{name}.npy")
    return place


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, np.ones((4, 5), "uint8"))


def opened(pattern, tmp_path, **options):
    """Open a folder, and return its keys, what was said then, and what a plan says."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        images = sc.open_folder(pattern, **options)
    assert all(each.category is ScutoidWarning for each in said)
    assert all(each.filename == __file__ for each in said)
    plan = sc.plan(images * 2, store=tmp_path / "store")
    return images.keys, [str(each.message) for each in said], list(plan.warnings)


@pytest.mark.parametrize("pattern", ["", "*", "{name}.{ending}"])
def test_files_that_are_no_images_are_left_out_with_a_warning(folder, tmp_path, pattern):
    assert opened(folder / pattern, tmp_path) == (("A_1.npy", "A_2.npy"), [], [])
    for name in NO_IMAGES:
        (folder / name).write_bytes(b"text")
    keys, said, planned = opened(folder / pattern, tmp_path)
    assert keys == ("A_1.npy", "A_2.npy")
    assert said == planned
    assert re.search(r"no images: .*, and 1 more; .*select=", said[0])
    assert opened(folder / pattern, tmp_path, select=lambda path: path.endswith(".npy")) == (
        keys,
        [],
        [],
    )


def test_a_run_does_not_warn_again_and_keeps_the_warning(folder, tmp_path):
    (folder / "notes.txt").write_text("text")
    with pytest.warns(ScutoidWarning, match="no images"):
        images = sc.open_folder(folder)
    run = sc.run(images * 2, store=tmp_path / "s", executor="serial")  # a warning is an error
    assert any("notes.txt" in text for text in run.warnings)


def test_a_reader_reads_files_of_any_kind(folder):
    (folder / "notes.txt").write_text("text")
    values = sc.open_folder(folder, read=lambda path: path)
    assert values.keys == ("A_1.npy", "A_2.npy", "notes.txt")


def test_a_folder_of_other_files_is_refused(folder):
    (folder / "notes.txt").write_text("text")
    with pytest.raises(SourceError, match=r"1 file of other kinds: notes\.txt[^$]*read="):
        sc.open_folder(folder / "*.txt")


@pytest.mark.parametrize("pattern", ["*.npy", "{name}.npy", "**/*.npy", "{name}_*.npy"])
def test_files_of_other_case_are_left_out_with_a_warning(folder, tmp_path, pattern):
    for name in ("B_1.NPY", "deep/B_2.Npy", "B_3.NPYX", ".B_4.NPY"):
        write(folder / name)
    _, said, planned = opened(folder / pattern, tmp_path)
    assert said == planned
    assert "B_1.NPY" in said[0]
    assert ("B_2.Npy" in said[0]) == ("**" in pattern)
    for none in (pattern.replace(".npy", ".[nN][pP][yY]"), "A*.npy", "A_1.npy*", "{name:A.*}.npy"):
        assert not opened(folder / none, tmp_path)[1]


@pytest.mark.parametrize("pattern", ["", "*.npy", "**/*.npy", "{a}_{b:d}.npy"])
@pytest.mark.parametrize("target", ["/none/there.npy", "A_9.npy"], ids=["away", "itself"])
def test_a_link_that_leads_to_nothing_is_refused_by_name(folder, pattern, target):
    (folder / "A_9.npy").symlink_to(target)
    with pytest.raises(SourceNotFound, match=f"(?s){target}.*A_9.*git annex get"):
        sc.open_folder(folder / pattern)
    kept = sc.open_folder(folder / pattern, select=lambda path: not path.endswith("_9.npy"))
    assert {"A_1.npy", "A_2.npy"} <= set(kept.keys)
    assert sc.open_folder(folder / "{a}_{b:[12]}.npy").keys == ("A_1.npy", "A_2.npy")


@pytest.mark.parametrize("target", [".", "..", "../plate", "deep/.."])
def test_a_link_that_leads_round_is_not_followed(folder, target):
    (folder / "round").symlink_to(target)
    (folder / "also").symlink_to("deep")
    assert sc.open_folder(folder / "**" / "*.npy").keys == (
        "A_1.npy",
        "A_2.npy",
        "also/A_1.npy",
        "deep/A_1.npy",
    )


NOTHING = {
    "*.tif": r"its files end in \.npy \(2\)",
    r"(?P<name>.*)\.npy": r"no regular expression.*group=",
    r"A_(.*).npy": "no regular expression",
    r"deep\*.npy": "with / between them",
    "d*": "it matches folders, such as 'deep'",
    "d{name}": "it matches folders, such as 'deep'",
    "deep/*/*.npy": "check the folder",
    "set [1]/*.npy": r"write 'set \[\[\]1\]'",
    "empty/*.npy": "it is empty",
    "above/*.npy": "holds folders, such as 'below', and no files",
    "above": r"such as \"[^\"]*above/\*/\*\.tif\"",
}


@pytest.mark.parametrize("pattern", NOTHING)
def test_a_pattern_that_matches_nothing_says_what_may_help(folder, pattern):
    write(folder / "set [1]" / "A.npy")
    (folder / "empty").mkdir()
    (folder / "above" / "below").mkdir(parents=True)
    with pytest.raises(SourceNotFound, match=f"remedy: .*{NOTHING[pattern]}"):
        sc.open_folder(folder / pattern)
