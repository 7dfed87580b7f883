"""Where a run computes that is not told: threads for operations, processes for what is a user's."""

from __future__ import annotations

import enum
import functools
import os
import signal
import warnings
from concurrent.futures import ThreadPoolExecutor

import dask.array
import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError
from scutoid.kernels import apply_lookup

RAW = np.random.default_rng(0).random((64, 64))
LARGE = np.zeros((600, 600))


@sc.blockwise(version="1", check_halo=False, dtype="float64", retries=0, block=8)
def mine(image, *, block, at=None):
    if block.index == at:
        os.kill(os.getpid(), signal.SIGSEGV)
    return image + 1


@sc.blockwise(version="1", threadsafe=True, dtype="float64")
def declared(image, *, function=None, options=None):
    return image + 1


@sc.step(version="1", threadsafe=True)
def size(image):
    return int(np.asarray(image).size)


@pytest.fixture
def chosen(tmp_path):
    def choose(*targets, **options):
        return sc.plan(*targets, store=tmp_path / "store", **options).executor

    return choose


def chain(raw=LARGE):
    smooth = sc.gaussian(sc.open(raw), sigma=1)
    labels = sc.label(smooth > sc.otsu(smooth))
    return sc.measure(labels, intensity=smooth)


def test_operations_run_in_threads_and_small_work_in_one(chosen):
    assert str(chosen(chain())) == "threads, for every step may be run by threads"
    assert str(chosen(chain(RAW[:16]))) == "serial, for all of it is small"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (lambda: mine(sc.open(RAW)), "step 'mine' is not declared threadsafe"),
        (lambda: chain(mine(sc.open(RAW))), "step 'mine' is not declared"),
        (lambda: mine.options(keep=False)(sc.open(RAW)) > 1, "step 'mine' is not declared"),
        (lambda: declared.options(timeout=9)(sc.open(RAW)), "has a timeout"),
        (lambda: declared.options(requires={"gpu": 1})(sc.open(RAW)), "requires resources"),
        (lambda: declared(sc.open(RAW), function=np.sum), "gets a function"),
        (lambda: declared(sc.open(RAW), options={"deep": [len]}), "gets a function"),
        (lambda: declared(sc.open(dask.array.ones((8, 8)))), "by code of others"),
        (
            lambda: sc.blockwise(setup={"model": dict}, dtype="f8", version="1", threadsafe=True)(
                with_model
            )(sc.open(RAW)),
            "has a set-up",
        ),
    ],
)
def test_what_is_a_users_runs_in_processes(chosen, target, said):
    found = chosen(target())
    assert found.executor == "processes"
    assert said in found.reason


def with_model(image, *, model):
    return image


def test_data_are_no_functions(chosen):
    given = {"a": [1, 2.5, None, "text", b"bytes"], "t": pd.DataFrame({"x": [1]}), "n": np.ones(3)}
    assert chosen(declared(sc.open(LARGE), options=given)).executor != "processes"
    assert chosen(declared(sc.open(LARGE), options=np.array([len]))).executor == "processes"


class Threshold(float):
    """A number with code of a user."""


class Way(enum.Enum):
    """A choice with code of a user."""

    FIRST = 1


@functools.wraps(apply_lookup)
def seems_to_be_of_scutoid(image):
    return image


@pytest.mark.parametrize("value", [Threshold(1), Way.FIRST, [Threshold(1)], seems_to_be_of_scutoid])
def test_data_of_a_class_of_a_user_may_have_functions(chosen, value):
    assert "gets a function" in chosen(declared(sc.open(LARGE), options=value)).reason


def test_what_is_read_counts_as_much_as_what_is_made(chosen, tmp_path):
    assert chosen(sc.otsu(sc.open(RAW))).executor == "serial"
    assert chosen(sc.otsu(sc.open(LARGE))).executor == "threads"
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", RAW)
    assert chosen(sc.gaussian(sc.open_folder(tmp_path / "*.npy"), sigma=1)).executor == "threads"


def test_folders_of_files_that_another_library_reads_are_read_in_processes(chosen, tmp_path):
    for name in ("a.tif", "b.czi"):
        (tmp_path / name).write_bytes(b"")
    files = sc.open_folder([tmp_path / "a.tif", tmp_path / "b.czi"])
    assert "code of others" in chosen(sc.gaussian(files, sigma=1)).reason


