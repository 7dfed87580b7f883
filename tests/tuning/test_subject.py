"""What is tuned: the parameters of a signature, and what a call returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError
from scutoid.tuning._subject import Subject

IMAGE = sc.open(np.arange(64, dtype="u2").reshape(8, 8))


@sc.blockwise
def above(image, *, level: float = 3.0, block=None, voxel_size=None):
    return image > level


@sc.pipeline
def cells(raw: Path = Path("raw.tif"), sigma: float = 2.0, *, level: int | None = None):
    smooth = sc.gaussian(IMAGE, sigma=sigma)
    return {"smooth": smooth, "mask": above(smooth, level=level or 3)}


@sc.pipeline
def of_an_image(image, sigma: float = 2.0):
    return sc.gaussian(image, sigma=sigma)


def names(subject):
    return [(each.name, each.start) for each in subject.parameters]


def test_parameters_of_a_step_are_its_keywords_but_those_of_the_engine():
    subject = Subject.of(above, (IMAGE,), {}, None)
    assert names(subject) == [("level", 3.0)]
    assert subject.parameters[0].annotation is float
    (result,) = subject.build({"level": 60})
    assert np.asarray(result).sum() == 3


def test_parameters_of_a_pipeline_are_all_that_no_input_is_given_for():
    assert names(Subject.of(cells, (), {}, None)) == [
        ("raw", Path("raw.tif")),
        ("sigma", 2.0),
        ("level", None),
    ]
    assert names(Subject.of(of_an_image, (IMAGE,), {"sigma": 1.0}, None)) == [("sigma", 1.0)]
    assert len(Subject.of(cells, (), {}, None).build({})) == 2


def test_parameters_of_an_operation_of_several_steps():
    found = dict(names(Subject.of(sc.label, (IMAGE,), {}, None)))
    assert "connectivity" in found


def test_what_has_no_value_to_begin_with_is_named():
    with pytest.raises(ParameterError, match="'sigma' has no default"):
        Subject.of(sc.gaussian, (IMAGE,), {}, None)
    assert names(Subject.of(sc.gaussian, (IMAGE,), {"sigma": 1.5}, None)) == [("sigma", 1.5)]
    with pytest.raises(ParameterError, match="no 'image'"):
        Subject.of(above, (), {}, None)
    with pytest.raises(ParameterError, match=r"takes the parameters \(level\)"):
        Subject.of(above, (IMAGE,), {"levl": 1}, None)


@pytest.mark.parametrize("target", [3, IMAGE, "cells.py"])
def test_what_is_no_function_is_refused(target):
    with pytest.raises(ParameterError, match="a step, an operation or a pipeline"):
        Subject.of(target, (), {}, None)


def test_arrays_are_taken_as_images():
    subject = Subject.of(above, (np.zeros((4, 4)),), {}, None)
    assert subject.build({"level": 1.0})[0].shape == (4, 4)


def test_what_returns_no_results_is_refused():
    with pytest.raises(PipelineError, match="returns results of steps"):
        Subject.of(sc.pipeline(lambda: (3,)), (), {}, None).build({})
    with pytest.raises(PipelineError, match="nothing"):
        Subject.of(sc.pipeline(lambda: ()), (), {}, None).build({})


def test_of_a_collection_one_member_is_looked_at(tmp_path):
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.zeros((4, 4), "u1"))
    images = sc.open_folder(tmp_path / "*.npy")
    with pytest.raises(PipelineError, match=r"member='a\.npy'"):
        Subject.of(above, (images,), {}, None).build({})
    subject = Subject.of(above, (images,), {}, "b.npy")
    (result,) = subject.build({})
    assert [image.name for image in subject.images([result])] == ["b.npy"]


def test_images_are_those_given_or_those_that_are_opened():
    subject = Subject.of(cells, (), {}, None)
    found = subject.images(subject.build({}))
    assert [image.ref.node for image in found] == [IMAGE.ref.node]
    smooth = sc.gaussian(IMAGE, sigma=1)
    (image,) = Subject.of(above, (smooth,), {}, None).images([])
    assert image is smooth
