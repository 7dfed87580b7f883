"""A TIFF is opened only if all the pages and files that it names are there, whatever is logged."""

from __future__ import annotations

import logging
import re
import shutil

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import _tiff, _tiff_layout, _tiff_whole, open_source
from scutoid.arrays._tiff_chain import BrokenChain, count_pages
from scutoid.errors import MetadataError, ScutoidWarning, SourceError

PAGES = np.random.default_rng(0).integers(0, 9999, (10, 32, 32)).astype("uint16")
KINDS = {
    "plain": {"metadata": None},
    "compressed": {"metadata": None, "compression": "zlib"},
    "tiled": {"metadata": None, "tile": (16, 16), "compression": "zlib"},
    "shaped": {},
    "shaped, compressed": {"compression": "zlib"},
    "ImageJ": {"imagej": True},
    "OME": {"ome": True},
    "OME, compressed": {"ome": True, "compression": "zlib"},
    "BigTIFF": {"bigtiff": True, "metadata": None},
    "big-endian": {"byteorder": ">", "metadata": None},
    "big-endian BigTIFF": {"byteorder": ">", "bigtiff": True, "metadata": None},
}


@pytest.fixture(params=["logger quiet", "logger off", "as it is"])
def _logger(request):
    """Silence the log of tifffile, as scripts do."""
    logger = logging.getLogger("tifffile")
    before = logger.level, logger.disabled
    if request.param == "logger quiet":
        logger.setLevel(logging.CRITICAL + 1)
    logger.disabled = request.param == "logger off"
    yield
    logger.setLevel(before[0])
    logger.disabled = before[1]


@sc.step(version="1")
def brightest(image):
    return int(image.max())


@pytest.mark.usefixtures("_logger")
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_anywhere_is_refused(tmp_path, kind) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="minisblack", **KINDS[kind])
    whole = (tmp_path / "a.tif").read_bytes()
    np.testing.assert_array_equal(np.asarray(sc.open(tmp_path / "a.tif")), PAGES)
    for size in {*range(10, len(whole), len(whole) // 40), len(whole) - 1}:
        (tmp_path / "cut.tif").write_bytes(whole[:size])
        try:
            found = np.asarray(sc.open(tmp_path / "cut.tif"))
        except SourceError as error:
            assert "cut.tif" in str(error)  # noqa: PT017 - or it is whole
        else:
            np.testing.assert_array_equal(found, PAGES)


@pytest.mark.usefixtures("_logger")
@pytest.mark.parametrize("small", [10**6, 5000], ids=["read in one piece", "read page by page"])
def test_a_page_that_breaks_off_late_in_a_long_file_is_refused(
    tmp_path, small, monkeypatch
) -> None:
    """JPEG decodes what there is of a page; only the first pages are looked at on opening."""
    monkeypatch.setattr(_tiff_whole, "CHECKED_PAGES", 4)
    monkeypatch.setattr(_tiff, "CHECKED_PAGES", 4)
    monkeypatch.setattr(_tiff_layout, "SMALL", small)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for page in np.random.default_rng(0).integers(0, 255, (10, 64, 64)).astype("uint8"):
            file.write(
                page,
                contiguous=False,
                photometric="minisblack",
                metadata=None,
                compression="jpeg",
            )
    path.write_bytes(path.read_bytes()[:-40])
    image = sc.open(path)
    with pytest.raises(SourceError, match=r"page \(?9.* is not whole"):
        image[9].read()


def patched(path, change):
    """Change the tags of places (273) and lengths (279) of strips in the first page of a file."""
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        change(content, file.pages[0].tags)
    path.write_bytes(content)


def fewer(*names):
    def change(content, tags):
        for name in names:
            place = tags[name].offset + 4
            content[place : place + 4] = (5).to_bytes(4, "little")

    return change


def without_last(name):
    """Set the last value of a tag to 0."""

    def change(content, tags):
        tag = tags[name]
        width = tag.valuebytecount // tag.count
        place = tag.valueoffset + (tag.count - 1) * width
        content[place : place + width] = bytes(width)

    return change


def longer(content, tags):
    """Let the page be longer than its strips."""
    content[tags[257].valueoffset] = 128


@pytest.mark.usefixtures("_logger")
@pytest.mark.parametrize(
    "change",
    [fewer(273), fewer(279), fewer(273, 279), without_last(273), longer],
    ids=["fewer places", "fewer lengths", "fewer strips", "a strip without place", "a longer page"],
)  # fmt: skip
@pytest.mark.parametrize("small", [10**6, 5000], ids=["read in one piece", "read strip by strip"])
def test_strips_that_a_page_does_not_place_are_no_zeros(
    tmp_path, change, small, monkeypatch
) -> None:
    monkeypatch.setattr(_tiff_layout, "SMALL", small)
    path, image = tmp_path / "a.tif", np.arange(64 * 64, dtype="uint16").reshape(64, 64)
    options = {"compression": "zlib", "rowsperstrip": 8, "metadata": None}
    tifffile.imwrite(path, image, photometric="minisblack", **options)
    np.testing.assert_array_equal(sc.open(path).read(), image)
    patched(path, change)
    with pytest.raises(SourceError, match="says where each of its strips or tiles lies"):
        sc.open(path)


def test_tiles_that_were_left_out_are_zeros(tmp_path) -> None:
    path, image = tmp_path / "a.tif", np.ones((32, 32), "uint8")
    options = {"tile": (16, 16), "compression": "zlib", "metadata": None}
    tifffile.imwrite(path, image, photometric="minisblack", **options)
    for name in (324, 325):  # the place of a tile, and its length
        patched(path, without_last(name))
    image[16:, 16:] = 0
    np.testing.assert_array_equal(sc.open(path).read(), image)


@pytest.mark.usefixtures("_logger")
@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_a_chain_that_leads_out_of_the_file_is_refused_in_a_folder_too(tmp_path, executor) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PAGES, photometric="minisblack", metadata=None, compression="zlib")
    with tifffile.TiffFile(path) as file:
        page = file.pages[5]
        size, place = path.stat().st_size, page.offset + 2 + 12 * len(page.tags)
    content = bytearray(path.read_bytes())
    content[place : place + 4] = (size + 8).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(SourceError, match="breaks off after page 5"):
        open_source(path)
    values = brightest(sc.open_folder(tmp_path / "*.tif"))
    run = sc.run(values, store=tmp_path / "s", executor=executor, on_failure="return")
    assert not run.ok


@given(data=st.data())
def test_a_chain_is_counted_and_one_that_goes_in_a_circle_is_broken(tmp_path_factory, data) -> None:
    kind = data.draw(st.sampled_from(["plain", "BigTIFF", "big-endian"]))
    path = tmp_path_factory.mktemp("t") / "a.tif"
    tifffile.imwrite(path, PAGES[:4], photometric="minisblack", **KINDS[kind])
    assert count_pages(str(path)) == 4
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page = file.pages[data.draw(st.integers(0, 2))]
        wide = 8 if file.is_bigtiff else 4
        head, width = (8, 20) if file.is_bigtiff else (2, 12)
    place = page.offset + head + width * len(page.tags)
    content[place : place + wide] = page.offset.to_bytes(
        wide, "big" if kind == "big-endian" else "little"
    )
    path.write_bytes(content)
    with pytest.raises(BrokenChain):
        count_pages(str(path))


def companions(folder, *, first="a.ome.tif", second="b.ome.tif", n_pages=3):
    """Write an OME-TIFF of six planes in two files, the first of which describes it."""
    folder.mkdir(parents=True, exist_ok=True)
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="{z % 3}" PlaneCount="1">'
        f'<UUID FileName="{first if z < 3 else second}">urn:uuid:{z // 3}</UUID></TiffData>'
        for z in range(6)
    )
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:0">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="32" '
        'SizeY="32" SizeZ="6" SizeC="1" SizeT="1">'
        f'<Channel ID="Channel:0:0"/>{planes}</Pixels></Image></OME>'
    )
    options = {"photometric": "minisblack", "metadata": None}
    tifffile.imwrite(folder / first, PAGES[:3], description=xml, **options)
    tifffile.imwrite(folder / second, PAGES[3 : 3 + n_pages], **options)
    return folder / first