def test_folders_are_read_in_threads_unless_a_function_reads_them(chosen, tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", RAW)
    assert chosen(size(sc.open_folder(tmp_path / "*.npy"))).executor != "processes"
    found = chosen(size(sc.open_folder(tmp_path / "*.npy", read=np.load)))
    assert "code of others" in found.reason


def test_a_plan_that_is_told_where_says_so_and_one_with_nothing_to_do_nothing(chosen, tmp_path):
    assert str(chosen(chain(), executor="threads")) == "threads (as given)"
    sc.run(chain(RAW), store=tmp_path / "store")
    assert chosen(chain(RAW)) is None
    assert "executor: threads" in str(sc.plan(chain(), store=tmp_path / "other"))


def test_what_is_done_already_does_not_decide(chosen, tmp_path):
    first = mine(sc.open(RAW))
    sc.run(first, store=tmp_path / "store", executor="serial")
    assert chosen(first > 1.5).executor != "processes"
    assert chosen(first > 1.5, force=["mine"]).executor == "processes"


def test_a_block_that_ends_its_process_is_one_that_failed(tmp_path):
    done = sc.run(mine(sc.open(RAW[:16, :16]), at=2), store=tmp_path, on_failure="return")
    assert (done.step("mine").n_done, done.step("mine").n_failed) == (3, 1)
    assert "SIGSEGV" in done.step("mine").failures[0].error


def test_results_and_keys_are_the_same_whichever_it_is(tmp_path):
    found = {}
    for executor in ("auto", "serial", "threads", "processes"):
        target = chain(RAW)
        sc.run(target, store=tmp_path / executor, executor=executor)
        keys = {step.name: step.key for step in sc.plan(target, store=tmp_path / executor)}
        found[executor] = keys, target.to_pandas().to_csv()
    assert all(each == found["auto"] for each in found.values())


@pytest.mark.parametrize("edge", [9, 600])
def test_what_numpy_and_warnings_are_told_here_fails_no_block(tmp_path, edge):
    image = sc.open(np.zeros((edge, edge)))
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        done = sc.run(image / image, store=tmp_path, on_failure="return", check_halo=False)
    assert done.ok


def test_operations_start_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    assert sc.run(chain(), store=tmp_path).ok


@pytest.mark.parametrize(
    ("wanted", "given", "executor"),
    [
        ("timeout", {"timeout": 30}, "threads"),
        ("timeout", {"timeout": 30}, "serial"),
        ("setup", {"setup": {"model": dict}}, ThreadPoolExecutor(1)),
    ],
    ids=["timeout in threads", "timeout in one", "set-up in workers of others"],
)
def test_a_plan_refuses_what_the_executor_cannot_do_as_the_run(tmp_path, wanted, given, executor):
    step = sc.blockwise(**given, dtype="f8", version="1", threadsafe=True)(
        with_model if wanted == "setup" else halved
    )
    target, said = step(sc.open(RAW)), []
    for call in (sc.plan, sc.run):
        with pytest.raises(ParameterError, match=f"{wanted} is given only where") as caught:
            call(target, store=tmp_path / "store", executor=executor)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert f"or leave out {wanted}=" in said[0]


def halved(image):
    return image / 2


def test_a_plan_refuses_nothing_of_what_is_there(tmp_path):
    target = sc.blockwise(setup={"model": dict}, dtype="f8", version="1")(with_model)(sc.open(RAW))
    sc.run(target, store=tmp_path / "store", executor="serial")
    with ThreadPoolExecutor(1) as executor:
        assert sc.plan(target, store=tmp_path / "store", executor=executor).is_done


def test_a_plan_says_the_executor_that_was_given(tmp_path):
    target = mine(sc.open(RAW))
    with ThreadPoolExecutor(1) as pool:
        said = [
            str(sc.plan(target, store=tmp_path / "store", executor=given)).splitlines()[-1]
            for given in ("processes", pool)
        ]
    assert said == ["executor: processes (as given)", "executor: ThreadPoolExecutor (as given)"]
