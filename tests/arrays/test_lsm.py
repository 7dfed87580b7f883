"""LSM, as microscopes of ZEISS wrote it: pages of all channels, each followed by a small one."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile

import scutoid as sc

MAGIC = 67127628
SCAN_TYPES = {"zcyx": 0, "tcyx": 3, "tzcyx": 6}


def record(sizes, axes, channel_colours=0, size=(0.25e-6, 0.25e-6, 1e-6), interval=2.5):
    number = [sizes.get(axis, 1) for axis in "xyzct"]
    head = struct.pack("<Ii5iiii", MAGIC, 156, *number, 2, 8, 8)
    scale = struct.pack("<3d3d", *size, 0, 0, 0)
    kind = struct.pack("<HHI", SCAN_TYPES[axes], 0, 0)
    after = struct.pack("<4Id", 0, 0, 0, channel_colours, interval) + struct.pack("<8I", *[0] * 8)
    return head + scale + kind + after


def colours_of(names):
    """Write the names and the colours of channels: red, green, blue and so on."""
    colours = b"".join(bytes(255 * (n == k) for k in range(4)) for n in range(len(names)))
    listed = b"".join(struct.pack("<I", len(name) + 1) + name.encode() + b"\0" for name in names)
    begin = 24 + len(colours)
    return (
        struct.pack("<6I", begin + len(listed), len(names), len(names), 24, begin, 0)
        + colours
        + listed
    )


def write(path, truth, axes, names=("Ch1", "Ch2", "Ch3"), **said):
    sizes = dict(zip(axes, truth.shape, strict=True))
    pages = truth.reshape(-1, *truth.shape[-3:])
    info = record(sizes, axes, channel_colours=0xABCDEF, **said)
    with tifffile.TiffWriter(path, byteorder="<") as file:
        for n, page in enumerate(pages.squeeze(1) if pages.shape[1] == 1 else pages):
            extra = [(34412, 1, len(info), info, True)] if n == 0 else []
            kind = {"photometric": "minisblack", "metadata": None}
            if page.ndim > 2:
                kind["planarconfig"] = "separate"
            file.write(page, extratags=extra, **kind)
            file.write(np.zeros((*page.shape[:-2], 8, 8), "uint8"), subfiletype=1, **kind)
    content = path.read_bytes()
    place = struct.pack("<I", 0xABCDEF)
    assert content.count(place) == 1
    path.write_bytes(content.replace(place, struct.pack("<I", len(content))) + colours_of(names))
    return path


def numbers(shape):
    return np.random.default_rng(0).integers(1, 4000, shape).astype("uint16")


@pytest.mark.parametrize("axes", SCAN_TYPES)
def test_an_lsm_has_its_voxels_sizes_times_and_channels(tmp_path, axes) -> None:
    sizes = {"t": 3, "z": 4, "c": 3, "y": 20, "x": 30}
    truth = numbers([sizes[axis] for axis in axes])
    image = sc.open(write(tmp_path / "a.lsm", truth, axes))
    assert (image.axes, image.shape) == (axes, truth.shape)
    np.testing.assert_array_equal(image.read(), truth)
    np.testing.assert_array_equal(image[1:, ..., 3:9].read(), truth[1:, ..., 3:9])
    assert image.unit == "um"
    assert image.voxel_size == pytest.approx((1, 0.25, 0.25)[-len(image.voxel_size) :])
    assert image.channels == ("Ch1", "Ch2", "Ch3")
    assert [each.color for each in image.display] == ["FF0000", "00FF00", "0000FF"]
    assert (image.time.interval, image.time.unit) == (2.5, "s") if "t" in axes else not image.time
    assert len(sc.open_folder(tmp_path / "*.lsm")) == 1


def test_what_an_lsm_does_not_say_is_unknown(tmp_path) -> None:
    truth = numbers((3, 1, 20, 30))
    path = write(tmp_path / "a.lsm", truth, "tcyx", ("Ch1",), size=(0, 0, 0), interval=0)
    image = sc.open(path)
    assert (image.axes, image.channels, image.voxel_size, image.time) == ("tyx", (), None, None)
    np.testing.assert_array_equal(image.read(), truth[:, 0])
