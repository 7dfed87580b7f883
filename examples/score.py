"""How well labels fit a ground truth: objects that match at an intersection over union."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Score:
    """Objects that match, that were found wrongly, and that were missed."""

    matched: int
    extra: int
    missed: int

    def __add__(self, other):
        return Score(
            self.matched + other.matched, self.extra + other.extra, self.missed + other.missed
        )

    @property
    def found(self):
        """Number of objects found."""
        return self.matched + self.extra

    @property
    def true(self):
        """Number of objects that are there."""
        return self.matched + self.missed

    @property
    def precision(self):
        """Share of the objects found that match; 1 if none was found."""
        return self.matched / self.found if self.found else 1.0

    @property
    def recall(self):
        """Share of the objects there that match; 1 if there is none."""
        return self.matched / self.true if self.true else 1.0

    @property
    def f1(self):
        """Share of objects that match, of those found and those that are there."""
        total = self.found + self.true
        return 2 * self.matched / total if total else 1.0


def score(labels, truth, *, iou=0.5):
    """Match objects whose intersection over union is above `iou`; 0 is background.

    Above one half no object has two partners, so the matching is one to one by itself.

    Parameters
    ----------
    labels, truth : ndarray of integer, same shape
        Found and true objects.
    iou : float
        At least 0.5.

    Returns
    -------
    Score

    Examples
    --------
    >>> score(np.array([1, 1, 0, 2]), np.array([5, 5, 0, 0]))
    Score(matched=1, extra=1, missed=0)
    """
    found, labels = np.unique(labels, return_inverse=True)
    true, truth = np.unique(truth, return_inverse=True)
    pairs = labels.ravel() * len(true) + truth.ravel()
    overlap = np.bincount(pairs, minlength=len(found) * len(true)).reshape(len(found), len(true))
    union = overlap.sum(1)[:, None] + overlap.sum(0)[None, :] - overlap
    matches = overlap > iou * union
    matches[found == 0] = False
    matches[:, true == 0] = False
    n_found, n_true = int((found != 0).sum()), int((true != 0).sum())
    matched = int(matches.sum())
    return Score(matched, n_found - matched, n_true - matched)
