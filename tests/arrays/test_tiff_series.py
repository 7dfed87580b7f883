"""Which of the images of a TIFF is meant: never silently the first of several."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import images_of, open_source
from scutoid.errors import MetadataError, ParameterError, SourceError

PAGES = np.random.default_rng(3).integers(1, 250, (6, 32, 40)).astype("uint8")
REDUCED = 1


def read(source, **options):
    opened = open_source(source, **options)
    return opened.read(opened.spec.roi)


@given(
    n_pages=st.integers(2, 6),
    options=st.sampled_from([{}, {"metadata": None}, {"compression": "zlib"}, {"tile": (16, 16)}]),
    bigtiff=st.booleans(),
)
def test_pages_written_one_at_a_time_are_a_stack(
    tmp_path_factory, n_pages, options, bigtiff
) -> None:
    path = tmp_path_factory.mktemp("t") / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as file:
        for page in PAGES[:n_pages]:
            file.write(page, photometric="minisblack", **options)
    opened = open_source(path)
    assert (opened.spec.axes, opened.levels) == ("zyx", 1)
    assert [note.subject for note in opened.spec.notes] == ["axes"]
    np.testing.assert_array_equal(opened.read(opened.spec.roi), PAGES[:n_pages])
    assert open_source(path, axes="tyx").spec.axes == "tyx"


def test_large_pages_written_one_at_a_time_are_read_by_page(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("scutoid.arrays._tiff_layout.SMALL", 1000)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in PAGES:
            file.write(page, compression="zlib", rowsperstrip=8)
    opened = open_source(tmp_path / "a.tif")
    assert opened.chunks == (1, 8, 40)
    np.testing.assert_array_equal(opened.read(opened.spec.roi), PAGES)


def test_pages_written_in_different_ways_are_one_stack_in_their_order(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number, page in enumerate(PAGES):
            how = {"compression": "zlib"} if number % 2 else {}
            file.write(page, metadata=None, photometric="minisblack", **how)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", axes="tyx"), PAGES)


@pytest.mark.parametrize(
    "odd",
    [np.zeros((16, 16), "uint8"), np.zeros((32, 40), "uint16"), np.zeros((32, 40, 3), "uint8")],
    ids=["size", "type", "colours"],
)
@pytest.mark.parametrize("place", [0, 2, 5])
def test_pages_that_do_not_agree_are_listed(tmp_path, odd, place) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number, page in enumerate(PAGES):
            file.write(odd if number == place else page)
    with pytest.raises(MetadataError, match=r"(?s)5: .*series=0.*sc\.open_folder\(path\)"):
        open_source(tmp_path / "a.tif")
    for number, page in enumerate(PAGES):
        expected = odd if number == place else page
        np.testing.assert_array_equal(read(tmp_path / "a.tif", series=number), expected)
    assert len(images_of(str(tmp_path / "a.tif"))) == 6


def test_stacks_in_one_file_are_listed(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for name, stack in (("one", PAGES[:3]), ("two", PAGES[3:])):
            file.write(stack, photometric="minisblack", metadata={"axes": "ZYX", "name": name})
    with pytest.raises(MetadataError, match=r"0: 'one' zyx \(3, 32, 40\), uint8; 1: 'two'"):
        open_source(tmp_path / "a.tif")
    np.testing.assert_array_equal(read(tmp_path / "a.tif", series="two"), PAGES[3:])


@pytest.mark.filterwarnings("ignore:<tifffile.TiffWriter.write> data with shape")
def test_pages_that_are_stacks_by_their_own_words_are_images(tmp_path) -> None:
    """As tifffile writes three planes of uint8: as one page with three components."""
    stacks = np.random.default_rng(0).integers(0, 255, (2, 3, 16, 20)).astype("uint8")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for stack in stacks:
            file.write(stack, metadata={"axes": "ZYX"})
    with pytest.raises(MetadataError, match=r"zyx \(3, 16, 20\).*zyx \(3, 16, 20\)"):
        sc.open(tmp_path / "a.tif")
    for number, (_, image) in enumerate(sc.open_folder(tmp_path / "a.tif").items()):
        assert image.axes == "zyx"
        np.testing.assert_array_equal(image, stacks[number])
        np.testing.assert_array_equal(sc.open(tmp_path / "a.tif", series=number), stacks[number])
    assert number == 1


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("metadata", [{}, {"metadata": None}])
def test_a_thumbnail_is_not_the_image(tmp_path, is_first, metadata) -> None:
    small = np.ascontiguousarray(PAGES[0, ::5, ::5])
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        if is_first:
            file.write(small, subfiletype=REDUCED, photometric="minisblack", **metadata)
        file.write(PAGES, photometric="minisblack", **metadata)
        if not is_first:
            file.write(small, subfiletype=REDUCED, photometric="minisblack", **metadata)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), PAGES)
    which = 0 if is_first else 1
    if is_first:
        np.testing.assert_array_equal(read(tmp_path / "a.tif", series=which), small)
    assert len(images_of(str(tmp_path / "a.tif"))) == 1


def test_a_mask_beside_a_page_is_not_the_image(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(PAGES[0], metadata=None)
        file.write(PAGES[1] > 99, subfiletype=4, metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), PAGES[0])


def test_a_slide_with_label_and_overview_is_its_image(tmp_path) -> None:
    """As Aperio writes them: the slide, a thumbnail, smaller versions, a label and an overview."""
    slide = np.random.default_rng(0).integers(0, 255, (256, 320, 3)).astype("uint8")
    said = "Aperio Image Library v1.0\r\n320x256 -> 320x256 |MPP = 0.5"
    tiled = {"tile": (64, 64), "photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(tmp_path / "a.svs") as file:
        file.write(slide, description=said, **tiled)
        file.write(slide[::4, ::4], description=said, photometric="rgb", metadata=None)
        file.write(slide[::2, ::2], description=said, **tiled)
        for kind in (1, 9):
            file.write(
                slide[::8, ::8],
                subfiletype=kind,
                description=said,
                photometric="rgb",
                metadata=None,
            )
    opened = open_source(tmp_path / "a.svs")
    assert opened.levels == 2
    np.testing.assert_array_equal(opened.read(opened.spec.roi), slide)
    assert read(tmp_path / "a.svs", series="Label").shape == (32, 40, 3)


@given(which=st.integers(0, 3), is_named=st.booleans())
def test_an_image_of_ome_xml_by_number_or_name(tmp_path_factory, ome, which, is_named) -> None:
    path = ome.positions(tmp_path_factory.mktemp("t") / "a.ome.tif", "abcd")
    opened = open_source(path, series="abcd"[which] if is_named else which)
    assert (opened.spec.axes, opened.spec.voxel_size) == ("zyx", (2, 0.5, 0.5))
    np.testing.assert_array_equal(
        opened.read(opened.spec.roi), ome.PLANES[3 * which : 3 * which + 3]
    )


def test_what_is_said_of_each_image_is_its_own(tmp_path, ome) -> None:
    first = ome.image([ome.data(0, 0)], 1, name="a").replace("0.5", "0.25")
    second = ome.image([ome.data(0, 1)], 1, number=1, name="b")
    path = ome.write(tmp_path / "a.ome.tif", ome.PLANES[:2], ome.xml(first, second))
    assert open_source(path, series=0).spec.voxel_size == (0.25, 0.25)
    assert open_source(path, series=1).spec.voxel_size == (0.5, 0.5)


def test_images_of_ome_xml_are_listed(tmp_path, ome) -> None:
    path = ome.positions(tmp_path / "a.ome.tif")
    listed = r"0: 'left' tczyx \(1, 1, 3, 24, 32\), uint16; 1: 'right'"
    with pytest.raises(MetadataError, match=listed):
        open_source(path)
    for wrong in ("middle", 2, -1, True):
        with pytest.raises((ParameterError, MetadataError), match="number"):
            open_source(path, series=wrong)


def test_a_name_that_two_images_have_is_none(tmp_path, ome) -> None:
    path = ome.positions(tmp_path / "a.ome.tif", ["x", "x"])
    with pytest.raises(ParameterError, match="several of 0: 'x'"):
        open_source(path, series="x")
    np.testing.assert_array_equal(read(path, series=1), ome.PLANES[3:6])


def test_images_without_pages_do_not_shift_those_after_them(tmp_path, ome) -> None:
    lost = ome.image([ome.data(z, z, "gone.ome.tif") for z in range(3)], 3, name="lost")
    here = ome.image([ome.data(z, z) for z in range(3)], 3, number=1, name="here")
    path = ome.write(tmp_path / "a.ome.tif", ome.PLANES[:3], ome.xml(lost, here))
    with pytest.raises(MetadataError, match="1: 'here'"):
        open_source(path)
    np.testing.assert_array_equal(read(path, series=1), ome.PLANES[:3])
    with pytest.raises(SourceError, match=r"gone\.ome\.tif"):
        open_source(path, series=0)


def test_the_only_image_may_be_named(tmp_path) -> None:
    """And is then the same input."""
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="minisblack")
    one = sc.open(tmp_path / "a.tif", axes="zyx") + 1
    sc.run(one, store=tmp_path / "store", executor="serial")
    again = sc.open(tmp_path / "a.tif", axes="zyx", series=0) + 1
    assert sc.plan(again, store=tmp_path / "store").is_done


def test_series_of_one_file_are_different_inputs(tmp_path, ome) -> None:
    path = ome.positions(tmp_path / "a.ome.tif")
    sc.run(sc.open(path, series=0) + 1, store=tmp_path / "store", executor="serial")
    assert not sc.plan(sc.open(path, series=1) + 1, store=tmp_path / "store").is_done


@pytest.mark.parametrize("source", ["array", "picture", "planes"])
def test_sources_that_hold_one_image_take_no_series(tmp_path, source) -> None:
    given = {"array": PAGES, "picture": tmp_path / "a.npy", "planes": tmp_path / "planes"}[source]
    np.save(tmp_path / "a.npy", PAGES)
    (tmp_path / "planes").mkdir()
    tifffile.imwrite(tmp_path / "planes" / "a.tif", PAGES[0])
    with pytest.raises(ParameterError, match="series= is for"):
        open_source(given, series=0)
