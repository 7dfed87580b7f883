"""Keys: what a result depends on, and inputs that may not be."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import StoreError
from scutoid.steps.planning import _keys
from scutoid.steps.planning._keys import Keys
from scutoid.steps.planning._step_code import code_of
from scutoid.store import EntryStore


def total(*, merge=max, finish=None, setup=None, version=None):
    def function(image, **_):
        return image.sum()

    declared = {"merge": merge, "finish": finish, "setup": setup, "version": version}
    return sc.reduction(function, **declared)


def test_the_functions_of_a_step_are_parts_by_their_roles():
    one = code_of(total(merge=lambda a, b: a + b, finish=lambda a: a).spec)
    two = code_of(total(merge=lambda a, b: a * b, finish=lambda a: a).spec)
    assert one.digest != two.digest
    changed = [name for name in one.parts if one.parts[name] != two.parts[name]]
    assert changed == ["merge"]
    assert next(iter(one.parts)).endswith("function")


@pytest.fixture
def folder(tmp_path):
    """Four small images in two folders."""
    for name in ("a/1", "a/2", "b/1", "b/2"):
        path = tmp_path / "plate" / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.full((4, 4), len(name) + int(name[-1]), "uint8"))
    return tmp_path / "plate"


def test_how_a_folder_is_read_is_worked_out_once(folder, monkeypatch):
    images = sc.open_folder(str(folder / "**" / "*.tif"), read=tifffile.imread)
    calls = []
    fingerprint = _keys.fingerprint
    monkeypatch.setattr(_keys, "fingerprint", lambda f, memo: calls.append(f) or fingerprint(f))
    keys = Keys()
    found = [keys.member(images.ref.node, key) for key in images.keys]
    assert len(found) == 4
    assert calls == [tifffile.imread]


def test_a_member_inside_the_store_is_refused_also_behind_a_link(folder, tmp_path):
    store = EntryStore(tmp_path / "results")
    inside = store.path / "x.tif"
    store.path.mkdir()
    tifffile.imwrite(inside, np.zeros((4, 4), "uint8"))
    os.symlink(inside, folder / "b" / "3.tif")  # noqa: PTH211
    images = sc.open_folder(str(folder / "a" / "*.tif"))
    assert Keys(store=store).member(images.ref.node, "1.tif")
    images = sc.open_folder(str(folder / "**" / "*.tif"))
    keys = Keys(store=store)
    with pytest.raises(StoreError, match="inside the store"):
        keys.member(images.ref.node, "b/3.tif")


def test_the_store_itself_inside_a_folder_of_inputs_is_no_fault(folder):
    store = EntryStore(folder / "results")
    images = sc.open_folder(str(folder / "a" / "*.tif"))
    keys = Keys(store=store)
    assert len({keys.member(images.ref.node, key) for key in images.keys}) == 2
