"""A shard in another's place: sound by itself, and not what was written there."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tensorstore as ts

import scutoid as sc
from scutoid.arrays import NOTE
from scutoid.errors import DamagedResult
from scutoid.records import RecordLog
from scutoid.store import Entry

RAW = np.random.default_rng(0).integers(1, 200, (40, 52)).astype("uint8")
COMPRESSORS = ("none", "zstd", "gzip", "blosc")


@sc.blockwise(dtype="uint8", block=16, version="1")
def plus(image, *, amount=1):
    return image + np.uint8(amount)


@sc.step(out="image", version="1")
def whole(image, *, amount=1):
    return image + np.uint8(amount)


@sc.blockwise(out=("image", "table"), dtype="uint8", block=16, version="1")
def both(image, *, block, amount=1):
    import pandas as pd

    return image + np.uint8(amount), pd.DataFrame({"n": [block.index]})


def stored(step, amount=1, **options):
    result = step.options(**options)(sc.open(RAW), amount=amount)
    return result[0] if isinstance(result, tuple) else result


def image_of(store, key):
    (path,) = store.glob(f"*/{key[:12]}/image.ome.zarr")
    return path


def shards(image, level=0):
    return sorted(path for path in (image / str(level) / "c").rglob("*") if path.is_file())


def run(result, store, **options):
    return sc.run(result, store=store, executor="serial", **options)


def two_results(store, step, **options):
    """Store two results, alike but for a parameter; return the later, and the images of both."""
    first, second = stored(step, 2, **options), stored(step, 1, **options)
    for result in (first, second):
        assert run(result, store).ok
    keys = [sc.plan(result, store=store).steps[0].key for result in (first, second)]
    return second, *(image_of(store, key) for key in reversed(keys))


def cases():
    for compressor in COMPRESSORS:
        storage = sc.Storage(compressor=compressor)
        yield f"the neighbour's, {compressor}", plus, storage, 0, 1
        yield f"another parameter's, {compressor}", plus, storage, 0, None
    yield "of a coarser level", plus, sc.Storage(levels=2, compressor="none"), 1, None
    yield "with a table", both, sc.Storage(), 0, None
    yield "whole", whole, sc.Storage(compressor="none"), 0, None


@pytest.mark.parametrize(
    ("step", "storage", "level", "source"),
    [pytest.param(*case[1:], id=case[0]) for case in cases()],
)
def test_a_shard_in_anothers_place_is_found_and_made_again(tmp_path, step, storage, level, source):
    result, image, other = two_results(tmp_path, step, storage=storage)
    assert sc.Store(tmp_path).verify().ok
    target = shards(image, level)[0]
    content = target.read_bytes()
    origin = shards(other, level)[0] if source is None else shards(image, level)[source]
    shutil.copyfile(origin, target)
    assert target.read_bytes() != content
    if level == 0:
        with pytest.raises(DamagedResult, match="the one that was written there"):
            np.asarray(sc.Store(tmp_path)[step.spec.label])
    found = sc.Store(tmp_path).verify(heal=False)
    assert any("not the shard that was written there" in str(damage) for damage in found.damages)
    assert not sc.Store(tmp_path).verify().ok
    again = run(result, tmp_path)
    n_blocks = again.step(step.spec.label).n_blocks
    assert again.step(step.spec.label).n_cached == n_blocks - 1
    assert target.read_bytes() == content
    assert sc.Store(tmp_path).verify().ok
    assert np.array_equal(np.asarray(result), RAW + 1)


def test_a_run_that_reads_it_has_the_block_made_again(tmp_path):
    result, image, other = two_results(tmp_path, plus)
    content = shards(image)[3].read_bytes()
    shutil.copyfile(shards(other)[3], shards(image)[3])
    reader = whole(result, amount=5)
    done = run(reader, tmp_path)
    assert done.step("plus").n_cached == done.step("plus").n_blocks - 1
    assert np.array_equal(np.asarray(reader), RAW + 6)
    assert shards(image)[3].read_bytes() == content


def test_a_shard_where_nothing_was_written_is_found(tmp_path):
    @sc.blockwise(dtype="uint8", block=16, version="1", check_halo=False)
    def left(image, *, block):
        return image * np.uint8(block.index % 4 == 0)

    result = left(sc.open(RAW))
    run(result, tmp_path)
    (image,) = tmp_path.glob("left/*/image.ome.zarr")
    planted = image / "0/c/0/1"
    planted.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(shards(image)[0], planted)
    with pytest.raises(DamagedResult, match="the one that was written there"):
        np.asarray(sc.Store(tmp_path)["left"])
    assert not sc.Store(tmp_path).verify().ok
    assert not planted.exists()
    run(result, tmp_path)
    expected = RAW.copy()
    expected[:, 16:] = 0
    assert np.array_equal(np.asarray(sc.Store(tmp_path)["left"]), expected)


def test_a_run_that_was_broken_off_keeps_its_notes(tmp_path):
    @sc.blockwise(dtype="uint8", block=16, version="1")
    def copy(image, *, block):
        if block.index == 7 and not (tmp_path / "go").exists():
            raise ValueError("not yet")
        return image

    result, store = copy.options(retries=0)(sc.open(RAW)), tmp_path / "store"
    run(result, store, on_failure="return")
    (image,) = store.glob("copy/*/image.ome.zarr")
    assert len(read(image)) == 11
    shutil.copyfile(shards(image)[1], shards(image)[0])
    (tmp_path / "go").touch()
    run(result, store)
    (damage,) = sc.Store(store).verify().damages
    assert damage.place == image / "0/c/0/0"
    run(result, store)
    assert np.array_equal(np.asarray(sc.Store(store)["copy"]), RAW)


def read(image):
    header, payloads = RecordLog.read(image.with_name("image.shards"))
    fields = json.loads(header)
    assert fields.pop("key").startswith(image.parent.name)
    assert fields == {"scutoid": "shards", "version": 1}
    return np.frombuffer(b"".join(payloads), NOTE)


@pytest.mark.parametrize("levels", [1, 2])
def test_each_shard_has_a_note_and_the_zarr_stays_plain(tmp_path, levels):
    _, image, _ = two_results(tmp_path, plus, storage=sc.Storage(levels=levels))
    sizes = {
        (level, number): path.stat().st_size
        for level in range(levels)
        for number, path in enumerate(sorted_shards(image, level))
    }
    noted = read(image)
    assert {(int(n["level"]), int(n["shard"])): int(n["bytes"]) for n in noted} == sizes
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(image / "0")}}
    assert np.array_equal(ts.open(spec).result().read().result(), RAW + 1)


def sorted_shards(image, level):
    return sorted(shards(image, level), key=lambda path: [int(n) for n in path.parts[-2:]])


def test_a_block_that_is_made_again_with_other_bytes_is_right(tmp_path):
    @sc.blockwise(dtype="uint8", block=16, version="1", check_halo=False)
    def noisy(image):
        return np.random.default_rng().integers(1, 99, image.shape).astype("uint8")

    result = noisy(sc.open(RAW))
    run(result, tmp_path)
    first = np.asarray(sc.Store(tmp_path)["noisy"])
    (image,) = tmp_path.glob("noisy/*/image.ome.zarr")
    shards(image)[2].unlink()
    run(result, tmp_path)
    assert (np.asarray(sc.Store(tmp_path)["noisy"]) == first).mean() > 0.8
    assert sc.Store(tmp_path).verify().ok
    run(result, tmp_path, force=["noisy"])
    assert (np.asarray(sc.Store(tmp_path)["noisy"]) == first).mean() < 0.1
    assert sc.Store(tmp_path).verify().ok


def test_whole_steps_that_are_made_again_are_noted_again(tmp_path):
    @sc.step(out="image", version="1")
    def noisy(image):
        return np.random.default_rng().integers(1, 99, image.shape).astype("uint8")

    result = noisy(sc.open(RAW))
    run(result, tmp_path)
    (image,) = tmp_path.glob("noisy/*/image.ome.zarr")
    shards(image)[0].write_bytes(b"")
    assert not sc.Store(tmp_path).verify().ok
    run(result, tmp_path)
    assert sc.Store(tmp_path).verify().ok
    np.asarray(sc.Store(tmp_path)["noisy"])


def test_a_shard_of_a_member_in_anothers_place(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(2):
        np.save(folder / f"{number}.npy", RAW + number)
    step = plus.options(storage=sc.Storage(format="zarr", compressor="none"))
    result, store = step(sc.open_folder(folder)), tmp_path / "store"
    run(result, store)
    assert sc.Store(store).verify().n_without_notes == 0
    first, second = sorted(store.glob("plus/*/items/*.zarr"))
    shutil.copyfile(shards(first)[0], shards(second)[0])
    assert not sc.Store(store).verify().ok
    assert run(result, store).step("plus").n_cached == 1
    assert sc.Store(store).verify().ok


def test_results_without_notes_are_verified_as_before_and_say_so(tmp_path):
    result, image, other = two_results(tmp_path, plus)
    for path in (other, image):  # the last one is the newest
        forget_notes(path.parent)
    assert sc.plan(result, store=tmp_path).is_done
    assert np.array_equal(np.asarray(sc.Store(tmp_path)["plus"]), RAW + 1)
    found = sc.Store(tmp_path).verify()
    assert found.ok
    assert found.n_without_notes == 2
    assert "without notes of shards: 2 results" in str(found)
    shutil.copyfile(shards(other)[0], shards(image)[0])
    assert sc.Store(tmp_path).verify().ok


def forget_notes(folder):
    """Make a result one of before there were notes."""
    (folder / "image.shards").unlink()
    entry = Entry(folder, "plus", json.loads((folder / "recipe.json").read_text())["key"])
    extra = {name: value for name, value in entry.recipe.extra.items() if name != "sizes"}
    entry.commit(extra)
