"""Zarrs that hold several images: plates, wells, series, labels, elements."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.arrays import open_source, zarr_images
from scutoid.errors import (
    MetadataError,
    ParameterError,
    ScutoidWarning,
    SourceError,
    SourceNotFound,
)

AXES = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]


def attributes(group, version, **said):
    """Write attributes as a version of OME-Zarr has them."""
    group.attrs.update({"ome": {"version": "0.5", **said}} if version == 3 else said)


def group(path, version, **said):
    made = zarr.open_group(path, mode="a", zarr_format=version)
    attributes(made, version, **said)
    return made


def image(path, value, version, n_multiscales=1, shape=(8, 9)):
    made = zarr.open_group(path, mode="a", zarr_format=version)
    scale = [{"type": "scale", "scale": [0.5, 0.5]}]
    listed = []
    for number in range(n_multiscales):
        array = made.create_array(f"{number}", shape=shape, dtype="uint16", chunks=shape)
        array[:] = value + number
        datasets = [{"path": f"{number}", "coordinateTransformations": scale}]
        listed.append({"axes": AXES, "name": f"m{number}", "datasets": datasets})
        listed[-1] |= {"version": "0.4"} if version == 2 else {}
    attributes(made, version, multiscales=listed)


def plate(path, version, wells=("A/1", "B/12"), n_fields=2, *, has_runs=False):
    rows, columns = ["A", "B"], ["1", "12"]
    listed = []
    for well in wells:
        row, column = well.split("/")
        index = {"rowIndex": rows.index(row), "columnIndex": columns.index(column)}
        listed.append({"path": well, **index})
    said = {"rows": [{"name": n} for n in rows], "columns": [{"name": n} for n in columns]}
    group(path, version, plate={**said, "wells": listed, "version": "0.4"})
    for number, well in enumerate(wells):
        images = [
            {"path": f"{n}"} | ({"acquisition": 7} if has_runs else {}) for n in range(n_fields)
        ]
        group(path / well, version, well={"images": images})
        for n in range(n_fields):
            image(path / well / f"{n}", 10 * number + n, version)
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("has_runs", [True, False])
def test_the_fields_of_a_plate_are_members_by_well(tmp_path, version, has_runs) -> None:
    path = plate(tmp_path / "p.ome.zarr", version, has_runs=has_runs)
    members = sc.open_folder(path)
    assert members.keys == ("A/1/0", "A/1/1", "B/12/0", "B/12/1")
    expected = {
        "row": ["A", "A", "B", "B"],
        "column": ["1", "1", "12", "12"],
        "well": ["A1", "A1", "B12", "B12"],
        "field": ["0", "1", "0", "1"],
    } | ({"acquisition": [7] * 4} if has_runs else {})
    assert members.groups.to_dict("list") == expected
    for (_, member), value in zip(members.items(), (0, 1, 10, 11), strict=True):
        assert (member.axes, member.voxel_size, member.unit) == ("yx", (0.5, 0.5), "um")
        np.testing.assert_array_equal(member.read(), np.full((8, 9), value))
    fields = sc.open_folder(path / "B" / "12")
    assert fields.keys == ("0", "1")
    assert int(fields["1"].read().max()) == 11
    some = sc.open_folder(path, select=lambda place: "/B/" in place)
    assert some.keys == ("B/12/0", "B/12/1")


@sc.step(version="1")
def highest(image):
    return int(image.max())


def test_a_plate_runs_and_an_edited_field_reruns_its_member(tmp_path) -> None:
    path = plate(tmp_path / "p.ome.zarr", 3)
    target, store = highest(sc.open_folder(path)), tmp_path / "store"
    table = sc.run(target, store=store, executor="processes")["highest"].to_pandas()
    assert list(table["well"]) == ["A1", "A1", "B12", "B12"]
    assert list(table["value"]) == [0, 1, 10, 11]
    zarr.open_array(path / "B" / "12" / "0" / "0", mode="a")[:] = 99
    assert sc.plan(target, store=store)["highest"].n_done == 3
    found = sc.run(target, store=store, executor="serial")["highest"].to_dict()
    assert found["B/12/0"] == 99


def test_labels_of_each_field_have_its_key(tmp_path) -> None:
    path = plate(tmp_path / "p.ome.zarr", 3)
    for key in sc.open_folder(path).keys:
        group(path / key / "labels", 3, labels=["nuclei"])
        image(path / key / "labels" / "nuclei", 3, 3)
    nuclei = sc.open_folder(path, labels="nuclei")
    assert nuclei.keys == sc.open_folder(path).keys
    assert list(nuclei.groups["well"]) == ["A1", "A1", "B12", "B12"]
    assert int(nuclei["B/12/1"].read().max()) == 3
    assert sc.open_folder(path / "A" / "1" / "0" / "labels").keys == ("nuclei",)
    with pytest.raises(SourceError, match="no 'cells'; it has nuclei"):
        sc.open_folder(path, labels="cells")
    one = sc.open_folder(tmp_path / "*.ome.zarr" / "A" / "*" / "*", labels="nuclei")
    assert one.keys == ("p.ome.zarr/A/1/0", "p.ome.zarr/A/1/1")
    np.save(tmp_path / "a.npy", np.zeros((3, 3)))
    with pytest.raises(ParameterError, match="labels= is for images of OME-Zarr"):
        sc.open_folder(tmp_path / "*.npy", labels="nuclei")


def test_a_plate_that_is_opened_as_an_image_is_listed(tmp_path) -> None:
    path = plate(tmp_path / "p.ome.zarr", 3)
    with pytest.raises(MetadataError, match=r"(?s)0: 'A/1/0'; 1: 'A/1/1'.*sc\.open_folder\(path\)"):
        sc.open(path)
    for which in (3, "B/12/1"):
        assert int(sc.open(path, series=which).read().max()) == 11
    with pytest.raises(ParameterError, match="none of 0: 'A/1/0'"):
        sc.open(path, series="C/1/0")


def test_a_well_that_is_listed_and_not_there_is_named(tmp_path) -> None:
    path = plate(tmp_path / "p.ome.zarr", 3, wells=("A/1",))
    meta = json.loads((path / "zarr.json").read_text())
    meta["attributes"]["ome"]["plate"]["wells"].append(
        {"path": "B/1", "rowIndex": 1, "columnIndex": 0}
    )
    (path / "zarr.json").write_text(json.dumps(meta))
    with pytest.raises(SourceError, match=r"(?s)wells that a plate lists are there.*B/1"):
        sc.open_folder(path)


@pytest.mark.parametrize("wells", [[{"rowIndex": 0}], [{"path": "A/1", "rowIndex": 9}], "none"])
def test_metadata_of_a_plate_that_make_no_sense(tmp_path, wells) -> None:
    path = plate(tmp_path / "p.ome.zarr", 3, wells=("A/1",))
    zarr.open_group(path, mode="a").attrs["ome"] = {
        "plate": {"rows": [{"name": "A"}], "columns": [{"name": "1"}], "wells": wells}
    }
    with pytest.raises(MetadataError, match="metadata of a plate"):
        sc.open_folder(path)


def test_a_plate_names_no_image_outside_it(tmp_path) -> None:
    path = plate(tmp_path / "p.ome.zarr", 3, wells=("A/1",), n_fields=1)
    image(tmp_path / "secret", 5, 3)
    well = zarr.open_group(path / "A" / "1", mode="a")
    well.attrs["ome"] = {"well": {"images": [{"path": "../../../secret"}]}}
    with pytest.raises(MetadataError, match="lie within it"):
        sc.open_folder(path)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("is_listed", [True, False])
def test_series_as_bioformats2raw_writes_them(tmp_path, version, is_listed) -> None:
    path = tmp_path / "a.zarr"
    group(path, version, **{"bioformats2raw.layout": 3})
    for number in range(11):
        image(path / f"{number}", number, version)
    if is_listed:
        group(path / "OME", version, series=[f"{n}" for n in range(11)])
        names = "".join(f'<Image ID="Image:{n}" Name="scene {n}"/>' for n in range(11))
        (path / "OME" / "METADATA.ome.xml").write_text(f"<OME>{names}</OME>")
    members = sc.open_folder(path)
    assert members.keys == tuple(map(str, range(11)))
    expected = [f"scene {n}" if is_listed else "" for n in range(11)]
    assert list(members.groups["name"]) == expected
    with pytest.raises(MetadataError, match="10: '10'"):
        open_source(path)
    assert int(sc.open(path, series=10).read().max()) == 10


def test_one_series_is_the_image(tmp_path) -> None:
    group(tmp_path / "a.zarr", 3, **{"bioformats2raw.layout": 3})
    image(tmp_path / "a.zarr" / "0", 4, 3)
    assert int(sc.open(tmp_path / "a.zarr").read().max()) == 4


def test_elements_as_spatialdata_writes_them(tmp_path) -> None:
    path = tmp_path / "s.zarr"
    group(path, 3)
    for element, names in (("images", "ab"), ("labels", "c"), ("tables", "")):
        group(path / element, 3)
        for name in names:
            image(path / element / name, ord(name), 3)
    members = sc.open_folder(path)
    assert members.keys == ("images/a", "images/b", "labels/c")
    assert list(members.groups["element"]) == ["images", "images", "labels"]
    for pattern, keys in (("images", ("a", "b")), ("labels/*", ("c",)), ("images/a", ("0",))):
        assert sc.open_folder(path / pattern).keys == keys
    assert int(sc.open(path, series="labels/c").read().max()) == ord("c")


def test_several_multiscales_of_one_group_are_listed(tmp_path) -> None:
    image(tmp_path / "a.zarr", 4, 3, n_multiscales=2)
    with pytest.raises(MetadataError, match="0: 'm0'; 1: 'm1'"):
        sc.open(tmp_path / "a.zarr")
    for which in (1, "m1"):
        assert int(sc.open(tmp_path / "a.zarr", series=which).read().max()) == 5


@sc.step(version="1")
def largest(image):
    return int(image.max())


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("way", ["alone", "in a zip", "all of a glob"])
def test_several_multiscales_of_one_group_are_members(tmp_path, version, way) -> None:
    image(tmp_path / "a.zarr", 4, version, n_multiscales=3)
    source, prefix, options = tmp_path / "a.zarr", "", {}
    if way == "in a zip":
        source = tmp_path / "a.ozx"
        shutil.move(shutil.make_archive(tmp_path / "a", "zip", tmp_path / "a.zarr"), source)
    if way == "all of a glob":
        source, prefix, options = tmp_path / "*.zarr", "a.zarr/", {"series": "all"}
    found = sc.open_folder(source, **options)
    assert found.keys == tuple(f"{prefix}{number}" for number in range(3))
    assert found.groups.to_dict("list") == {"series": [0, 1, 2], "name": ["m0", "m1", "m2"]}
    target = largest(found)
    values = sc.run(target, store=tmp_path / "store", executor="serial")["largest"].to_dict()
    assert list(values.values()) == [4, 5, 6]
    assert sc.plan(largest(sc.open_folder(source, **options)), store=tmp_path / "store").is_done


def test_a_zarr_of_one_image_takes_no_other(tmp_path) -> None:
    image(tmp_path / "a.zarr", 4, 3)
    zarr.create_array(tmp_path / "b.zarr", data=np.zeros((3, 3)))
    for name in ("a.zarr", "b.zarr"):
        assert sc.open(tmp_path / name, series=0).ndim == 2
        with pytest.raises(ParameterError, match="none of 0"):
            sc.open(tmp_path / name, series=1)
        assert zarr_images(str(tmp_path / name)) is None
        assert sc.open_folder(tmp_path / name).keys == ("0",)


@pytest.mark.parametrize("version", [2, 3])
def test_wells_and_fields_that_a_stopped_acquisition_never_wrote(tmp_path, version) -> None:
    path = plate(tmp_path / "p.ome.zarr", version)
    shutil.rmtree(path / "A" / "1" / "1")
    shutil.rmtree(path / "B")
    with pytest.raises(SourceError, match=r'(?s)B/12.*missing="fill"'):
        sc.open_folder(path)
    with pytest.warns(ScutoidWarning, match="that it names 2 are not there.*: A/1/1, B/12$"):
        members = sc.open_folder(path, missing="fill")
    assert members.keys == ("A/1/0",)
    assert list(members.groups["well"]) == ["A1"]
    target, store = highest(members), tmp_path / "store"
    assert "A/1/1, B/12" in "".join(sc.plan(target, store=store).warnings)
    assert sc.run(target, store=store)["highest"].to_dict() == {"A/1/0": 0}
    with pytest.raises(ParameterError, match="none of 0: 'A/1/0'; 1: 'A/1/1'"):
        sc.open(path, series="B/12/0", missing="fill")
    shutil.rmtree(path / "A")
    with pytest.raises(SourceNotFound, match="at least one image"):
        sc.open_folder(path, missing="fill")


def test_all_of_a_plate_is_there_without_a_word(tmp_path) -> None:
    assert len(sc.open_folder(plate(tmp_path / "p.ome.zarr", 3), missing="fill").keys) == 4
