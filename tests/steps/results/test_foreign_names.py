"""Names and links in a store that lead out of it: nothing outside is read, written or removed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ScutoidError, StoreError
from scutoid.store import Pack

IMAGE = np.arange(64, dtype="uint8").reshape(8, 8)


@sc.blockwise(dtype="uint8", block=4, version="1")
def copied(image):
    return image


@sc.blockwise(out="parts", block=4, version="1")
def parts(image):
    return {"sum": np.array([image.sum()])}


@sc.step(version="1")
def number(image):
    return int(image.sum())


@sc.step(out="table", version="1")
def listed(image):
    return pd.DataFrame({"value": image.ravel()})


@sc.step(out="files", version="1")
def written(image, *, folder):
    (folder / "deep").mkdir()
    (folder / "deep/image.raw").write_bytes(image.tobytes())


@sc.blockwise(dtype="uint8", version="1")
def members(image):
    return image


class Pipeline:
    """A store with a result of each kind, and beside it files that are not its own."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.plate = folder / "plate"
        self.plate.mkdir()
        for name in "ab":
            np.save(self.plate / f"{name}.npy", IMAGE)
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.run()
        # What lies outside looks like what lies inside, so that only its place tells them apart.
        for path in sorted(self.store.rglob("*")):
            twin = self.outside / path.name
            if path.is_file() and not twin.exists() and not path.name.startswith("."):
                twin.write_bytes(b"not ours: " + path.read_bytes())
        (self.outside / "c/0").mkdir(parents=True)
        (self.outside / "c/0/0").write_bytes(b"not ours")
        (self.outside / "zarr.json").write_bytes(
            next(self.store.glob("copied/*/image.ome.zarr/0/zarr.json")).read_bytes()
        )
        self.before = self.state()

    def targets(self) -> tuple[object, ...]:
        image = sc.open(IMAGE)
        folder = sc.open_folder(self.plate / "*.npy")
        single = (copied, parts, number, listed, written)
        return (*(step(image) for step in single), members(folder))

    def run(self) -> sc.Run:
        return sc.run(*self.targets(), store=self.store, executor="serial")

    def state(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.outside.rglob("*") if path.is_file()}

    def read(self) -> list[bytes]:
        store, found = sc.Store(self.store), []
        for read in (
            lambda: store["copied"].read().tobytes(),
            lambda: b"".join(part["sum"].tobytes() for part in store["parts"].read().values()),
            lambda: str(store["number"].get()).encode(),
            lambda: store["listed"].to_pandas()["value"].to_numpy().tobytes(),
            lambda: Path(store["written"].path, "deep/image.raw").read_bytes(),
            lambda: b"".join(store["members"][key].read().tobytes() for key in ("a.npy", "b.npy")),
        ):
            try:
                found.append(read())
            except (ScutoidError, KeyError):
                found.append(b"refused")
        return found

    def entry(self, step: str) -> Path:
        return next(path.parent for path in self.store.glob(f"{step}/*/recipe.json"))

    def change_recipe(self, step, change) -> None:
        """Write a recipe as somebody would who wants it to be believed."""
        path = self.entry(step) / "recipe.json"
        content = json.loads(path.read_bytes())
        change(content)
        told = ("digest", "host", "created", "seconds")
        kept = {name: value for name, value in content.items() if name not in told}
        content["digest"] = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
        path.write_text(json.dumps(content))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_name("COMPLETE").write_text(digest + "\n")

    def change_member(self, name: str) -> None:
        with Pack(self.entry("members") / "items.pack", "a") as pack:
            key = next(iter(pack))
            meta = json.loads(json.dumps(pack.meta(key)))
            meta["images"] = {"0": name}
            pack.append_many([(key, meta, pack.read(key))])

    def change_level(self, name: str) -> None:
        path = self.entry("copied") / "image.ome.zarr/zarr.json"
        path.write_text(path.read_text().replace('"path": "0"', f'"path": {json.dumps(name)}'))

        def note(recipe):
            record = recipe["files"]["image.ome.zarr/zarr.json"]
            record["bytes"] = path.stat().st_size
            record["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()

        self.change_recipe("copied", note)


def output(**fields):
    return lambda recipe: recipe["output"]["outputs"][0].update(fields)


def file_named(name):
    return lambda recipe: recipe["files"].update({name: {"bytes": 1, "sha256": "0" * 64}})


NAMES = {
    "a file that has a digest": lambda p, to: p.change_recipe("number", file_named(f"{to}/x.npy")),
    "an image": lambda p, to: p.change_recipe("copied", output(file=f"{to}/image.ome.zarr")),
    "a level of an image": lambda p, to: p.change_level(to),
    "the zarr itself": lambda p, to: p.change_recipe("copied", output(file=to)),
    "a value": lambda p, to: p.change_recipe("number", output(name=f"{to}/value")),
    "a table": lambda p, to: p.change_recipe("listed", output(name=f"{to}/table")),
    "a pack": lambda p, to: p.change_recipe("parts", output(file=f"{to}/blocks.pack")),
    "a file of a step": lambda p, to: p.change_recipe("written", file_named(f"files/{to}/x")),
    "a member": lambda p, to: p.change_member(f"{to}/a.npy"),
    "a key": lambda p, to: p.change_recipe("number", lambda r: r.update(key=f"{to}/3f9a")),
    "shards": lambda p, to: p.change_recipe(
        "copied", lambda r: r["extra"].update(shards={to: [4, 5]})
    ),
    "what was accepted": lambda p, to: p.change_recipe(
        "number", lambda r: r["extra"].update(accepted={"key": to[:12], "reason": "x"})
    ),
}


@pytest.fixture
def pipeline(tmp_path):
    return Pipeline(tmp_path)


def assert_nothing_outside_is_touched(pipeline, right):
    for found, truth in zip(pipeline.read(), right, strict=True):
        assert found in (truth, b"refused")
    assert not sc.Store(pipeline.store).verify(heal=False).ok
    assert pipeline.state() == pipeline.before
    assert not sc.Store(pipeline.store).verify().ok
    assert pipeline.state() == pipeline.before
    assert pipeline.run().ok
    assert pipeline.read() == right
    assert sc.Store(pipeline.store).verify().ok
    assert pipeline.state() == pipeline.before


@pytest.mark.parametrize("where", ["absolute", "dots"])
@pytest.mark.parametrize("record", NAMES)
def test_a_name_that_leads_out_counts_as_damage(pipeline, record, where):
    right = pipeline.read()
    assert b"refused" not in right
    to = str(pipeline.outside) if where == "absolute" else "../../../outside"
    NAMES[record](pipeline, to)
    if record == "a key":  # then it is the recipe of nothing, beside the place of the result
        assert pipeline.run().ok
        assert pipeline.state() == pipeline.before
        return
    assert_nothing_outside_is_touched(pipeline, right)


LINKS = [
    ("copied", "image.ome.zarr"),
    ("copied", "image.ome.zarr/zarr.json"),
    ("copied", "image.ome.zarr/0"),
    ("copied", "image.ome.zarr/0/c"),
    ("copied", "image.ome.zarr/0/c/0"),
    ("copied", "image.ome.zarr/0/c/0/0"),
    ("copied", "journal"),
    ("parts", "blocks.pack"),
    ("parts", "blocks.pack.index"),
    ("parts", "journal"),
    ("number", "value.json"),
    ("listed", "table.parquet"),
    ("written", "files"),
    ("written", "files/deep"),
    ("written", "files/deep/image.raw"),
    ("members", "items"),
    ("members", "items.pack"),
    ("members", "items.pack.index"),
    ("members", "members.json"),
    ("members", "items/*"),
]


@pytest.mark.parametrize(("step", "name"), LINKS)
def test_a_link_that_leads_out_counts_as_damage_and_goes_alone(pipeline, step, name):
    right = pipeline.read()
    place = next(pipeline.entry(step).glob(name))
    away = pipeline.outside / "moved"
    place.rename(away)
    place.symlink_to(away)
    pipeline.before = pipeline.state()
    assert_nothing_outside_is_touched(pipeline, right)
    assert not place.is_symlink()


def test_a_run_alone_writes_through_no_link(pipeline):
    for step, name in (
        ("copied", "image.ome.zarr"),
        ("members", "items"),
        ("parts", "blocks.pack"),
    ):
        place = pipeline.entry(step) / name
        place.rename(pipeline.outside / f"moved-{step}")
        place.symlink_to(pipeline.outside / f"moved-{step}")
        (pipeline.entry(step) / "COMPLETE").unlink()
    pipeline.before = pipeline.state()
    assert pipeline.run().ok
    assert pipeline.state() == pipeline.before


def test_a_step_that_links_to_files_outside_its_folder_is_refused(tmp_path):
    (tmp_path / "precious").write_text("not ours")

    @sc.step(out="files", version="1")
    def linked(image, *, folder):
        (folder / "here").write_text("ours")
        (folder / "inner").symlink_to("here")
        if image[0, 0]:
            (folder / "outer").symlink_to(tmp_path / "precious")

    run = sc.run(linked(sc.open(IMAGE)), store=tmp_path / "store", executor="serial")
    assert (run["linked"].path / "inner").read_text() == "ours"
    with pytest.raises((sc.errors.RunFailed, StoreError), match="copy the file into its folder"):
        sc.run(linked(sc.open(IMAGE + 1)), store=tmp_path / "store", executor="serial")


def test_the_record_of_a_run_names_results_of_its_store_alone(pipeline):
    (path,) = pipeline.store.glob("runs/*/run.json")
    content = json.loads(path.read_bytes())
    content["steps"][0]["entry"] = "../outside"
    path.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="cannot be read"):
        sc.Store(pipeline.store).gc(keep_runs=1)
    assert pipeline.state() == pipeline.before


