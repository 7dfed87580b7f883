"""Events are values: frozen, equal by content, each with its time."""

from __future__ import annotations

import dataclasses
import pickle
import typing

import pytest

from scutoid import events

KINDS = typing.get_args(events.Event)


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_frozen_slotted_and_timed(kind):
    assert next(iter(dataclasses.fields(kind))).name == "time"
    event = kind(*range(len(dataclasses.fields(kind))))
    assert event == pickle.loads(pickle.dumps(event))
    assert not hasattr(event, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.time = 1.0


def test_every_kind_is_exported():
    assert {kind.__name__ for kind in KINDS} <= set(events.__all__)
