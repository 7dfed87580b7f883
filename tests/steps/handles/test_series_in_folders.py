"""Files that hold several images, and files that are one together, as members."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

import scutoid as sc
from scutoid.errors import MetadataError, ParameterError, RunFailed, SourceError


@sc.step(version="1")
def total(image):
    return int(image.sum())


def test_a_set_is_one_member_whatever_the_pattern(tmp_path, ome) -> None:
    ome.plane_files(tmp_path / "set")
    for pattern in ("set", "set/*", "set/z[0-9].ome.tif", "**/*.tif", "set/z[34]*"):
        members = sc.open_folder(tmp_path / pattern)
        assert [member.shape for _, member in members.items()] == [(5, 24, 32)]
    counted = total(sc.open_folder(tmp_path / "set"))
    found = sc.run(counted, store=tmp_path / "store", executor="serial")["total"].to_dict()
    assert found == {"z0.ome.tif": int(ome.PLANES[:5].sum())}


def test_sets_side_by_side_are_a_member_each_and_an_edit_reruns_one(tmp_path, ome) -> None:
    for well in ("B02", "B03"):
        ome.plane_files(tmp_path / "plate" / well, 3)
    target = total(sc.open_folder(tmp_path / "plate" / "**" / "*.tif"))
    assert target.keys == ("B02/z0.ome.tif", "B03/z0.ome.tif")
    store = tmp_path / "store"
    sc.run(target, store=store, executor="serial")
    names = [f"z{z}.ome.tif" for z in range(3)]
    text = ome.xml(ome.image([ome.data(z, 0, n) for z, n in enumerate(names)], 3), uuid=names[2])
    ome.write(tmp_path / "plate" / "B03" / names[2], np.full((24, 32), 65000, "uint16"), text)
    assert sc.plan(target, store=store)["total"].n_done == 1
    found = sc.run(target, store=store, executor="serial")["total"].to_dict()
    assert found["B03/z0.ome.tif"] == int(ome.PLANES[:2].sum()) + 65000 * 24 * 32


def test_placeholders_of_files_of_one_set_are_refused(tmp_path, ome) -> None:
    ome.plane_files(tmp_path, 3)
    with pytest.raises(ParameterError, match=r"z1\.ome\.tif belongs to another"):
        sc.open_folder(tmp_path / "z{plane:d}.ome.tif")


@pytest.mark.parametrize("axis", ["t", "c", "r"])
@pytest.mark.parametrize("way", ["a pattern", "a table", "members each"])
def test_files_of_one_set_are_no_places_of_a_stack(tmp_path, ome, axis, way) -> None:
    """Each of them opens all planes, which a stack of them would hold three times."""
    ome.plane_files(tmp_path, 3)
    source = tmp_path / "z{plane:d}.ome.tif"
    if way != "a pattern":
        paths = [str(tmp_path / f"z{z}.ome.tif") for z in range(3)]
        source = pd.DataFrame({"path": paths, "plane": range(3)})
        if way == "members each":
            source["well"] = ["A1", "A2", "A3"]
    with pytest.raises(ParameterError, match=r"z1\.ome\.tif belongs to another"):
        sc.open_folder(source, stack={axis: "plane"})
    read = sc.open_folder(source, stack={axis: "plane"}, series=0, missing="fill")
    assert len(read.keys) == (3 if way == "members each" else 1)


def test_a_reader_of_the_users_gets_each_file(tmp_path, ome) -> None:
    ome.plane_files(tmp_path, 3)
    members = sc.open_folder(tmp_path, read=lambda path: tifffile.imread(path, is_ome=False))
    assert [member.shape for _, member in members.items()] == [(24, 32)] * 3


def test_a_companion_in_the_folder_is_its_image_once(tmp_path, ome) -> None:
    path = ome.companion(tmp_path / "in")
    for pattern in ("in", "in/*.tif"):
        members = sc.open_folder(tmp_path / pattern)
        assert [member.shape for _, member in members.items()] == [(4, 24, 32)]
    target, store = total(sc.open_folder(tmp_path / "in" / "*.tif")), tmp_path / "store"
    sc.run(target, store=store, executor="serial")
    path.write_text(path.read_text().replace('IFD="0"', 'IFD="0" '))
    assert not sc.plan(target, store=store).is_done


def test_sets_of_other_names_are_found_by_some_of_them(tmp_path, ome) -> None:
    ome.plane_files(tmp_path / "set", ending=".tif")
    assert len(sc.open_folder(tmp_path / "set" / "*.tif")) == 1


def test_a_set_among_many_other_files_is_not_counted_twice(tmp_path, ome) -> None:
    for number in range(64):
        tifffile.imwrite(tmp_path / f"a{number:02}.tif", np.zeros((4, 4), "uint8"))
    ome.plane_files(tmp_path, 3, ending=".tif")
    (tmp_path / "a63.tif").unlink()
    members = sc.open_folder(tmp_path / "*.tif", select=lambda path: "a00" not in path)
    if len(members) == 65:  # by none of the sample: the plan sees it
        with pytest.raises(SourceError, match="one member of a folder"):
            sc.plan(total(members), store=tmp_path / "store")


def test_a_missing_file_of_a_set_fails_its_member_by_name(tmp_path, ome) -> None:
    ome.plane_files(tmp_path / "set")[3].unlink()
    target = total(sc.open_folder(tmp_path / "set"))
    with pytest.raises(RunFailed, match=r"z3\.ome\.tif"):
        sc.run(target, store=tmp_path / "store", executor="serial")
    filled = total(sc.open_folder(tmp_path / "set", missing="fill"))
    with pytest.warns(UserWarning, match="1 of its 5 planes are missing"):
        sc.run(filled, store=tmp_path / "store", executor="serial")
    assert sc.plan(filled, store=tmp_path / "store").is_done


def test_images_of_one_file_are_members(tmp_path, ome) -> None:
    path = ome.positions(tmp_path / "a.ome.tif", ["left", "mid", "right"])
    members = sc.open_folder(path)
    assert members.keys == ("0", "1", "2")
    assert members.groups.to_dict("list") == {
        "series": [0, 1, 2],
        "name": ["left", "mid", "right"],
    }
    run = sc.run(total(members), store=tmp_path / "store", executor="processes")
    table = run["total"].to_pandas()
    assert list(table["name"]) == ["left", "mid", "right"]
    assert list(table["value"]) == [int(ome.PLANES[3 * n : 3 * n + 3].sum()) for n in range(3)]


def test_images_of_files_that_a_glob_matches_are_members_beside_their_groups(tmp_path, ome) -> None:
    for well in ("B02", "B03"):
        ome.positions(tmp_path / f"{well}.ome.tif")
    tifffile.imwrite(tmp_path / "C01.ome.tif", ome.PLANES[:2], metadata={"axes": "ZYX"})
    members = sc.open_folder(tmp_path / "*.ome.tif", group=r"(?P<well>[A-Z]\d\d)")
    assert members.keys == (
        *("B02.ome.tif/0", "B02.ome.tif/1", "B03.ome.tif/0", "B03.ome.tif/1", "C01.ome.tif"),
    )
    assert list(members.groups["well"]) == ["B02", "B02", "B03", "B03", "C01"]
    named = sc.open_folder(tmp_path / "{well}.ome.tif")
    assert list(named.groups.columns) == ["well", "series", "name"]
    right = sc.open_folder(tmp_path / "B*.ome.tif", series="right")
    assert right.keys == ("B02.ome.tif", "B03.ome.tif")
    np.testing.assert_array_equal(right["B03.ome.tif"].read(), ome.PLANES[3:6])


def test_series_of_one_file_have_keys_of_their_own(tmp_path, ome) -> None:
    """Two images of one file are not one result, and an edit of the file makes both anew."""
    path, store = ome.positions(tmp_path / "a.ome.tif"), tmp_path / "store"
    target = total(sc.open_folder(path))
    first = sc.run(target, store=store, executor="serial")["total"].to_dict()
    assert first["0"] != first["1"]
    one = total(sc.open_folder(tmp_path / "*.tif", select=lambda path: True))
    assert sc.plan(one, store=store).is_done
    ome.positions(path, ["left", "other"])
    assert sc.plan(target, store=store)["total"].n_done == 0


def test_a_file_of_one_image_is_a_collection_of_one(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((5, 8, 8), "uint8"), metadata={"axes": "ZYX"})
    members = sc.open_folder(tmp_path / "a.tif")
    assert members.keys == ("0",)
    assert members["0"].shape == (5, 8, 8)


def test_a_file_of_several_images_that_is_not_looked_at_fails_with_their_list(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((8, 8), "uint8"))
        file.write(np.zeros((9, 9), "uint8"))
    with pytest.raises(MetadataError, match="1: '' yx"):
        sc.open_folder(tmp_path / "*.tif")["a.tif"].read()
    members = sc.open_folder(tmp_path / "a.tif")
    assert [member.shape for _, member in members.items()] == [(8, 8), (9, 9)]


def test_all_images_of_all_files_are_members_where_asked(tmp_path) -> None:
    for well in ("A1", "A2"):
        with tifffile.TiffWriter(tmp_path / f"{well}.tif") as file:
            file.write(np.full((8, 8), 1, "uint8"), metadata={"axes": "YX", "name": "left"})
            file.write(np.full((9, 9), 2, "uint8"), metadata={"axes": "YX", "name": "right"})
    tifffile.imwrite(tmp_path / "A3.tif", np.full((7, 7), 3, "uint8"))
    with pytest.raises(MetadataError, match='series="all"'):
        sc.open_folder(tmp_path / "*.tif")["A1.tif"].read()
    members = sc.open_folder(tmp_path / "{well}.tif", series="all")
    keys = ("A1.tif/0", "A1.tif/1", "A2.tif/0", "A2.tif/1", "A3.tif")
    assert members.keys == keys
    assert members.groups["series"].tolist() == [0, 1, 0, 1, 0]
    assert members.groups["well"].tolist() == ["A1", "A1", "A2", "A2", "A3"]
    run = sc.run(total(members), store=tmp_path / "store", executor="serial")
    assert run["total"].to_pandas()["value"].tolist() == [64, 162, 64, 162, 147]
    listed = pd.DataFrame({"path": [str(tmp_path / f"{n}.tif") for n in ("A1", "A3")]})
    assert sc.open_folder(listed, series="all").keys == ("A1.tif/0", "A1.tif/1", "A3.tif")
    assert sc.open_folder(tmp_path, series="all").keys[: len(keys)] == keys
    with pytest.raises(ParameterError, match="stacked or read"):
        sc.open_folder(tmp_path / "{well}.tif", series="all", stack={"c": "well"})
    with pytest.raises(ParameterError, match="stacked or read"):
        sc.open_folder(tmp_path / "*.tif", series="all", read=tifffile.imread)


def test_all_images_of_zarrs_are_members_where_asked(tmp_path) -> None:
    for name, numbers in (("a.zarr", (0, 1)), ("b.zarr", (0,))):
        group = zarr.open_group(tmp_path / name, mode="w")
        group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
        for number in numbers:
            image = sc.open(np.full((8, 9), number, "uint8"))
            sc.export(image, tmp_path / f"{number}.ome.zarr")
            shutil.move(tmp_path / f"{number}.ome.zarr", tmp_path / name / str(number))
    members = sc.open_folder(tmp_path / "*.zarr", series="all")
    assert members.keys == ("a.zarr/0", "a.zarr/1", "b.zarr")
    assert members["a.zarr/1"].read().max() == 1


def test_one_file_that_is_read_by_a_function_is_one_member(tmp_path, ome) -> None:
    path = ome.positions(tmp_path / "a.ome.tif", ["left", "right"])
    members = sc.open_folder(path, read=lambda path: ome.PLANES[0] + 1)
    assert members.keys == ("a.ome.tif",)
    np.testing.assert_array_equal(members["a.ome.tif"].read(), ome.PLANES[0] + 1)


def test_one_image_of_one_file_is_one_member(tmp_path, ome) -> None:
    path = ome.positions(tmp_path / "a.ome.tif", ["left", "right"])
    members = sc.open_folder(path, series="right")
    assert members.keys == ("a.ome.tif",)
    np.testing.assert_array_equal(members["a.ome.tif"].read(), ome.PLANES[3:6])
