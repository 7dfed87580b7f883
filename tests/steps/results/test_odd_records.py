"""Records of a store that say what nothing wrote: gc goes on or refuses, images are made again."""

from __future__ import annotations

import json

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ScutoidError, StoreError

IMAGE = np.arange(64.0).reshape(8, 8)


@sc.blockwise(dtype="float64", version="1")
def doubled(image):
    return image * 2


@pytest.fixture
def store(tmp_path):
    sc.run(doubled(sc.open(IMAGE)), store=tmp_path, executor="serial", block=4)
    return tmp_path


def changed(path, fields):
    """Change fields of a file of JSON; "deep" is a list of lists of lists."""
    text = json.dumps(json.loads(path.read_bytes()) | fields)
    path.write_text(text.replace('"deep"', "[" * 5000 + "]" * 5000))


RUNS = {
    "deep": {"steps": "deep"},
    "no steps": {"steps": None},
    "steps of numbers": {"steps": [3]},
    "steps outside": {"steps": [{"name": "a", "key": "b", "entry": "../../etc"}]},
    "a start of text": {"started": "now"},
    "a start that is no number": {"started": float("nan")},
    "a start past all": {"started": 1e308},
    "a version of text": {"version": "1"},
    "a part of a number": {"part_of": 3},
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("options", [{"older_than": "1h"}, {"keep_runs": 1}, {"max_size": "1GB"}])
def test_garbage_is_collected_beside_an_odd_record_of_a_run(store, name, options) -> None:
    (record,) = store.glob("runs/*/run.json")
    changed(record, RUNS[name])
    try:
        assert sc.Store(store).gc(**options, dry_run=True).n_kept == 1
    except StoreError as error:
        assert "run.json" in str(error) or "runs" in str(error)  # noqa: PT017


@pytest.mark.parametrize("content", ["3", "[]", "null", '"text"', "", "[" * 50_000, "\x00"])
def test_garbage_is_collected_beside_what_is_no_record(store, content) -> None:
    (record,) = store.glob("runs/*/run.json")
    record.write_text(content)
    assert sc.Store(store).gc(older_than="1h", dry_run=True).n_kept == 1
    with pytest.raises(StoreError, match=r"run\.json"):
        sc.Store(store).gc(keep_runs=1, dry_run=True)


def grid(chunk):
    return {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}}}


IMAGES = {
    "deep": {"attributes": "deep"},
    "a shape of text": {"shape": ["8", "8"]},
    "a shape of fractions": {"shape": [8.0, 8.0]},
    "a shape of other length": {"shape": [8]},
    "a negative shape": {"shape": [8, -8]},
    "a shape past all": {"shape": [2**70, 8]},
    "more shards than there can be": {"shape": [2**40, 2**40]},
    "shards of nothing": grid([0, 4]),
    "shards of text": grid("44"),
    "shards that are none": grid(None),
    "a grid that is a number": {"chunk_grid": 3},
    "codecs that are numbers": {"codecs": [3]},
    "no codecs": {"codecs": []},
    "a codec without settings": {"codecs": [{"name": "sharding_indexed", "configuration": 0}]},
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_whose_metadata_are_odd_is_damage_and_made_again(store, name) -> None:
    (metadata,) = store.glob("doubled/*/image.ome.zarr/0/zarr.json")
    changed(metadata, IMAGES[name])
    with pytest.raises(ScutoidError):
        sc.Store(store)["doubled"].read()
    assert sc.Store(store).verify(heal=False).damages
    sc.Store(store).verify()
    again = doubled(sc.open(IMAGE))
    assert sc.run(again, store=store, executor="serial", block=4).ok
    np.testing.assert_array_equal(again.read(), IMAGE * 2)
    assert sc.Store(store).verify(heal=False).ok
