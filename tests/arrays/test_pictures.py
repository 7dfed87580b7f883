"""Pictures are read number by number: 16 bits, palettes, transparency."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

import scutoid as sc
from scutoid.arrays import open_source, reading_of
from scutoid.errors import MissingExtra, ScutoidWarning, SourceError


def pixels(shape, dtype="uint8", high=None):
    top = np.iinfo(dtype).max if high is None else high
    return np.random.default_rng(3).integers(0, top, shape).astype(dtype)


@pytest.mark.parametrize("n_samples", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_png_has_the_numbers_that_were_written(tmp_path, n_samples, dtype) -> None:
    truth = pixels((20, 30, n_samples)[: 2 + (n_samples > 1)], dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(truth))
    source = open_source(tmp_path / "a.png")
    assert (source.spec.axes, source.spec.dtype) == ("yxc"[: truth.ndim], truth.dtype)
    np.testing.assert_array_equal(source.read(source.spec.roi), truth)


PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
"""First row and column, and steps, of the parts of a picture that is interlaced."""
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def png_of(truth, depth, *, interlaced=False):
    """Write samples of some bits as PNG does, bit by bit."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    def rows(part):
        bits = (part.reshape(*part.shape[:1], -1, 1) >> np.arange(depth)[::-1]) & 1
        packed = np.packbits(bits.astype("uint8").reshape(len(part), -1), axis=1)
        return b"".join(b"\0" + row.tobytes() for row in packed) if part.size else b""

    parts = [truth[y::dy, x::dx] for y, x, dy, dx in PASSES] if interlaced else [truth]
    height, width, n_samples = truth.shape
    header = (width, height, depth, COLOUR_TYPES[n_samples], 0, 0, int(interlaced))
    data = zlib.compress(b"".join(map(rows, parts)))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("n_samples", "depth"),
    [(1, 1), (1, 2), (1, 4), *((n, d) for n in (1, 2, 3, 4) for d in (8, 16))],
)
def test_each_kind_of_png_has_its_numbers(tmp_path, n_samples, depth, interlaced) -> None:
    truth = np.random.default_rng(0).integers(0, 2**depth, (13, 22, n_samples))
    (tmp_path / "a.png").write_bytes(png_of(truth, depth, interlaced=interlaced))
    image = sc.open(tmp_path / "a.png")
    scale = {2: 85, 4: 17}.get(depth, 1)  # greys of few bits are those of 8, as PNG says
    assert image.dtype == ("bool" if depth == 1 else "uint16" if depth == 16 else "uint8")
    np.testing.assert_array_equal(
        image.read(), (truth[..., 0] if n_samples == 1 else truth) * scale
    )


def test_an_animation_of_16_bits_has_the_numbers_that_were_written(tmp_path) -> None:
    truth = pixels((2, 20, 30, 3), "uint16")
    (tmp_path / "a.png").write_bytes(imagecodecs.apng_encode(truth))
    np.testing.assert_array_equal(sc.open(tmp_path / "a.png", axes="tyxc").read(), truth)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_colour_that_counts_as_clear_is_no_channel(tmp_path, dtype) -> None:
    truth = pixels((20, 30, 3), dtype)
    whole = imagecodecs.png_encode(truth)
    at = whole.index(b"IDAT") - 4
    clear = b"tRNS" + struct.pack(">HHH", *truth[0, 0].tolist())
    chunk = struct.pack(">I", 6) + clear + struct.pack(">I", zlib.crc32(clear))
    (tmp_path / "a.png").write_bytes(whole[:at] + chunk + whole[at:])
    np.testing.assert_array_equal(sc.open(tmp_path / "a.png").read(), truth)


def test_a_png_of_16_bits_that_breaks_off_or_is_damaged_is_refused(tmp_path) -> None:
    truth = pixels((20, 30, 3), "uint16")
    whole = imagecodecs.png_encode(truth)
    path = tmp_path / "a.png"
    refused = 0
    for size in range(30, len(whole), 40):
        harmed = bytearray(whole)
        harmed[size] ^= 8
        for content in (whole[:size], bytes(harmed)):
            path.write_bytes(content)
            try:
                found = sc.open(path).read()
            except SourceError as error:
                assert str(path) in str(error)  # noqa: PT017
                refused += 1
            else:
                np.testing.assert_array_equal(found, truth)
    assert refused > 50


def test_without_imagecodecs_16_bits_are_refused_and_not_narrowed(tmp_path, monkeypatch) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels((5, 6, 3), "uint16")))
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    with pytest.raises(MissingExtra, match=r"scutoid\[formats\]"):
        sc.open(tmp_path / "a.png")


def with_palette(path, numbers, colours, **options):
    picture = Image.fromarray(numbers, "P")
    picture.putpalette(colours)
    picture.save(path, **options)


@pytest.mark.filterwarnings("ignore:.*mode.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "bits"), [("a.png", 1), ("a.png", 2), ("a.png", 4), ("a.png", 8), ("a.bmp", 8)]
)
def test_a_palette_of_object_numbers_is_the_numbers(tmp_path, name, bits) -> None:
    numbers = pixels((40, 50), high=min(2**bits, 200))
    colours = pixels((2**bits, 3))
    options = {"bits": bits} if name.endswith("png") else {}
    with_palette(tmp_path / name, numbers, colours.ravel().tolist(), **options)
    with pytest.warns(ScutoidWarning, match="palette of colours: they are taken for the num"):
        image = sc.open(tmp_path / name)
    assert image.axes == "yx"
    np.testing.assert_array_equal(image.read(), numbers)
    np.testing.assert_array_equal(sc.open(tmp_path / name, axes="yx").read(), numbers)
    shown = sc.open(tmp_path / name, axes="yxc")
    np.testing.assert_array_equal(shown.read(), colours[numbers])


@pytest.mark.filterwarnings("ignore:.*mode.*:DeprecationWarning")
def test_a_palette_of_greys_says_nothing(tmp_path) -> None:
    numbers = pixels((40, 50))
    with_palette(tmp_path / "a.png", numbers, [n for n in range(256) for _ in range(3)])
    np.testing.assert_array_equal(sc.open(tmp_path / "a.png").read(), numbers)


@pytest.mark.filterwarnings("ignore:.*mode.*:DeprecationWarning")
def test_planes_with_palettes_are_a_volume(tmp_path) -> None:
    truth = pixels((3, 8, 9))
    for n, plane in enumerate(truth):
        with_palette(tmp_path / f"{n}.png", plane, [*range(256)] * 3)
    np.testing.assert_array_equal(sc.open(tmp_path).read(), truth)


def test_keys_of_members_say_how_pictures_are_read(tmp_path, monkeypatch) -> None:
    @sc.step
    def total(image):
        return int(image.sum())

    for name in ("a.png", "b.png"):
        Image.fromarray(pixels((8, 9))).save(tmp_path / name)
    np.save(tmp_path / "c.npy", pixels((8, 9)))
    totals = total(sc.open_folder(tmp_path / "*"))
    sc.run(totals, store=tmp_path / "store")
    assert sc.plan(totals, store=tmp_path / "store").is_done
    monkeypatch.setattr(
        "scutoid.arrays.reading_of",
        lambda path: ("another",) if path.endswith("png") else reading_of(path),
    )
    again = total(sc.open_folder(tmp_path / "*"))
    planned = sc.plan(again, store=tmp_path / "store")["total"]
    assert (planned.n_blocks, planned.n_done) == (3, 1)  # the array is as it was
