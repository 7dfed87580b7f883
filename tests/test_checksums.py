"""The CRC-32 by whatever is installed is zlib's."""

from __future__ import annotations

import builtins
import zlib

import numpy as np
import pytest

from scutoid import checksums
from scutoid.checksums import crc32

CONTENT = np.random.default_rng(4).integers(0, 256, 300_000).astype("u1")


@pytest.fixture(params=["as installed", "without imagecodecs"])
def way(request, monkeypatch):
    checksums._fastest.cache_clear()
    if request.param == "without imagecodecs":
        original = builtins.__import__

        def refuse(name, *rest, **more):
            if name == "imagecodecs":
                raise ImportError(name)
            return original(name, *rest, **more)

        monkeypatch.setattr(builtins, "__import__", refuse)
    yield request.param
    checksums._fastest.cache_clear()


@pytest.mark.parametrize("n", [0, 1, 2**16 - 1, 2**16, 2**16 + 1, 300_000])
def test_it_is_that_of_zlib(way, n):
    content = CONTENT[:n]
    assert crc32(content.data) == crc32(content.tobytes()) == zlib.crc32(content)
    assert crc32(content.data, 123) == zlib.crc32(content, 123)


def test_long_content_is_left_to_imagecodecs_where_it_is():
    imagecodecs = pytest.importorskip("imagecodecs")
    assert checksums._fastest() is imagecodecs.deflate_crc32
