"""A member of a folder that is an image of several files: all of them count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

import scutoid as sc
from scutoid.arrays import look_at
from scutoid.errors import RunFailed

PIXELS = (
    '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="6" SizeY="5" SizeZ="1" '
    'SizeC="2" SizeT="1">'
)


def channel(folder, number, value):
    data = "".join(
        f'<TiffData FirstC="{k}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="c{k}.ome.tif">urn:uuid:{k}</UUID></TiffData>'
        for k in range(2)
    )
    named = "".join(f'<Channel ID="Channel:0:{k}" SamplesPerPixel="1"/>' for k in range(2))
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="urn:uuid:{number}"><Image ID="Image:0">{PIXELS}{named}{data}</Pixels></Image></OME>'
    )
    path = folder / f"c{number}.ome.tif"
    image = np.full((5, 6), value, "uint16")
    tifffile.imwrite(path, image, metadata=None, description=text.encode())
    return path


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir()
    channel(folder, 0, 1)
    channel(folder, 1, 2)
    tifffile.imwrite(folder / "c2.tif", np.zeros((2, 5, 6), "uint16"), metadata={"axes": "CYX"})
    return folder


@sc.step(retries=0)
def total(image, *, swapped=()):
    places = [Path(place.replace("|", "/")) for place in swapped]
    if places and places[0].exists():
        places[0].replace(places[1])
    return int(image.sum())


def test_an_edit_of_another_file_of_a_set_changes_the_members_that_read_it(plate, tmp_path) -> None:
    target, store = total(sc.open_folder(plate / "*.tif")), tmp_path / "store"
    for _ in range(2):  # by what the first plan found, then by what it remembered
        sc.run(target, store=store, executor="serial")
        assert sc.plan(target, store=store).is_done
    channel(plate, 1, 7)
    assert sc.plan(target, store=store)["total"].n_done == 1
    found = sc.run(target, store=store, executor="serial")["total"].to_dict()
    assert found == {"c0.ome.tif": 240, "c2.tif": 0}


def test_another_file_of_a_set_that_is_replaced_during_the_run_fails_its_members(
    plate, tmp_path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    places = (channel(other, 1, 7), plate / "c1.ome.tif")
    swapped = tuple(str(path).replace("/", "|") for path in places)
    target = total(sc.open_folder(plate / "c0*.tif"), swapped=swapped)
    with pytest.raises(RunFailed, match=r"stays as it was[\s\S]*c1\.ome\.tif"):
        sc.run(target, store=tmp_path / "store", executor="serial")


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_a_file_that_names_itself_alone_is_alone(tmp_path, options) -> None:
    for name, said in (("a.ome.tif", True), ("b.ome.tif", False)):
        text = '<OME><UUID FileName="a.ome.tif">urn:uuid:1</UUID></OME>'
        tifffile.imwrite(tmp_path / name, np.zeros((4, 4)), description=text, **options)
        assert look_at(str(tmp_path / name))[0] is said
