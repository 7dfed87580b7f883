"""Labels beside a truth: as whole arrays by other programs; totals are made of sums."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from skimage.metrics import adapted_rand_error, contingency_table, variation_of_information

import scutoid as sc
from scutoid.errors import GeometryError, MetadataError, ParameterError, PipelineError

THRESHOLDS = (0.5, 0.7, 1.0)
HOW = {"executor": "serial", "workers": 1}


@st.composite
def scenes(draw):
    """Labels, and a truth that is the same but for some voxels and some objects."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=2, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    coarse = [max(1, n // draw(st.integers(1, 4))) for n in shape]
    truth = rng.integers(0, draw(st.integers(1, 6)), coarse)
    for axis, n in enumerate(shape):
        truth = np.repeat(truth, -(-n // truth.shape[axis]), axis).take(range(n), axis)
    labels = np.where(rng.random(shape) < draw(st.sampled_from([0, 0.1, 0.5])), 0, truth)
    labels[labels == draw(st.integers(1, 6))] = draw(st.integers(0, 9))
    return labels, truth


def overlaps(labels, truth):
    """Return the intersections over unions of all objects, true ones in rows."""
    table = contingency_table(truth, labels, sparse_type="array").toarray()
    of_truth, of_labels = table.sum(1, keepdims=True), table.sum(0, keepdims=True)
    iou = table / np.maximum(of_truth + of_labels - table, 1)
    return iou[1:, 1:][np.ix_(of_truth[1:, 0] > 0, of_labels[0, 1:] > 0)]


def matching(labels, truth, threshold):
    """Return how many match, and the sum of their overlaps, by a dense assignment."""
    iou = overlaps(labels, truth)
    if not iou.size:
        return 0, 0.0, *iou.shape
    pairs = linear_sum_assignment((iou >= threshold) + iou / (2 * min(iou.shape)), maximize=True)
    good = iou[pairs] >= threshold
    return int(good.sum()), iou[pairs][good].sum(), *iou.shape


def share(part, whole):
    return part / whole if whole else 0.0


def by_hand(labels, truth, threshold):
    tp, score, n_true, n_pred = matching(labels, truth, threshold)
    fp, fn = n_pred - tp, n_true - tp
    split, merge = variation_of_information(truth, labels)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "invalid value", RuntimeWarning)
        # scikit-image has the sums of the truth below its precision, and of the labels its recall
        error, recall, precision = adapted_rand_error(truth, labels)
        dice = 2 * ((labels > 0) & (truth > 0)).sum() / ((labels > 0).sum() + (truth > 0).sum())
    return {
        "threshold": threshold,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "n_pred": n_pred,
        "n_true": n_true,
        "precision": share(tp, tp + fp),
        "recall": share(tp, tp + fn),
        "f1": share(2 * tp, 2 * tp + fp + fn),
        "accuracy": share(tp, tp + fp + fn),
        "mean_matched_score": share(score, tp),
        "mean_true_score": share(score, n_true),
        "panoptic_quality": share(score, tp + fp / 2 + fn / 2),
        "vi_split": split,
        "vi_merge": merge,
        "adapted_rand_error": error,
        "adapted_rand_precision": precision,
        "adapted_rand_recall": recall,
        "dice": dice,
    }


@given(scenes(), st.data())
@settings(max_examples=60)
def test_scores_are_those_of_whole_arrays(scene, data) -> None:
    labels, truth = scene
    block = {axis: data.draw(st.sampled_from([9, 4, 3])) for axis in "zyx"[-labels.ndim :]}
    table = sc.compare.options(block=block)(
        sc.open(labels), sc.open(truth), thresholds=THRESHOLDS
    ).to_pandas()
    expected = pd.DataFrame([by_hand(labels, truth, value) for value in THRESHOLDS])
    pd.testing.assert_frame_equal(table, expected, atol=1e-12)
    pd.testing.assert_frame_equal(
        table, sc.compare(labels, truth, thresholds=THRESHOLDS), check_exact=True
    )


@given(scenes(), st.sampled_from([0.05, 0.25, 1 / 3, 0.4]))
@settings(max_examples=60)
def test_low_thresholds_match_as_many_as_an_assignment(scene, threshold) -> None:
    table = sc.compare(*scene, thresholds=threshold)
    assert table["tp"].item() == matching(*scene, threshold)[0]


@given(scenes(), st.sampled_from([0.2, 0.5, 0.75]))
@settings(max_examples=40)
def test_pairs_are_those_that_are_counted(scene, threshold) -> None:
    labels, truth = scene
    scores = sc.compare(labels, truth, thresholds=threshold)
    pairs = sc.match_objects.options(block=4)(
        sc.open(labels), sc.open(truth), threshold=threshold
    ).to_pandas()
    assert len(pairs) == scores["tp"].item()
    assert pairs["label"].is_monotonic_increasing
    assert pairs["label"].is_unique
    assert pairs["truth"].is_unique
    for row in pairs.itertuples():
        one, two = labels == row.label, truth == row.truth
        assert row.intersection == (one & two).sum()
        assert row.iou == (one & two).sum() / (one | two).sum() >= threshold
    assert pairs["iou"].sum() == pytest.approx(scores["mean_true_score"].item() * scores["n_true"])


def test_ids_up_to_the_largest_of_64_bits_are_told_apart() -> None:
    top = 2**64 - 1
    labels = np.array([[top, top, top - 1, top - 1, 0]], np.uint64)
    truth = np.array([[2**63, 2**63, 2**63 + 1, 0, 0]], np.uint64)
    pairs = sc.match_objects(labels, truth)
    assert pairs["label"].tolist() == [top - 1, top]
    assert pairs["truth"].tolist() == [2**63 + 1, 2**63]
    assert pairs["label"].dtype == np.uint64
    small = sc.match_objects(labels.astype(bool), truth.astype(bool))
    assert (small["label"].dtype, small["label"].tolist()) == (np.int64, [1])


@pytest.mark.parametrize("which", ["neither", "labels", "truth"])
def test_images_without_objects_have_the_scores_that_are_documented(which) -> None:
    one, none = np.array([[0, 1, 1]]), np.zeros((1, 3), int)
    labels, truth = (one if which == name else none for name in ("labels", "truth"))
    row = sc.compare(labels, truth).iloc[0]
    for name in ("tp", "precision", "recall", "f1", "accuracy", "panoptic_quality"):
        assert row[name] == 0
    expected = by_hand(labels, truth, 0.5)
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, nan_ok=True), name
    assert np.isnan(row["adapted_rand_error"]) == (which != "truth")
    assert np.isnan(row["dice"]) == (which == "neither")
    assert sc.match_objects(labels, truth).empty


