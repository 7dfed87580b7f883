"""How well labels fit a truth, by the contingency of the two.

What a table gives are sums that add up: those of several images, each with objects of its own, are
the sums of one image in which they lie side by side on one background.  Scores are made of sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels._contingency import Contingency
from scutoid.kernels._pairing import best_pairs
from scutoid.kernels._runs import Groups

Numbers = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ObjectPairs:
    """Pairs of an object of the labels and one of the truth, a row each, ordered by label."""

    label: NDArray[np.uint64]
    """Number of the one."""
    truth: NDArray[np.uint64]
    """Number of the other."""
    intersection: NDArray[np.int64]
    """Voxels that both have."""
    iou: NDArray[np.float64]
    """These over the voxels that either has, above 0 and up to 1."""

    @classmethod
    def of(cls, table: Contingency) -> ObjectPairs:
        """Find the pairs that meet."""
        size, truth_size = _sizes(table.label, table), _sizes(table.truth, table)
        meets = (table.label > 0) & (table.truth > 0)
        shared = table.n_voxels[meets]
        union = size[meets] + truth_size[meets] - shared
        return cls(table.label[meets], table.truth[meets], shared, shared / union)

    def matched(self, threshold: float) -> ObjectPairs:
        """Return the best pairs, one to one, of those whose overlap is at least a threshold.

        There are as many as possible; if that can be in several ways, all objects that meet are
        paired so that their overlaps add up to the most.
        """
        place, truth_place = Groups.of(self.label).group, Groups.of(self.truth).group
        chosen = best_pairs(place, truth_place, self.iou, self.iou >= threshold)
        return ObjectPairs(
            self.label[chosen], self.truth[chosen], self.intersection[chosen], self.iou[chosen]
        )


def agreement_sums(table: Contingency, thresholds: Sequence[float]) -> dict[str, Numbers]:
    """Return what scores are made of, which adds up over images.

    Parameters
    ----------
    table : Contingency
        Of one image.
    thresholds : sequence of float
        Least overlaps of objects that match, above 0 and up to 1.

    Returns
    -------
    dict of arrays of shape (n_thresholds,)
        What does not depend on the threshold is repeated.
    """
    pairs = ObjectPairs.of(table)
    matches = [pairs.matched(threshold) for threshold in thresholds]
    once = {**_object_sums(table), **_split_sums(table), **_rand_sums(table)}
    return {
        "tp": np.array([len(found.label) for found in matches], np.int64),
        "matched_score": np.array([found.iou.sum() for found in matches], np.float64),
        **{name: np.full(len(thresholds), value) for name, value in once.items()},
    }


def agreement_scores(sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Make scores of sums.

    Parameters
    ----------
    sums : mapping of arrays
        As from `agreement_sums`, or sums of these.

    Returns
    -------
    dict of arrays
        In the order of the columns of a table.
    """
    has, is_there = sums["n_labelled"], sums["n_foreground"]
    tp, n_pred, n_true, score = (sums[name] for name in ("tp", "n_pred", "n_true", "matched_score"))
    return {
        **matching_scores(tp, n_pred, n_true),
        "mean_matched_score": _share(score, tp),
        "mean_true_score": _share(score, n_true),
        "panoptic_quality": _share(2 * score, n_pred + n_true),
        **_variation(sums),
        **_adapted_rand(sums),
        "dice": _ratio(2 * sums["n_both"], has + is_there),
    }


def matching_scores(tp: Numbers, n_pred: Numbers, n_true: Numbers) -> dict[str, Numbers]:
    """Make scores of how many match, were found, and are there.

    Parameters
    ----------
    tp, n_pred, n_true : ndarray of int
        The three numbers.

    Returns
    -------
    dict of arrays
        0 where there is nothing to divide by.

    Examples
    --------
    >>> scores = matching_scores(np.array([1]), np.array([2]), np.array([4]))
    >>> scores["precision"].item(), scores["recall"].item(), scores["accuracy"].item()
    (0.5, 0.25, 0.2)
    """
    fp, fn = n_pred - tp, n_true - tp
    return {
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "n_pred": n_pred,
        "n_true": n_true,
        "precision": _share(tp, n_pred),
        "recall": _share(tp, n_true),
        "f1": _share(2 * tp, n_pred + n_true),
        "accuracy": _share(tp, tp + fp + fn),
    }


