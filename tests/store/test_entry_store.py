"""The folder of results: names, order, the nearest result, and what cannot be a store."""

from __future__ import annotations

import dataclasses
import json

import pytest

from scutoid.errors import ParameterError, StoreError, UnwritableStore
from scutoid.store import EntryStore, Fact, Recipe


def add(store, step="denoise", key="a" * 64, *, complete=True, **facts):
    entry = store.entry(step, key)
    entry.begin(Recipe(step=step, key=key, **facts))
    entry.save(key, "value")
    if complete:
        entry.commit()
    return entry


def test_a_store_is_made_when_something_is_written(tmp_path):
    store = EntryStore(tmp_path / "deep" / "results")
    assert store.entries() == []
    assert store.free_bytes() > 0
    assert not store.path.exists()
    add(store)
    assert store.path.is_dir()


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda path: path.write_text("x"), "a store is a folder"),
        (lambda path: (path.mkdir(), (path / "zarr.json").write_text("{}")), "holds an image"),
    ],
)
def test_a_file_or_an_image_is_not_a_store(tmp_path, make, rule):
    make(tmp_path / "results")
    with pytest.raises(StoreError, match=rule) as caught:
        EntryStore(tmp_path / "results")
    assert caught.value.remedy


@pytest.mark.parametrize("url", ["https://a.b/results", "memory://a", "file:///a", "gs://b/a"])
def test_a_url_that_is_none_of_a_bucket_of_s3_is_not_written(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnwritableStore, match="only read") as caught:
        EntryStore(url).check_writable()
    assert "s3://bucket/results" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["none://a/results", "https://a.b/results?x=1", "s3://"])
def test_a_url_that_no_store_has(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="lies in a bucket") as caught:
        EntryStore(url)
    assert "mount it" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_file_above_the_store_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("x")
    store = EntryStore(tmp_path / "file" / "results")
    with pytest.raises(StoreError, match="part of the path is a file"):
        store.check_writable()


def test_a_folder_with_other_files_serves_and_they_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    store = EntryStore(tmp_path)
    store.check_writable()
    store.check_writable()
    add(store).clear()
    assert (tmp_path / "mine.txt").read_text() == "keep"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".scutoid", "denoise", "mine.txt"]


def test_names_become_folders_that_any_file_system_takes(tmp_path):
    store = EntryStore(tmp_path)
    names = ["a/b", "..", "../x", "a/../b", "x" * 300, "runs", "é µ", "a*", "[b]", ""]
    entries = [add(store, name, f"{n:02d}" * 32) for n, name in enumerate(names)]
    for name, entry in zip(names, entries, strict=True):
        inside = entry.path.resolve().relative_to(tmp_path.resolve())
        assert len(inside.parts) == (3 if "/" in name else 2)  # with the folder of its stage
        assert entry.load("value") == entry.key
        assert [found.path for found, _ in store.entries(name)] == [entry.path]
    assert (tmp_path / "runs_").is_dir()


def test_entries_are_listed_newest_first_with_those_in_part(tmp_path):
    store = EntryStore(tmp_path)
    add(store, key="a" * 64, created=2.0)
    add(store, key="b" * 64, created=3.0, complete=False)
    add(store, "other", key="c" * 64, created=1.0)
    assert [recipe.key[0] for _, recipe in store.entries()] == ["c", "b", "a"]
    assert [entry.status for entry, _ in store.entries("denoise")] == ["partial", "complete"]


def test_the_nearest_differs_least_and_is_complete_where_others_are_as_near(tmp_path):
    store = EntryStore(tmp_path)
    wanted = Recipe(
        step="denoise", key="f" * 64, parameters={"sigma": Fact.of(2), "size": Fact.of(2)}
    )
    near = {"sigma": Fact.of(3), "size": Fact.of(2)}
    far = {"sigma": Fact.of(3), "size": Fact.of(3)}
    add(store, key="a" * 64, created=1.0, parameters=near)
    add(store, key="b" * 64, created=2.0, parameters=far)
    add(store, key="c" * 64, created=3.0, parameters=near, complete=False)
    assert store.nearest("denoise", wanted).key == "a" * 64
    add(store, key="d" * 64, created=3.0, parameters=wanted.parameters, complete=False)
    assert store.nearest("denoise", wanted).key == "d" * 64
    assert store.nearest("other", wanted) is None


