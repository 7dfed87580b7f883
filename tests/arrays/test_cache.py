"""Decoded chunks: each once, within a number of bytes."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from scutoid.arrays._cache import ChunkCache


def test_a_chunk_is_decoded_once():
    cache, calls = ChunkCache(), []
    for _ in range(3):
        cache.get("a", lambda: calls.append(1) or np.zeros(4))
    assert len(calls) == 1


def test_threads_that_ask_for_a_chunk_that_is_being_decoded_wait_for_it():
    cache, calls = ChunkCache(), []
    started, go_on, found = threading.Event(), threading.Event(), []

    def decode():
        calls.append(1)
        started.set()
        assert go_on.wait(10)
        return np.arange(4)

    threads = [threading.Thread(target=lambda: found.append(cache.get("a", decode)))]
    threads[0].start()
    assert started.wait(10)
    threads += [threading.Thread(target=lambda: found.append(cache.get("a", decode)))]
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 1
    assert len(found) == 2
    assert found[0] is found[1]


def test_the_oldest_chunks_go_when_there_are_too_many_bytes():
    cache, calls = ChunkCache(limit=100), []
    for key in "abcab":
        cache.get(key, lambda key=key: calls.append(key) or np.zeros(40, "uint8"))
    assert calls == ["a", "b", "c", "a", "b"]
    assert cache.nbytes <= 100


def test_a_chunk_above_the_limit_is_held_until_the_next():
    cache, calls = ChunkCache(limit=10), []
    for key in "aab":
        cache.get(key, lambda key=key: calls.append(key) or np.zeros(40, "uint8"))
    assert calls == ["a", "b"]
    assert cache.nbytes == 40


def test_what_cannot_be_decoded_is_tried_again():
    cache = ChunkCache()
    with pytest.raises(ValueError, match="torn"):
        cache.get("a", lambda: (_ for _ in ()).throw(ValueError("torn")))
    assert cache.get("a", lambda: np.ones(1))[0] == 1


def test_held_chunks_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        ChunkCache().get("a", lambda: np.ones(1))[0] = 2
