"""Files at URLs: what is absent, what is an error, what is tried again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import ParameterError, ScutoidError, SourceError, SourceNotFound
from scutoid.remote import ask, download, folders_in, listed, read, refuse_secrets


@pytest.fixture
def url(web):
    (web.folder / "a.txt").write_bytes(b"content")
    return web.url("a.txt")


@pytest.mark.parametrize("status", [404, 410])
def test_what_a_server_says_is_absent_is_absent(web, url, status):
    web.failures["/a.txt"] = [status, status]
    assert read(url) is None
    assert ask([url]) == [None]
    assert read(url) == b"content"


@pytest.mark.parametrize("use", [read, lambda url: ask([url])[0], listed, folders_in])
@pytest.mark.parametrize("status", [400, 401, 451, 500, 502, 503, 504])
def test_each_other_failure_is_an_error_that_names_url_and_status(web, url, status, use):
    web.failures["/a.txt"] = [status] * 20
    with pytest.raises(SourceError, match=str(status)) as caught:
        use(url)
    assert url in str(caught.value)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
@pytest.mark.parametrize("use", [read, lambda url: ask([url])[0], listed])
def test_a_server_that_fails_twice_is_asked_again(web, url, status, use):
    expected = use(url)
    web.failures["/a.txt"] = [status, status]
    assert use(url) == expected
    assert not web.failures["/a.txt"]


def test_a_file_that_is_copied_is_there(web, url, tmp_path):
    web.failures["/a.txt"] = [503]
    download(url, str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == b"content"
    with pytest.raises(SourceNotFound, match=r"none\.txt"):
        download(web.url("none.txt"), str(tmp_path / "copy"))
    web.failures["/a.txt"] = [403]
    with pytest.raises(SourceError, match="403"):
        download(url, str(tmp_path / "copy"))


def test_a_server_that_refuses_to_give_headers_alone_is_asked_for_the_file(web, url):
    expected = ask([url])
    web.refuses_head = True
    assert ask([url]) == expected


@pytest.mark.parametrize("says", [("ETag",), ("ETag", "Last-Modified"), ("Last-Modified",), ()])
def test_what_tells_a_change(web, url, says):
    web.says = says
    (said,) = ask([url])
    assert bool(said.tag) == bool(says)
    # A time in whole seconds does not tell what happens within the next.
    assert said.tells_changes == (says == ("ETag",))


def test_voxel_sizes_do_not_depend_on_passing_failures(web):
    import zarr

    group = zarr.open_group(web.folder / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=(4, 30, 30), chunks=(4, 15, 15), dtype="u2")
    scale = {"type": "scale", "scale": [2.0, 0.5, 0.5]}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    for name in ("zarr.json", ".zattrs", ".zarray", ".zgroup", "0/.zarray", "0/.zattrs"):
        web.failures[f"/a.zarr/{name}"] = [503, 503]
    assert sc.open(web.url("a.zarr")).voxel_size == (2.0, 0.5, 0.5)
    web.failures["/a.zarr/.zattrs"] = [503] * 20
    with pytest.raises(SourceError, match=r"503(.|\n)*zattrs"):
        sc.open(web.url("a.zarr"))


def _several(path):
    with tifffile.TiffWriter(path) as file:
        for name in ("left", "right"):
            file.write(np.zeros((5, 8, 9), "u2"), metadata={"axes": "ZYX", "name": name})


def _of_a_set(path):
    names = [path.name, "other.ome.tif"]
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0"><UUID FileName="{name}">urn:{z}</UUID></TiffData>'
        for z, name in enumerate(names)
    )
    xml = (
        '<OME UUID="urn:0"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        'Type="uint16" SizeX="9" SizeY="8" SizeZ="2" SizeC="1" SizeT="1">'
        f'<Channel ID="Channel:0:0"/>{planes}</Pixels></Image></OME>'
    )
    tifffile.imwrite(path, np.zeros((8, 9), "u2"), metadata=None, description=xml)


FILES = {
    "no TIFF": ("a.tif", lambda path: path.write_bytes(b"nonsense")),
    "of several images": ("a.tif", _several),
    "of a set": ("a.ome.tif", _of_a_set),
    "no picture": ("a.png", lambda path: path.write_bytes(b"nonsense")),
    "no zip": ("a.ozx", lambda path: path.write_bytes(b"nonsense")),
}


@pytest.mark.parametrize("name", FILES)
def test_errors_of_a_file_at_a_url_name_the_url_and_not_its_copy(web, name) -> None:
    file, write = FILES[name]
    write(web.folder / file)
    with pytest.raises(ScutoidError) as raised:
        sc.open(web.url(file))
    assert web.url("") in str(raised.value)
    assert "scutoid-urls" not in str(raised.value)


def test_errors_of_reading_name_the_url_too(web) -> None:
    whole = np.random.default_rng(0).integers(0, 99, (64, 64)).astype("u2")
    tifffile.imwrite(web.folder / "a.tif", whole, compression="zlib", tile=(16, 16))
    with tifffile.TiffFile(web.folder / "a.tif") as opened:
        at = opened.pages[0].dataoffsets[0]
    with (web.folder / "a.tif").open("r+b") as opened:
        opened.seek(at)
        opened.write(b"\x00" * 20)
    image = sc.open(web.url("a.tif"))
    with pytest.raises(ScutoidError) as raised:
        image.read()
    assert web.url("a.tif") in str(raised.value)
    assert "scutoid-urls" not in str(raised.value)


@sc.blockwise(block=4, dtype="uint8", version="1", check_halo=False)
def _same(image):
    return image


SECRETS = {
    "a user's password": "https://me:SECRET@example.org/a.ome.zarr",
    "a token in the place of a user": "http://SECRET@example.org/a.tif",
    "a signature of S3": "https://b.s3.amazonaws.com/a.tif?x=1&X-Amz-Signature=SECRET",
    "a signature of GCS": "https://storage.googleapis.com/b/a.tif?X-Goog-Signature=SECRET",
    "a signature of Azure": "https://a.blob.core.windows.net/c/a.tif?sv=1&sig=SECRET",
    "a token": "https://example.org/a.zarr?access_token=SECRET",
    "keys of a bucket": "s3://AKIA:SECRET@bucket/a.tif",
}
USES = {
    "open": sc.open,
    "a pattern": lambda url: sc.open_folder(url.replace("/a.", "/*.")),
    "a table": lambda url: sc.open_folder(pd.DataFrame({"path": [url]})),
    "export": lambda url: sc.export(sc.open(np.zeros((3, 4), "u1"), axes="yx"), url),
    "ask": lambda url: ask([url]),
    "a store": lambda url: sc.run(_same(sc.open(np.zeros((3, 4), "u1"), axes="yx")), store=url),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_url_with_a_secret_is_refused_and_not_shown(kind, use):
    with pytest.raises(ParameterError, match="signature") as caught:
        USES[use](SECRETS[kind])
    every = [caught.value, caught.value.__cause__, *getattr(caught.value, "__notes__", ())]
    assert "SECRET" not in "".join(map(str, every))


@pytest.mark.parametrize(
    "url",
    ["s3://bucket/me:you@there.tif", "https://example.org/a.tif?v=2&sigma=3", "sftp://me@a/b"],
)
def test_a_url_without_a_secret_is_none_with_one(url):
    refuse_secrets(url)


@pytest.mark.parametrize("use", [read, lambda url: download(url, "copy"), folders_in])
def test_where_a_server_leads_to_with_a_signature_is_not_shown(web, tmp_path, monkeypatch, use):
    monkeypatch.chdir(tmp_path)

    def lead(handler):
        if "Signature" not in handler.path:
            handler.send_response(302)
            handler.send_header("Location", web.url("none.tif?X-Amz-Signature=SECRET"))
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    web.failures["/none.tif"] = [400] * 20
    web.before = lead
    with pytest.raises(SourceError) as caught:
        use(web.url("a.tif"))
    assert "SECRET" not in str(caught.value)
