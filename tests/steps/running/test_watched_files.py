"""A source of several files is watched by all of them, in every process."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import SourceError


def write_set(folder, number, value):
    """Write one file of an OME set of two channels, five planes each."""
    planes = "".join(
        f'<TiffData FirstC="{c}" FirstZ="{z}" IFD="{z}" PlaneCount="1">'
        f'<UUID FileName="c{c}.ome.tif">urn:uuid:{c}</UUID></TiffData>'
        for c in range(2)
        for z in range(5)
    )
    channels = "".join(f'<Channel ID="Channel:0:{c}" SamplesPerPixel="1"/>' for c in range(2))
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="urn:uuid:{number}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint16" SizeX="50" SizeY="40" SizeZ="5" SizeC="2" '
        f'SizeT="1">{channels}{planes}</Pixels></Image></OME>'
    )
    tifffile.imwrite(
        folder / f"c{number}.ome.tif",
        np.full((5, 40, 50), value, "uint16"),
        photometric="minisblack",
        metadata=None,
        description=text.encode(),
    )


def ome_set(folder, second):
    write_set(folder, 0, 10)
    write_set(folder, 1, second)
    return folder / "c0.ome.tif"


def planes(ending):
    def write(folder, second):
        for number, value in enumerate((10, second)):
            image = np.full((40, 50), value, "uint16")
            path = folder / f"{number}{ending}"
            np.save(path, image) if ending == ".npy" else tifffile.imwrite(path, image)
        return folder

    return write


def rewrite_last(folder, write, value):
    """Write all anew elsewhere, and put the last file in the place of the old one."""
    other = folder / ".other"
    other.mkdir()
    write(other, value)
    last = max(path.name for path in other.iterdir())
    (other / last).replace(folder / last)
    return folder / last


SETS = pytest.mark.parametrize(
    "write",
    [
        pytest.param(ome_set, id="a companion of an OME set"),
        pytest.param(planes(".tif"), id="a plane of a folder of TIFFs"),
        pytest.param(planes(".npy"), id="a plane of a folder of npy files"),
    ],
)


@sc.blockwise
def same(image):
    return image


@SETS
@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_a_file_that_is_replaced_is_read_anew(tmp_path, write, executor) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    path = write(folder, 20)
    options = {"store": tmp_path / "store", "executor": executor, "workers": 1}
    first = sc.run(same(sc.open(path)[..., 5:9, 5:9]), **options)
    rewrite_last(folder, write, 99)
    second = sc.run(same(sc.open(path)[..., 5:9, 5:9]), **options)
    assert (first["same"].read().max(), second["same"].read().max()) == (20, 99)


@SETS
def test_an_image_that_was_opened_before_never_gives_pixels_of_before(tmp_path, write) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    path = write(folder, 20)
    image = sc.open(path)[..., 5:9, 5:9]
    assert image.read().max() == 20
    rewrite_last(folder, write, 99)
    if path.is_file():  # where its pages lie was read when it was opened
        with pytest.raises(SourceError, match=r"c1\.ome\.tif"):
            image.read()
    else:
        assert image.read().max() == 99
