"""Frames of Zstandard are read by whatever is installed, and refused if they are damaged."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from scutoid import zstd

CONTENT = np.random.default_rng(4).integers(0, 50, 70_000).astype("uint16")


@pytest.fixture(params=["as installed", "without imagecodecs", "built without zstd"])
def way(request, monkeypatch):
    zstd._fastest.cache_clear()
    if request.param == "without imagecodecs":
        monkeypatch.setitem(sys.modules, "imagecodecs", None)
    elif request.param == "built without zstd":
        imagecodecs = pytest.importorskip("imagecodecs")

        def delayed(*_):
            raise ImportError("zstd")

        monkeypatch.setattr(imagecodecs, "zstd_encode", delayed)
    yield request.param
    zstd._fastest.cache_clear()


@pytest.mark.parametrize("n", [1, 127, 128, 40_000, 70_000])  # sizes of 1, 2 and 4 bytes
@pytest.mark.parametrize("as_view", [False, True])
def test_content_comes_back_whole(way, n, as_view):
    frame = zstd.compress(CONTENT[:n].tobytes(), 1)
    out = np.ones(n, "uint16")
    zstd.decompress_into(memoryview(frame) if as_view else frame, out)
    np.testing.assert_array_equal(out, CONTENT[:n])


def test_who_has_one_library_reads_frames_of_the_other(way):
    frame = zstd._of_numcodecs().compress(CONTENT.tobytes(), 1)
    out = np.zeros((7, 100, 100), "uint16")
    zstd.decompress_into(frame, out)
    np.testing.assert_array_equal(out.reshape(-1), CONTENT)
    assert zstd.compress(b"anything", 1)[:4] == frame[:4]


@pytest.mark.parametrize(
    "damage",
    [
        lambda frame: frame[:-3],
        lambda frame: frame[:12] + bytes(40) + frame[52:],
        lambda frame: b"",
        lambda frame: b"(\xb5/\xfd",
        lambda frame: b"anything else that is long enough",
        lambda frame: zstd.compress(CONTENT[1:].tobytes(), 1),
        lambda frame: zstd.compress(CONTENT.tobytes() + b"12", 1),
    ],
    ids=["cut", "flipped", "nothing", "magic alone", "other", "short", "long"],
)
def test_what_is_not_the_whole_content_is_refused(way, damage):
    frame = damage(zstd.compress(CONTENT.tobytes(), 1))
    with pytest.raises((ValueError, RuntimeError)):
        zstd.decompress_into(frame, np.zeros_like(CONTENT))


def test_packages_are_not_asked_for_codecs_where_imagecodecs_is():
    pytest.importorskip("imagecodecs")
    code = (
        "import sys; from scutoid import zstd\n"
        "zstd.compress(bytes(9), 1); assert 'numcodecs' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
