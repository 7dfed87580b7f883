"""Objects that are listed as likely wrong, and why."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError


def discs(radii, *, side=24, columns=4):
    """Return labels of discs in a grid, in the middle of their cells."""
    rows = -(-len(radii) // columns)
    labels = np.zeros((rows * side, columns * side), np.uint32)
    y, x = np.indices((side, side)) - side / 2
    for n, radius in enumerate(radii):
        part = labels[n // columns * side :, n % columns * side :][:side, :side]
        part[y**2 + x**2 <= radius**2] = n + 1
    return np.pad(labels, 1)


RADII = [5, 6, 5.5, 6, 5, 6, 5.5, 6, 5, 11, 6, 1.5]
LABELS = discs(RADII)


def reasons(table):
    return dict(zip(table["label"], table["reasons"], strict=True))


def test_sizes_unlike_the_others_come_worst_first():
    found = sc.suspicious(LABELS)
    assert found["label"].tolist() == [12, 10]
    assert found["reasons"][0].startswith("too small (0.0")
    assert found["reasons"][1].startswith("too large (")
    assert found["score"].is_monotonic_decreasing
    assert len(sc.suspicious(LABELS, limit=30)) == 0


def test_low_contrast_is_seen_on_a_ground_that_is_not_even():
    ground = np.linspace(0, 1000, LABELS.shape[1])[None, :]
    image = (ground + np.where(LABELS == 7, 5, 200) * (LABELS > 0)).astype(np.float32)
    found = sc.suspicious(sc.open(LABELS), sc.open(image)).to_pandas()
    assert reasons(found)[7].startswith("low contrast (")
    assert found["contrast"][found["label"] == 7].item() == pytest.approx(5, abs=15)
    assert {n for n, text in reasons(found).items() if "contrast" in text} == {7}


def test_objects_that_something_cut_off_are_listed():
    labels = LABELS.copy()
    labels[:, :10] = 0  # the first column of discs ends at x = 9, one block of 10
    labels[0:3, 40:44] = 99
    found = reasons(sc.suspicious(labels, block=10, limit=99))
    assert found[1] == "ends at a seam"
    assert found[99] == "touches the edge"
    assert "ends at a seam" not in reasons(sc.suspicious(labels, limit=99)).values()


def test_a_measured_table_is_enough():
    table = sc.measure(LABELS, intensity=np.where(LABELS == 4, 1, 9 + LABELS % 3))
    found = reasons(sc.suspicious(table))
    assert found[4].startswith("dim (")
    lazy = sc.measure(sc.open(LABELS))
    assert set(reasons(sc.suspicious(lazy).to_pandas())) == {10, 12}


def test_frames_with_the_same_numbers_have_contrasts_of_their_own():
    movie = np.stack([LABELS, LABELS])
    image = np.where(movie > 0, 200.0, 0.0) + np.indices(movie.shape)[2] % 7
    image[1][LABELS == 6] = 0
    found = sc.suspicious(sc.open(movie, axes="tyx"), sc.open(image, axes="tyx")).to_pandas()
    low = found[found["reasons"].str.contains("low contrast")]
    assert list(zip(low["t"], low["label"], strict=True)) == [(1, 6)]


@pytest.mark.parametrize("labels", [np.zeros((9, 9), np.uint8), discs([4] * 4), discs([4])])
def test_objects_all_alike_and_none_are_not_suspicious(labels):
    image = (labels > 0) * 7.0
    assert len(sc.suspicious(labels, image)) == 0
    assert {"reasons", "score", "contrast"} <= set(sc.suspicious(labels, image).columns)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda table: sc.suspicious(table, LABELS), "give the labels"),
        (lambda table: sc.suspicious(table[["label"]]), "number of voxels"),
        (lambda table: sc.suspicious(table, block=(8, 8, 8)), "over its spatial axes"),
        (lambda table: sc.suspicious(table, limit=0), "limit is"),
        (lambda table: sc.suspicious(LABELS, LABELS, width=0), "width is"),
        (
            lambda table: sc.suspicious(
                sc.open(LABELS), sc.open(np.zeros((2, *LABELS.shape)), axes="cyx")
            ),
            "one channel",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(call, match):
    with pytest.raises(ParameterError, match=match):
        call(sc.measure(LABELS))


@pytest.mark.parametrize("use", ["objects", "image", "correct", "open"])
def test_members_of_a_folder_are_looked_at_one_by_one(tmp_path, use):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.eye(8, dtype="uint8"))
    images = sc.open_folder(tmp_path / "*.npy")
    one = images["a.npy"]
    calls = {
        "objects": lambda: sc.suspicious(sc.label(images)),
        "image": lambda: sc.suspicious(one, images),
        "correct": lambda: sc.correct(images, corrections=tmp_path / "of.corrections"),
        "open": lambda: sc.open(images),
    }
    with pytest.raises(ParameterError, match="take one member"):
        calls[use]()
