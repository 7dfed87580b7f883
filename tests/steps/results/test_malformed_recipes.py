"""A recipe whose digest is right and whose content is not is damage: the result is made again."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

import scutoid as sc

IMAGE = np.arange(64.0).reshape(8, 8)
UNDATED = ("host", "created", "seconds", "digest")


@sc.blockwise(dtype="float64", version="1")
def doubled(image):
    return image * 2


@sc.step(version="1")
def total(image):
    return float(image.sum())


DAMAGES = {
    "no outputs described": {"output": {}},
    "no output": {"output": {"version": 1, "outputs": [], "n_blocks": 4, "storage": ""}},
    "an output of another kind": {
        "output": {
            "version": 1,
            "outputs": [{"kind": "parts", "name": "parts"}],
            "n_blocks": 4,
            "storage": "",
        }
    },
    "an output of another name": {
        "output": {
            "version": 1,
            "outputs": [{"kind": "value", "name": "values"}],
            "n_blocks": 1,
            "storage": "",
        }
    },
    "outputs that are none": {"output": {"outputs": 3, "n_blocks": 4, "storage": ""}},
    "text": {"output": "image"},
    "a file without a size": {"files": {"value.json": {}}},
    "a file that is a number": {"files": {"value.json": 3}},
    "sizes that are a number": {"extra": {"completed": True, "sizes": 3}},
    "a size of text": {"extra": {"completed": True, "sizes": {"journal": "3"}}},
    "shards that are a number": {"extra": {"completed": True, "shards": {"image.ome.zarr": 3}}},
    "a number of blocks of text": {"extra": {"completed": True, "journalled": "4"}},
}


def change(recipe, fields) -> None:
    """Write a recipe anew, with right digests."""
    content = json.loads(recipe.read_bytes()) | fields
    told = {name: value for name, value in content.items() if name not in UNDATED}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    recipe.write_text(json.dumps(content | {"digest": digest}, indent=1))
    mark = hashlib.sha256(recipe.read_bytes()).hexdigest()
    recipe.with_name("COMPLETE").write_text(f"{mark}\n")


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("step", [doubled, total], ids=["image", "value"])
def test_a_malformed_recipe_is_no_cached_result(tmp_path, step, name) -> None:
    sc.run(step(sc.open(IMAGE)), store=tmp_path, executor="serial", block=4)
    (recipe,) = tmp_path.glob("*/*/recipe.json")
    change(recipe, {})
    again = step(sc.open(IMAGE))
    assert sc.plan(again, store=tmp_path, block=4).is_done
    change(recipe, DAMAGES[name])
    assert not sc.plan(again, store=tmp_path, block=4).is_done
    run = sc.run(again, store=tmp_path, executor="serial", block=4)
    assert run.ok
    found = again.read() if step is doubled else again.get()
    np.testing.assert_array_equal(found, IMAGE * 2 if step is doubled else IMAGE.sum())
    assert sc.plan(again, store=tmp_path, block=4).is_done
