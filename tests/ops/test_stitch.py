"""Objects that a segmenter finds block by block are one across blocks."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from skimage.measure import label as skimage_label
from skimage.segmentation import clear_border

import scutoid as sc
from scutoid.errors import ParameterError, RunFailed, StepError
from scutoid.records import RecordLog
from scutoid.steps.compute import _block_step
from scutoid.steps.work import _handover

STACKS = Path(__file__).parents[2].parent / "shared" / "data" / "embryo3d"


def at_random(labels, *, seed=0):
    """Give the objects of an image of labels other numbers, at random but repeatably."""
    values = np.unique(labels[labels != 0])
    rng = np.random.default_rng([seed, labels.size, int(values.sum())])
    numbers = rng.choice(10**6, len(values), replace=False) + 1
    table = dict(zip(values.tolist(), numbers.tolist(), strict=True))
    return np.vectorize(lambda v: table.get(v, 0), otypes=[np.int64])(labels)


def by_first_voxel(labels):
    """Number objects by their first voxel in C order."""
    values, first, place = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.where(values == 0, -1, first))
    rank = np.empty(len(values), int)
    rank[order] = np.arange(len(values)) + (0 not in values)
    return rank[place].reshape(labels.shape)


@st.composite
def cells(draw):
    """Objects of up to nine voxels an axis that touch each other, and what lies between."""
    ndim = draw(st.integers(2, 3))
    shape = tuple(draw(st.integers(1, {2: 30, 3: 14}[ndim])) for _ in range(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = sum(n // 5 * 10 ** (2 * k) for k, n in enumerate(np.indices(shape))) + 1
    labels = np.where(rng.random(labels.max() + 1)[labels] < 0.8, labels, 0)
    block = tuple(draw(st.integers(3, 12)) for _ in shape)
    return labels, block


@given(cells(), st.integers(5, 8), st.integers(0, 9), st.sampled_from(["iou", "containment"]))
@settings(max_examples=40, deadline=None)
def test_where_blocks_agree_the_objects_are_those_of_the_whole(case, halo, seed, match) -> None:
    labels, block = case
    segment = functools.partial(at_random, seed=seed)
    found, table = sc.stitch(
        sc.open(labels), segment=segment, halo=halo, block=block, match=match, report=True
    )
    np.testing.assert_array_equal(np.asarray(found), by_first_voxel(labels))
    assert found.dtype == np.uint32
    assert table.to_pandas()["united"].all()


def in_discord(part):
    """Change, drop and unite objects by what is seen, so that blocks say different things."""
    rng = np.random.default_rng(int(part.sum()) + part.size)
    labels = part % 10
    for value in np.unique(labels):
        labels[labels == value] = rng.choice([0, value, value, rng.integers(1, 10)])
    noise = rng.random(part.shape) < 0.1
    labels[noise] = rng.integers(0, 10, noise.sum())
    return labels


def by_the_rule(image, segment, block, halo, match, threshold):
    """Unite what two blocks say by plain loops over blocks and objects."""
    seen = []
    for corner in itertools.product(*map(range, (0,) * image.ndim, image.shape, block)):
        write = [
            slice(c, min(c + b, n)) for c, b, n in zip(corner, block, image.shape, strict=True)
        ]
        read = tuple(slice(max(w.start - halo, 0), w.stop + halo) for w in write)
        labels = np.full(image.shape, -1)  # not seen
        labels[read] = segment(image[read])
        is_written = np.zeros(image.shape, bool)
        is_written[tuple(write)] = True
        seen.append((labels, is_written))
    objects = [(n, v) for n, (a, w) in enumerate(seen) for v in np.unique(a[w]) if v > 0]
    same = []
    for (n, (a, a_writes)), (m, (b, b_writes)) in itertools.combinations(enumerate(seen), 2):
        both = (a_writes & (b >= 0)) | (b_writes & (a >= 0))
        score = {}
        for (_, v), (_, w) in itertools.product(
            [o for o in objects if o[0] == n], [o for o in objects if o[0] == m]
        ):
            one, other = both & (a == v), both & (b == w)
            shared = (one & other).sum()
            least = min(one.sum(), other.sum())
            if shared:
                score[v, w] = shared / ((one | other).sum() if match == "iou" else least)
        for (v, w), found in score.items():
            rivals = [s for (x, y), s in score.items() if match == "iou" and (x == v or y == w)]
            if found >= max([threshold, *rivals]):
                same.append((objects.index((n, v)), objects.index((m, w))))
    links = np.zeros((len(objects),) * 2, bool)
    links[tuple(np.array(same, int).reshape(-1, 2).T)] = True
    _, number = connected_components(links, directed=False)
    united = np.zeros(image.shape, int)
    for (n, v), k in zip(objects, number, strict=True):
        labels, is_written = seen[n]
        united[is_written & (labels == v)] = k + 1
    return by_first_voxel(united)


@given(
    cells(),
    st.integers(1, 4),
    st.sampled_from(["iou", "containment"]),
    st.sampled_from([0.3, 0.5, 1]),
)
@settings(max_examples=25, deadline=None)
def test_where_blocks_disagree_objects_are_united_by_the_rule(case, halo, match, level) -> None:
    labels, block = case
    labels, block = labels[..., :14, :14], [max(size, 4) for size in block]
    image = labels % 10 + 10 * np.arange(labels.size).reshape(labels.shape)
    how = {"segment": in_discord, "block": block, "halo": halo, "match": match, "threshold": level}
    found = sc.stitch(sc.open(image), **how)
    np.testing.assert_array_equal(np.asarray(found), by_the_rule(image, **how))


@given(cells())
@settings(max_examples=25, deadline=None)
def test_a_segmenter_that_drops_what_is_cut_loses_nothing_within_the_halo(case) -> None:
    labels, block = case
    found = sc.stitch(
        sc.open(labels), segment=lambda part: clear_border(at_random(part)), halo=6, block=block
    )
    np.testing.assert_array_equal(np.asarray(found), by_first_voxel(clear_border(labels)))


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_numbers_order_and_workers_do_not_matter(tmp_path, executor) -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(0).random((40, 41, 10)), 1.5) > 0.51
    image = sc.open(mask)

    def objects(part):
        return at_random(skimage_label(part))

    plain = sc.stitch(image, segment=skimage_label, halo=4, block=13)
    named = sc.stitch(image, segment=objects, halo=4, block=13)
    sc.run(plain, store=tmp_path, executor="serial")
    sc.run(named, store=tmp_path, executor=executor, workers=2)
    np.testing.assert_array_equal(np.asarray(plain), np.asarray(named))


def test_a_segmenter_is_called_once_a_block_and_loaded_by_a_setup(tmp_path) -> None:
    counted = str(tmp_path / "calls")  # a list would be a part of the segmenter's code

    class Model:
        def __call__(self, image):
            with open(counted, "a") as file:  # noqa: PTH123
                file.write(".")
            return skimage_label(image > 3)

    def segment(image, other, *, model):
        assert image.shape == other.shape
        return model(image + other)

    image = np.random.default_rng(1).integers(0, 9, (12, 14))
    found, table = sc.stitch(
        *(sc.open(image), sc.open(image)),
        segment=segment,
        halo=3,
        block=5,
        setup={"model": Model},
        report=True,
    )
    run = sc.run(found, table, store=tmp_path / "store", executor="serial")
    assert run.step("stitch_segment").n_blocks == 9
    sc.run(found, table, store=tmp_path / "store", executor="serial")
    assert Path(counted).read_text() == "." * 9
    whole = sc.stitch(image, image, segment=segment, halo=3, setup={"model": Model})
    np.testing.assert_array_equal(whole, by_first_voxel(skimage_label(2 * image > 3)))


def test_what_a_setup_opens_is_closed_for_blocks_and_for_an_array() -> None:
    image = np.random.default_rng(0).random((12, 13)) < 0.3
    events = []

    @contextlib.contextmanager
    def load():
        events.append("opened")
        yield skimage_label
        events.append("closed")

    def segment(part, *, model):
        return model(part)

    dask_array = pytest.importorskip("dask.array")
    wanted = by_first_voxel(skimage_label(image))
    for item in (image, sc.open(image), dask_array.from_array(image)):
        found = sc.stitch(item, segment=segment, halo=3, setup={"model": load})
        assert isinstance(found, sc.Image) == (item is not image)
        np.testing.assert_array_equal(np.asarray(found), wanted)
        assert set(zip(events[::2], events[1::2], strict=True)) == {("opened", "closed")}
        events.clear()


def test_a_block_that_fails_is_named_and_the_others_are_kept(tmp_path) -> None:
    (tmp_path / "broken").touch()
    flag = str(tmp_path / "broken")  # a path would count by what it holds

    def segment(image):
        if image.max() == 99 and os.path.exists(flag):  # noqa: PTH110
            raise MemoryError("out of GPU memory")
        return skimage_label(image > 0)

    image = np.ones((12, 12), int)
    image[0, 0] = 99
    found = sc.stitch(sc.open(image), segment=segment, halo=1, block=6, retries=0)
    with pytest.raises(RunFailed, match="GPU"):
        sc.run(found, store=tmp_path / "store", executor="serial")
    Path(flag).unlink()
    run = sc.run(found, store=tmp_path / "store", executor="serial")
    assert run.step("stitch_segment").n_cached == 3
    assert (np.asarray(found) == 1).all()


def test_what_was_not_united_is_reported() -> None:
    def halves(image):
        """See an object in the left half of what it gets alone."""
        labels = (image > 0).astype(int)
        labels[:, labels.shape[1] // 2 :] *= 2
        return labels

    found, table = sc.stitch(
        sc.open(np.ones((1, 20))), segment=halves, halo=4, block=(1, 10), report=True
    )
    rows = table.to_pandas()
    assert not rows["united"].all()
    assert set(rows.columns) == {"label", "other", "n_voxels", "iou", "containment", "united"}
    assert ((rows["label"] == rows["other"]) == rows["united"]).all()
    assert np.asarray(found).max() == len(np.unique(found))


def test_an_object_that_only_the_neighbour_sees_is_cut_at_the_face() -> None:
    def right_of_start(image):
        """Leave out what lies in the first two columns."""
        labels = (image > 0).astype(int)
        labels[:, :2] = 0
        return labels

    found = sc.stitch(sc.open(np.ones((1, 12))), segment=right_of_start, halo=1, block=(1, 6))
    assert np.asarray(found).tolist() == [[0, 0, 1, 1, 1, 1, 0, 2, 2, 2, 2, 2]]


def test_time_points_are_numbered_alone(tmp_path) -> None:
    movie = np.random.default_rng(2).integers(0, 4, (3, 20, 21))
    found, table = sc.stitch(
        sc.open(movie, axes="tyx"), segment=skimage_label, halo=20, block=8, report=True
    )
    for t in range(3):
        np.testing.assert_array_equal(np.asarray(found)[t], by_first_voxel(skimage_label(movie[t])))
    assert table.to_pandas().columns[0] == "t"


def test_each_member_of_a_collection_is_stitched_alone(tmp_path) -> None:
    rng = np.random.default_rng(3)
    masks = {f"{name}.tif": rng.integers(0, 2, (18, 17 + n)) for n, name in enumerate("ab")}
    for name, mask in masks.items():
        tifffile.imwrite(tmp_path / name, mask.astype("uint8"))
    images = sc.open_folder(str(tmp_path / "*.tif"))
    found = sc.stitch(images, segment=skimage_label, halo=18, block=6)
    for name, mask in masks.items():
        wanted = by_first_voxel(skimage_label(mask))
        np.testing.assert_array_equal(np.asarray(found[name]), wanted)


def test_the_code_of_the_segmenter_enters_the_key_or_its_version(tmp_path) -> None:
    image = sc.open(np.ones((4, 4)))

    def ran(segment, **options):
        found = sc.stitch(image, segment=segment, halo=1, **options)
        run = sc.run(found, store=tmp_path, executor="serial")
        return not run.step("stitch_segment").n_cached

    assert ran(lambda part: (part > 0).astype(int))
    assert ran(lambda part: (part > 1).astype(int))
    assert not ran(lambda part: (part > 0).astype(int))
    assert ran(lambda part: (part > 2).astype(int), version="1")
    assert not ran(lambda part: (part > 3).astype(int), version="1")
    assert ran(lambda part: (part > 3).astype(int), version="2")


def test_what_is_no_segmenter_is_refused() -> None:
    image = sc.open(np.ones((6, 6)))
    good = {"segment": skimage_label, "halo": 2}
    for bad, rule in (
        ({"segment": 3}, "function"),
        ({"halo": 0}, "in the halo"),
        ({"halo": (0, 0)}, "in the halo"),
        ({"halo": ((0, 0), 0)}, "in the halo"),
        ({"setup": dict}, "setup maps"),
        ({"threshold": "half"}, "threshold"),
        ({"match": "best"}, "match is"),
        ({"threshold": 0}, "threshold"),
        ({"threshold": 1.5}, "threshold"),
    ):
        with pytest.raises(ParameterError, match=rule):
            sc.stitch(image, **{**good, **bad})
    with pytest.raises(ParameterError, match="at least one image"):
        sc.stitch(**good)


@pytest.mark.parametrize(
    ("segment", "rule"),
    [
        (lambda part: part > 0, "integers"),
        (lambda part: part.astype(float), "integers"),
        (lambda part: np.ones((2, 2), int), "of the shape that it got"),
        (lambda part: -part.astype(int), "0 or more"),
    ],
    ids=["truth", "floats", "shape", "negative"],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_what_a_segmenter_may_not_return_is_refused(segment, rule, lazy) -> None:
    image = np.ones((6, 7))
    with pytest.raises(StepError, match=rule):
        np.asarray(sc.stitch(sc.open(image) if lazy else image, segment=segment, halo=2))


@pytest.mark.parametrize("fill", [0, 1])
def test_nothing_and_everything(fill) -> None:
    image = np.full((10, 11), fill)
    found, table = sc.stitch(sc.open(image), segment=at_random, halo=2, block=4, report=True)
    assert (np.asarray(found) == fill).all()
    assert len(table.to_pandas()) == (0 if not fill else len(table.to_pandas()))


def test_blocks_at_the_edge_of_the_image_are_not_padded(monkeypatch) -> None:
    def padded(*given):
        raise AssertionError("what lies beyond the image is made")

    monkeypatch.setattr(_block_step, "pad_to", padded)
    mask = np.random.default_rng(8).random((9, 12)) > 0.4
    found = np.asarray(sc.stitch(sc.open(mask), segment=skimage_label, halo=12, block=(4, 5)))
    np.testing.assert_array_equal(found, by_first_voxel(skimage_label(mask)))


def stitched(store, mask, block):
    """Run; return the labels, what stands of the comparisons in the store, and what was read."""
    reads = []
    read = _handover.HandedImage.read

    def noted(image, roi):
        reads.append(tuple(roi.shape))
        return read(image, roi)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_handover.HandedImage, "read", noted)
        found = sc.stitch(sc.open(mask), segment=skimage_label, halo=3, block=block, version="1")
        sc.run(found, store=store, executor="serial")
    (compared,) = (store / "stitch_overlaps").iterdir()
    rows = b"".join(RecordLog.read(compared / "blocks.digests")[1])
    digests = {rows[at : at + 72] for at in range(0, len(rows), 72)}
    counts = sorted((compared / "blocks.pack").read_bytes().split(b"scutarr"))
    assert len(digests) > 1
    kept = digests, counts
    return np.asarray(found), kept, reads


@pytest.mark.parametrize("shape", [(20, 150), (13, 14, 150)], ids=str)
def test_what_neighbours_wrote_is_the_same_from_memory_and_from_the_store(
    tmp_path, monkeypatch, shape
) -> None:
    mask = np.zeros(shape, bool)
    mask[3:9, ..., 20:70] = mask[5:12, ..., 90:140] = mask[0, ..., ::30] = True
    block = (7,) * (len(shape) - 1) + (64,)
    labels, kept, reads = stitched(tmp_path / "memory", mask, block)
    assert max(map(math.prod, reads)) <= math.prod(block)  # none with its halo
    monkeypatch.setattr(_handover.RUNS, "limit", 0)
    from_store, kept_from_store, read = stitched(tmp_path / "store", mask, block)
    assert max(map(math.prod, read)) > math.prod(block)
    np.testing.assert_array_equal(labels, from_store)
    assert kept == kept_from_store
    assert not _handover.RUNS._held


@pytest.mark.data
@pytest.mark.parametrize("block", [(51, 40, 40), (20, 37, 60)], ids=str)
def test_real_nuclei_come_back_whole_from_blocks_that_cut_them(tmp_path, block) -> None:
    paths = sorted((STACKS / "masks").glob("*.tif*"))
    if not paths:
        pytest.skip(f"no masks in {STACKS}")
    truth = tifffile.imread(paths[-1])
    found, table = sc.stitch(sc.open(truth), segment=at_random, halo=8, block=block, report=True)
    sc.run(found, table, store=tmp_path, executor="threads", workers=2)
    np.testing.assert_array_equal(np.asarray(found), by_first_voxel(truth))
    cut = table.to_pandas()
    assert cut["united"].all()
    assert cut["label"].nunique() > 10
