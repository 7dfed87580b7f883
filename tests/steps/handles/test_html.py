"""What notebooks show of results: well-formed, escaped, exact, and nothing computed for it."""

import base64
import io
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image as Picture

import scutoid as sc
from scutoid.arrays import SourceIdentity
from scutoid.errors import RunFailed
from scutoid.steps.handles import _shown
from scutoid.steps.handles._html import as_text
from scutoid.steps.handles._thumbnail import colors_of_objects, png_of, thumbnail
from scutoid.steps.layout import View

LARGE = 2**63 + 5
TAGS = frozenset("div b img table thead tbody tr th td ul li pre".split())  # noqa: SIM905


class Page(HTMLParser):
    """Parses HTML strictly: its elements are closed in order; keeps texts and attributes."""

    EMPTY = ("img",)

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts, self.attributes = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.EMPTY
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return "\n".join(self.texts)

    @property
    def pictures(self):
        """The pictures, as arrays."""
        sources = [value for name, value in self.attributes if name == "src"]
        start = "data:image/png;base64,"
        assert all(source.startswith(start) for source in sources)
        decoded = (base64.b64decode(source[len(start) :]) for source in sources)
        return [np.asarray(Picture.open(io.BytesIO(png)).convert("RGB")) for png in decoded]


def page_of(thing):
    page = Page(thing._repr_html_())
    assert set(page.tags) <= TAGS
    styles = ";".join(value for name, value in page.attributes if name == "style")
    assert "url(" not in styles
    assert not any(part.strip().startswith("color") for part in styles.split(";"))
    return page


def ids():
    return pd.DataFrame({"label": np.array([LARGE, 3], np.uint64), "<b>note</b>": ["a&b", "<i>"]})


@sc.step(out="table")
def table_of(image):
    return ids()


@sc.step
def brightest(image):
    return {"<u>max</u>": int(image.max()), "id": LARGE}


@sc.blockwise(dtype="float32")
def fails(image):
    raise ValueError("<b>never called</b>")


@sc.step(out="table")
def fails_whole(image):
    raise ValueError("never called")


@pytest.fixture
def raw():
    voxels = np.zeros((4, 30, 40), np.uint16)
    voxels[1, 5:10, 5:10] = 300
    voxels[3, 20:25, 20:30] = 500
    return sc.open(voxels, voxel_size=(2, 0.5, 0.5), unit="um")


def test_an_image_that_is_there_has_a_picture_and_facts(raw, tmp_path):
    smooth = sc.gaussian(raw, sigma=1)
    assert not page_of(smooth).pictures
    assert "not run" in page_of(smooth).text
    sc.run(smooth, store=tmp_path)
    for image, state in (
        (raw, "opened"),
        (smooth, "stored"),
        (sc.Store(tmp_path)["gaussian"],) * 2,
    ):
        page = page_of(image)
        (picture,) = page.pictures
        assert picture.shape == (30, 40, 3)
        assert picture[7, 7].min() > 0
        assert picture[29, 0].max() < 10
        for fact in ("zyx", "4 x 30 x 40", "z 2, y 0.5, x 0.5 um", "maximum over z 0 to 3"):
            assert fact in page.text
        assert (state if isinstance(state, str) else "stored") in page.text


def test_objects_have_colours_by_their_numbers(tmp_path):
    numbers = np.zeros((8, 8), np.uint64)
    numbers[:3, :3], numbers[5:, 5:], numbers[:3, 5:] = LARGE, 7, LARGE
    labels = sc.label(sc.open(numbers > 0))
    sc.run(labels, store=tmp_path)
    assert len({tuple(color) for color in page_of(labels).pictures[0].reshape(-1, 3)}) == 4
    shown = thumbnail(sc.open(numbers).ref.node.source, None, is_labels=True, budget=10**6)
    picture = np.asarray(Picture.open(io.BytesIO(base64.b64decode(shown.png))))
    assert (picture[0, 0] == picture[0, 7]).all()
    assert (picture[0, 0] != picture[7, 7]).any()
    assert not picture[4, 4].any()


@pytest.mark.parametrize(
    ("shape", "axes", "dtype"),
    [
        ((5, 6), "yx", "float64"),
        ((2, 5, 6), "cyx", "uint16"),
        ((5, 6, 3), "yxc", "uint8"),
        ((3, 2, 4, 5, 6), "tczyx", "int32"),
        ((5, 6), "yx", "bool"),
        ((5, 6), "yx", "complex64"),
        ((4, 6), "zx", "float32"),
        ((6, 5), "xy", "uint8"),
    ],
)
def test_images_of_all_axes_and_types_have_a_picture(shape, axes, dtype):
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    if np.dtype(dtype).kind == "f":
        values[0, 0] = np.nan
    (picture,) = page_of(sc.open(values, axes=axes)).pictures
    lengths = dict(zip(axes, shape, strict=True))
    plane = "yx" if "y" in axes else "zx"
    assert picture.shape == (*(lengths[axis] for axis in plane), 3)
    assert picture.any()


