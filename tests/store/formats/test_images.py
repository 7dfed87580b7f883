"""Arrays, pictures and figures come back from PNG and TIFF, which others can read."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from scutoid.arrays import open_source
from scutoid.errors import DamagedResult
from scutoid.store import FORMATS
from scutoid.store.formats import choose_format
from scutoid.testing import FormatTests


def arrays(*shapes, dtype="uint8", n=2):
    count = iter(range(100))
    return [
        np.random.default_rng(next(count)).integers(0, n, shape).astype(dtype) for shape in shapes
    ]


class TestPng(FormatTests):
    format = FORMATS["png"]
    finds_flips = True

    def values(self):
        return [
            *arrays((1, 1), (7, 9), (20, 30), dtype=bool),
            *arrays((1, 1), (20, 30), (5, 6, 3), (5, 6, 4), n=256),
            *arrays((20, 31), dtype="uint16", n=2**16),
            np.asfortranarray(*arrays((20, 30), n=256)),
        ]

    def strangers(self):
        return [
            1, np.zeros((0, 4), "uint8"), np.zeros((4, 4)), np.zeros((4, 4), ">u2"),
            np.zeros((4, 4), "int16"), np.zeros((4, 4, 2), "uint8"), np.zeros((4, 4, 3), "uint16"),
            np.zeros(4, "uint8"), np.zeros((3, 4, 5), "uint8"), np.zeros((4, 4), object),
        ]  # fmt: skip


class TestTiff(FormatTests):
    format = FORMATS["tiff"]
    finds_flips = True

    def values(self):
        dtypes = ["?", "i1", "u1", "<i2", "<u2", ">u2", "i4", "u4", "i8", "u8", "f2", "f4", ">f8"]
        shapes = [(), (5,), (1, 1), (4, 5), (3, 1, 4, 5), (2, 3, 1, 4, 5), (1, 2, 1, 2, 1, 3)]
        return [
            *(one for dtype in [*dtypes, "F", "D"] for one in arrays((3, 4, 5), dtype=dtype)),
            *(one for dtype in ("u1", "f8") for one in arrays(*shapes, (4, 5, 3), dtype=dtype)),
            *arrays((40, 50), dtype="uint16")[0][None, ::2, ::-3],
        ]

    def strangers(self):
        return [1, np.zeros((0, 4)), np.array(["a"]), np.zeros(3, [("a", "i4")]), np.zeros(2, "M8")]


class TestPil(FormatTests):
    format = FORMATS["pil"]
    finds_flips = True

    def values(self):
        from PIL import Image

        grey, colour = arrays((20, 30), (20, 30, 3), n=256)
        picture = Image.fromarray(colour)
        palette = picture.quantize(7)
        palette.info["transparency"] = 3
        modes = [picture.convert(mode) for mode in ("1", "L", "LA", "RGB", "RGBA")]
        return [
            *modes,
            palette,
            Image.fromarray(grey.astype("uint16") * 200),
            modes[0].crop((0, 0, 1, 1)),
        ]

    def strangers(self):
        from PIL import Image

        modes = ["CMYK", "F", "HSV", "YCbCr", "LAB", "I"]
        return [
            *(Image.new(mode, (3, 3)) for mode in modes),
            Image.new("L", (0, 3)),
            np.zeros((3, 3)),
        ]

    def is_same(self, one, other):
        return (
            (type(one), one.mode, one.size, one.tobytes(), one.getpalette())
            == (type(other), other.mode, other.size, other.tobytes(), other.getpalette())
            and one.info.get("transparency") == other.info.get("transparency")
        )  # fmt: skip


class TestFigure(FormatTests):
    format = FORMATS["figure"]
    finds_flips = True

    @pytest.fixture(autouse=True)
    def matplotlib(self):
        pytest.importorskip("matplotlib")

    def values(self):
        from matplotlib.figure import Figure

        class Derived(Figure):
            pass

        figure = Derived(figsize=(2, 1))
        figure.subplots().plot([1, 3, 2], label="counts")
        return [Figure(figsize=(1, 1)), figure]

    def strangers(self):
        return [1, np.zeros((3, 3), "uint8"), *[one.subplots() for one in self.values()]]

    def expected(self, value):
        """What it looks like."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        value.set_dpi(150)
        canvas = FigureCanvasAgg(value)
        canvas.draw()
        return np.array(canvas.buffer_rgba())


@pytest.mark.parametrize(
    ("dtype", "shape", "axes"),
    [
        ("uint8", (4, 5), "YX"),
        ("uint16", (3, 4, 5), "ZYX"),
        ("float32", (2, 3, 4, 5), "ZCYX"),
        ("uint16", (2, 2, 3, 4, 5), "TZCYX"),
        ("uint8", (4, 5, 3), "YXS"),
    ],
)
def test_a_tiff_is_one_that_imagej_reads(tmp_path, dtype, shape, axes):
    import tifffile

    FORMATS["tiff"].save(np.ones(shape, dtype), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_imagej
        assert file.series[0].axes == axes
        assert file.series[0].shape == shape


def test_a_tiff_of_another_program_is_not_taken_for_ours(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5)))
    with pytest.raises(DamagedResult, match="checksum"):
        FORMATS["tiff"].load(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", ["bool", "uint16", "float64"])
def test_a_tiff_can_be_opened_as_an_image(tmp_path, dtype):
    (image,) = arrays((3, 40, 50), dtype=dtype)
    FORMATS["tiff"].save(image, tmp_path / "a.tif")
    source = open_source(tmp_path / "a.tif")
    assert np.array_equal(source.read(source.spec.roi), image)


def test_a_large_picture_is_read_without_a_warning(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    FORMATS["png"].save(np.zeros((30, 30), "uint8"), tmp_path / "a.png")
    assert FORMATS["png"].load(tmp_path / "a.png").shape == (30, 30)


def test_a_moving_picture_is_refused(tmp_path):
    from PIL import Image

    frames = [Image.new("L", (3, 3), grey) for grey in (0, 255)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "a.gif") as moving:
        assert not FORMATS["pil"].accepts(moving)


def test_a_picture_that_was_opened_is_saved_whole(tmp_path):
    from PIL import Image

    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as opened:
        assert choose_format(opened).name == "pil"
        FORMATS["pil"].save(opened, tmp_path / "b.pil.png")
        found = FORMATS["pil"].load(tmp_path / "b.pil.png")
        assert np.array_equal(np.array(found), np.array(opened))


def test_threads_save_one_file_at_once(tmp_path):
    path = tmp_path / "a.png"
    images = arrays((50, 50), (50, 50), (50, 50), n=256)
    threads = [threading.Thread(target=FORMATS["png"].save, args=(one, path)) for one in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(np.array_equal(FORMATS["png"].load(path), one) for one in images)
    assert [one.name for one in tmp_path.iterdir()] == ["a.png"]
