"""The command that opens labels of a store for correction."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.cli._correcting import correct
from scutoid.errors import ParameterError


@pytest.fixture
def results(tmp_path):
    raw = sc.open(np.eye(9) * 7.0)
    smooth = sc.gaussian(raw, sigma=0.1)
    labels = sc.label(smooth > 3, connectivity=2)
    sc.run(smooth, labels, sc.measure(labels), store=tmp_path / "results", progress=False)
    np.save(tmp_path / "raw.npy", np.eye(9))
    return tmp_path


@pytest.fixture
def opened(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "scutoid.correcting.correct", lambda *given, **options: calls.append((given, options))
    )
    return calls


@pytest.mark.parametrize("image", [None, "gaussian", "raw.npy"])
def test_labels_of_a_step_are_opened(results, opened, monkeypatch, image):
    monkeypatch.chdir(results)
    assert correct("label", corrections=results / "a.corrections", image=image, who="Ada") == 0
    (((labels, below), options),) = opened
    assert np.asarray(labels).max() == 1
    assert below is None if image is None else below.shape == (9, 9)
    assert options["table"] is None
    assert (options["who"], options["block"]) == ("Ada", True)
    assert options["corrections"] == results / "a.corrections"


def test_objects_that_are_likely_wrong_come_first(results, opened, monkeypatch):
    monkeypatch.chdir(results)
    correct("label", corrections=results / "a.corrections", image="gaussian", suspicious=True)
    assert "reasons" in opened[0][1]["table"].to_pandas()


def test_a_step_without_an_image_is_refused(results, opened):
    with pytest.raises(ParameterError, match="has an image"):
        correct("measure", corrections=results / "a", store=str(results / "results"))
    assert not opened


def test_labels_of_a_member_are_opened(tmp_path, opened):
    for n, key in enumerate("ab", 1):
        np.save(tmp_path / f"{key}.npy", np.eye(8) * n)
    images = sc.open_folder(tmp_path / "*.npy")
    smooth = sc.gaussian(images, sigma=0.1)
    labels = sc.label(smooth > 1, connectivity=2)
    sc.run(labels, smooth, store=tmp_path / "results", progress=False)
    options = {"store": str(tmp_path / "results"), "corrections": tmp_path / "b.corrections"}
    assert correct("label", member="b.npy", image="gaussian", **options) == 0
    (((shown, below), _),) = opened
    assert np.asarray(shown).max() == 1
    assert np.asarray(below).max() > 1
    with pytest.raises(ParameterError, match=r"add --member a\.npy"):
        correct("label", **options)