def test_an_image_in_two_files_is_read_from_both(tmp_path) -> None:
    source = open_source(companions(tmp_path))
    np.testing.assert_array_equal(source.read(source.spec.roi), PAGES[:6])
    assert source.identity.locations == (str(tmp_path / "a.ome.tif"), str(tmp_path / "b.ome.tif"))


def test_an_image_in_two_files_is_found_by_a_link_to_the_first(tmp_path) -> None:
    path = companions(tmp_path / "data")
    (tmp_path / "here.ome.tif").symlink_to(path)
    source = open_source(tmp_path / "here.ome.tif")
    np.testing.assert_array_equal(source.read(source.spec.roi), PAGES[:6])


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_with_another_identifier_than_its_set_says_is_in_it(tmp_path, is_link) -> None:
    path = companions(tmp_path / "data")
    with tifffile.TiffFile(path) as file:
        said = file.pages[0].description.replace('UUID="urn:uuid:0"', 'UUID="urn:uuid:7"')
    options = {"photometric": "minisblack", "metadata": None}
    tifffile.imwrite(path, PAGES[:3], description=said, **options)
    if is_link:
        (tmp_path / "here.ome.tif").symlink_to(path)
        path = tmp_path / "here.ome.tif"
    source = open_source(path)
    assert source.spec.notes == ()
    np.testing.assert_array_equal(source.read(source.spec.roi), PAGES[:6])


@pytest.mark.usefixtures("_logger")
@pytest.mark.parametrize("damage", ["gone", "cut off", "fewer pages", "no TIFF"])
def test_what_is_missing_of_an_image_in_two_files_is_no_zeros(tmp_path, damage) -> None:
    path = companions(tmp_path, n_pages=2 if damage == "fewer pages" else 3)
    second = tmp_path / "b.ome.tif"
    if damage == "gone":
        second.unlink()
    if damage == "cut off":
        second.write_bytes(second.read_bytes()[:-1500])
    if damage == "no TIFF":
        second.write_bytes(b"once an image")
    with pytest.raises(SourceError, match=r"b\.ome\.tif"):
        open_source(path)


