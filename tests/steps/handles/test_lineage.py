"""Results found again by parameters of their steps, and of the steps before them."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError


@pytest.fixture
def raw():
    return np.random.default_rng(0).integers(0, 200, (40, 50)).astype("uint8")


def labels_of(image, *, sigma, level):
    return sc.label(sc.threshold(sc.gaussian(image, sigma=sigma), level=level))


def test_parameters_of_steps_before_find_a_result(raw, tmp_path):
    choices = [(sigma, level) for sigma in (1, 2) for level in (95, 105)]
    image = sc.open(raw)
    sc.run(*(labels_of(image, sigma=s, level=v) for s, v in choices), store=tmp_path)
    store = sc.Store(tmp_path)
    for sigma, level in choices:
        wanted = np.asarray(labels_of(image, sigma=sigma, level=level))
        for parameters in (
            {"sigma": sigma, "level": level},
            {"gaussian.sigma": float(sigma), "threshold.level": level},
            {"sigma": sigma, "level": level, "connectivity": None},
        ):
            (found,) = store.find("label", **parameters)
            np.testing.assert_array_equal(np.asarray(found), wanted)
    assert len(store.find("label", sigma=2)) == 2
    assert store.find("label", sigma=3) == []
    assert store.find("label", sigma=1, level=99) == []


def test_a_table_of_a_part_of_a_folder_is_found_too(raw, tmp_path):
    import tifffile

    for name in "ab":
        planes = np.stack([raw, raw[::-1]])
        tifffile.imwrite(tmp_path / f"{name}.tif", planes, metadata={"axes": "CYX"}, ome=True)
    images = sc.open_folder(tmp_path / "*.tif")
    store = tmp_path / "store"
    for sigma in (1, 2):
        smooth = sc.gaussian(images, sigma=sigma)
        sc.run(sc.measure(sc.label(smooth.channel(0) > 100)), store=store)
    assert len(sc.Store(store).find("measure", sigma=2)) == 1
    assert len(sc.Store(store).find("label")) == 2


def test_a_parameter_of_several_steps_is_named_with_its_step(raw, tmp_path):
    image = sc.open(raw)
    wide = sc.gaussian.options(name="wide")
    both = sc.gaussian(image, sigma=1) - wide(image, sigma=4)
    sc.run(sc.threshold(both, level=0), store=tmp_path)
    store = sc.Store(tmp_path)
    name = "threshold"
    with pytest.raises(ParameterError, match=r"gaussian, wide[\s\S]*'gaussian.sigma'"):
        store.find(name, sigma=1)
    assert len(store.find(name, **{"wide.sigma": 4})) == 1
    assert store.find(name, **{"wide.sigma": 1}) == []
    assert len(store.find("gaussian", sigma=1)) == 1


def test_what_no_step_has_is_refused_with_what_there_is(raw, tmp_path):
    sc.run(labels_of(sc.open(raw), sigma=1, level=100), store=tmp_path)
    store = sc.Store(tmp_path)
    with pytest.raises(ParameterError, match=r"gaussian\.sigma"):
        store.find("label", sigm=1)
    with pytest.raises(ParameterError, match=r"threshold\.level"):
        store.find("label", **{"threshold.sigma": 1})
    assert store.find("labels", sigm=1) == []  # there is no result of this name
