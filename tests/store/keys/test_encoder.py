"""The encoder of keys is told how code, paths and values without a stable form are encoded."""

from __future__ import annotations

import functools
from pathlib import Path, PurePosixPath

import pytest

from scutoid.errors import ParameterError
from scutoid.store.keys._encoder import Encoder, tagged


def encoder_that_notes(met):
    """An encoder that notes what it hands over, and where that stands."""

    def hook(kind):
        def note(value, where):
            met.append((kind, value, where))
            return kind.encode()

        return note

    return Encoder(code=hook("code"), path=hook("path"), unknown=hook("unknown"))


def test_code_paths_and_unknown_values_are_handed_over_with_their_places():
    met, stranger = [], object()
    value = {"f": len, "files": [Path("a"), PurePosixPath("b")], "x": stranger, "n": 1}
    encoder_that_notes(met).encode(value, "value")
    assert met == [
        ("code", len, "value['f']"),
        ("path", Path("a"), "value['files'][0]"),
        ("path", PurePosixPath("b"), "value['files'][1]"),
        ("unknown", stranger, "value['x']"),
    ]


def test_what_a_hook_returns_enters_the_bytes():
    one, other = Encoder(path=lambda *_: b"1"), Encoder(path=lambda *_: b"2")
    assert one.encode([Path()], "") != other.encode([Path()], "")
    assert one.encode([1], "") == other.encode([1], "")


@pytest.mark.parametrize("value", [len, int, Path("a"), object(), functools.partial(len)])
def test_without_hooks_what_they_are_for_is_refused(value):
    with pytest.raises(ParameterError, match="the same in every run"):
        Encoder().encode(value, "value")


def test_an_encoder_serves_again_after_a_refusal():
    encoder, inner = Encoder(), [object()]
    with pytest.raises(ParameterError):
        encoder.encode([inner], "value")
    inner.clear()
    assert encoder.encode([inner], "value") == tagged("list", tagged("list"))
