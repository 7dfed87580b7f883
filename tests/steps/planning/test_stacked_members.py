"""Members of several files in plans and runs: what is made again, and which file is named."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.arrays._plain_array import PlainArray
from scutoid.errors import RunFailed, ScutoidWarning
from scutoid.testing import assert_would_run

STACK = {"stack": {"c": "channel"}, "channels": {"1": "DAPI", "2": "GFP"}}


def put(folder, name, value):
    """Write a file, as old as those that are remembered."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.full((4, 5), value, "uint16"))
    return path


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "plate"
    for n, well in enumerate(("B03", "B04", "C03")):
        for channel in (1, 2):
            put(folder, f"{well}_w{channel}.npy", 10 * n + channel)
    return folder


def opened(plate, **options):
    return sc.open_folder(plate / "{well}_w{channel}.npy", **{**STACK, **options})


@sc.step(retries=0)
def total(image):
    return [int(plane.sum()) for plane in image]


def run(target, tmp_path, **options):
    return sc.run(target, store=tmp_path / "store", executor="serial", **options)


def planned(target, tmp_path):
    return sc.plan(target, store=tmp_path / "store")


def test_an_edit_of_one_file_makes_its_member_again_and_the_plan_names_the_file(plate, tmp_path):
    totals = total(opened(plate))
    run(totals, tmp_path)
    assert planned(totals, tmp_path).is_done
    put(plate, "B04_w2.npy", 70)
    plan = planned(totals, tmp_path)
    assert plan["total"].n_done == 2
    assert plan["total"].reason == "1 of 3 members changed: B04 (B04_w2.npy)"
    assert planned(totals, tmp_path)["total"].reason == plan["total"].reason  # again, later on
    assert "B04_w2.npy" in plan["total"].why()
    assert run(totals, tmp_path).step("total").n_cached == 2
    assert totals.to_dict() == {"B03": [20, 40], "B04": [220, 1400], "C03": [420, 440]}
    assert planned(totals, tmp_path).is_done


