"""Files that are sound by themselves and belong to another result: never taken for this one's."""

from __future__ import annotations

import shutil
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ScutoidError
from scutoid.store import Entry, Recipe

RAW = np.random.default_rng(3).integers(1, 100, (24, 32)).astype("uint8")
KEPT = {"recipe.json", "COMPLETE"}


@sc.blockwise(dtype="uint16", version="1")
def image(image, *, amount):
    return image.astype("uint16") * 2 + amount


@sc.blockwise(out="parts", version="1")
def parts(image, *, amount):
    return {"sum": np.array([image.sum(dtype="int64") + 1000 * amount])}


@sc.blockwise(out="table", version="1")
def table(image, *, amount):
    return pd.DataFrame({"value": image[image > 80].astype("int64") + 1000 * amount})


@sc.blockwise(out=("image", "table"), dtype="uint16", version="1")
def both(image, *, amount):
    n = int(image.sum(dtype="int64")) + 1000 * amount
    return image.astype("uint16") + amount, pd.DataFrame({"n": [n]})


@sc.reduction(merge=lambda one, other: one + other, version="1")
def total(image, *, amount):
    return int(image.sum(dtype="int64")) + 1000 * amount


@sc.step(version="1")
def mean(image, *, amount):
    return float(image.mean()) + amount


CHUNKED = image.options(storage=sc.Storage(chunks=4))
STEPS = {"image": image, "chunks": CHUNKED, "parts": parts, "table": table, "both": both}
STEPS |= {"reduction": total}
GROUPS = {
    "packs": {"blocks.pack", "blocks.pack.index"},
    "packs and journal": {"blocks.pack", "blocks.pack.index", "journal"},
    "image and notes": {"image.ome.zarr", "image.shards"},
    "image, notes and journal": {"image.ome.zarr", "image.shards", "journal"},
    "notes": {"image.shards"},
    "all but the recipe": None,
}


def content(result):
    if isinstance(result, sc.Image):
        return np.asarray(result).tolist()
    if isinstance(result, sc.Table):
        return result.to_pandas().to_dict("list")
    if isinstance(result, sc.Parts):
        return {n: int(part["sum"][0]) for n, part in result.read().items()}
    return result.get()


def contents(results):
    return [content(each) for each in (results if isinstance(results, tuple) else (results,))]


def run(results, store, **options):
    options = {"executor": "serial", "check_halo": False, "block": 8, **options}
    return sc.run(*(results if isinstance(results, tuple) else (results,)), store=store, **options)


def entry_of(results, store):
    (step,) = sc.plan(results, store=store, block=8).steps
    return next(store.glob(f"*/{step.key[:12]}"))


def replace(names, source, target):
    """Put files of one result in the place of those of another."""
    found = {path.name for path in source.iterdir()} - KEPT
    for name in found if names is None else names & found:
        if (source / name).is_dir():
            shutil.rmtree(target / name)
            shutil.copytree(source / name, target / name)
        else:
            shutil.copyfile(source / name, target / name)


def read_again(store):
    (found,) = sc.Store(store).find(amount=1) or [None]
    return contents(found)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", STEPS)
def test_what_belongs_to_another_parameter_is_refused_and_made_again(tmp_path, name, group) -> None:
    whole = tmp_path / "whole"
    wanted, other = (STEPS[name](sc.open(RAW), amount=amount) for amount in (1, 2))
    run(other, whole)
    run(wanted, whole)
    expected = contents(wanted)
    store = tmp_path / "store"

    def damaged():
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(whole, store)
        replace(GROUPS[group], entry_of(other, store), entry_of(wanted, store))
        return STEPS[name](sc.open(RAW), amount=1)

    damaged()
    with suppress(ScutoidError):
        assert read_again(store) == expected
    results = damaged()
    is_changed = read_files(entry_of(results, store)) != read_files(entry_of(results, whole))
    assert sc.Store(store).verify(heal=False).ok is not is_changed
    assert sc.Store(store).verify().ok is not is_changed
    assert run(results, store).ok
    assert contents(results) == expected
    assert sc.Store(store).verify().ok
    for _ in range(2):
        results = damaged()
        assert run(results, store).ok
        try:
            assert contents(results) == expected
        except ScutoidError:
            assert run(results, store).ok
            assert contents(results) == expected


def read_files(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def begin(folder):
    """Leave a complete result as a run leaves it that is killed before its end."""
    (folder / "COMPLETE").unlink()
    recipe = Recipe.from_json((folder / "recipe.json").read_bytes())
    Entry(folder, recipe.step, recipe.key).trust()


@pytest.mark.parametrize("group", ["image and notes", "image, notes and journal", "packs"])
@pytest.mark.parametrize("name", ["image", "chunks", "both", "parts"])
def test_a_run_that_was_stopped_does_not_go_on_with_what_is_anothers(tmp_path, name, group) -> None:
    step = STEPS[name]
    wanted, other = (step(sc.open(RAW), amount=amount) for amount in (1, 2))
    store = tmp_path / "store"
    run(other, store)
    run(wanted, store)
    expected = contents(wanted)
    target, source = entry_of(wanted, store), entry_of(other, store)
    begin(target)
    replace(GROUPS[group], source, target)
    for _ in range(2):
        results = step(sc.open(RAW), amount=1)
        assert run(results, store).ok
        with suppress(ScutoidError):
            assert contents(results) == expected
    assert contents(results) == expected
    assert sc.Store(store).verify().ok


def plate(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir(exist_ok=True)
    for number in range(3):
        np.save(folder / f"{number}.npy", RAW + number)
    return sc.open_folder(folder / "*.npy")


@pytest.mark.parametrize("step", [image, mean, table], ids=["image", "value", "table"])
@pytest.mark.parametrize("files", [{"items.pack", "items.pack.index"}, {"items.pack.index"}])
def test_verify_names_members_that_are_listed_and_gone(tmp_path, step, files) -> None:
    store = tmp_path / "store"
    wanted, other = (step(plate(tmp_path), amount=amount) for amount in (1, 2))
    run(other, store)
    run(wanted, store)
    replace(files, entry_of(other, store), entry_of(wanted, store))
    assert not sc.Store(store).verify(heal=False).ok
    assert not sc.Store(store).verify().ok
    again = step(plate(tmp_path), amount=1)
    assert run(again, store).ok
    assert sc.Store(store).verify().ok
    kept = {key: content(again[key]) for key in again.keys}
    fresh = step(plate(tmp_path), amount=1)
    run(fresh, tmp_path / "fresh")
    assert kept == {key: content(fresh[key]) for key in fresh.keys}


@pytest.mark.parametrize("step", [image, mean], ids=["image", "value"])
def test_members_stay_where_the_recipe_is_anothers(tmp_path, step) -> None:
    store = tmp_path / "store"
    wanted, other = (step(plate(tmp_path), amount=amount) for amount in (1, 2))
    run(other, store)
    run(wanted, store)
    target = entry_of(wanted, store)
    for name in KEPT:
        shutil.copyfile(entry_of(other, store) / name, target / name)
    again = step(plate(tmp_path), amount=1)
    done = run(again, store)
    assert done.step(step.spec.label).n_cached == 3
    assert sc.plan(again, store=store).steps[0].reason == "up to date"
    assert not list(store.glob("*/*.aside-*"))
    assert sc.Store(store).verify().ok
