"""Files that are one OME-TIFF: what is missing of it is told, and each of them opens all of it."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import _tiff_layout, open_source, sets_among
from scutoid.errors import MetadataError, ParameterError, SourceError
from scutoid.geometry import Roi


def read(source, **options):
    opened = open_source(source, **options)
    return opened.read(opened.spec.roi)


def test_a_folder_of_a_set_is_its_image(tmp_path, ome) -> None:
    ome.plane_files(tmp_path)
    opened = sc.open(tmp_path)
    assert (opened.axes, opened.voxel_size) == ("zyx", (2, 0.5, 0.5))
    np.testing.assert_array_equal(opened.read(), ome.PLANES[:5])


def test_a_folder_of_two_sets_is_refused_by_name(tmp_path, ome) -> None:
    ome.plane_files(tmp_path, 3)
    ome.companion(tmp_path)
    with pytest.raises(SourceError, match=r"2 images, by p0\.ome\.tif, z0\.ome\.tif"):
        sc.open(tmp_path)


@pytest.mark.parametrize("lost", [0, 2, 4])
def test_a_file_of_a_set_that_is_missing_is_named_or_filled(tmp_path, ome, lost) -> None:
    paths = ome.plane_files(tmp_path)
    paths[lost].unlink()
    for source in (tmp_path, *(path for path in paths if path.exists())):
        with pytest.raises(SourceError, match=rf"(?s)z{lost}\.ome\.tif.*missing=\"fill\""):
            open_source(source)
        with pytest.warns(UserWarning, match=rf"1 of its 5 planes are missing.* z={lost}.* 0"):
            opened = sc.open(source, missing="fill")
        expected = ome.PLANES[:5].copy()
        expected[lost] = 0
        np.testing.assert_array_equal(opened.read(), expected)


def test_a_file_that_comes_back_changes_the_key(tmp_path, ome) -> None:
    paths = ome.plane_files(tmp_path / "set")
    shutil.move(paths[3], tmp_path / "gone")
    with pytest.warns(UserWarning, match="1 of its 5 planes"):
        before = sc.open(paths[0], missing="fill") + 1
    shutil.move(tmp_path / "gone", paths[3])
    after = sc.open(paths[0], missing="fill") + 1
    sc.run(before, store=tmp_path / "store", executor="serial")
    assert not sc.plan(after, store=tmp_path / "store").is_done


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-700])


def test_a_damaged_file_is_no_missing_one(tmp_path, ome) -> None:
    paths = ome.plane_files(tmp_path)
    damaged(paths[3])
    with pytest.raises(SourceError, match=r"z3\.ome\.tif"):
        read(paths[0], missing="fill")


@given(n_there=st.integers(1, 5), is_said_each=st.booleans())
def test_planes_that_were_announced_and_not_written(
    tmp_path_factory, ome, n_there, is_said_each
) -> None:
    """An acquisition that was aborted: fewer pages than the description has planes."""
    planes = [ome.data(z, z) for z in range(5)] if is_said_each else ["<TiffData/>"]
    path = tmp_path_factory.mktemp("t") / "a.ome.tif"
    ome.write(path, ome.PLANES[:n_there], ome.xml(ome.image(planes, 5)))
    if n_there < 5:
        with pytest.raises(SourceError, match="missing="):
            read(path)
    expected = ome.PLANES[:5].copy()
    expected[n_there:] = 0
    np.testing.assert_array_equal(read(path, missing="fill"), expected)
    notes = open_source(path, missing="fill").spec.notes
    assert [note.subject for note in notes] == ["missing"] * (n_there < 5)


@given(named=st.sets(st.integers(0, 4), min_size=1))
def test_planes_that_no_page_is_named_for(tmp_path_factory, ome, named) -> None:
    """The description has sizes of what was meant, and names the planes that were recorded."""
    planes = [ome.data(z, page) for page, z in enumerate(sorted(named))]
    path = tmp_path_factory.mktemp("t") / "a.ome.tif"
    ome.write(path, ome.PLANES[: len(named)], ome.xml(ome.image(planes, 5)))
    if len(named) < 5:
        with pytest.raises(SourceError, match=f"{5 - len(named)} of its 5 planes are missing"):
            read(path)
    found = read(path, missing="fill")
    for page, z in enumerate(sorted(named)):
        np.testing.assert_array_equal(found[z], ome.PLANES[page])
    assert not found[sorted(set(range(5)) - named)].any()


def test_missing_is_one_of_two_words(tmp_path, ome) -> None:
    for opening in (sc.open, sc.open_folder):
        with pytest.raises(ParameterError, match='"error" or "fill"'):
            opening(np.zeros((3, 3)) if opening is sc.open else tmp_path, missing="zero")


def test_a_companion_opens_from_either_side(tmp_path, ome) -> None:
    path = ome.companion(tmp_path)
    for source in (path, tmp_path, tmp_path / "p0.ome.tif", tmp_path / "p3.ome.tif"):
        opened = open_source(source)
        assert (opened.spec.axes, opened.spec.voxel_size) == ("zyx", (2, 0.5, 0.5))
        np.testing.assert_array_equal(opened.read(opened.spec.roi), ome.PLANES[:4])
        assert str(path) in opened.identity.locations


def test_a_companion_that_is_missing_is_named(tmp_path, ome) -> None:
    ome.companion(tmp_path).unlink()
    with pytest.raises(SourceError, match=r"no a\.companion\.ome"):
        open_source(tmp_path / "p0.ome.tif")
    found = read(tmp_path / "p1.ome.tif", axes="yx", voxel_size=1)
    np.testing.assert_array_equal(found, ome.PLANES[1])


def test_a_companion_that_lies_elsewhere_is_not_followed(tmp_path, ome) -> None:
    path = ome.companion(tmp_path / "in")
    shutil.copy(path, tmp_path / "a.companion.ome")
    first = tmp_path / "in" / "p0.ome.tif"
    only = '<BinaryOnly MetadataFile="../a.companion.ome" UUID="urn:uuid:p0.ome.tif"/>'
    ome.write(first, ome.PLANES[0], ome.xml(only))
    with pytest.raises(SourceError, match="allow_outside"):
        open_source(first)


def test_a_companion_without_planes_in_files(tmp_path, ome) -> None:
    (tmp_path / "a.companion.ome").write_text(ome.xml(ome.image([], 3)))
    with pytest.raises(SourceError, match="names none"):
        open_source(tmp_path / "a.companion.ome")
    (tmp_path / "b.companion.ome").write_text("<OME><Image></OME>")
    with pytest.raises(MetadataError, match="well-formed"):
        open_source(tmp_path / "b.companion.ome")


@given(order=st.permutations(["z0", "z1", "z2", "alone", "plain"]))
def test_sets_are_found_whatever_the_order(tmp_path_factory, ome, order) -> None:
    """z0 describes all; z1 has no description, as some programs leave those of later files."""
    folder = tmp_path_factory.mktemp("t")
    names = [f"z{z}.ome.tif" for z in range(3)]
    planes = [ome.data(z, 0, name) for z, name in enumerate(names)]
    for z, name in enumerate(names):
        text = None if z == 1 else ome.xml(ome.image(planes, 3), uuid=name)
        ome.write(folder / name, ome.PLANES[z], text)
    alone = ome.xml(ome.image([ome.data(0, 0), ome.data(1, 1)], 2))
    ome.write(folder / "alone.ome.tif", ome.PLANES[:2], alone)
    tifffile.imwrite(folder / "plain.ome.tif", ome.PLANES[:2])
    found = sets_among([str(folder / f"{name}.ome.tif") for name in order])
    opening = [path for path, item in found.items() if item]
    assert len(opening) == 1
    assert found[opening[0]].files == {str(folder / name) for name in names}
    others = {str(folder / "alone.ome.tif"), str(folder / "plain.ome.tif")}
    assert set(found) - set(opening) == others
    assert len(sc.open_folder(folder / "*.tif")) == 3


def test_a_series_of_a_set_is_read_of_its_own_files(tmp_path, ome) -> None:
    """Each file has one image of two, and the description of both."""
    names = ("a.ome.tif", "b.ome.tif")
    images = [
        ome.image([ome.data(z, z, name) for z in range(3)], 3, number=n, name=f"site {n}")
        for n, name in enumerate(names)
    ]
    for n, name in enumerate(names):
        ome.write(tmp_path / name, ome.PLANES[3 * n : 3 * n + 3], ome.xml(*images, uuid=name))
    for name in names:
        for which in (1, "site 1"):
            np.testing.assert_array_equal(read(tmp_path / name, series=which), ome.PLANES[3:6])
    (tmp_path / "a.ome.tif").unlink()
    np.testing.assert_array_equal(read(tmp_path / "b.ome.tif", series=1), ome.PLANES[3:6])
    with pytest.raises(SourceError, match=r"a\.ome\.tif"):
        read(tmp_path / "b.ome.tif", series=0)


@pytest.mark.parametrize("small", [10**6, 1000], ids=["read in one piece", "read page by page"])
def test_pages_of_two_files_that_follow_one_another_by_place(
    tmp_path, ome, small, monkeypatch
) -> None:
    """Page 1 of the second file lies where page 0 of the first ends: it is no page of the first."""
    monkeypatch.setattr(_tiff_layout, "SMALL", small)
    names = ("a.ome.tif", "b.ome.tif")
    planes = [ome.data(0, 0, names[0]), ome.data(1, 1, names[1]), ome.data(2, 2, names[1])]
    for n, name in enumerate(names):
        text = ome.xml(ome.image(planes, 3), uuid=name)
        ome.write(tmp_path / name, ome.PLANES[3 * n : 3 * n + 3], text)
    expected = ome.PLANES[[0, 4, 5]]
    np.testing.assert_array_equal(read(tmp_path / "a.ome.tif"), expected)
    np.testing.assert_array_equal(read(tmp_path / "b.ome.tif"), expected)


def test_positions_and_sets_in_one_folder(tmp_path, ome) -> None:
    ome.plane_files(tmp_path, 3)
    ome.positions(tmp_path / "s.ome.tif")
    members = sc.open_folder(tmp_path)
    assert members.keys == ("s.ome.tif/0", "s.ome.tif/1", "z0.ome.tif")
    np.testing.assert_array_equal(members["s.ome.tif/1"].read(), ome.PLANES[3:6])
    np.testing.assert_array_equal(members["z0.ome.tif"].read(), ome.PLANES[:3])
    assert list(members.groups["name"]) == ["left", "right", ""]


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_threads_read_pages_of_many_files_at_once(tmp_path, ome, options, monkeypatch) -> None:
    monkeypatch.setattr(_tiff_layout, "SMALL", 1000)
    names = [f"z{z}.ome.tif" for z in range(4)]
    planes = [ome.data(z, z % 3, names[z // 3]) for z in range(12)]
    for n, name in enumerate(names):
        tifffile.imwrite(
            tmp_path / name,
            ome.PLANES[3 * n : 3 * n + 3],
            photometric="minisblack",
            metadata=None,
            description=ome.xml(ome.image(planes, 12), uuid=name).encode(),
            **options,
        )
    source = open_source(tmp_path / names[1])
    regions = [Roi((z, 0, 0), (1, 24, 32)) for z in range(12)] * 4
    with ThreadPoolExecutor(8) as pool:
        for roi, found in zip(regions, pool.map(source.read, regions), strict=True):
            np.testing.assert_array_equal(found, ome.PLANES[roi.to_slices()])
