"""Large blocks that are given the voxels of their inputs that are not 0."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.arrays import open_source
from scutoid.errors import RunFailed
from scutoid.records import RecordLog
from scutoid.steps.compute import _sparse_inputs

LARGE = "scutoid.steps.compute._sparse_inputs.LARGE"


@pytest.fixture
def mask():
    """Discs in a row, some of which touch."""
    z, y, x = np.ogrid[:14, :24, :40]
    disc = ((y - 9) % 20 - 4) ** 2 + ((x - 9) % 11 - 5) ** 2 < 27
    return disc & (z < 12)


@pytest.fixture
def read(monkeypatch):
    """Which inputs were read so."""
    seen = []
    of = _sparse_inputs.SparseInput.read

    def read(self, *args):
        seen.append((self.position, self.where, self.keeps_values))
        return of(self, *args)

    monkeypatch.setattr(_sparse_inputs.SparseInput, "read", read)
    return seen


def split(mask, place, monkeypatch, large, **options):
    monkeypatch.setattr(LARGE, large)
    labels = sc.split_touching(sc.open(mask), max_extent=12, min_distance=3, **options)
    sc.run(labels, store=place, executor="serial", block=16)
    digests = {}
    for path in place.rglob("blocks.digests"):
        _, payloads = RecordLog.read(path)
        rows = b"".join(payloads)
        digests[path.parent.name] = {rows[at : at + 72] for at in range(0, len(rows), 72)}
    return np.asarray(labels), digests


def test_a_run_makes_the_same_of_them_and_digests_the_same(mask, read, tmp_path, monkeypatch):
    large, digests = split(mask, tmp_path / "large", monkeypatch, 1)
    of_distances, of_floods = [(0, None, False)], [(2, None, False), (1, 2, True), (0, None, True)]
    assert set(read) == {*of_distances, *of_floods}
    read.clear()
    small, others = split(mask, tmp_path / "small", monkeypatch, 2**40)
    assert not read
    assert large.max() > 2
    np.testing.assert_array_equal(large, small)
    np.testing.assert_array_equal(large, sc.split_touching(mask, min_distance=3))
    assert digests == others


def test_time_points_are_held_so_one_by_one(mask, read, tmp_path, monkeypatch):
    movie = sc.open(np.stack([mask, ~mask]), axes="tzyx")
    monkeypatch.setattr(LARGE, 1)
    labels = sc.split_touching(movie, max_extent=12, min_distance=3)
    sc.run(labels, store=tmp_path, executor="serial", block=16)
    assert (1, 2, True) in read
    np.testing.assert_array_equal(np.asarray(labels)[0], sc.split_touching(mask, min_distance=3))


def test_few_planes_are_read_at_a_time(mask, tmp_path, monkeypatch):
    images = {"mask": mask, "seeds": mask * np.uint32(3), "image": mask * np.float32(2)}
    opened = {}
    for name, image in images.items():
        monkeypatch.setattr(LARGE, 2**40)
        kept = sc.downsample(sc.open(image), factors=1, method="max")
        sc.run(kept, store=tmp_path / name, executor="serial")
        opened[name] = kept
    monkeypatch.setattr(LARGE, 1)
    monkeypatch.setattr(_sparse_inputs, "_PLANES", 5)
    source = type(open_source(next((tmp_path / "mask").rglob("image.ome.zarr")).as_posix()))
    regions, of = [], source.read
    monkeypatch.setattr(source, "read", lambda self, roi: regions.append(roi) or of(self, roi))
    labels = sc.watershed(opened["image"], opened["seeds"], opened["mask"], max_extent=12)
    sc.run(labels, store=tmp_path, executor="serial", block=16)
    wide = [roi for roi in regions if roi.shape[1] > 16]  # others compare with what was written
    assert {roi.shape[0] for roi in wide} <= set(range(1, 6))
    assert {roi.end[0] for roi in wide} == {5, 10, 14}


def test_what_does_not_fit_is_refused_in_the_same_words(mask, tmp_path, monkeypatch):
    image, seeds = mask.astype("f4"), np.where(mask, -1, 0).astype("i4")
    said = []
    for large in (1, 2**40):
        monkeypatch.setattr(LARGE, large)
        for planted, exact in ((seeds, False), (-seeds, True)):
            images = map(sc.open, (image, planted, mask))
            labels = sc.watershed(*images, max_extent=4, exact=exact)
            with pytest.raises(RunFailed) as failed:
                sc.run(labels, store=tmp_path / f"{large}{exact}", executor="serial", block=24)
            said.append([line for line in str(failed.value).splitlines() if "found: " in line][1:])
    negative, larger = said[:2]
    assert said[2:] == [negative, larger]
    assert "found: -1" in negative[0]
    assert "a larger one, with" in larger[0]