@pytest.mark.usefixtures("_logger")
@pytest.mark.parametrize("kind", ["shaped, compressed", "ImageJ", "OME, compressed"])
def test_a_description_of_more_pages_than_there_are_is_refused(tmp_path, kind) -> None:
    """What a program leaves that copies five pages of ten, with the description of all."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PAGES, photometric="minisblack", **KINDS[kind])
    with tifffile.TiffFile(path) as file:
        said = file.pages[0].description
    tifffile.imwrite(
        path,
        PAGES[:5],
        photometric="minisblack",
        metadata=None,
        compression="zlib",
        description=said,
    )
    with pytest.raises(SourceError, match="is named"):
        open_source(path)


NAMES_OUTSIDE = ["../b.ome.tif", "{other}/b.ome.tif", "sub/b.ome.tif", "..\\b.ome.tif", "..", ""]


@pytest.mark.parametrize("name", NAMES_OUTSIDE)
def test_a_tiff_names_no_file_outside_its_folder(tmp_path, name, monkeypatch) -> None:
    path = companions(tmp_path / "in")
    second = tmp_path / "in" / "b.ome.tif"  # newer tifffiles take such a file by its UUID alone
    pages = {"photometric": "minisblack", "metadata": None}
    tifffile.imwrite(second, PAGES[3:6], description='<OME UUID="urn:uuid:1"/>', **pages)
    for place in (tmp_path, tmp_path / "other", tmp_path / "in" / "sub"):
        place.mkdir(exist_ok=True)
        shutil.copy(second, place)
    name = name.format(other=tmp_path / "other")
    xml = path.read_bytes()
    changed = re.sub(rb'FileName="b.ome.tif"', f'FileName="{name}"'.encode(), xml)
    with tifffile.TiffFile(path) as file:
        said = re.sub(
            'FileName="b.ome.tif"', lambda _: f'FileName="{name}"', file.pages[0].description
        )
    assert changed != xml
    tifffile.imwrite(path, PAGES[:3], description=said, **pages)
    opened = []
    real = tifffile.TiffFile.__init__

    def noted(self, file, *args, **options):
        opened.append(str(file))
        real(self, file, *args, **options)

    monkeypatch.setattr(tifffile.TiffFile, "__init__", noted)
    with pytest.raises(SourceError, match="allow_outside"):
        open_source(path)
    assert opened == [str(path)]
    is_there = name.endswith("/b.ome.tif")
    if is_there:
        source = open_source(path, allow_outside=True)
        np.testing.assert_array_equal(source.read(source.spec.roi), PAGES[:6])
        assert sc.open(path, allow_outside=True).shape == (6, 32, 32)
        folder = sc.open_folder(tmp_path / "in" / "a*.tif", allow_outside=True)
        assert folder["a.ome.tif"].shape == (6, 32, 32)
    else:
        with pytest.raises((SourceError, MetadataError)):
            open_source(path, allow_outside=True)


@pytest.mark.usefixtures("_logger")
@pytest.mark.parametrize("kind", ["ImageJ", "OME, compressed"])
def test_pages_that_no_description_names_are_said(tmp_path, kind) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PAGES[:5], photometric="minisblack", **KINDS[kind])
    with tifffile.TiffFile(path) as file:
        said = file.pages[0].description
    more = {"photometric": "minisblack", "metadata": None, "compression": "zlib"}
    tifffile.imwrite(path, PAGES, description=said.encode(), **more)
    with pytest.warns(ScutoidWarning, match=f"names 5 of its {len(PAGES)} pages"):
        image = sc.open(path)
    np.testing.assert_array_equal(np.asarray(image), PAGES[:5])


@pytest.mark.usefixtures("_logger")
@pytest.mark.parametrize("odd", ["marked", "smaller"])
def test_a_thumbnail_that_no_description_names_is_not_said(tmp_path, odd) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(PAGES, photometric="minisblack", metadata={"axes": "ZYX"})
    with tifffile.TiffWriter(path, append="force") as file:
        page = PAGES[0] if odd == "marked" else PAGES[0, ::2, ::2]
        file.write(page, metadata=None, subfiletype=int(odd == "marked"))
    assert open_source(path).spec.notes == ()


def test_of_a_damaged_file_tifffile_says_one_line_that_names_it(tmp_path, caplog):
    place = tmp_path / "damaged.tif"
    tifffile.imwrite(place, np.zeros((200, 200), "uint16"), photometric="minisblack", metadata=None)
    content = bytearray(place.read_bytes())
    content[8:10] = (4000).to_bytes(2, "little")  # tags, of which a dozen are any
    place.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="tifffile"):
        for _ in range(2):
            assert np.asarray(sc.open(place)).shape == (200, 200)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "tifffile"]
    assert line.startswith(f"{place}: ")
    assert "invalid data type" in line
    assert re.search(r", and \d{4} lines more$", line)
    assert not logging.getLogger("tifffile").filters
