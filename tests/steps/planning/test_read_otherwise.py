"""Members whose metadata are read otherwise now run again, and no others."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile
import zarr

import scutoid as sc
from scutoid import arrays


@sc.step
def size(image, *, voxel_size=sc.injected):
    return {"z": None if voxel_size is None else voxel_size[0]}


@pytest.fixture
def folder(tmp_path):
    for name, unit in (("a", "µm"), ("b", "nm"), ("c", "µm")):
        metadata = {
            "axes": "ZYX",
            "PhysicalSizeZ": 2,
            "PhysicalSizeZUnit": unit,
            "PhysicalSizeX": 1,
            "PhysicalSizeY": 1,
        }
        tifffile.imwrite(
            tmp_path / f"{name}.ome.tif", np.zeros((3, 5, 6), "uint8"), ome=True, metadata=metadata
        )
    return tmp_path


def as_before(monkeypatch):
    """Read metadata as when keys began, as far as keys see it."""
    monkeypatch.setattr(arrays, "look_at", lambda path: (True, ()))


def test_only_members_that_are_read_otherwise_run_again(folder, tmp_path, monkeypatch) -> None:
    store = tmp_path / "results"

    def table():
        return size(sc.open_folder(folder / "*.tif"))

    with monkeypatch.context() as before:
        as_before(before)
        sc.run(table(), store=store, executor="serial")
    (store / ".input-hashes").unlink(missing_ok=True)  # it remembers what was looked at
    plan = sc.plan(table(), store=store)
    assert plan["size"].reason.startswith("1 of 3 members changed: b.ome.tif")
    run = sc.run(table(), store=store, executor="serial")
    assert run["size"].to_pandas()["z"].tolist() == [2, pytest.approx(0.002), 2]
    assert sc.plan(table(), store=store).is_done


def test_sizes_that_the_user_gives_are_not_read(folder, tmp_path, monkeypatch) -> None:
    store = tmp_path / "results"

    def table():
        return size(sc.open_folder(folder / "*.tif", voxel_size=(1, 1, 1), unit="um"))

    with monkeypatch.context() as before:
        as_before(before)
        sc.run(table(), store=store, executor="serial")
    (store / ".input-hashes").unlink(missing_ok=True)
    assert sc.plan(table(), store=store).is_done


def zarrs(folder):
    for number, version in enumerate((2, 3)):
        group = zarr.create_group(folder / f"{number}.zarr", zarr_format=version)
        group.create_array("0", data=np.ones((3, 5, 6), "uint8"))
        axes = [{"name": axis, "type": "space", "unit": "decimeter"} for axis in "zyx"]
        scale = {"type": "scale", "scale": [2, 1, 1]}
        datasets = [{"path": "0", "coordinateTransformations": [scale]}]
        ome = {"version": "0.4", "multiscales": [{"axes": axes, "datasets": datasets}]}
        group.attrs.update({"ome": {**ome, "version": "0.5"}} if version == 3 else ome)
    return folder / "*.zarr"


@pytest.mark.parametrize("kind", ["tif", "zarr"])
def test_a_file_is_looked_at_once_for_each_content(folder, tmp_path, monkeypatch, kind) -> None:
    store, looked = tmp_path / "results", []
    pattern = zarrs(folder) if kind == "zarr" else folder / "*.tif"
    look_at = arrays.look_at
    monkeypatch.setattr(arrays, "look_at", lambda path: (looked.append(path), look_at(path))[1])
    for path in folder.rglob("*"):  # long enough ago for its time to tell a change
        os.utime(path, (1e9, 1e9))
    sc.run(size(sc.open_folder(pattern)), store=store, executor="serial")
    assert len(looked) == len(list(folder.glob(pattern.name)))
    assert sc.plan(size(sc.open_folder(pattern)), store=store).is_done
    assert len(looked) == len(list(folder.glob(pattern.name)))