@pytest.mark.parametrize(("shape", "axes"), [((7,), "x"), ((3, 4), "cx"), ((0, 5), "yx")])
def test_what_has_no_plane_of_voxels_has_no_picture(shape, axes):
    page = page_of(sc.open(np.zeros(shape), axes=axes))
    assert not page.pictures
    assert "no plane" in page.text


@pytest.mark.parametrize(("color", "mode"), [(90, "L"), ((90, 90, 91), "RGB")])
def test_a_picture_is_in_colour_where_it_has_colours(color, mode):
    pixels = np.full((5, 6, 3), 7, np.uint8)
    pixels[2, 3] = color
    picture = Picture.open(io.BytesIO(base64.b64decode(png_of(pixels))))
    assert picture.mode == mode
    assert np.array_equal(np.asarray(picture.convert("RGB")), pixels)


class Counted:
    """An image that counts the bytes of the chunks that are read."""

    levels, is_labels = 1, False

    def __init__(self, shape, chunks):
        self.source = sc.open(np.zeros(shape, "uint16"), axes="zyx").ref.node.source
        self.spec, self.identity, self.chunks = self.source.spec, self.source.identity, chunks
        self.nbytes = 0

    def read(self, roi):
        spans = [
            (-(-stop // chunk) - start // chunk) * chunk
            for start, stop, chunk in zip(roi.offset, roi.end, self.chunks, strict=True)
        ]
        self.nbytes += int(np.prod(spans)) * 2
        return self.source.read(roi)


@pytest.mark.parametrize("chunks", [(1, 64, 64), (20, 64, 64), (1, 1000, 900), (64, 64, 64)])
@pytest.mark.parametrize(
    "view", [None, View(((2, 40), (100, 900), (0, 900))), View((3, (0, 1000), (5, 9)))]
)
@pytest.mark.parametrize("budget", [10**4, 10**6, 10**8])
def test_no_more_than_the_budget_is_read(chunks, view, budget):
    source = Counted((40, 1000, 900), chunks)
    found = thumbnail(source, view, is_labels=False, budget=budget)
    assert source.nbytes <= budget
    assert (source.nbytes == 0) == isinstance(found, str)


def stored_pyramid(voxels, folder):
    step = sc.gaussian.options(storage=sc.Storage(levels=4))
    return sc.run(step(sc.open(voxels), sigma=0), store=folder).image("gaussian")


def zarr_pyramid(voxels, folder):
    return sc.open(sc.export(stored_pyramid(voxels, folder), folder / "big.ome.zarr"))


def tiff_pyramid(voxels, folder):
    place = folder / "big.ome.tif"
    with tifffile.TiffWriter(place) as file:
        options = {"tile": (64, 64), "photometric": "minisblack"}
        file.write(voxels, subifds=3, metadata={"axes": "ZYX"}, **options)
        for step in (2, 4, 8):
            file.write(voxels[:, ::step, ::step], subfiletype=1, **options)
    return sc.open(place)


@pytest.mark.parametrize("pyramid", [stored_pyramid, zarr_pyramid, tiff_pyramid])
def test_the_picture_is_that_of_the_coarsest_level_that_fills_it(tmp_path, pyramid):
    voxels = np.zeros((2, 1200, 1200), np.uint8)
    voxels[:, :590] = 200
    image = pyramid(voxels, tmp_path)
    assert image.levels == 4
    for shown, size in ((image, (150, 150, 3)), (image[:, :600], (75, 150, 3))):
        page = page_of(shown)
        assert "level 2" in page.text
        (picture,) = page.pictures
        assert picture.shape == size
        assert picture[0].min() == 255
        assert picture[74].max() == 0


def test_tables_show_numbers_of_objects_exactly_and_all_text_escaped(raw, tmp_path):
    rows, value = table_of(raw), brightest(raw)
    assert str(LARGE) not in page_of(rows).text
    sc.run([rows, value], store=tmp_path)
    page = page_of(rows)
    for text in (str(LARGE), "<b>note</b>", "a&b", "<i>", "2 of 2 rows", "stored"):
        assert text in page.text
    assert "i" not in page.tags
    page = page_of(value)
    assert "<u>max</u>" in page.text
    assert str(LARGE) in page.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (LARGE, str(LARGE)),
        (np.uint64(LARGE), str(LARGE)),
        (np.int64(-(2**53) - 1), str(-(2**53) - 1)),
        (pd.NA, ""),
        (pd.NaT, ""),
        (np.nan, ""),
        (None, ""),
        (np.float32(0.5), "0.5"),
        (True, "True"),
    ],
)
def test_cells_are_written_so(value, text):
    assert as_text(value) == text


