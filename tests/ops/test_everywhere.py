"""Every operation in blocks, by every executor and number of workers, equals the whole array.

The cases stand in `conftest.py`; their images and parameters are drawn here.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.errors import RunFailed, ScutoidError

AXES = {"volume": ["zyx", "yx"], "movie": ["tcyx", "tyx", "cyx", "tzyx", "czyx"]}
LONGEST = {"t": 2, "c": 2, "z": 8, "y": 14, "x": 14}
DTYPES = ["uint16", "uint8", "int8", "int16", ">u2", "uint32", "int64", "float32", "float64"]
UNSHRUNK = [phase for phase in Phase if phase is not Phase.shrink]
"""What fails is shown as it was drawn: to shrink it takes longer than a test may."""


@dataclass(frozen=True)
class Call:
    """A case, and what it is called with."""

    case: Any = field(repr=False)
    op: str
    scene: Any = field(repr=False)
    made_of: tuple[Any, ...]
    given: dict[str, Any]

    def target(self):
        return self.case.build(self.scene, **self.given)

    @cached_property
    def expected(self):
        """What the whole array gives, or the error by which it is refused."""
        try:
            return self.case.expected(self.scene, **self.given)
        except ScutoidError as error:
            return error

    @property
    def rtol(self):
        dtype = self.scene.image.dtype
        is_rounded = self.case.is_summed and (dtype.kind == "f" or dtype.itemsize == 8)
        return 1e-9 if is_rounded else self.case.rtol


@st.composite
def calls(draw, case, make_scene, longest):
    """A case on images of any axes, shape, dtype, tones and grain, with any parameters."""
    axes = draw(st.sampled_from(AXES[case.scene]))
    made_of = (
        axes,
        # The simplest is the largest: what is drawn first is to show most
        tuple(LONGEST[axis] - draw(st.integers(0, LONGEST[axis] - 1)) for axis in axes),
        draw(st.integers(0, 2**16)),
        draw(st.sampled_from([name for name in DTYPES if np.dtype(name).kind in case.dtypes])),
        draw(st.sampled_from([60000, 4])),
        draw(st.sampled_from([0.6, 0.0, 1.2])),
    )
    scene = make_scene(*made_of)
    given = {name: draw(st.sampled_from(values[::-1])) for name, values in case.choices.items()}
    return Call(case, case.name, scene, made_of, {**given, "extent": longest(scene)})


@st.composite
def blocks(draw, *, even):
    """Several on an axis, on one perhaps as thin as a voxel; pyramids need even ones."""
    edges = {axis: draw(st.sampled_from([6, 4, 5, 7, 9])) for axis in "zyx"}
    thin = dict.fromkeys(draw(st.sampled_from(["", "z", "y", "x"])), 1)
    return {axis: edge * (1 + even) for axis, edge in {**edges, **thin}.items()}


def assert_equal(found, expected, rtol):
    if isinstance(expected, pd.DataFrame):
        how = {"rtol": rtol, "atol": rtol} if rtol else {"check_exact": True}
        pd.testing.assert_frame_equal(found, expected, **how)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == (pytest.approx(expected, rel=rtol) if rtol else expected)


CALLING = {"predict", "stitch", "fill_holes"}
"""Operations whose cases call a function of their own: a run takes processes for them."""


def test_in_eight_threads_which_a_run_takes_by_itself(
    op_case, make_scene, longest, tmp_path
) -> None:
    axes = AXES[op_case.scene][0]
    dtype = next(name for name in DTYPES if np.dtype(name).kind in op_case.dtypes)
    made_of = (axes, tuple(LONGEST[axis] for axis in axes), 3, dtype, 60000, 0.6)
    scene = make_scene(*made_of)
    given = {name: values[0] for name, values in op_case.choices.items()}
    call = Call(op_case, op_case.name, scene, made_of, {**given, "extent": longest(scene)})
    target = call.target()
    chosen = sc.plan(target, store=tmp_path, block=4).executor
    assert (chosen.executor == "processes") == (op_case.op in CALLING), str(chosen)
    sc.run(target, store=tmp_path, block=4, executor="threads", workers=8)
    assert_equal(op_case.read(target), call.expected, call.rtol)


@given(data=st.data())
@settings(max_examples=4, phases=UNSHRUNK)
def test_serially_and_in_threads_as_declared(op_case, make_scene, longest, data) -> None:
    call = data.draw(calls(op_case, make_scene, longest))
    shapes = blocks(even=op_case.op == "pyramid")
    how = {
        "executor": data.draw(st.sampled_from(["threads", "serial"])),
        "workers": data.draw(st.sampled_from([3, 1, 2, 4])),
        "block": data.draw(shapes),
    }
    target = call.target()
    with tempfile.TemporaryDirectory() as store:
        if isinstance(call.expected, ScutoidError):
            with pytest.raises(RunFailed) as caught:
                sc.run(target, store=store, **how)
            assert call.expected.rule in str(caught.value)
            return
        sc.run(target, store=store, **how)
        assert_equal(op_case.read(target), call.expected, call.rtol)
        other = data.draw(shapes) if op_case.kind == "Exact" and not call.rtol else how["block"]
        plan = sc.plan(call.target(), store=store, block=other)
        assert {step.status for step in plan} == {"cached"}, str(plan)


@given(data=st.data())
@settings(max_examples=2, phases=UNSHRUNK)
def test_by_processes_as_declared(op_cases, make_scene, longest, data) -> None:
    drawn = [data.draw(calls(case, make_scene, longest)) for case in op_cases]
    served = [call for call in drawn if not isinstance(call.expected, ScutoidError)]
    targets = [call.target() for call in served]
    how = {
        "workers": data.draw(st.sampled_from([3, 1, 2, 4])),
        "block": data.draw(blocks(even=True)),
    }
    with tempfile.TemporaryDirectory() as store:
        sc.run(*targets, store=store, executor="processes", **how)
        for call, target in zip(served, targets, strict=True):
            assert_equal(call.case.read(target), call.expected, call.rtol)
    assert len(served) > len(drawn) // 2


@pytest.fixture(scope="module")
def members(tmp_path_factory, scene_named):
    """Two planes in files: the scene of all of them, and that of each."""
    folder = tmp_path_factory.mktemp("members")
    places = scene_named("movie").places()
    for key, place in zip("ab", places, strict=False):
        for name, image in place.named().items():
            path = folder / name / f"{key}.tif"
            path.parent.mkdir(exist_ok=True)
            array = np.asarray(image)
            tifffile.imwrite(path, array.astype("uint8") if array.dtype == bool else array)
    of_all = {name: sc.open_folder(str(folder / name / "*.tif")) for name in places[0].named()}
    single = {
        key: type(places[0])(*(images.member(f"{key}.tif") for images in of_all.values()))
        for key in "ab"
    }
    return type(places[0])(**of_all), single


def test_members_of_a_collection_are_each_as_an_image_by_itself(
    member_case, members, tmp_path
) -> None:
    of_all, single = members
    target = member_case.build(of_all)
    sc.run(target, store=tmp_path, executor="serial")
    for key, scene in single.items():
        expected = member_case.read(member_case.build(scene))
        assert_equal(member_case.read(target[f"{key}.tif"]), expected, 0)
