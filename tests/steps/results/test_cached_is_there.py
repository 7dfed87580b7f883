"""A result that a run calls cached has every file, of its size; what is gone is made anew."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

import scutoid as sc

RAW = np.random.default_rng(3).integers(1, 250, (24, 32)).astype("uint8")


@sc.blockwise(dtype="uint16", version="1")
def double(image):
    return image.astype("uint16") * 2


@sc.blockwise(out="parts", version="1")
def sums(image):
    return {"sum": np.array([image.sum(dtype="int64")])}


@sc.blockwise(out="table", version="1")
def bright(image):
    return pd.DataFrame({"value": image[image > 200].astype("int64")})


@sc.blockwise(out=("image", "table"), dtype="uint16", version="1")
def both(image):
    return image.astype("uint16") + 1, pd.DataFrame({"n": [int(image.sum(dtype="int64"))]})


@sc.step(version="1")
def profile(image):
    return np.repeat(image.astype("float64").mean(0), 64)


@sc.step(out="image", version="1")
def flipped(image):
    return image[::-1].copy()


@sc.step(out="files", version="1")
def notes(image, *, folder):
    (folder / "deep").mkdir()
    for n in range(2):
        (folder / "deep" / f"{n}.txt").write_text(f"{n}: the sum is {image.sum()}\n")


STEPS = {
    "zarr": double,
    "tiff": flipped.options(storage=sc.Storage(format="tiff")),
    "whole zarr": flipped,
    "levels": double.options(storage=sc.Storage(levels=2)),
    "parts": sums,
    "table": bright,
    "image and table": both,
    "array": profile,
    "files": notes,
}
OF_MEMBERS = {
    "members, tiff": flipped,
    "members, zarr": double.options(storage=sc.Storage(format="zarr", chunks=8)),
    "members, parts": sums,
    "members, array": profile,
    "members, files": notes,
}


def content(result):
    """Return a result as something to compare."""
    if isinstance(result, sc.Files):
        files = sorted(path for path in result.path.rglob("*") if path.is_file())
        return {path.name: path.read_text() for path in files}
    if isinstance(result, sc.Image):
        return np.asarray(result)
    if isinstance(result, sc.Table):
        return result.to_pandas()
    if hasattr(result, "keys"):  # members
        return {key: content(result[key]) for key in result.keys}
    if isinstance(result, sc.Parts):
        return {n: part["sum"] for n, part in result.read().items()}
    return result.get()


def targets(name, tmp_path):
    if name in STEPS:
        results = STEPS[name](sc.open(RAW))
        return results if isinstance(results, tuple) else (results,)
    plate = tmp_path / "plate"
    plate.mkdir(exist_ok=True)
    for n in range(3):
        np.save(plate / f"{n}.npy", RAW + n)
    return (OF_MEMBERS[name](sc.open_folder(plate / "*.npy")),)


def run(results, store):
    return sc.run(*results, store=store, executor="serial", block=8)


def same(found, wanted):
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[k], wanted[k]) for k in wanted)
    if isinstance(wanted, pd.DataFrame):
        return found.equals(wanted)
    return np.array_equal(found, wanted)


@pytest.mark.parametrize("how", ["removed", "cut off", "longer"])
@pytest.mark.parametrize("name", [*STEPS, *OF_MEMBERS])
def test_what_is_gone_of_a_complete_result_is_made_anew(tmp_path, name, how) -> None:
    whole = tmp_path / "whole"
    results = targets(name, tmp_path)
    assert run(results, whole).ok
    wanted = [content(result) for result in results]
    (entry,) = (path.parent for path in whole.glob("*/*/recipe.json"))
    files = [path for path in entry.rglob("*") if path.is_file()]
    assert len(files) > 2
    for file in files:
        if how == "longer" and ".pack" in file.name:
            continue  # what no index names, such as what a run that was killed has left, is nothing
        if file.name == "blocks.digests":
            continue  # a result is whole without it
        if how != "removed" and file.name == "COMPLETE":
            continue
        if how != "removed" and "c" in file.parts[-4:]:
            continue
        store = tmp_path / "store"
        shutil.copytree(whole, store)
        damaged = store / file.relative_to(whole)
        if how == "removed":
            damaged.unlink()
        elif how == "cut off":
            damaged.write_bytes(damaged.read_bytes()[:-1])
        else:
            damaged.write_bytes(damaged.read_bytes() + b"\0")
        again = targets(name, tmp_path)
        (planned,) = sc.plan(*again, store=store, block=8).steps
        assert planned.status != "cached" or planned.reason != "up to date", damaged
        assert run(again, store).ok
        assert all(same(content(r), w) for r, w in zip(again, wanted, strict=True)), damaged
        assert sc.Store(store).verify().ok, damaged
        (planned,) = sc.plan(*again, store=store, block=8).steps
        assert (planned.status, planned.reason) == ("cached", "up to date"), damaged
        shutil.rmtree(store)


@pytest.mark.parametrize("name", ["parts", "zarr", "members, array"])
def test_only_what_is_gone_is_made_anew(tmp_path, name) -> None:
    results = targets(name, tmp_path)
    run(results, tmp_path / "store")
    (entry,) = (path.parent for path in (tmp_path / "store").glob("*/*/recipe.json"))
    if name == "zarr":
        next(entry.glob("image.ome.zarr/0/c/*/*")).unlink()
    else:
        pack = next(entry.glob("*.pack"))
        pack.write_bytes(pack.read_bytes()[:-1])
    done = run(targets(name, tmp_path), tmp_path / "store")
    (step,) = done.steps
    assert step.n_blocks - step.n_cached == 1