def test_large_tables_are_not_read(raw, tmp_path, monkeypatch):
    rows = table_of(raw)
    sc.run(rows, store=tmp_path)
    monkeypatch.setattr(_shown, "_OF_TABLE", 10)
    page = page_of(rows)
    assert "not read: its file has" in page.text
    assert str(LARGE) not in page.text


def test_nothing_is_computed(raw, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 4)))
    folder = sc.open_folder(tmp_path / "*.npy")
    for result in (fails(raw), fails_whole(raw), fails(folder), fails_whole(folder)):
        page = page_of(result)
        assert "not run" in page.text
        assert not page.pictures
    with pytest.raises(RunFailed) as failed:
        sc.run(fails(raw), store=tmp_path / "store", check_halo=False)
    page = page_of(failed.value.run)
    assert "<b>never called</b>" in page.text
    assert "with failures" in page.text


def test_collections_show_their_first_members(tmp_path):
    for n in range(6):
        np.save(tmp_path / f"<b>{n}.npy", np.full((6, 6), n + 1))
    folder = sc.open_folder(tmp_path / "*.npy")
    smooth, rows = sc.gaussian(folder, sigma=1), table_of(folder)
    assert len(page_of(folder).pictures) == 4
    assert len(page_of(folder.each[:3]).pictures) == 4
    assert not page_of(smooth).pictures
    run = sc.run([smooth, rows, brightest(folder)], store=tmp_path / "store")
    for images in (smooth, run["gaussian"], sc.Store(tmp_path / "store")["gaussian"]):
        assert len(page_of(images).pictures) == 4
    for found in (rows, run["brightest"]):
        assert page_of(found).text.count(str(LARGE)) == 4
        assert "<b>0.npy" in page_of(found).text


def test_files_that_a_reader_of_the_user_opens_are_not_read(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"1234")
    calls = []

    def read(path):
        calls.append(path)
        return np.zeros((4, 4))

    folder = sc.open_folder(tmp_path / "*.raw", read=read)
    before = len(calls)
    assert not page_of(folder).pictures
    assert len(calls) == before


def test_what_is_computed_or_fetched_when_it_is_read_has_no_picture():
    da = pytest.importorskip("dask.array")

    def never(block):
        raise ValueError("never called")

    page = page_of(sc.open(da.ones((8, 8), chunks=4).map_blocks(never, dtype="float64")))
    assert "no picture: dask would compute it" in page.text
    source = Counted((4, 50, 50), (1, 50, 50))
    source.identity = SourceIdentity("url", ("https://example.org/a.zarr",))
    found = thumbnail(source, None, is_labels=False, budget=10**6)
    assert "another machine" in found
    assert source.nbytes == 0


def test_what_cannot_be_read_is_said(raw, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 4)))
    image = sc.open(tmp_path / "a.npy")
    (tmp_path / "a.npy").unlink()
    assert "not read" in page_of(image).text


def test_plans_runs_and_stores_are_tables(raw, tmp_path):
    rows = table_of(sc.gaussian(raw, sigma=1))
    plan = sc.plan(rows, store=tmp_path)
    assert all(text in page_of(plan).text for text in ("gaussian", "table_of", "first run", "0/1"))
    run = sc.run(rows, store=tmp_path)
    assert all(text in page_of(run).text for text in ("gaussian", "table_of", "done"))
    page = page_of(sc.Store(tmp_path))
    assert all(text in page.text for text in ("gaussian", "table_of", "the newest 2 of 2 results"))


def test_pillow_is_loaded_for_pictures_only():
    code = (
        "import sys, numpy, scutoid as sc\n"
        "image = sc.open(numpy.ones((4, 4)))\n"
        "repr(image)\n"
        "assert 'PIL' not in sys.modules\n"
        "image._repr_html_()\n"
        "assert 'PIL' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (40, 30)])
def test_each_pixel_has_the_colour_of_its_number_whatever_is_beside_it(shape):
    numbers = np.repeat(np.random.default_rng(0).integers(0, 5, shape), 2, axis=1)
    colors = colors_of_objects(numbers)
    assert (colors.shape, colors.dtype) == ((*numbers.shape, 3), np.uint8)
    for number in range(5):
        (alone,) = colors_of_objects(np.array([[number]]))[0]
        assert (colors[numbers == number] == alone).all()
        assert alone.any() == (number > 0)
