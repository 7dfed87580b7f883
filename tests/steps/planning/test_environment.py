"""Packages that `environment=` names: another version makes the result anew, of every kind."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.store.keys import _fingerprint

A = np.arange(16.0).reshape(4, 4)
NAMED = {"environment": ["scipy"]}


def plus(image):
    return image + 1


def summed(image):
    return float(image.sum())


def segment(image):
    return (image > 3).astype("int32")


def of_members(folder):
    for name in "ab":
        np.save(folder / f"{name}.npy", A)
    return sc.step(**NAMED)(summed)(sc.open_folder(folder / "*.npy"))


def fused(folder):
    return sc.blockwise(plus)(sc.blockwise(keep=False, **NAMED)(plus)(sc.open(A)))


KINDS = {
    "a step": lambda folder: sc.step(**NAMED)(summed)(sc.open(A)),
    "a step of a version": lambda folder: sc.step(version="1", **NAMED)(summed)(sc.open(A)),
    "blocks": lambda folder: sc.blockwise(**NAMED)(plus)(sc.open(A)),
    "what is computed in blocks of another": fused,
    "a reduction": lambda folder: sc.reduction(merge=max, **NAMED)(summed)(sc.open(A)),
    "members": of_members,
    "a segmenter": lambda folder: sc.stitch(sc.open(A), segment=segment, halo=1, **NAMED),
}


@pytest.mark.parametrize("what", KINDS)
def test_another_version_of_a_named_package_makes_the_result_anew(what, tmp_path, monkeypatch):
    result, store = KINDS[what](tmp_path), tmp_path / "store"
    sc.run(result, store=store, executor="serial")
    assert sc.plan(result, store=store).is_done
    with monkeypatch.context() as patched:
        patched.setattr(_fingerprint, "version_of", lambda name: f"{name} of another version")
        plan = sc.plan(result, store=store)
        assert any("scipy" in step.reason and "of another version" in step.reason for step in plan)
        assert list(plan)[-1].status == "run"
    assert sc.plan(result, store=store).is_done


def test_other_packages_are_noted_and_do_not_count(tmp_path, monkeypatch):
    @sc.step
    def mean(image):
        return float(np.mean(image))

    result = mean(sc.open(A))
    sc.run(result, store=tmp_path, executor="serial")
    assert sc.Store(tmp_path).entries("mean")[0][1].versions["numpy"] == np.__version__
    monkeypatch.setattr(_fingerprint, "version_of", lambda name: "another")
    assert sc.plan(result, store=tmp_path).is_done
