"""The pages of a TIFF are followed by ourselves, to an end, before a library parses any of them."""

from __future__ import annotations

import re
import struct
from contextlib import nullcontext, suppress
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from scutoid.arrays import _tiff_chain, _tiff_claims, open_source
from scutoid.arrays._tiff_chain import BrokenChain, count_pages, first_tags
from scutoid.errors import MetadataError, SourceError

PAGES = np.random.default_rng(0).integers(0, 9999, (6, 16, 16)).astype("uint16")
SUBIFDS, DESCRIPTION = 330, 270
FORMS = {"": ("<", False), "big": ("<", True), "other order": (">", False)}


def tiff(pages, *, order="<", is_big=False, is_ndpi=False, size=4096):
    """Return a TIFF of pages alone.

    Parameters
    ----------
    pages : mapping
        By place, the tags of a page (name, type, count, value) and the place of the next.
    order : str
        Of bytes.
    is_big : bool
        Whether places have 64 bits.
    is_ndpi : bool
        Whether upper halves of values follow the tags.
    size : int
        Bytes of the file.
    """
    content = bytearray(size)
    head, tag, place = ("Q", "HHQQ", "Q") if is_big else ("H", "HHII", "Q" if is_ndpi else "I")
    mark = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if is_big else 42)
    mark += struct.pack(f"{order}HH", 8, 0) if is_big else b""
    begin = mark + struct.pack(f"{order}{place}", next(iter(pages)))
    content[: len(begin)] = begin
    for at, (tags, after) in pages.items():
        page = struct.pack(f"{order}{head}", len(tags))
        page += b"".join(struct.pack(f"{order}{tag}", *each) for each in tags)
        page += struct.pack(f"{order}{place}", after) + bytes(4 * len(tags) * is_ndpi)
        content[at : at + len(page)] = page
    return bytes(content)


@pytest.fixture
def _unparsed(monkeypatch):
    """Fail where a library is asked to parse a file."""

    def parse(self, path, **_):
        raise AssertionError(f"{path} is parsed")

    monkeypatch.setattr(tifffile.TiffFile, "__init__", parse)


def smaller(*places):
    """Name smaller versions of a page: up to one stands in the tag."""
    return [(SUBIFDS, 4, len(places), places[0])]


ENDLESS = {
    "a page that follows itself": {64: ([], 64)},
    "a circle": {64: ([], 128), 128: ([], 192), 192: ([], 128)},
    "a smaller version of itself": {64: (smaller(64), 0)},
    "smaller versions of each other": {64: (smaller(128), 0), 128: (smaller(192), 0),
                                       192: (smaller(128), 0)},
    "pages that are each a smaller version of the other": {64: (smaller(128), 128),
                                                           128: (smaller(64), 0)},
    "more smaller versions than there can be": {64: ([(SUBIFDS, 4, 700, 96)], 0)},
    "values that take more than there is": {64: ([(DESCRIPTION, 2, 4000, 90)] * 2, 0)},
    "deep": {64 + 20 * n: (smaller(84 + 20 * n), 0) for n in range(30)},
}  # fmt: skip


@pytest.mark.usefixtures("_unparsed")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ENDLESS)
def test_pages_that_go_on_for_ever_are_refused_before_a_library_sees_them(
    tmp_path, kind, form
) -> None:
    order, is_big = FORMS[form]
    path, pages = tmp_path / "a.tif", ENDLESS[kind]
    if is_big:  # there a page takes more bytes

        def wide(at):
            return at * 4

        pages = {
            wide(at): (
                [(n, k, c, wide(v) if n == SUBIFDS else v) for n, k, c, v in tags],
                wide(after),
            )
            for at, (tags, after) in pages.items()
        }
    path.write_bytes(tiff(pages, order=order, is_big=is_big))
    with pytest.raises(SourceError, match="follow each other to an end") as caught:
        open_source(path)
    assert str(path) in str(caught.value)