def _sizes(labels: NDArray[np.uint64], table: Contingency) -> NDArray[np.int64]:
    """Return the voxels of the label of each row."""
    groups = Groups.of(labels)
    return groups.spread(groups.total(table.n_voxels))


def _object_sums(table: Contingency) -> dict[str, int]:
    has, is_there = table.label > 0, table.truth > 0
    n = table.n_voxels
    return {
        "n_pred": len(np.unique(table.label[has])),
        "n_true": len(np.unique(table.truth[is_there])),
        "n_labelled": int(n[has].sum()),
        "n_foreground": int(n[is_there].sum()),
        "n_both": int(n[has & is_there].sum()),
        "n_voxels": int(n.sum()),
    }


def _split_sums(table: Contingency) -> dict[str, float]:
    """Return the parts of the conditional entropies, times the number of voxels.

    Those within objects add up as they are; of the background, which all images share, it is counts
    that add up.
    """
    n, has, is_there = table.n_voxels, table.label > 0, table.truth > 0
    size, truth_size = _sizes(table.label, table), _sizes(table.truth, table)
    only_label, only_truth = n[has & ~is_there], n[~has & is_there]
    return {
        "split": float((n * np.log2(truth_size / n))[is_there].sum()),
        "merge": float((n * np.log2(size / n))[has].sum()),
        "entropy_of_extra": float(_xlogx(only_label).sum()),
        "entropy_of_missed": float(_xlogx(only_truth).sum()),
    }


def _rand_sums(table: Contingency) -> dict[str, float]:
    """Return sums of squares of sizes within the objects of the truth."""
    inside = table.truth > 0
    part = Contingency(table.label[inside], table.truth[inside], table.n_voxels[inside])
    labels, truths = Groups.of(part.label), Groups.of(part.truth)
    size, truth_size = labels.total(part.n_voxels), truths.total(part.n_voxels)
    return {
        "squares": _squares(part.n_voxels),
        "squares_of_labels": _squares(size[labels.key > 0]),
        "squares_of_truth": _squares(truth_size),
    }


def _variation(sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
    n, both = sums["n_voxels"], sums["n_both"]
    unlabelled, background = n - sums["n_labelled"], n - sums["n_foreground"]
    neither = background - sums["n_labelled"] + both
    beside = _xlogx(background) - _xlogx(neither) - sums["entropy_of_extra"]
    missed = _xlogx(unlabelled) - _xlogx(neither) - sums["entropy_of_missed"]
    return {
        "vi_split": _ratio(sums["split"] + np.maximum(beside, 0), n),
        "vi_merge": _ratio(sums["merge"] + np.maximum(missed, 0), n),
    }


def _adapted_rand(sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Count pairs of voxels; those of background are within the objects of the truth."""
    n = sums["n_foreground"]
    missed = (n - sums["n_both"]).astype(np.float64)
    same = sums["squares"] - n
    of_labels = sums["squares_of_labels"] + missed**2 - n
    of_truth = sums["squares_of_truth"] - n
    return {
        "adapted_rand_error": 1 - _ratio(2 * same, of_labels + of_truth),
        "adapted_rand_precision": _ratio(same, of_labels),
        "adapted_rand_recall": _ratio(same, of_truth),
    }


def _squares(numbers: NDArray[np.int64]) -> float:
    floats = numbers.astype(np.float64)
    return float((floats * floats).sum())


def _xlogx(numbers: Numbers) -> NDArray[np.float64]:
    floats = np.asarray(numbers, np.float64)
    found: NDArray[np.float64] = floats * np.log2(np.where(floats > 0, floats, 1))
    return found


def _share(part: Numbers, whole: Numbers) -> NDArray[np.float64]:
    """Divide, 0 where there is nothing to divide by."""
    return np.where(whole == 0, 0.0, part / np.where(whole == 0, 1, whole))


def _ratio(part: Numbers, whole: Numbers) -> NDArray[np.float64]:
    """Divide, NaN where there is nothing to divide by."""
    return np.where(whole == 0, np.nan, part / np.where(whole == 0, 1, whole))
