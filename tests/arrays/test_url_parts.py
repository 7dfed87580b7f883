"""Large TIFFs at URLs: parts are read, of one version, and they are what a copy would be."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
import tifffile

import scutoid as sc
from scutoid.arrays import _download, _parts, _tiff_layout, open_source
from scutoid.arrays._cache import SHARED
from scutoid.errors import ScutoidError, SourceError
from scutoid.remote import _ranged
from scutoid.store.keys import key_of_source

SHAPE = (6, 300, 400)
NOISE = np.random.default_rng(0).integers(0, 4000, SHAPE, "uint16")


def pyramid(path):
    with tifffile.TiffWriter(path) as file:
        options = {"tile": (64, 64), "compression": "zlib", "metadata": {"axes": "ZYX"}}
        file.write(NOISE, subifds=1, **options)
        file.write(NOISE[:, ::2, ::2], subfiletype=1, **options)


KINDS = {
    "tiles": lambda path: tifffile.imwrite(path, NOISE, tile=(64, 64), compression="zlib"),
    "strips": lambda path: tifffile.imwrite(path, NOISE, rowsperstrip=50, compression="zlib"),
    "one piece": lambda path: tifffile.imwrite(
        path, NOISE, imagej=True, metadata={"axes": "ZYX", "spacing": 2.0}
    ),
    "big endian": lambda path: tifffile.imwrite(path, NOISE.astype(">u2"), byteorder=">"),
    "BigTIFF": lambda path: tifffile.imwrite(path, NOISE, bigtiff=True, tile=(64, 64)),
    "OME": lambda path: tifffile.imwrite(path, NOISE, ome=True, metadata={"axes": "ZYX"}),
    "pages": lambda path: [tifffile.imwrite(path, page, append=True) for page in NOISE],
    "levels": pyramid,
}


@pytest.fixture(autouse=True)
def every_size(monkeypatch):
    """Files of any size are read in parts, and by strip or tile."""
    monkeypatch.setattr(_download, "_SMALL", 0)
    monkeypatch.setattr(_tiff_layout, "SMALL", 1)
    monkeypatch.setattr(_tiff_layout, "_SLAB", 2**16)


class Asked:
    """Counts the bytes that a web server is asked for."""

    def __init__(self, web):
        self.spans = []
        self.n_whole = 0
        web.before = self.note
        self.has_ranges = True

    def note(self, handler):
        if handler.command != "GET":
            return
        if not self.has_ranges:
            del handler.headers["Range"]
        span = re.match(r"bytes=(\d+)-(\d+)$", handler.headers.get("Range", ""))
        if span:
            self.spans.append((int(span[1]), int(span[2]) + 1))
        else:
            self.n_whole += 1

    @property
    def n_bytes(self):
        return sum(stop - start for start, stop in self.spans)


@pytest.fixture
def asked(web, monkeypatch):
    """A server that tells each change."""
    monkeypatch.setattr("scutoid.remote._files._SETTLED_S", -1e9)
    web.says = ("ETag", "Last-Modified", "Content-Length")
    return Asked(web)


def forget_parts(source):
    """Chunks and blocks that this process has read are read again."""
    SHARED._held.clear()
    SHARED._bytes = 0
    source.ranged._blocks.clear()


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_what_the_file_is(web, asked, kind, tmp_path, monkeypatch):
    path = web.folder / "a.tif"
    KINDS[kind](path)
    here, image = open_source(path, axes="zyx"), open_source(web.url("a.tif"), axes="zyx")
    assert image.identity.parts
    assert (image.spec, image.chunks, image.levels) == (here.spec, here.chunks, here.levels)
    region = sc.Roi((1, 20, 30), (2, 40, 50))
    np.testing.assert_array_equal(image.read(region), NOISE[1:3, 20:60, 30:80])
    assert asked.n_whole == 0
    assert asked.n_bytes < path.stat().st_size * 0.7
    np.testing.assert_array_equal(image.read(image.spec.roi), NOISE)
    if here.levels > 1:
        coarse = sc.open(web.url("a.tif"), axes="zyx", level=1)
        np.testing.assert_array_equal(coarse.read(), NOISE[:, ::2, ::2])
    key = key_of_source(image.identity, image.spec)
    assert key == key_of_source(here.identity, here.spec)
    monkeypatch.setattr(_download, "_SMALL", 2**40)
    _download._in_parts.clear()
    copied = open_source(web.url("a.tif"), axes="zyx")
    assert not copied.identity.parts
    assert key == key_of_source(copied.identity, copied.spec)


def test_a_run_and_a_plan_after_it_read_each_part_once_for_the_key(web, asked, tmp_path):
    path = web.folder / "a.tif"
    KINDS["tiles"](path)
    size = path.stat().st_size
    smooth = sc.gaussian.options(block=(6, 128, 128))(
        sc.open(web.url("a.tif"), axes="zyx"), sigma=1
    )
    sc.run(smooth, store=tmp_path / "store", executor="processes", workers=2, report=False)
    truth = sc.gaussian(NOISE, sigma=1)
    np.testing.assert_array_equal(np.asarray(smooth), truth)
    assert asked.n_whole == 0
    asked.spans.clear()
    again = sc.gaussian.options(block=(6, 128, 128))(sc.open(web.url("a.tif"), axes="zyx"), sigma=1)
    assert sc.plan(again, store=tmp_path / "store").is_done
    assert asked.n_bytes < size / 4
    sc.plan(again, store=tmp_path / "store", paranoid=True)
    assert asked.n_bytes >= size


@pytest.mark.parametrize("kind", ["tiles", "one piece"])
def test_a_file_that_changes_is_refused(web, asked, kind):
    path = web.folder / "a.tif"
    KINDS[kind](path)
    source = open_source(web.url("a.tif"), axes="zyx")
    source.read(sc.Roi((0, 0, 0), (1, 9, 9)))
    forget_parts(source)
    tifffile.imwrite(path, NOISE + 1, tile=(64, 64), compression="zlib")
    with pytest.raises(SourceError, match="has changed since") as caught:
        source.read(sc.Roi((4, 0, 0), (1, 9, 9)))
    assert web.url("a.tif") in str(caught.value)
    assert "scutoid-urls" not in str(caught.value)
    np.testing.assert_array_equal(sc.open(web.url("a.tif"), axes="zyx").read(), NOISE + 1)


def test_a_server_without_ranges_has_the_file_copied(web, asked):
    asked.has_ranges = False
    KINDS["tiles"](web.folder / "a.tif")
    source = open_source(web.url("a.tif"), axes="zyx")
    assert not source.identity.parts
    np.testing.assert_array_equal(source.read(source.spec.roi), NOISE)
    assert asked.n_whole == 2  # the first of which was for a part


def test_pages_that_lie_everywhere_have_the_file_copied(web, asked, monkeypatch):
    monkeypatch.setattr(_ranged, "_FREE", 3)
    monkeypatch.setattr(_ranged, "_WORTH", 2**30)
    KINDS["pages"](web.folder / "a.tif")
    source = open_source(web.url("a.tif"), axes="zyx")
    assert not source.identity.parts
    np.testing.assert_array_equal(source.read(source.spec.roi), NOISE)


@pytest.mark.parametrize("status", [500, 503, 403, 404])
@pytest.mark.parametrize("skip", [0, 1, 2, 3, 4])
def test_a_server_that_fails_is_an_error_or_asked_again_and_never_zeros(web, asked, status, skip):
    """Of each request there is a failure that passes, and one that does not."""
    KINDS["OME"](web.folder / "a.tif")
    web.failures["/a.tif"] = Fails(status, skip, 1)
    _download._in_parts.clear()
    try:
        found = sc.open(web.url("a.tif"), axes="zyx").read()
    except ScutoidError:
        assert status < 500
    else:
        np.testing.assert_array_equal(found, NOISE)
    web.failures["/a.tif"] = Fails(status, skip, 10**6)
    _download._in_parts.clear()
    SHARED._held.clear()
    SHARED._bytes = 0
    with pytest.raises(ScutoidError) as caught:
        sc.open(web.url("a.tif"), axes="zyx").read()
    assert web.url("a.tif") in str(caught.value)


class Fails(list):
    """Failures that are due after some answers."""

    def __init__(self, status, skip, times):
        super().__init__([None] * skip + [status] * min(times, 500))


def test_a_part_that_is_cut_is_asked_for_again(web, asked):
    KINDS["one piece"](web.folder / "a.tif")
    image = sc.open(web.url("a.tif"), axes="zyx")
    left = [2]

    def cut(handler):
        if left[0] and handler.command == "GET":
            left[0] -= 1
            write = handler.wfile.write
            handler.wfile.write = lambda content: write(content[: max(len(content) // 2, 999)])
            handler.close_connection = True

    web.before = cut
    np.testing.assert_array_equal(image.read(), NOISE)
    assert left == [0]


def test_another_process_on_another_machine_reads_it(web, asked):
    KINDS["tiles"](web.folder / "a.tif")
    source = open_source(web.url("a.tif"), axes="zyx")
    sent = pickle.dumps(source)
    _parts._STANDING_FOR.clear()
    (path,) = source.copies
    _download.os.unlink(path)
    there = pickle.loads(sent)
    np.testing.assert_array_equal(there.read(there.spec.roi), NOISE)


def test_a_copy_is_made_again_on_another_machine(web, asked, monkeypatch):
    monkeypatch.setattr(_download, "_SMALL", 2**40)
    KINDS["tiles"](web.folder / "a.tif")
    source = open_source(web.url("a.tif"), axes="zyx")
    there = pickle.loads(pickle.dumps(source))
    (path,) = source.copies
    _download.os.unlink(path)
    np.testing.assert_array_equal(there.read(there.spec.roi), NOISE)
    _download.os.unlink(path)
    KINDS["strips"](web.folder / "a.tif")
    with pytest.raises(SourceError, match="changed"):
        there.read(there.spec.roi)


# Sets of files


def voxels_of_sets(ome, folder):
    """Write a set of five files, each of which names all, and one with a companion."""
    ome.plane_files(folder / "five")
    ome.companion(folder / "with")
    return [*sorted((folder / "five").iterdir()), *sorted((folder / "with").iterdir())]


def test_a_set_of_files_is_read_through_each_of_them(web, ome):
    for name in ("five", "with"):
        (web.folder / name).mkdir()
    for path in voxels_of_sets(ome, web.folder):
        here = open_source(path)
        image = open_source(web.url(path.relative_to(web.folder).as_posix()))
        assert image.spec == here.spec
        np.testing.assert_array_equal(image.read(image.spec.roi), here.read(here.spec.roi))
        assert len(image.identity.remote) == len(here.identity.locations) > 3
        key = key_of_source(image.identity, image.spec)
        assert key == key_of_source(here.identity, here.spec)


def test_a_file_of_a_set_that_changes_or_is_missing_is_told(web, ome):
    (web.folder / "five").mkdir()
    files = ome.plane_files(web.folder / "five")
    image = open_source(web.url(f"five/{files[0].name}"))
    tifffile.imwrite(files[3], np.full((8, 9), 7, "u2"), metadata=None)
    with pytest.raises(SourceError, match="stays as it was"):
        key_of_source(image.identity, image.spec)
    files[3].unlink()
    with pytest.raises(SourceError, match=files[3].name) as caught:
        open_source(web.url(f"five/{files[0].name}"))
    assert "scutoid-urls" not in str(caught.value)


def test_a_pattern_at_a_url_finds_a_set_once(web, ome):
    (web.folder / "five").mkdir()
    ome.plane_files(web.folder / "five")
    ome.companion(web.folder / "five")
    tifffile.imwrite(web.folder / "five" / "alone.ome.tif", NOISE[0])
    here = sc.open_folder(web.folder / "five" / "*.ome.tif")
    found = sc.open_folder(web.url("five/*.ome.tif"))
    assert found.keys == here.keys
    assert len(found) == 3
    for key in found.keys:
        np.testing.assert_array_equal(found[key].read(), here[key].read())
    web.failures["/five/alone.ome.tif"] = Fails(500, 0, 500)  # its member fails
    assert sc.open_folder(web.url("five/*.ome.tif")).keys == here.keys
    web.failures["/five/z0.ome.tif"] = Fails(500, 0, 500)
    with pytest.raises(SourceError, match=r"500(.|\n)*z0\.ome\.tif"):
        sc.open_folder(web.url("five/*.ome.tif"))


# Object storage


def test_parts_of_an_object(bucket, tmp_path):
    path = tmp_path / "a.tif"
    KINDS["tiles"](path)
    bucket.put("plate/a.tif", path.read_bytes())
    bucket.proxy.forget()
    image = open_source(bucket.url("plate/a.tif"), axes="zyx")
    assert image.identity.parts
    np.testing.assert_array_equal(image.read(image.spec.roi), NOISE)
    assert {each[0] for each in bucket.proxy.asked} == {"HEAD", "GET"}
    bucket.put("plate/a.tif", path.read_bytes() + b"more")
    forget_parts(image)
    with pytest.raises(SourceError, match="has changed since"):
        image.read(image.spec.roi)
    bucket.remove("plate/a.tif")
    with pytest.raises(SourceError, match="is gone"):
        image.read(image.spec.roi)


@pytest.mark.parametrize("fault", ["cut", "drop", 503])
def test_faults_between_a_bucket_and_its_reader(bucket, tmp_path, fault):
    path = tmp_path / "a.tif"
    KINDS["one piece"](path)
    bucket.put("plate/a.tif", path.read_bytes())
    for n_before in range(4):
        due = bucket.proxy.fails(*[None] * n_before, fault, of="a.tif", method="GET")
        image = open_source(bucket.url("plate/a.tif"), axes="zyx")
        np.testing.assert_array_equal(image.read(image.spec.roi), NOISE)
        assert not due
        forget_parts(image)
        _download._in_parts.clear()