def test_pages_that_overlap_take_no_more_than_the_file_has(tmp_path) -> None:
    """Each is a page of many tags, and they lie 12 bytes apart."""
    content = bytearray(8192)
    content[:8] = b"II*\0" + struct.pack("<I", 8)
    for at in range(8, 4000, 24):
        content[at : at + 2] = struct.pack("<H", 100)
        content[at + 2 + 1200 : at + 6 + 1200] = struct.pack("<I", at + 24)
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(BrokenChain, match="more than the file has"):
        count_pages(str(path))


@pytest.mark.parametrize("is_ndpi", [False, True])
def test_values_of_many_pages_that_are_one_are_counted(tmp_path, monkeypatch, is_ndpi) -> None:
    """Each page names the same text; a library would read it for each."""
    monkeypatch.setattr(_tiff_chain, "_FREE", 0)
    tags = [(DESCRIPTION, 2, 2000, 3000)]
    places = range(16, 16 + 60 * 32, 32)
    pages = {at: (tags, at + 32 if at < places[-1] else 0) for at in places}
    path = tmp_path / ("a.ndpi" if is_ndpi else "a.tif")
    path.write_bytes(tiff(pages, size=5400, is_ndpi=is_ndpi))
    with pytest.raises(BrokenChain, match="take more than the file has"):
        count_pages(str(path))
    few = {at: pages[at] for at in places[:20]} | {places[19]: (tags, 0)}
    path.write_bytes(tiff(few, size=5400, is_ndpi=is_ndpi))
    assert count_pages(str(path)) == 20


def test_all_pages_of_a_small_file_may_share_a_text(tmp_path) -> None:
    tags = [(DESCRIPTION, 2, 20_000, 40_000)]
    places = range(16, 16 + 1000 * 32, 32)
    pages = {at: (tags, at + 32 if at < places[-1] else 0) for at in places}
    (tmp_path / "a.tif").write_bytes(tiff(pages, size=60_000))
    assert count_pages(str(tmp_path / "a.tif")) == 1000


@pytest.mark.parametrize("count", [2**20, 2**31, 2**32 - 1])
@pytest.mark.parametrize("kind", [2, 4, 12, 16])
def test_a_tag_that_claims_more_than_the_file_is_refused(tmp_path, count, kind) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff({64: ([(DESCRIPTION, kind, count, 128)], 0)}))
    for look in (count_pages, lambda path: first_tags(path, (DESCRIPTION,))):
        with pytest.raises(BrokenChain, match="outside the file"):
            look(str(path))
    with pytest.raises(SourceError, match="outside the file"):
        open_source(path)


@given(st.data())
def test_any_pages_come_to_an_end(tmp_path_factory, data) -> None:
    """Whatever pages name, each byte of the file is taken by one of them about once."""
    place = st.integers(0, 40).map(lambda n: 8 + 12 * n)
    tag = st.tuples(
        st.sampled_from([SUBIFDS, DESCRIPTION, 273]), st.sampled_from([1, 2, 4, 13, 16, 99]),
        st.sampled_from([0, 1, 2, 5, 40, 2**20]), place,
    )  # fmt: skip
    page = st.tuples(st.lists(tag, max_size=4), st.one_of(place, st.just(0)))
    pages = data.draw(st.dictionaries(place, page, min_size=1, max_size=12))
    path = tmp_path_factory.mktemp("t") / "a.tif"
    path.write_bytes(tiff(pages, size=700))
    read = []
    with pytest.MonkeyPatch.context() as patch:
        real = _tiff_chain._Walk._tags
        patch.setattr(
            _tiff_chain._Walk, "_tags", lambda self, at: read.append(at) or real(self, at)
        )
        with suppress(BrokenChain):
            assert count_pages(str(path)) <= 700 // 6
    assert len(read) <= 700 // 6 + 1