def test_a_file_that_changed_is_nearer_than_another_file(tmp_path):
    store = EntryStore(tmp_path)
    for key, created, text in (("a", 1.0, "a.tif"), ("b", 2.0, "b.tif")):
        add(store, key=key * 64, created=created, inputs={"image": Fact(key, text)})
    for now, nearest in (("a.tif", "a"), ("b.tif", "b"), ("c.tif", "b")):
        wanted = Recipe(step="denoise", key="f" * 64, inputs={"image": Fact("f", now)})
        assert store.nearest("denoise", wanted).key == nearest * 64


@pytest.mark.parametrize("facts", [{"a": {}}, {"a": {"text": "x"}}, {"a": {"text": 1, "key": "x"}}])
@pytest.mark.parametrize("field", ["parameters", "inputs"])
def test_a_fact_without_its_parts_is_damage(field, facts):
    content = json.loads(Recipe(step="s", key="k").to_json())
    content[field] = facts
    with pytest.raises(StoreError, match="what scutoid wrote"):
        Recipe.from_json(json.dumps(content))


def test_damaged_and_foreign_folders_are_passed_over(tmp_path):
    store = EntryStore(tmp_path)
    good = add(store)
    for name, text in (("x", "{"), ("y", "[]"), ("z", '{"scutoid_recipe": 1}'), ("w", "\x00")):
        (tmp_path / "denoise" / name).mkdir()
        (tmp_path / "denoise" / name / "recipe.json").write_text(text)
    assert [entry.path for entry, _ in store.entries()] == [good.path]


def test_it_knows_what_lies_inside(tmp_path):
    store = EntryStore(tmp_path / "results")
    assert store.contains(tmp_path / "results" / "a.tif")
    assert store.contains(tmp_path / "x" / ".." / "results" / "a.tif")
    assert not store.contains(tmp_path / "results2" / "a.tif")
    (tmp_path / "results").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "results")
    assert store.contains(tmp_path / "link" / "a.tif")


def test_a_later_layout_of_the_recipe_is_refused_with_what_to_do():
    text = Recipe(step="s", key="k").to_json().replace('"scutoid_recipe": 1', '"scutoid_recipe": 9')
    with pytest.raises(StoreError, match="update scutoid"):
        Recipe.from_json(text)


def test_recipes_come_back_as_they_were():
    recipe = Recipe(
        step="denoise",
        key="k",
        code={"denoise": "1", "helper `a`": "2"},
        parameters={"sigma": Fact.of(2.0), "mode": {"digest": "d", "text": "nan"}},
        inputs={"image": {"key": "k", "text": "raw µ.tif"}},
        environment={"numpy": "2.0"},
        opaque=("x",),
        block=(8, 8),
        output={"axes": "zyx"},
        extra={"a": [1, None]},
    ).stamped()
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.host
    assert {"python", "scutoid"} <= recipe.versions.keys()


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Recipe)])
def test_a_field_of_the_wrong_type_is_damage(field):
    content = json.loads(Recipe(step="s", key="k").to_json())
    content[field] = [{}] if field != "block" else "8"
    with pytest.raises(StoreError, match="what scutoid wrote"):
        Recipe.from_json(json.dumps(content))


@pytest.mark.parametrize("path", [None, 3, [], b"results"])
def test_a_store_is_named_by_a_path(path):
    with pytest.raises(ParameterError, match="named by the path of its folder"):
        EntryStore(path)


@pytest.mark.parametrize("name", [3, b"label", ["label"]])
def test_a_step_is_named_by_text(tmp_path, name):
    with pytest.raises(ParameterError, match="named by text"):
        EntryStore(tmp_path).entries(name)


def test_a_path_with_a_nul_is_no_store():
    with pytest.raises(ParameterError, match=r"no NUL in it(.|\n)*a\\x00b"):
        EntryStore("a\0b")
