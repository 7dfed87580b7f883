"""The first rule of keys is remembered: results that users have stored by it can be taken over."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
import types

import numpy as np
import pandas as pd
import pytest

from scutoid.geometry import Coordinate, Roi
from scutoid.store import canonical_digest
from scutoid.store.keys import first_digest, first_fingerprint

LEVEL = 3


@dataclasses.dataclass(frozen=True)
class Limits:
    low: int = 1
    high: float = 2.5

    def within(self, value):
        return self.low <= value <= self.high


def above(image):
    return image > LEVEL


def both(image, *, limits=Limits()):  # a default that is a value of the user's own
    return above(image) & limits.within(image)


def wrapped(image):
    return canonical_digest(np.sin(image)), Roi


VALUES = {
    "nothing": (None, "140bedbf9c3f6d56a9846d2ba7088798683f4da0c248231336e6a05679e4fdfe"),
    "true": (True, "b5bea41b6c623f7c09f1bf24dcae58ebab3c0cdd90ad966bc43a45b44867e12b"),
    "whole number": (-12, "c120631f1d28392f21f72f205b02c3db83e1e8cd415bb3cb1fe638931f18be2e"),
    "number": (2.5, "f4dead756c71cbff3b0626cd2fb925836dbe287198f5eb4f6fc0cd9e7ea70e46"),
    "not a number": (
        float("nan"),
        "9b2d5b4678781e53038e91ea5324530a03f27dc1d0e5f6c9bc9d493a23be9de0",
    ),
    "complex number": (1 + 2j, "1826426418eece1d48aa7e85df274c50b21e18a72f111d4d156b446011edde9c"),
    "text": ("nuclei µ", "4c6291266fe1a0bf3b4f17175f46c641e37b2eacaf99245a336b69936541a183"),
    "bytes": (b"\0abc", "d9b67da12b6e2f364229ac24843f97b68bb37cbec4413e94aaf462a2306bfae7"),
    "list": ([1, "a", [None]], "1b7395c100152df5064ff7f5ef1db2bfdde37094279bbdae8629d9461fde64b0"),
    "tuple": ((1, 2.0, ()), "c495a8e995782e362260e0ea821a57218cd69d0c510e4d5846b100cc1d7d30c5"),
    "dict": (
        {"b": 1, "a": {2: "x"}},
        "2419b73cbf10eeaa209e235e538b2daa901853b313abed059efb8f050c29ca1d",
    ),
    "set": ({"x", 2, (3,)}, "f7a075404b391e50181f77bbc3171eeab93ad4d665d3e2796e908090734f743a"),
    "slice": (
        slice(1, None, 2),
        "47a202635f0d992fdc1b561c3f83c0c020fd8b268282dbf6b0d365d0ad724466",
    ),
    "range": (range(2, 9), "c04b9b2e9aa2f53620a7c1a270699a88ad52f4eaa7bfb5d6ec2773243d7cc170"),
    "namespace": (
        types.SimpleNamespace(sigma=1.5),
        "b4b0b2d6027defe0ca365c3c963ea4895fa4e346ccfe3999592af214b9162217",
    ),
    "pattern": (
        re.compile("a+", re.IGNORECASE),
        "31dd4912f531a93cf0937d1f006fc5b1d7469d5a113d2cb1f53f2eded15c0ace",
    ),
    "date": (
        dt.date(2026, 1, 31),
        "f7c62ac2660a3dfa897e5dfc3d11a73f350160eaf0b69ece6afbe5db488d4afa",
    ),
    "array": (
        np.arange(24, dtype="uint16").reshape(2, 3, 4),
        "0a6f0b63ce27cb65a36ee3db2a319fbb875f81a8697999725c786a7c6b590bfa",
    ),
    "masked array": (
        np.ma.MaskedArray([1.0, 2.0], [False, True]),
        "3aea6a0411ec8d4c049ef1016cd0ea6890bac9bc981b1a9d9d532b21ead82b0d",
    ),
    "array of objects": (
        np.array([1, "a"], dtype=object),
        "1170dc52c3b67f42ded9ec9dc04862e48e92388e2a43d78b00a216275c27c48f",
    ),
    "scalar": (np.float32(0.5), "59f882e945cd99869923db64e66b0da9253cf2908dfd5c69195a1ec8b9e02a5f"),
    "type": (np.dtype("int32"), "ad1fb9db6ef7872bd481384f14c10541681b9ca5e8ea57065d718ab137eb3346"),
    "table": (
        pd.DataFrame({1: [1, 2], 2: [0.5, 1.5]}),
        "5308282e5a2ad4422310612c9ab229dc4aa7ca64b4e0d20834c19d22ea74d0a9",
    ),
    "region": (
        Roi((0, 0, 0), (4, 5, 6)),
        "c1ffffff6f1a6140a11ced857ef9e6900e5d4c2dcbc2edae1ccda46e5b0d2df6",
    ),
    "place": (
        Coordinate((1, 2, 3)),
        "db215b32a166ef066cb4653d4f8d66612392e94293bf79907660684e881629a1",
    ),
    "dataclass": (Limits(), "016072981bc4268c082bf8cbfd260ec0649b7687519eb7b5ec940219d2a7838d"),
    "function": (above, "897369cec21cd439124b8f2baaa3aa63f83629af31f3aadce94ffb8f718faff0"),
    "partial": (
        functools.partial(both, limits=Limits(2)),
        "66ebce928d20502a9e2abfa6068581ec6c9d52a7e16b974854bd8f8e3b5f682c",
    ),
    "bound method": (
        Limits().within,
        "948d9ce15c02799c6f0c2005aef22309ce927b7ec8122e61a9ea1843b99ca510",
    ),
    "builtin": (len, "4351f872d96682b26e150ce0405beed3a5e6b9d2c50e6cd0a02552ad41540d01"),
    "lambda": (
        lambda x: above(x) + 1,
        "b1263385bbf2f10b396298e302cd93bb34ec316f84f07bbafed2961c710bbde6",
    ),
}

CODE = {
    "function with a constant": (
        above,
        "8f6c147668457ab46ca49f5d4ccc38a6a8f1e745aa5dc927b322e56d8cf0711c",
    ),
    "function with a helper and a default": (
        both,
        "8fadfcb5b66a1ce23e3061969e80c69ca20610fb16ced0eff4821cc18554c1cb",
    ),
    "function that uses other packages": (
        wrapped,
        "79a44f57b4ce0e9c73e0e852d1892648987bd2952ca07d6201cbd3b1e4da6608",
    ),
    "class": (Limits, "70679c8663ce90a626a3695d539590afc58b8912743c6e2a58ae2b85bd0f07c4"),
    "partial": (
        functools.partial(above),
        "7d447a8c12f6ca0c9ed39729508ec51beb6826553d9bcc721ec2632e60718e7f",
    ),
}


@pytest.mark.parametrize(("value", "digest"), VALUES.values(), ids=VALUES)
def test_a_value_has_the_digest_that_it_had(value, digest):
    assert first_digest(value, "value") == digest


@pytest.mark.parametrize(("function", "digest"), CODE.values(), ids=CODE)
def test_code_has_the_fingerprint_that_it_had(function, digest):
    assert first_fingerprint(function).digest == digest
