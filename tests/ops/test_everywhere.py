"""Every operation in blocks, by every executor, equals itself on the whole array.

The cases stand in `conftest.py`.  One run for each executor computes all of them, in blocks of a
shape of its own.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc

WORKERS = {"serial": 1, "threads": 2, "processes": 2}


def random_block(seed):
    """Even edges, which a pyramid of two levels needs."""
    edges = 2 * np.random.default_rng(seed).integers(2, 7, 3)
    return dict(zip("zyx", edges.tolist(), strict=True))


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return {executor: tmp_path_factory.mktemp(executor) for executor in WORKERS}


@pytest.fixture(scope="module")
def found(op_cases, stores):
    """What each case gives by each executor."""
    results = {}
    for seed, (executor, workers) in enumerate(WORKERS.items()):
        targets = [case.lazy() for case in op_cases]
        how = {"executor": executor, "workers": workers, "block": random_block(seed)}
        sc.run(*targets, store=stores[executor], **how)
        results[executor] = {
            case.name: case.read(target) for case, target in zip(op_cases, targets, strict=True)
        }
    return results


def assert_equal(found, expected, rtol):
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == (pytest.approx(expected, rel=rtol) if rtol else expected)


def test_blocks_make_no_difference_by_any_executor(op_case, found) -> None:
    expected = op_case.expected()
    for executor in WORKERS:
        assert_equal(found[executor][op_case.name], expected, op_case.rtol)
        assert_equal(found[executor][op_case.name], found["serial"][op_case.name], 0)


def test_another_block_shape_finds_exact_results(exact_case, found, stores) -> None:
    assert exact_case.name in found["serial"]
    plan = sc.plan(exact_case.lazy(), store=stores["serial"], block=random_block(99))
    assert {step.status for step in plan} == {"cached"}, str(plan)


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
