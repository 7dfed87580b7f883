"""Named pipes, sockets and devices are refused wherever a path is given; nothing waits."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import ScutoidError, SourceError

IMAGE = np.arange(64, dtype="uint8").reshape(8, 8)
SPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_PATIENCE = 25


@pytest.fixture(autouse=True)
def _not_waiting():
    """Break a test off that waits for somebody to write."""

    def stop(*_):
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


@sc.step(version="1")
def with_path(image, path: Path) -> int:
    return path.stat().st_size


@sc.step(version="1")
def brightest(image):
    return int(image.max())


@sc.step(version="1", out="image")
def darker(image):
    return image // 2


def folder_with_pipe(folder, ending):
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / "a.tif", IMAGE)
    pipe(folder / f"b{ending}")
    return folder


def companion(folder):
    said = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><BinaryOnly MetadataFile='
    )
    said += '"a.companion.ome" UUID="urn:uuid:1"/></OME>'
    tifffile.imwrite(folder / "a.ome.tif", IMAGE, description=said, metadata=None)
    pipe(folder / "a.companion.ome")
    return folder / "a.ome.tif"


def another_file(folder):
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{"ab"[z]}.ome.tif">'
        f"urn:uuid:{z}</UUID></TiffData>"
        for z in range(2)
    )
    said = (
        f'<OME xmlns="{SPACE}" UUID="urn:uuid:0">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="8" '
        f'SizeY="8" SizeZ="2" SizeC="1" SizeT="1"><Channel ID="C"/>{planes}</Pixels></Image></OME>'
    )
    tifffile.imwrite(folder / "a.ome.tif", IMAGE, description=said, metadata=None)
    pipe(folder / "b.ome.tif")
    return folder / "a.ome.tif"


def chunk_of_zarr(folder):
    import zarr

    array = zarr.create_array(str(folder / "a.zarr"), shape=(8, 8), chunks=(4, 4), dtype="u1")
    array[:] = IMAGE
    (folder / "a.zarr/c/1/1").unlink()
    pipe(folder / "a.zarr/c/1/1")
    return folder / "a.zarr"


OPENED = {
    "an image": lambda folder: sc.open(pipe(folder / "a.tif")),
    "an image of any name": lambda folder: sc.open(pipe(folder / "a")),
    "a picture": lambda folder: sc.open(pipe(folder / "a.png")),
    "a file of a microscope": lambda folder: sc.open(pipe(folder / "a.nd2")),
    "an OME-XML": lambda folder: sc.open(pipe(folder / "a.companion.ome")),
    "a zarr in a zip": lambda folder: sc.open(pipe(folder / "a.zarr.zip")),
    "a plane of a folder": lambda folder: sc.open(folder_with_pipe(folder, ".tif")),
    "an OME-XML beside it": lambda folder: sc.open(companion(folder)),
    "another file of an image": lambda folder: sc.open(another_file(folder)),
    "a chunk": lambda folder: np.asarray(sc.open(chunk_of_zarr(folder))),
    "a chunk in a run": lambda folder: sc.run(
        brightest(sc.open(chunk_of_zarr(folder))), store=folder / "s"
    ),
    "a member": lambda folder: sc.open_folder(folder_with_pipe(folder, ".tif")),
    "a member of a pattern": lambda folder: sc.open_folder(
        folder_with_pipe(folder, ".tif") / "{name}.tif"
    ),
    "a member that is read": lambda folder: sc.open_folder(
        folder_with_pipe(folder, ".x") / "*.x", read=np.load
    ),
    "a member of a list": lambda folder: sc.run(
        brightest(sc.open_folder([folder / "a.tif", folder_with_pipe(folder, ".tif") / "b.tif"])),
        store=folder / "s",
    ),
    "a file of a stack": lambda folder: sc.open_folder(
        folder_with_pipe(folder, ".tif") / "{z}.tif", stack={"z": "z"}
    ),
    "a table of files": lambda folder: sc.open_folder(pipe(folder / "a.csv")),
    "a table of values": lambda folder: sc.per_member(pipe(folder / "a.csv"), "value"),
    "corrections": lambda folder: sc.open_corrections(
        pipe(folder / "a.corrections/corrections.json").parent
    ),
    "parameters": lambda folder: sc.read_parameters(pipe(folder / "a.json"), of=darker),
    "an input of a step": lambda folder: sc.run(
        with_path(sc.open(IMAGE), pipe(folder / "a")), store=folder / "s"
    ),
    "a folder that a step gets": lambda folder: sc.run(
        with_path(sc.open(IMAGE), folder_with_pipe(folder, ".x")),
        store=folder.parent / f"{folder.name}-s",
    ),
}


@pytest.mark.parametrize("what", OPENED)
def test_a_named_pipe_is_refused_and_named(tmp_path, what) -> None:
    with pytest.raises(ScutoidError, match="named pipe"):
        OPENED[what](tmp_path)


@pytest.mark.parametrize("kind", ["socket", "device"])
def test_other_things_that_are_no_files_are_refused(tmp_path, kind) -> None:
    path = tmp_path / "a.tif"
    with socket.socket(socket.AF_UNIX) as listening:
        if kind == "socket":
            listening.bind(str(path))
        else:
            path.symlink_to("/dev/zero")
        for opened in (lambda: sc.open(path), lambda: sc.open_folder(tmp_path)):
            with pytest.raises(SourceError, match=f"a (character )?{kind}"):
                opened()


def test_what_select_leaves_out_is_not_refused(tmp_path) -> None:
    folder_with_pipe(tmp_path, ".tif")
    found = sc.open_folder(tmp_path, select=lambda path: path.endswith("a.tif"))
    assert list(found) == ["a.tif"]
    pd.DataFrame({"path": [tmp_path / "a.tif"]}).to_csv(tmp_path / "t.csv", index=False)
    assert len(sc.open_folder(tmp_path / "t.csv")) == 1


@pytest.fixture
def stored(tmp_path):
    """A store with an image, values of members, and a table."""
    image = sc.open(IMAGE)
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in/a.tif", IMAGE)
    targets = [darker(image), brightest(sc.open_folder(tmp_path / "in")), brightest(image)]
    sc.run(targets, store=tmp_path / "s", executor="serial")
    return tmp_path / "s", targets


def files_in(store):
    return sorted(p.relative_to(store).as_posix() for p in store.rglob("*") if p.is_file())


def test_a_pipe_in_the_place_of_any_file_of_a_store_makes_nothing_wait(stored, tmp_path) -> None:
    store, targets = stored
    for name in files_in(store):
        path = store / name
        if not path.is_file():  # a run since has removed it
            continue
        signal.alarm(_PATIENCE)
        path.unlink()
        pipe(path)
        for use in (
            lambda: sc.Store(store).verify(heal=False),
            lambda: sc.run(targets, store=store, executor="serial"),
            lambda: [np.asarray(sc.Store(store).image("darker"))],
        ):
            try:
                use()
            except ScutoidError:
                path.unlink(missing_ok=True)
        sc.Store(store).verify(heal=True)
        run = sc.run(targets, store=store, executor="serial")
        np.testing.assert_array_equal(run[targets[0]].read(), IMAGE // 2)
        assert run[targets[2]].get() == IMAGE.max()
        if path.exists() and not path.is_file():
            path.unlink()
