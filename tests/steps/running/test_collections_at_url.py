"""Collections in buckets: what a folder gives, gone on with at the member from any machine."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid import remote
from scutoid.errors import DamagedResult, ScutoidError, SourceError, StoreError
from scutoid.steps.handles import Files

QUIET = {"progress": False, "check_halo": False}
SERIAL = {"executor": "serial", **QUIET}


@sc.step(out=("image", "table", "value"), version="1")
def looked_at(a):
    rows = pd.DataFrame({"row": range(len(a)), "sum": a.sum(1)})
    return a[::-1] + 1, rows, {"mean": float(a.mean()), "shape": a.shape}


@sc.step(out="files", version="1")
def written(a, *, folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "sum.txt").write_text(str(int(a.sum())))
    (folder / "none.txt").write_text("")


@sc.step(out="value", version="1")
def summed(a):
    return int(a.sum())


@sc.step(out="value", version="1")
def joined(values):
    return sum(values.values())


@pytest.fixture
def plate(tmp_path):
    """A folder of three small images."""
    folder = tmp_path / "plate"
    (folder / "b").mkdir(parents=True)
    for n, name in enumerate(("a.npy", "b/c.npy", "b/d e.npy")):
        np.save(folder / name, np.arange(6 + 3 * n, dtype="uint8").reshape(2 + n, 3))
    return folder


def pipeline(plate):
    images = sc.open_folder(f"{plate}/**/*.npy", axes="yx")
    turned, rows, value = looked_at(images)
    asked = sc.Storage(format="npy")
    sums = summed(turned)
    return {
        "looked_at": (turned, rows, value),
        "large": sc.gaussian.options(name="large", storage=sc.Storage(levels=2))(images, sigma=1),
        "measured": sc.measure(sc.label(sc.threshold(turned, level=4))),
        "npy": sc.gaussian.options(name="npy", storage=asked)(turned, sigma=1),
        "files": written(images),
        "sums": sums,
        "joined": joined(sc.gather(sums)),
    }


def flat(results):
    return [one for each in results for one in (each if isinstance(each, tuple) else (each,))]


def plain(result):
    """Give what a user reads of a result."""
    if getattr(result, "is_collection", False):
        return {name: plain(one) for name, one in result.items()}
    if isinstance(result, Files):
        files = [path for path in sorted(result.path.rglob("*")) if path.is_file()]
        return {path.relative_to(result.path).as_posix(): path.read_bytes() for path in files}
    if isinstance(result, sc.Table):
        return result.to_pandas().to_dict("list")
    if isinstance(result, sc.Image):
        said = (result.axes, result.voxel_size, result.unit, result.is_labels)
        return said, result.read().tolist()
    return result.get() if isinstance(result, sc.Value) else repr(result)


def all_of(place):
    store = sc.Store(place)
    found = {name: [plain(one) for one in flat([store[name]])] for name in store.names()}
    joined = (store["looked_at"][1], store["measure"], store["summed"])
    return found, [one.to_pandas().to_dict("list") for one in joined]


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_results_are_those_of_a_folder(store, plate, tmp_path, machine, executor):
    targets = flat(pipeline(plate).values())
    for place in (tmp_path / "results", store):
        assert sc.run(*targets, store=place, executor=executor, workers=2, **QUIET).ok
    here = all_of(tmp_path / "results")
    assert all_of(store) == here
    machine("second")
    assert all_of(store) == here
    planned = sc.plan(*targets, store=store)
    assert {step.status for step in planned} == {"cached"}
    assert sc.Store(store).verify().ok
    assert sc.Store(store).gc(dry_run=True).removals == ()


@sc.step(out=("image", "value"), version="1", retries=0)
def counted(a, *, marks, fails=()):
    """Note each call; members whose first voxel is among `fails` fail while there is no `go`."""
    first = int(a.flat[0]) - 10
    if first in fails and not Path(marks, "go").exists():
        raise ValueError("stopped here")
    if first >= 0:  # else it is tried on zeros
        Path(marks, f"{first}-{len(list(Path(marks).iterdir()))}").touch()
    return a * 2, {"first": first}


@pytest.fixture
def marks(tmp_path):
    """A folder in which each call leaves a file."""
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


@pytest.fixture
def many(tmp_path):
    """A folder of six tiny images, each of its number and 10."""
    (tmp_path / "many").mkdir()
    for n in range(6):
        save(tmp_path / f"many/{n}.npy", n)
    return tmp_path / "many"


def save(path, number):
    np.save(path, np.full((2, 3), number + 10, "uint8"))


def called(marks):
    """Return the numbers of the images that were computed since this was asked, and forget them."""
    found = sorted(int(path.name.partition("-")[0]) for path in marks.glob("*-*"))
    for path in marks.glob("*-*"):
        path.unlink()
    return found


def of_many(many, marks, **options):
    return counted(sc.open_folder(many, axes="yx"), marks=str(marks), **options)


def assert_is_of_many(store, marks, numbers=range(6)):
    images, values = sc.Store(store)["counted"]
    assert {name: image.read()[0, 0] for name, image in images.items()} == {
        f"{n}.npy": 2 * n + 20 for n in numbers
    }
    assert values.to_dict() == {f"{n}.npy": {"first": n} for n in numbers}
    assert called(marks) == []


def objects_of(store, pattern):
    return [o.url for o in remote.objects(store) if re.search(pattern, o.url)]


def test_a_run_is_gone_on_with_at_the_member_on_another_machine(store, machine, many, marks):
    targets = of_many(many, marks, fails=(2, 4))
    done = sc.run(*targets, store=store, on_failure="return", **SERIAL)
    assert not done.ok
    assert called(marks) == [0, 1, 3, 5]
    machine("second")
    images, values = sc.Store(store)["counted"]
    assert images.missing == ("2.npy", "4.npy")
    assert values["5.npy"].get() == {"first": 5}
    planned = sc.plan(*targets, store=store)
    assert planned["counted"].n_done == 4
    (marks / "go").touch()
    assert sc.run(*targets, store=store, **SERIAL).ok
    assert called(marks) == [2, 4]
    machine("third")
    assert_is_of_many(store, marks)


def test_what_changed_in_a_folder_is_made_alone_and_the_rest_stays(store, machine, many, marks):
    sc.run(*of_many(many, marks), store=store, **SERIAL)
    called(marks)
    before = {o.url for o in remote.objects(f"{store}/counted") if "/items/" in o.url}
    save(many / "3.npy", 7)
    (many / "4.npy").unlink()
    save(many / "9.npy", 9)
    machine("second")
    done = sc.run(*of_many(many, marks), store=store, **SERIAL)
    assert done.step("counted").n_cached == 4
    assert called(marks) == [7, 9]
    assert before < {o.url for o in remote.objects(f"{store}/counted") if "/items/" in o.url}
    for _ in range(2):
        machine("third")
        values = sc.Store(store)["counted"][1].to_dict()
        assert [value["first"] for value in values.values()] == [0, 1, 2, 7, 5, 9]
        assert sc.Store(store).verify().ok
        sc.Store(store).gc()
    assert sc.Store(store).gc(dry_run=True).removals == ()
    assert called(marks) == []


def test_members_are_made_again_by_force(store, machine, many, marks):
    targets = of_many(many, marks, fails=(3,))
    sc.run(*targets, store=store, on_failure="return", **SERIAL)
    assert called(marks) == [0, 1, 2, 4, 5]
    machine("second")  # what is there in part is gone on with, and made anew
    sc.run(*targets, store=store, force=["counted"], on_failure="return", **SERIAL)
    assert called(marks) == [0, 1, 2, 4, 5]
    (marks / "go").touch()
    machine("third")
    assert sc.run(*targets, store=store, **SERIAL).ok
    assert called(marks) == [3]
    sc.run(*targets, store=store, force=["counted"], **SERIAL)
    assert called(marks) == [0, 1, 2, 3, 4, 5]
    machine("fourth")
    assert_is_of_many(store, marks)


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGES = {
    "an image is gone": (r"/items/2.npy[^/]*tif$", None, [2]),
    "an image is cut off": (r"/items/2.npy[^/]*tif$", lambda content: content[:-1], [2]),
    "a bit of an image": (r"/items/2.npy[^/]*tif$", lambda content: flipped(content, -1), [2]),
    "the list is gone": (r"/members.json$", None, []),
    "the list": (r"/members.json$", lambda content: flipped(content, 5), []),
    "the pack": (r"/items.pack$", lambda content: flipped(content, 5), [0, 1, 2, 3, 4, 5]),
    "the manifest": (r"/manifest.json$", lambda content: content[:-9], [0, 1, 2, 3, 4, 5]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_what_is_damaged_is_made_again(store, machine, many, marks, damage):
    targets = of_many(many, marks)
    sc.run(*targets, store=store, **SERIAL)
    called(marks)
    pattern, change, again = DAMAGES[damage]
    (url,) = objects_of(store, pattern)
    if change is None:
        remote.remove([url])
    else:
        remote.put(url, change(remote.get(url)))
    machine("second")
    found = sc.Store(store).verify(heal=False)
    assert [one.place.name for one in found.damages] == [url.rpartition("/")[2]]
    assert sc.Store(store).verify().is_healed
    machine("third")
    assert sc.run(*targets, store=store, **SERIAL).ok
    assert called(marks) == again
    assert sc.Store(store).verify().ok
    sc.Store(store).gc()
    machine("fourth")
    assert_is_of_many(store, marks)


@pytest.mark.parametrize("file", ["begun.json", "items.pack.index"])
def test_garbage_is_left_where_damage_hides_what_is_needed(store, machine, many, marks, file):
    sc.run(*of_many(many, marks), store=store, **SERIAL)
    save(many / "0.npy", 9)
    save(many / "1.npy", 20)
    targets = of_many(many, marks, fails=(20,))
    sc.run(*targets, store=store, on_failure="return", **SERIAL)
    url = max(objects_of(store, f"/counted/.*/{file}$"))
    remote.put(url, b"something else")
    before = objects_of(store, "/counted/")
    machine("second")
    sc.Store(store).gc()
    assert set(before) - set(objects_of(store, "/counted/")) == set()


def test_an_image_of_a_member_that_is_gone_is_damage_when_it_is_read(store, machine, many, marks):
    sc.run(*of_many(many, marks), store=store, **SERIAL)
    (url,) = objects_of(store, r"/items/2.npy[^/]*tif$")
    remote.remove([url])
    machine("second")
    images = sc.Store(store)["counted"][0]
    with pytest.raises(DamagedResult, match="missing") as caught:
        images["2.npy"].read()
    assert url in str(caught.value)
    assert images["3.npy"].read().max() == 26


def test_a_shard_of_a_member_that_is_gone_is_damage_and_no_zeros(store, machine, plate):
    asked = sc.Storage(levels=2)
    smooth = sc.gaussian.options(name="large", storage=asked)(
        sc.open_folder(f"{plate}/*.npy", axes="yx"), sigma=1
    )
    sc.run(smooth, store=store, **SERIAL)
    (url,) = objects_of(store, r"ome.zarr/0/c/0/0$")
    remote.remove([url])
    machine("second")
    (image,) = dict(sc.Store(store)["large"].items()).values()
    with pytest.raises(DamagedResult, match="where it was written"):
        image.read()
    found = sc.Store(store).verify()
    assert [one.what for one in found.damages] == ["missing"]
    assert sc.run(smooth, store=store, **SERIAL).ok
    assert sc.Store(store)["large"]["a.npy"].read().any()


def test_a_server_that_fails_is_no_damage(bucket, store, machine, many, marks):
    sc.run(*of_many(many, marks), store=store, **SERIAL)
    machine("second")
    images = sc.Store(store)["counted"][0]
    opened = sc.Store(store)
    bucket.proxy.fault = lambda method, path: 503 if "/items/" in path else None
    with pytest.raises((SourceError, StoreError)) as caught:
        images["1.npy"].read()
    assert not isinstance(caught.value, DamagedResult)
    with pytest.raises(ScutoidError, match="503"):
        opened.verify()
    bucket.proxy.fault = lambda method, path: None
    assert opened.verify().ok


@pytest.mark.parametrize("fault", [503, 409, "drop"])
def test_faults_in_passing_change_nothing(bucket, store, machine, many, marks, fault):
    due = {"PUT": 3, "GET": 3}

    def failing(method, path):
        if due.get(method, 0) and re.search("items|segments|manifest|begun", path):
            due[method] -= 1
            return bucket.proxy.late(fault) if due[method] % 2 else fault
        return None

    bucket.proxy.fault = failing
    sc.run(*of_many(many, marks), store=store, **SERIAL)
    assert due["PUT"] == 0
    assert called(marks) == [0, 1, 2, 3, 4, 5]
    machine("second")
    assert_is_of_many(store, marks)


def test_requests_are_few(bucket, store, tmp_path):
    (tmp_path / "plate").mkdir()
    for n in range(40):
        np.save(tmp_path / f"plate/{n}.npy", np.full((2, 3), n, "uint8"))
    images = sc.open_folder(tmp_path / "plate", axes="yx")
    smooth = sc.gaussian(images, sigma=1)
    bucket.proxy.forget()
    sc.run(smooth, summed(smooth), summed.options(name="only")(images), store=store, **SERIAL)
    asked = [(method, path) for method, path, _ in bucket.proxy.asked]
    sent = [path for method, path in asked if method == "PUT" and "/items/" in path]
    read = [path for method, path in asked if method != "PUT" and "/items/" in path]
    segments = [path for method, path in asked if method == "PUT" and "/segments/" in path]
    assert len(sent) == 40  # of the images, one for each; of values none
    assert not read  # the step that sums them has them from memory
    assert len(segments) <= 120
    # The rest is of the run and its three results as a whole
    assert len(asked) <= 40 + len(segments) + 3 * 30


@pytest.mark.skipif(not find_spec("distributed"), reason="distributed is not installed")
def test_results_of_workers_elsewhere_are_those_of_a_folder(store, plate, tmp_path, monkeypatch):
    from distributed import Client

    targets = flat(pipeline(plate).values())
    sc.run(*targets, store=tmp_path / "results", **SERIAL)
    marks = iter(range(10**9))
    monkeypatch.setattr("scutoid.store._entry.mark_above", lambda path: b"%d" % next(marks))
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    with Client(processes=False, **options) as client:
        assert sc.run(*targets, store=store, executor=client, **QUIET).ok
    assert all_of(store) == all_of(tmp_path / "results")


def test_what_an_input_that_changed_meanwhile_gave_does_not_stay(store, machine, many, marks):
    @sc.step(out="value", version="1", retries=0)
    def swapping(a, *, marks):
        if int(a.flat[0]) == 13 and not Path(marks, "go").exists():
            Path(marks, "go").touch()
            save(many / "0.npy", 8)
        return int(a.sum())

    target = swapping(sc.open_folder(many, axes="yx"), marks=str(marks))
    sc.run(target, store=store, on_failure="return", **SERIAL)
    machine("second")
    target = swapping(sc.open_folder(many, axes="yx"), marks=str(marks))
    assert sc.run(target, store=store, **SERIAL).ok
    assert [*sc.Store(store)["swapping"].to_dict().values()] == [108, 66, 72, 78, 84, 90]
    assert sc.Store(store).verify().ok


def test_sizes_pages_and_copies_are_those_of_a_folder(store, plate, tmp_path, machine):
    targets = flat(pipeline(plate).values())
    for place in (tmp_path / "results", store):
        sc.run(*targets, store=place, **SERIAL)
    machine("second")
    here, there = sc.Store(tmp_path / "results").du(), sc.Store(store).du()
    assert here.keys() == there.keys()
    items = sum(
        o.size for o in remote.objects(store) if "/looked_at/" in o.url and "/items/" in o.url
    )
    assert items < there["looked_at"]
    places = [tmp_path / "from_folder", tmp_path / "from_bucket"]
    for place, copy in zip((tmp_path / "results", store), places, strict=True):
        opened = sc.Store(place)
        sc.export(opened["looked_at"][0], copy / "images")
        sc.export(opened["written"], copy / "files")
        sc.export(opened["looked_at"][1], copy / "tables.parquet")
    one, other = (
        {p.relative_to(at): p.read_bytes() for p in at.rglob("*.t*") if p.is_file()}
        for at in places
    )
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] != other[name] and name.suffix != ".tif"} == set()