@pytest.mark.parametrize("levels", [1, 2])
def test_smaller_versions_that_there_are_are_no_circle(tmp_path, levels) -> None:
    """Also where the chain leads to them too, as some programs write it."""
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        options = {"photometric": "minisblack", "tile": (16, 16)}
        file.write(np.repeat(PAGES, 4, 2).repeat(4, 1), subifds=levels, **options)
        for level in range(1, levels + 1):
            scale = 4 // 2**level
            file.write(np.repeat(PAGES, scale, 2).repeat(scale, 1), subfiletype=1, **options)
    assert count_pages(str(path)) == len(PAGES)
    assert open_source(path).levels == levels + 1
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page, first = file.pages[len(PAGES) - 1].aspage(), file.pages[0].subifds[0]
        end = page.offset + 2 + 12 * len(page.tags)
    content[end : end + 4] = struct.pack("<I", first)
    path.write_bytes(content)
    assert count_pages(str(path)) > len(PAGES)


SAID = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{images}</OME>'
IMAGE = (
    '<Image ID="Image:{n}"><Pixels ID="P:{n}" DimensionOrder="XYZCT" Type="uint16" SizeX="16" '
    'SizeY="16" SizeZ="6" SizeC="1" SizeT="{t}"><Channel ID="C:{n}:0"/>{data}</Pixels></Image>'
)
GOOD = IMAGE.format(n=0, t=1, data='<TiffData IFD="0" PlaneCount="6"/>')
MODULO = (
    '<StructuredAnnotations><XMLAnnotation ID="A:0" '
    'Namespace="openmicroscopy.org/omero/dimension/modulo"><Value><Modulo>'
    '<ModuloAlongT Type="lifetime" Start="0" End="{end}" Step="{step}"/></Modulo></Value>'
    "</XMLAnnotation></StructuredAnnotations>"
)
CLAIMS = {
    "times": IMAGE.format(n=0, t=500, data='<TiffData IFD="0" PlaneCount="6"/>'),
    "planes of another image": GOOD
    + IMAGE.format(n=1, t=1, data='<TiffData IFD="0" PlaneCount="3000"/>'),
    "times of another image": GOOD
    + IMAGE.format(n=1, t=500, data='<TiffData IFD="0" FirstT="499" PlaneCount="1"/>'),
    "planes that are named often": IMAGE.format(n=0, t=1, data="<TiffData/>" * 600),
    "steps": GOOD.replace("<Pixels", '<AnnotationRef ID="A:0"/><Pixels')
    + MODULO.format(end=4000, step=1),
    "short steps": GOOD + MODULO.format(end=1, step=0.0001),
    "steps of nothing": GOOD + MODULO.format(end="nan", step=1),
}


def listed(_):
    pytest.fail("a library lists them")


@pytest.mark.parametrize("missing", ["error", "fill"])
@pytest.mark.parametrize("kind", CLAIMS)
def test_planes_that_are_announced_are_counted_before_a_library_lists_them(
    tmp_path, monkeypatch, kind, missing
) -> None:
    monkeypatch.setattr(_tiff_claims, "_FREE", 100)
    monkeypatch.setattr(_tiff_claims, "_TIMES", 2)
    if hasattr(tifffile.TiffFile, "_series_ome"):  # before 2026.5.2
        monkeypatch.setattr(tifffile.TiffFile, "_series_ome", listed)
    else:
        monkeypatch.setitem(tifffile.TIFF.SERIES, "ome", listed)
    path, said = tmp_path / "a.ome.tif", SAID.format(images=CLAIMS[kind])
    options = {"photometric": "minisblack", "metadata": None}
    tifffile.imwrite(path, PAGES, description=said, **options)
    with pytest.raises(MetadataError, match="no more planes than there may be"):
        open_source(path, missing=missing, series=0)
    found = open_source(path, missing=missing, axes="zyx", voxel_size=1)
    np.testing.assert_array_equal(found.read(found.spec.roi), PAGES)