CHANGES = {
    "both files": (
        lambda p: [put(p, f"B04_w{c}.npy", 7) for c in (1, 2)],
        "B04 (B04_w1.npy, B04_w2.npy)",
    ),
    "two members": (
        lambda p: [put(p, "B03_w1.npy", 7), put(p, "C03_w2.npy", 7)],
        "B03 (B03_w1.npy), C03 (C03_w2.npy)",
    ),
    "files that changed places": (
        lambda p: [put(p, "B04_w1.npy", 12), put(p, "B04_w2.npy", 11)],
        "B04 (B04_w1.npy, B04_w2.npy)",
    ),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_the_plan_names_each_file_that_changed(plate, tmp_path, change, said):
    totals = total(opened(plate))
    run(totals, tmp_path)
    change(plate)
    assert planned(totals, tmp_path)["total"].reason.endswith(said)


def test_a_member_with_another_number_of_files_is_made_again(plate, tmp_path):
    given = {"missing": "fill", "channels": ["1", "2", "3"]}
    with pytest.warns(ScutoidWarning, match="3 places of its members have no file"):
        run(total(opened(plate, **given)), tmp_path)
    put(plate, "B04_w3.npy", 1)
    totals = total(opened(plate, **given))
    reason = planned(totals, tmp_path)["total"].reason
    assert reason == "1 of 3 members changed: B04 (3 files, 2 before)"


def test_a_member_whose_files_are_renamed_does_not_run(plate, tmp_path):
    run(total(opened(plate)), tmp_path)
    for channel in (1, 2):
        (plate / f"B04_w{channel}.npy").rename(plate / f"D09_w{channel}.npy")
    assert planned(total(opened(plate)), tmp_path)["total"].n_done == 3


DIFFERENT = {
    "names of channels": {"channels": {"1": "DAPI", "2": "RFP"}},
    "the order of channels": {"channels": {"2": "GFP", "1": "DAPI"}},
    "the axis": {"stack": {"t": "channel"}, "channels": None},
    "the voxel size": {"voxel_size": 2.0},
}


@pytest.mark.parametrize("options", DIFFERENT.values(), ids=DIFFERENT)
def test_what_a_step_can_tell_apart_is_another_key(plate, tmp_path, options):
    run(total(opened(plate)), tmp_path)
    assert planned(total(opened(plate, **options)), tmp_path)["total"].n_done == 0


def test_a_pattern_and_a_table_of_the_same_files_are_the_same(plate, tmp_path):
    run(total(opened(plate)), tmp_path)
    rows = [
        {"path": str(path), "well": path.stem[:3], "channel": path.stem[-1]}
        for path in sorted(plate.glob("*.npy"))
    ]
    listed = sc.open_folder(pd.DataFrame(rows), **STACK)
    assert planned(total(listed), tmp_path).is_done


def test_a_member_taken_alone_is_known_by_the_same_files(plate, tmp_path):
    image = opened(plate)["B04"]
    alone = total(image)
    run(alone, tmp_path)
    assert planned(alone, tmp_path).is_done
    put(plate, "B04_w2.npy", 70)
    assert_would_run(total(opened(plate)["B04"]), store=tmp_path / "store", steps={"total"})
    assert planned(total(opened(plate)["B03"]), tmp_path)["total"].n_done == 0


class Opens:
    """Takes note of the files that numpy opens."""

    def __init__(self, monkeypatch):
        self.names = []
        for owner, name in ((np.lib.format, "read_magic"), (PlainArray, "read")):  # headers, voxels
            monkeypatch.setattr(owner, name, self._noting(getattr(owner, name)))

    def _noting(self, function):
        def noted(file, *args, **kwargs):
            path = file.path if isinstance(file, PlainArray) else file.name
            self.names.append(Path(path).name)
            return function(file, *args, **kwargs)

        return noted


@sc.step
def brightest(image):
    return int(image.max())


def test_a_step_opens_the_files_of_what_it_reads_and_no_other(plate, tmp_path, monkeypatch):
    member = opened(plate)["B04"]
    opens = Opens(monkeypatch)
    images = opened(plate)
    planned(brightest(images), tmp_path)
    assert set(opens.names) <= {"B03_w1.npy"}  # of the first member, to say what it lacks
    opens.names.clear()
    assert member.channel("GFP").read().max() == 12
    assert set(opens.names) <= {"B04_w1.npy", "B04_w2.npy"}
    opens.names.clear()
    member.channel("DAPI").read()
    assert set(opens.names) == {"B04_w1.npy"}


@sc.step(retries=0)
def total_and_change(image, *, path):
    path = Path(path.replace("|", "/"))
    np.save(path, np.full((4, 5), 99, "uint16"))
    return int(image.sum())


@pytest.mark.parametrize("name", ["B04_w1.npy", "B04_w2.npy"])
def test_a_file_that_changes_during_the_run_fails_its_member_alone(plate, tmp_path, name):
    path = str(plate / name).replace("/", "|")
    target = total_and_change(opened(plate), path=path)
    with pytest.raises(RunFailed, match=rf"stays as it was[\s\S]*{name}"):
        run(target, tmp_path)
    assert planned(target, tmp_path)["total_and_change"].n_done >= 1


def test_hashes_of_all_files_are_remembered(plate, tmp_path, monkeypatch):
    long_ago = time.time() - 100
    for path in plate.iterdir():
        os.utime(path, (long_ago, long_ago))
    totals = total(opened(plate))
    run(totals, tmp_path)
    opens = []
    opened_path = Path.open

    def noted(self, *args, **kwargs):
        opens.append(self.name)
        return opened_path(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", noted)
    assert planned(total(opened(plate)), tmp_path).is_done
    assert [name for name in opens if name.endswith(".npy")] == []


def test_a_file_that_reads_names_counts_for_its_member(plate, tmp_path):
    for path in list(plate.glob("*.npy")):
        path.with_suffix(".gain").write_text("2")

    def gain_of(path):
        return Path(path).with_suffix(".gain")

    def scaled(path):
        return np.load(path) * int(gain_of(path).read_text())

    totals = total(opened(plate, read=scaled, reads=gain_of))
    assert planned(totals, tmp_path).warnings == ()
    run(totals, tmp_path)
    assert totals.to_dict()["B03"] == [40, 80]
    (plate / "B03_w2.gain").write_text("3")
    assert planned(totals, tmp_path)["total"].n_done == 2
    run(totals, tmp_path)
    assert totals.to_dict()["B03"] == [40, 120]


def test_members_of_several_files_run_in_processes_and_in_blocks(plate, tmp_path):
    smooth = sc.gaussian.options(block=2)(opened(plate), sigma=0.0)
    mask = smooth > 11
    done = sc.run(brightest(smooth), mask, store=tmp_path / "store", workers=2)
    assert done["brightest"].to_dict() == {"B03": 2, "B04": 12, "C03": 22}
    assert mask["B04"].channels == ("DAPI", "GFP")
    assert pickle.loads(pickle.dumps(opened(plate)["C03"].ref)).framed.spec.axes == "cyx"


def test_files_of_a_member_that_is_a_set_itself_count(tmp_path):
    folder = tmp_path / "sets"
    folder.mkdir()
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="urn:uuid:{n}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        'Type="uint16" SizeX="5" SizeY="4" SizeZ="2" SizeC="1" SizeT="1">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>'
    )
    for c in (1, 2):
        data = "".join(
            f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
            f'<UUID FileName="s1_w{c}_z{z}.ome.tif">urn:uuid:{c}{z}</UUID></TiffData>'
            for z in range(2)
        )
        for z in range(2):
            tifffile.imwrite(
                folder / f"s1_w{c}_z{z}.ome.tif",
                np.full((4, 5), 10 * c + z, "uint16"),
                metadata=None,
                description=text.format(n=f"{c}{z}", data=data).encode(),
            )
    images = sc.open_folder(folder / "{site}_w{c}_z0.ome.tif", stack={"c": "c"})
    assert (images["s1"].axes, images["s1"].shape) == ("czyx", (2, 2, 4, 5))
    totals = total(images)
    run(totals, tmp_path)
    assert totals.to_dict() == {"s1": [20 * 21, 20 * 41]}
    tifffile.imwrite(folder / "s1_w2_z1.ome.tif", np.full((4, 5), 7, "uint16"), metadata=None)
    assert planned(totals, tmp_path)["total"].n_done == 0