@pytest.mark.parametrize("key", ["../../escaped.npy", "/escaped.npy", "a/../../../b.npy"])
def test_members_are_exported_below_their_folder_alone(pipeline, tmp_path, key):
    path = pipeline.entry("members") / "members.json"
    content = json.loads(path.read_bytes())
    content["members"] = {key: content["members"]["a.npy"]}
    content.pop("keys", None)
    path.write_text(json.dumps(content))

    def note(recipe):
        record = recipe["files"]["members.json"]
        record["bytes"] = path.stat().st_size
        record["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()

    pipeline.change_recipe("members", note)
    before = {p for p in tmp_path.rglob("*") if pipeline.store not in p.parents}
    with pytest.raises(ScutoidError, match="below the folder"):
        sc.export(sc.Store(pipeline.store)["members"], tmp_path / "deep/exported")
    after = {p for p in tmp_path.rglob("*") if pipeline.store not in p.parents}
    assert after - before <= {tmp_path / "deep"}


def test_a_pattern_goes_up_before_its_first_star_alone(pipeline, monkeypatch):
    (pipeline.plate / "deep").mkdir()
    monkeypatch.chdir(pipeline.plate / "deep")
    assert list(sc.open_folder("../*.npy").keys) == ["a.npy", "b.npy"]
    with pytest.raises(sc.errors.ParameterError, match="before its first"):
        sc.open_folder(pipeline.plate / "*/../a.npy")