def in_two_files(folder, *, second):
    """Write an OME-TIFF of two images, the other of which lies in a file of its own."""
    data = (
        '<TiffData IFD="0" PlaneCount="6"/>',
        '<TiffData IFD="0" PlaneCount="6"><UUID FileName="b.ome.tif">urn:uuid:1</UUID></TiffData>',
    )
    images = "".join(IMAGE.format(n=n, t=1, data=data[n]) for n in range(2))
    said = SAID.format(images=images).replace("<OME ", '<OME UUID="urn:uuid:0" ')
    options = {"photometric": "minisblack", "metadata": None}
    tifffile.imwrite(folder / "a.ome.tif", PAGES, description=said, **options)
    if isinstance(second, bytes):
        (folder / "b.ome.tif").write_bytes(second)
    else:
        tifffile.imwrite(folder / "b.ome.tif", second, **options)
    return folder / "a.ome.tif"


def test_a_file_of_another_image_that_goes_on_for_ever_is_refused(tmp_path, monkeypatch) -> None:
    path = in_two_files(tmp_path, second=tiff(ENDLESS["a circle"]))
    real, parsed = tifffile.TiffFile.__init__, []
    monkeypatch.setattr(
        tifffile.TiffFile,
        "__init__",
        lambda self, file, **options: parsed.append(str(file)) or real(self, file, **options),
    )
    with pytest.raises(SourceError, match="follow each other to an end") as caught:
        open_source(path, series=0)
    assert re.search(r"where: .*b\.ome\.tif", str(caught.value))
    assert set(parsed) == {str(path)}


@pytest.mark.parametrize("second", [PAGES, PAGES[:3], b"no TIFF"], ids=["whole", "less", "none"])
def test_what_is_wrong_with_a_file_of_another_image_is_no_matter_of_this(tmp_path, second) -> None:
    source = open_source(in_two_files(tmp_path, second=second), series=0)
    np.testing.assert_array_equal(source.read(source.spec.roi), PAGES)


@pytest.mark.parametrize(
    ("places", "summary", "is_too_much"),
    [
        ([[0, z, 0, 0, 8] for z in range(6)], {"Slices": 6}, False),
        ([[0, z, 0, 0, 8] for z in range(6)], {"Slices": 20_000}, True),
        ([[0, 0, 0, 0, 8], [0, 30_000, 0, 0, 8]], {}, True),
        ([], {"Slices": 20_000}, False),
    ],
    ids=["as there are", "slices", "places far apart", "none"],
)
def test_planes_of_micro_manager_are_counted_before_a_library_lists_them(
    monkeypatch, places, summary, is_too_much
) -> None:
    monkeypatch.setattr(_tiff_claims, "_FREE", 1000)
    said = {"IndexMap": np.array(places, np.uint32).reshape(-1, 5), "Summary": summary}
    file = SimpleNamespace(is_mmstack=True, is_ndtiff=False, micromanager_metadata=said)
    with pytest.raises(ValueError, match="planes, of") if is_too_much else nullcontext():
        _tiff_claims.check_stacks(file)


@pytest.mark.parametrize("last", [5, 40_000])
def test_planes_of_an_ndtiff_are_counted_before_a_library_lists_them(
    tmp_path, monkeypatch, last
) -> None:
    monkeypatch.setattr(_tiff_claims, "_FREE", 1000)
    entries = b""
    for place in (0, last):
        axes, name = b'{"z": %d, "channel": "DAPI"}' % place, b"a.tif"
        entries += struct.pack("<I", len(axes)) + axes + struct.pack("<I", len(name)) + name
        entries += struct.pack("<IiiiiIii", 0, 16, 16, 1, 0, 0, 0, 0)
    (tmp_path / "NDTiff.index").write_bytes(entries)
    handle = SimpleNamespace(dirname=str(tmp_path))
    file = SimpleNamespace(is_mmstack=False, is_ndtiff=True, filehandle=handle)
    with pytest.raises(ValueError, match="planes, of") if last > 5 else nullcontext():
        _tiff_claims.check_stacks(file)