def movie(tmp_path):
    rng = np.random.default_rng(3)
    arrays = {name: rng.integers(0, 4, (3, 8, 9), "uint16") for name in ("labels", "truth")}
    metadata = {"axes": "TYX", "TimeIncrement": 2.5, "TimeIncrementUnit": "s"}
    for name, array in arrays.items():
        array[1] = arrays["labels"][1]
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", array, metadata=metadata)
    return arrays, [sc.open(tmp_path / f"{name}.ome.tif") for name in arrays]


def test_each_time_point_has_a_row_with_its_time(tmp_path) -> None:
    arrays, images = movie(tmp_path)
    table = sc.compare.options(block=5)(*images, thresholds=(0.5, 0.9)).to_pandas()
    assert list(table)[:3] == ["t", "time", "threshold"]
    assert table["t"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["time"].tolist() == [0, 0, 2.5, 2.5, 5, 5]
    assert table.attrs["time_unit"] == "s"
    for t in range(3):
        alone = sc.compare(arrays["labels"][t], arrays["truth"][t], thresholds=(0.5, 0.9))
        own = table[table["t"] == t].drop(columns=["t", "time"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(own, alone, check_exact=True)
    pairs = sc.match_objects(*images).to_pandas()
    assert pairs.loc[pairs["t"] == 1, "iou"].tolist() == [1.0, 1.0, 1.0]
    assert set(pairs["time"]) <= {0, 2.5, 5}
    total = sc.compare(*images, total=True).to_pandas()
    assert len(total) == 1
    assert total["tp"].item() == table.loc[table["threshold"] == 0.5, "tp"].sum()
    cropped = sc.compare(*(image[1:] for image in images)).to_pandas()
    assert cropped["t"].tolist() == [1, 2]
    assert cropped["time"].tolist() == [2.5, 5]


def folders(tmp_path, n=3):
    """Members of different shapes, one of them without objects."""
    rng = np.random.default_rng(0)
    arrays = {}
    for number in range(n):
        truth = np.kron(rng.integers(0, 9, (2, 3 + number)), np.ones((3, 3), int)).astype("uint16")
        labels = np.where(rng.random(truth.shape) < 0.2, 0, truth)
        if number == 1:
            labels, truth = labels * 0, truth * 0
        arrays[f"{number}.tif"] = labels, truth
        for name, array in (("labels", labels), ("truth", truth)):
            (tmp_path / name).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / name / f"{number}.tif", array)
    return arrays, [
        sc.open_folder(str(tmp_path / name / "*.tif"), axes="yx") for name in ("labels", "truth")
    ]


def test_a_collection_has_a_row_a_member_and_a_total_of_sums(tmp_path) -> None:
    arrays, images = folders(tmp_path)
    each = sc.compare(*images, thresholds=(0.5, 0.75))
    total = sc.compare(*images, thresholds=(0.5, 0.75), total=True)
    sc.run(each, total, store=tmp_path / "store", **HOW)
    table = each.to_pandas()
    assert table["key"].tolist() == [key for key in arrays for _ in range(2)]
    for key, pair in arrays.items():
        own = table[table["key"] == key].drop(columns="key").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, sc.compare(*pair, thresholds=(0.5, 0.75)))
    moved = [
        [np.where(array > 0, array + 100 * n, 0) for n, array in enumerate(arrays_of_kind)]
        for arrays_of_kind in zip(*arrays.values(), strict=True)
    ]
    row_of_all = [np.concatenate(kind, axis=1) for kind in moved]
    expected = sc.compare(*row_of_all, thresholds=(0.5, 0.75))
    pd.testing.assert_frame_equal(total.to_pandas(), expected, atol=1e-12)
    assert expected["f1"][0] != pytest.approx(table["f1"][::2].mean())


def test_one_image_is_compared_with_each_member(tmp_path) -> None:
    arrays, (labels, truth) = folders(tmp_path, n=1)
    table = sc.compare(labels, truth["0.tif"]).to_pandas()
    assert table.drop(columns="key").equals(sc.compare(*arrays["0.tif"]))


def test_other_thresholds_and_pairs_count_no_voxel_again(tmp_path) -> None:
    labels = sc.open(np.random.default_rng(1).integers(0, 5, (20, 20)))
    truth = sc.open(np.random.default_rng(2).integers(0, 5, (20, 20)))
    sc.run(sc.compare(labels, truth), store=tmp_path, block=8, **HOW)
    others = [
        sc.compare(labels, truth, thresholds=(0.1, 0.9)),
        sc.compare(labels, truth, thresholds=(0.1, 0.9), total=True),
        sc.match_objects(labels, truth),
    ]
    plan = sc.plan(*others, store=tmp_path, block=5)
    status = {step.name: step.status for step in plan}
    assert status.pop("compare_blocks") == "cached"
    assert set(status.values()) == {"run"}
    again = sc.plan(sc.compare(labels, truth), store=tmp_path, block=5)
    assert {step.status for step in again} == {"cached"}


def placed(array, **said):
    return sc.open(array, **{"voxel_size": 1, "unit": "um", **said})


LABELS = np.array([[0, 1, 1, 2], [0, 1, 3, 2]])
UNFIT = {
    "shape": (PipelineError, lambda: (sc.open(LABELS), sc.open(LABELS[:1])), "same shape"),
    "voxel size": (
        MetadataError,
        lambda: (placed(LABELS), placed(LABELS, voxel_size=2)),
        "same voxel size",
    ),
    "place": (
        MetadataError,
        lambda: (placed(LABELS, origin=(0, 3)), placed(LABELS, origin=(0, 0))),
        "same place",
    ),
    "crop": (
        MetadataError,
        lambda: (sc.open(LABELS)[:, 1:], sc.open(LABELS)[:, :-1]),
        "same place",
    ),
    "axes": (
        GeometryError,
        lambda: (sc.open(LABELS[None], axes="tyx"), sc.open(LABELS)),
        "same axes",
    ),
    "axes of arrays": (
        GeometryError,
        lambda: (sc.open(LABELS[None], axes="tyx"), sc.open(LABELS[None])),
        "same axes",
    ),
    "floats": (ParameterError, lambda: (sc.open(LABELS), sc.open(LABELS * 1.0)), "integers"),
    "a list": (ParameterError, lambda: (LABELS, [[1, 2]]), "labels are an image"),
    "no voxels": (ParameterError, lambda: (LABELS[:0], LABELS[:0]), "at least one voxel"),
    "below 0": (ParameterError, lambda: (LABELS, LABELS - 1), "0 or more"),
}


@pytest.mark.parametrize("operation", [sc.compare, sc.match_objects], ids=["compare", "match"])
@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_together_is_refused(case, operation, tmp_path) -> None:
    kind, images, rule = UNFIT[case]
    with pytest.raises(kind, match=rule) as caught:
        sc.run(operation(*images()), store=tmp_path, **HOW)
    assert caught.value.place
    assert not list(tmp_path.rglob("recipe.json"))


@pytest.mark.parametrize("threshold", [0, -1, 1.1, np.nan, "half", None, (), (0.5, 2), [[0.5]]])
def test_a_threshold_out_of_range_is_refused(threshold) -> None:
    for call in (
        lambda: sc.compare(LABELS, LABELS, thresholds=threshold),
        lambda: sc.match_objects(LABELS, LABELS, threshold=threshold),
    ):
        with pytest.raises(ParameterError, match="above 0 and up to 1") as caught:
            call()
        assert caught.value.remedy


def test_arrays_beside_an_image_have_its_axes() -> None:
    stack = np.stack([LABELS, LABELS])
    table = sc.compare(sc.open(stack, axes="tyx"), stack).to_pandas()
    assert table["f1"].tolist() == [1, 1]
    assert sc.compare(stack, sc.open(stack, axes="tyx")).to_pandas().equals(table)
