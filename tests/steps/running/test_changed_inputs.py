"""An input that is replaced while a run reads it: the run fails, and nothing of both is kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import RunFailed

N_ROWS = 6
EXECUTORS = pytest.mark.parametrize("executor", ["serial", "processes"])


def image(value):
    return np.full((N_ROWS, 5), value, "uint8")


def npy(path, value):
    path = path.with_suffix(".npy")
    np.save(path, image(value))
    return path


def tiff(path, value):
    path = path.with_suffix(".tif")
    tifffile.imwrite(path, image(value))
    return path


def planes(path, value):
    path.mkdir()
    for number in range(N_ROWS):
        np.save(path / f"{number}.npy", image(value))
    return path


def zarr(path, value):
    import zarr as library

    path = path.with_suffix(".zarr")
    array = library.open_array(path, mode="w", shape=(N_ROWS, 5), chunks=(1, 5), dtype="uint8")
    array[:] = value
    return path


def swap(new, old):
    """Put a file or folder in the place of another, once."""
    new, old = Path(new.replace("|", "/")), Path(old.replace("|", "/"))
    if not new.exists():
        return
    if new.is_dir():
        for path in sorted(new.rglob("*")):
            if path.is_file():
                path.replace(old / path.relative_to(new))
        shutil.rmtree(new)
    else:
        new.replace(old)


KINDS = pytest.mark.parametrize(
    ("write", "key"),
    [
        pytest.param(npy, None, id="npy"),
        pytest.param(tiff, None, id="TIFF"),
        pytest.param(planes, None, id="planes"),
        pytest.param(zarr, None, id="zarr by listing"),
        pytest.param(zarr, "content", id="zarr by content"),
    ],
)


@sc.blockwise(block=2, dtype="same", retries=0)
def copied(image, *, swapped):
    if int(image.max()) == 1:
        swap(*swapped)
    return image


@sc.step
def largest(image, *, swapped):
    swap(*swapped)
    return int(image.max())


@sc.reduction(merge=max, block=2, retries=0)
def greatest(image, *, swapped):
    swap(*swapped)
    return int(image.max())


def texts(*paths):
    """Give paths as text that names no file: it shall not count by what lies there."""
    return tuple(str(path).replace("/", "|") for path in paths)


STEPS = pytest.mark.parametrize(
    ("step", "name"),
    [
        pytest.param(copied, "copied", id="block by block"),
        pytest.param(largest, "largest", id="a whole step"),
        pytest.param(greatest, "greatest", id="a reduction"),
    ],
)


def results_in(store):
    return sorted(path.parent.name for path in Path(store).glob("*/*/COMPLETE"))


@EXECUTORS
@KINDS
@STEPS
def test_a_run_whose_input_is_replaced_fails_and_names_it(
    tmp_path, write, key, step, name, executor
) -> None:
    options = {"store": tmp_path / "store", "executor": executor, "workers": 1}
    old, new = write(tmp_path / "old", 1), write(tmp_path / "new", 2)
    given = texts(new, old)
    with pytest.raises(RunFailed, match=r"stays as it was when[\s\S]*where: .*old"):
        sc.run(step(sc.open(old, key=key), swapped=given), **options)
    assert results_in(options["store"]) == []
    same = write(tmp_path / "same", 1)
    done = sc.run(step(sc.open(same, key=key), swapped=given), **options)[name]
    assert int(np.max(done.read() if step is copied else done.get())) == 1


@sc.blockwise(block=2, dtype="same", retries=0)
def copied_while_times_stay(image, *, swapped):
    """Replace files half-way: the new ones have the size and the time of the old ones."""
    new, old = (Path(text.replace("|", "/")) for text in swapped)
    for path in sorted(new.rglob("*")) if new.is_dir() else [new] if new.exists() else []:
        if path.is_file():
            place = old / path.relative_to(new) if new.is_dir() else old
            times = place.stat().st_atime_ns, place.stat().st_mtime_ns
            path.replace(place)
            os.utime(place, ns=times)
    return image


@KINDS
def test_a_file_replaced_with_its_size_and_time_kept_is_noticed(tmp_path, write, key) -> None:
    store, old, new = tmp_path / "store", write(tmp_path / "old", 1), write(tmp_path / "new", 2)
    result = copied_while_times_stay(sc.open(old, key=key), swapped=texts(new, old))
    with pytest.raises(RunFailed, match=r"stays as it was when[\s\S]*where: .*old"):
        sc.run(result, store=store, executor="serial")
    assert results_in(store) == []


@pytest.fixture(scope="module")
def dask_cluster():
    distributed = pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(silence_logs=50, **options) as started:
        yield started


@KINDS
def test_workers_that_live_longer_than_a_run_read_nothing_of_before(
    tmp_path, write, key, dask_cluster
) -> None:
    """A worker of Dask keeps open files and decoded chunks from run to run."""
    options = {"store": tmp_path / "store", "executor": dask_cluster}
    old, new = write(tmp_path / "old", 1), write(tmp_path / "new", 2)
    given = texts(new, old)
    with pytest.raises(RunFailed, match=r"stays as it was when[\s\S]*where: .*old"):
        sc.run(copied(sc.open(old, key=key), swapped=given), **options)
    assert results_in(options["store"]) == []
    again = copied(sc.open(old, key=key), swapped=given)
    sc.run(again, **options)
    assert np.unique(again.read()).tolist() == [2]


def test_blocks_of_earlier_runs_stay(tmp_path) -> None:
    path, store, rows = tmp_path / "rows.npy", tmp_path / "store", np.arange(N_ROWS * 5)
    np.save(path, rows.reshape(N_ROWS, 5))

    def made(function):
        function.__qualname__ = "made"
        step = sc.blockwise(function, block=(1, 5), dtype="same", retries=0, version="1")
        return step.options(name="made")(sc.open(path))

    def stops(image):
        if image.max() == rows.max():
            raise ValueError("not yet")
        return image

    def swaps(image):
        np.save(path, np.zeros((N_ROWS, 5), int))
        return image

    with pytest.raises(RunFailed, match="not yet"):
        sc.run(made(stops), store=store, executor="serial")
    with pytest.raises(RunFailed, match="stays as it was"):
        sc.run(made(swaps), store=store, executor="serial")
    np.save(path, rows.reshape(N_ROWS, 5))
    assert sc.plan(made(stops), store=store)["made"].n_done == N_ROWS - 1


@sc.step(out="table", retries=0)
def of_member(image, *, swapped):
    swap(*swapped)
    return pd.DataFrame({"value": [int(image.max())]})


@EXECUTORS
@pytest.mark.parametrize("write", [npy, tiff, zarr], ids=["npy", "TIFF", "zarr"])
def test_only_the_member_whose_file_is_replaced_fails(tmp_path, write, executor) -> None:
    plate, store = tmp_path / "plate", tmp_path / "store"
    plate.mkdir()
    paths = [write(plate / name, 1 if name in "ab" else 3) for name in "abc"]
    swapped = texts(write(tmp_path / "new", 2), paths[0])
    tables = of_member(sc.open_folder(f"{plate}/*{paths[0].suffix}"), swapped=swapped)
    run = sc.run(tables, store=store, executor=executor, workers=1, on_failure="return")
    (failure,) = run.step("of_member").failures
    assert "stays as it was" in failure.error
    assert str(paths[0]) in failure.error
    assert run.step("of_member").n_done == 2
    again = sc.run(tables, store=store, executor=executor, workers=1)
    found = again["of_member"].to_pandas().set_index("key")["value"]
    assert found.tolist() == [2, 1, 3], "b, which had the content of a, kept its own"


@sc.step
def sum_of(image, *, path, swapped):
    swap(*swapped)
    files = [path] if path.is_file() else sorted(path.iterdir())
    return sum(int(np.load(file).max()) for file in files)


@EXECUTORS
@pytest.mark.parametrize("kind", ["file", "folder", "one file more", "of a member"])
def test_a_path_that_is_given_as_a_parameter_is_looked_at_again(tmp_path, kind, executor) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    old, new = npy(folder / "old", 1), npy(tmp_path / "new", 2)
    swapped = texts(new, folder / "more.npy" if kind == "one file more" else old)
    options = {"store": tmp_path / "store", "executor": executor, "workers": 1}
    given = folder if kind in ("folder", "one file more") else old
    if kind == "of a member":
        np.save(tmp_path / "image.npy", image(0))
        frame = pd.DataFrame({"key": ["image.npy"], "path": [given]})
        path = sc.per_member(frame, "path")
        result = sum_of(sc.open_folder(tmp_path / "image*.npy"), path=path, swapped=swapped)
    else:
        result = sum_of(sc.open(image(0)), path=given, swapped=swapped)
    with pytest.raises(RunFailed, match="stays as it was"):
        sc.run(result, **options)
    assert results_in(options["store"]) == []


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_step_that_reads_what_was_made_before_the_change_is_done(tmp_path, executor) -> None:
    old, new = npy(tmp_path / "old", 1), npy(tmp_path / "new", 2)
    plain = sc.gaussian(sc.open(old), sigma=1)
    later = largest(plain, swapped=texts(new, old))
    assert sc.run(later, store=tmp_path / "store", executor=executor, workers=1).ok
    assert later.get() == 1


def in_a_constant(path):
    @sc.step
    def given(image, *, swapped):
        swap(*swapped)
        return int(np.load(path).max())

    return given, sc.open(image(0))


def in_a_default_of_a_helper(path):
    def load(place=path):
        return np.load(place)

    @sc.step
    def given(image, *, swapped):
        swap(*swapped)
        return int(load().max())

    return given, sc.open(image(0))


def in_a_function_given_as_a_value(path):
    def load():
        return np.load(path)

    @sc.step
    def given(image, *, swapped, load=load):
        swap(*swapped)
        return int(load().max())

    return given, sc.open(image(0))


def in_setup(path):
    def load():
        return [path]

    @sc.step(setup={"places": load})
    def given(image, *, swapped, places):
        swap(*swapped)
        return int(np.load(places[0]).max())

    return given, sc.open(image(0))


def in_a_reader(path):
    def read(name):
        return np.load(path) if name.endswith("npy") else None

    @sc.step
    def given(image, *, swapped):
        swap(*swapped)
        return int(image.max())

    np.save(path.parent / "member.npy", image(0))
    members = sc.open_folder(path.parent / "member*.npy", read=read)
    return given, members["member.npy"]


@pytest.mark.parametrize(
    "reaching",
    [
        in_a_constant,
        in_a_default_of_a_helper,
        in_a_function_given_as_a_value,
        in_setup,
        in_a_reader,
    ],
)
def test_a_path_that_code_reaches_is_looked_at_again(tmp_path, reaching) -> None:
    old, new = npy(tmp_path / "old", 1), npy(tmp_path / "new", 2)
    step, given = reaching(old)
    result, options = step(given, swapped=texts(new, old)), {"store": tmp_path / "store"}
    with pytest.raises(RunFailed, match=r"stays as it was(.|\n)*old\.npy"):
        sc.run(result, executor="serial", **options)
    assert results_in(options["store"]) == []
    npy(tmp_path / "old", 1)
    step, given = reaching(old)
    again = step(given, swapped=texts(new, old))
    sc.run(again, executor="serial", **options)
    assert again.get() == 1
