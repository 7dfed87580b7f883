"""Files that a reader opens beside the one it is given: counted where named, told where not."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, RunFailed, ScutoidWarning, SourceError, SourceNotFound


@sc.step
def total(image):
    return int(np.sum(image))


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir()
    for n in range(3):
        for wave in (1, 2):
            np.save(folder / f"A{n}_w{wave}.npy", np.full((4, 4), n + 10 * wave))
    np.save(folder / "flat.npy", np.ones((4, 4)))
    return folder


def second(path):
    return path.replace("_w1", "_w2")


def both(path):
    return np.stack([np.load(path), np.load(second(path))])


def flat_of(path):
    return str(Path(path).with_name("flat.npy"))


def flattened(path):
    return both(path) / np.load(flat_of(path))


def opened(plate, read=both, reads=None):
    return total(sc.open_folder(f"{plate}/*_w1.npy", read=read, reads=reads, axes="cyx"))


def in_folder(path):
    folder = Path(path).with_suffix("")
    return np.load(next(folder.iterdir()))


WAYS = {
    "text": second,
    "a path": lambda path: Path(second(path)),
    "a list": lambda path: [second(path)],
    "an iterator": lambda path: iter([path, second(path)]),
    "a relative path": lambda path: os.path.relpath(second(path)),
}


@pytest.mark.parametrize("reads", WAYS.values(), ids=WAYS)
def test_an_edit_of_a_file_that_is_read_beside_a_member_changes_that_member(
    plate, tmp_path, reads
) -> None:
    target, store = opened(plate, reads=reads), tmp_path / "store"
    assert sc.plan(target, store=store).warnings == ()
    sc.run(target, store=store, executor="serial")
    np.save(plate / "A1_w2.npy", np.full((4, 4), 100))
    assert "1 of 3 members changed: A1_w1.npy" in sc.plan(target, store=store)["total"].reason
    found = sc.run(target, store=store, executor="serial")["total"].to_dict()
    assert found == {"A0_w1.npy": 480, "A1_w1.npy": 16 * 111, "A2_w1.npy": 544}


def test_a_file_that_is_read_with_all_members_changes_all(plate, tmp_path) -> None:
    target = opened(plate, flattened, lambda path: [second(path), flat_of(path)])
    store = tmp_path / "store"
    sc.run(target, store=store, executor="serial")
    np.save(plate / "flat.npy", np.full((4, 4), 2.0))
    assert sc.plan(target, store=store)["total"].n_done == 0


def test_a_constant_that_names_a_file_is_warned_of_only_where_reads_does_not_name_it(
    plate, tmp_path
) -> None:
    flat = str(plate / "flat.npy")

    def by_constant(path):
        return np.load(path) / np.load(flat)

    some = {str(plate / "A0_w1.npy"): [flat]}
    ways = {
        "of all": (lambda path: flat, False),
        "of one": (lambda path: some.get(path, []), True),
        "of none": (lambda path: [], True),
    }
    for what, (reads, is_warned) in ways.items():
        plan = sc.plan(opened(plate, by_constant, reads), store=tmp_path / "store")
        said = [text for text in plan.warnings if "flat.npy' (opened by" in text]
        assert bool(said) is is_warned, what


def test_files_below_a_folder_that_is_named_count(plate, tmp_path) -> None:
    for n in range(3):
        (plate / f"A{n}_w1").mkdir()
        np.save(plate / f"A{n}_w1" / "a.npy", np.full((4, 4), n))
    target = total(
        sc.open_folder(
            f"{plate}/*_w1.npy", read=in_folder, reads=lambda path: path.removesuffix(".npy")
        )
    )
    store = tmp_path / "store"
    assert sc.plan(target, store=store).warnings == ()
    sc.run(target, store=store, executor="serial")
    np.save(plate / "A2_w1" / "a.npy", np.zeros((4, 4)))
    assert sc.plan(target, store=store)["total"].n_done == 2


def test_reads_changes_no_key_where_it_names_nothing(plate, tmp_path) -> None:
    with pytest.warns(ScutoidWarning, match="A0_w2"):
        sc.run(opened(plate), store=tmp_path / "store", executor="serial")
    assert sc.plan(opened(plate, reads=lambda path: []), store=tmp_path / "store").is_done
    assert sc.plan(opened(plate, reads=lambda path: path), store=tmp_path / "store").is_done
    assert not sc.plan(opened(plate, reads=second), store=tmp_path / "store").is_done


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_file_beside_a_member_that_is_replaced_during_the_run_fails_the_member(
    plate, tmp_path, executor
) -> None:
    new = tmp_path / "new.npy"
    np.save(new, np.full((4, 4), 100))
    old, key = str(plate / "A1_w2.npy"), "A1_w1.npy"

    @sc.step(retries=0)
    def swapping(image, *, key, places):
        new, old = (Path(place.replace("|", "/")) for place in places)
        if key == "A1_w1.npy" and new.exists():
            new.replace(old)
        return int(np.sum(image))

    folder = sc.open_folder(f"{plate}/*_w1.npy", read=both, reads=second, axes="cyx")
    target = swapping(folder, places=tuple(str(p).replace("/", "|") for p in (new, old)))
    options = {"store": tmp_path / "store", "executor": executor, "workers": 1}
    with pytest.raises(RunFailed, match=r"stays as it was when[\s\S]*where: .*A1_w2") as caught:
        sc.run(target, **options)
    assert caught.value.run.step("swapping").n_done == 2
    assert sc.run(target, **options)["swapping"].to_dict()[key] == 16 * 111


def test_what_a_reader_opens_without_naming_it_is_told(plate, tmp_path) -> None:
    (warning,) = sc.plan(opened(plate), store=tmp_path / "store").warnings
    assert str(plate / "A0_w2.npy") in warning
    assert "reads=" in warning
    folder = sc.open_folder(f"{plate}/*_w1.npy", read=flattened, reads=second, axes="cyx")
    for target in (total(folder), total(folder["A1_w1.npy"]), gathered(sc.gather(folder))):
        (warning,) = sc.plan(target, store=tmp_path / "store").warnings
        assert "flat.npy" in warning
        assert "_w2" not in warning


@sc.step
def gathered(members):
    return len(members)


def through_a_link(path):
    return np.load(os.path.realpath(path))


def with_a_copy(path):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.npy"
        copy.write_bytes(Path(path).read_bytes())
        return np.load(copy)


def with_a_cache(path):
    cache = Path(f"{path}.cache")
    cache.write_bytes(Path(path).read_bytes())
    return np.load(cache.open("rb"))


def with_installed_data(path):
    Path(os.devnull).read_bytes()
    Path(os.__file__).read_bytes()
    Path(np.__file__).with_name("__init__.pyi").read_bytes()
    return np.load(path)


def looking_for_more(path):
    try:
        return np.load(f"{path}.more")
    except FileNotFoundError:
        return np.load(path)


HARMLESS = {
    "the file itself": np.load,
    "the file by a link": through_a_link,
    "a copy that is removed": with_a_copy,
    "what it wrote itself": with_a_cache,
    "files of packages and of the system": with_installed_data,
    "a file that is not there": looking_for_more,
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("read", HARMLESS.values(), ids=HARMLESS)
def test_a_reader_that_reads_nothing_else_is_not_told(plate, tmp_path, read) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "a.npy").symlink_to(plate / "A0_w1.npy")
    target = total(sc.open_folder(links / "*.npy", read=read))
    assert sc.plan(target, store=tmp_path / "store").warnings == ()


def test_what_other_threads_open_is_not_taken_for_the_readers(plate, tmp_path) -> None:
    def read(path):
        thread = threading.Thread(target=Path(flat_of(path)).read_bytes)
        thread.start()
        thread.join()
        return np.load(path)

    assert sc.plan(opened(plate, read), store=tmp_path / "store").warnings == ()


def fails(path):
    raise OSError("told to fail")


@pytest.mark.parametrize(
    ("reads", "error", "said"),
    [
        (lambda path: f"{path}.more", SourceNotFound, "A0_w1.npy.more"),
        (lambda path: 3, SourceError, "not iterable"),
        (lambda path: [3], ParameterError, "returns a path"),
        (fails, SourceError, "told to fail"),
    ],
)
def test_what_reads_says_wrongly_is_refused_before_anything_runs(
    plate, tmp_path, reads, error, said
) -> None:
    with pytest.raises(error, match=said) as caught:
        opened(plate, reads=reads)
    assert "A0_w1.npy" in str(caught.value)
