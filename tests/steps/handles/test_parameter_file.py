"""Files of parameters: what was written is read again, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.errors import ParameterError, SourceError, SourceNotFound

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.booleans() | st.none()
VALUES = st.recursive(
    NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)


@sc.pipeline
def cells(raw: str = "raw.tif", *, sigma: float = 2.0, level: int | None = None):
    return sc.gaussian(sc.open(raw), sigma=sigma)


@sc.blockwise
def above(image, *, level=3):
    return image > level


@settings(max_examples=30)
@given(sigma=VALUES, level=VALUES)
def test_values_come_back_with_their_types(tmp_path_factory, sigma, level):
    path = tmp_path_factory.mktemp("file") / "cells.json"
    sc.save_parameters(path, {"sigma": sigma, "level": level}, cells)
    found = sc.read_parameters(path, cells)
    assert repr(found) == repr({"sigma": sigma, "level": level})


@pytest.mark.parametrize("of", [cells, above, sc.gaussian, sc.label, sc.split_touching])
def test_the_file_says_whose_parameters_they_are(tmp_path, of):
    path = sc.save_parameters(tmp_path / "p.json", {}, of)
    content = json.loads(path.read_text())
    assert content["kind"] == ("pipeline" if of is cells else "step")
    assert set(content["versions"]) == {"scutoid", "python", "numpy"}
    assert sc.read_parameters(path, of) == {}
    for other in {cells, above, sc.gaussian} - {of}:
        with pytest.raises(ParameterError, match="that they were saved for"):
            sc.read_parameters(path, other)
    assert sc.read_parameters(path) == {}


def test_unknown_parameters_are_refused_in_writing_and_reading(tmp_path):
    with pytest.raises(ParameterError, match="did you mean 'sigma'"):
        sc.save_parameters(tmp_path / "p.json", {"sigm": 1}, cells)
    path = sc.save_parameters(tmp_path / "p.json", {"sigma": 1.0}, cells)
    path.write_text(path.read_text().replace('"sigma"', '"sigmas"'))
    with pytest.raises(ParameterError, match=r"takes the parameters \(raw, sigma, level\)"):
        sc.read_parameters(path, cells)
    assert sc.read_parameters(path) == {"sigmas": 1.0}


def test_what_json_does_not_hold_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="sigma=<object"):
        sc.save_parameters(tmp_path / "p.json", {"sigma": object()}, cells)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        '{"parameters": {}}',
        '{"scutoid_parameters": 2, "of": "cells", "kind": "pipeline", "parameters": {}}',
        '{"scutoid_parameters": 1, "of": "cells", "kind": "pipeline", "parameters": []}',
        '{"scutoid_parameters": 1, "of": 3, "kind": "pipeline", "parameters": {}}',
        """{"scutoid_parameters": 1, "of": "cells", "kind": "pipeline",
            "parameters": {"sigma": {"__scutoid__": "tuple"}}}""",
    ],
)
def test_what_is_no_file_of_parameters_is_refused(tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(SourceError, match="a file of parameters is JSON"):
        sc.read_parameters(tmp_path / "p.json", cells)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceNotFound, match=r"p\.json"):
        sc.read_parameters(tmp_path / "p.json")
