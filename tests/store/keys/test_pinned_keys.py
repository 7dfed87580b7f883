"""Keys stay what they were, by both rules: results that users have stored are found by them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
import types
from pathlib import PurePath

import numpy as np
import pandas as pd
import pytest

from scutoid.arrays import ImageSpec, SourceIdentity
from scutoid.geometry import Coordinate, Roi
from scutoid.store import canonical_digest, fingerprint, key_of_path, key_of_source
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
        "04b3722e5105a78f47ddac02656830e09e109610de1069473f6c0c9a0b0d3865",
    ),
    "set": ({"x", 2, (3,)}, "f7a075404b391e50181f77bbc3171eeab93ad4d665d3e2796e908090734f743a"),
    "slice": (
        slice(1, None, 2),
        "47a202635f0d992fdc1b561c3f83c0c020fd8b268282dbf6b0d365d0ad724466",
    ),
    "range": (range(2, 9), "c04b9b2e9aa2f53620a7c1a270699a88ad52f4eaa7bfb5d6ec2773243d7cc170"),
    "namespace": (
        types.SimpleNamespace(sigma=1.5),
        "e1c544db94a463f0eacd176b59a0d9b9a6bfa509af5266bd2854ddcbb6c77f1f",
    ),
    "pattern": (
        re.compile("a+", re.IGNORECASE),
        "31dd4912f531a93cf0937d1f006fc5b1d7469d5a113d2cb1f53f2eded15c0ace",
    ),
    "date": (
        dt.date(2026, 1, 31),
        "14513de58802e419a313f3ed642c94196fb69781e856601342fe6b3ac53ec89f",
    ),
    "array": (
        np.arange(24, dtype="uint16").reshape(2, 3, 4),
        "0a6f0b63ce27cb65a36ee3db2a319fbb875f81a8697999725c786a7c6b590bfa",
    ),
    "masked array": (
        np.ma.MaskedArray([1.0, 2.0], [False, True]),
        "bad449c6b1a39fe013e845c32f254e6d6cc99ecfeeb50f9bfb9cc07df1855013",
    ),
    "array of objects": (
        np.array([1, "a"], dtype=object),
        "98a3d91280948f6f837ee57b2ee85f1df0724a82133854e7af50f7aeb2df5ef3",
    ),
    "scalar": (np.float32(0.5), "59f882e945cd99869923db64e66b0da9253cf2908dfd5c69195a1ec8b9e02a5f"),
    "type": (np.dtype("int32"), "ad1fb9db6ef7872bd481384f14c10541681b9ca5e8ea57065d718ab137eb3346"),
    "table": (
        pd.DataFrame({1: [1, 2], 2: [0.5, 1.5]}),
        "e67424fb8301c97928d82aceb8e1aa50276fd4d880726f5e7abd9abfb6ec3a69",
    ),
    "region": (
        Roi((0, 0, 0), (4, 5, 6)),
        "9bc90763f735bf3c1d5b01115090df955d7cc3af2b0d729a589eb17acd752a6a",
    ),
    "place": (
        Coordinate((1, 2, 3)),
        "7429f26314d020aeff0309ef4ac2dba73be4aaa3a01b5681f5e9c2bcc70d3f06",
    ),
    "dataclass": (Limits(), "fced981343440dc2fae231f48daee5792344271c13ea399588ba0a9004e0768f"),
    "function": (above, "897369cec21cd439124b8f2baaa3aa63f83629af31f3aadce94ffb8f718faff0"),
    "partial": (
        functools.partial(both, limits=Limits(2)),
        "f5196b93cd633ea3ff87ef17860349d0ce57ba1dc7aed3247ae61021cc86b525",
    ),
    "bound method": (
        Limits().within,
        "a837193cfd00c3f8624e94191791a98d18f83c1341f6f33be6efeda8c1d082da",
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
    "function with a default": (
        both,
        "9258c50ad581ed6016b7558190ce9e3de6092f4bf9c36c7760ccb75711648b68",
    ),
    "function that uses other packages": (
        wrapped,
        "79a44f57b4ce0e9c73e0e852d1892648987bd2952ca07d6201cbd3b1e4da6608",
    ),
    "class": (Limits, "70679c8663ce90a626a3695d539590afc58b8912743c6e2a58ae2b85bd0f07c4"),
    "partial": (
        functools.partial(above),
        "81b9f7f479ff876bcbf39c42117b45fb91f0f609b98e8b8522a693deae4c2148",
    ),
}


FIRST_VALUES = {
    "dict": "2419b73cbf10eeaa209e235e538b2daa901853b313abed059efb8f050c29ca1d",
    "namespace": "b4b0b2d6027defe0ca365c3c963ea4895fa4e346ccfe3999592af214b9162217",
    "date": "f7c62ac2660a3dfa897e5dfc3d11a73f350160eaf0b69ece6afbe5db488d4afa",
    "masked array": "3aea6a0411ec8d4c049ef1016cd0ea6890bac9bc981b1a9d9d532b21ead82b0d",
    "array of objects": "1170dc52c3b67f42ded9ec9dc04862e48e92388e2a43d78b00a216275c27c48f",
    "table": "5308282e5a2ad4422310612c9ab229dc4aa7ca64b4e0d20834c19d22ea74d0a9",
    "region": "c1ffffff6f1a6140a11ced857ef9e6900e5d4c2dcbc2edae1ccda46e5b0d2df6",
    "place": "db215b32a166ef066cb4653d4f8d66612392e94293bf79907660684e881629a1",
    "dataclass": "016072981bc4268c082bf8cbfd260ec0649b7687519eb7b5ec940219d2a7838d",
    "partial": "66ebce928d20502a9e2abfa6068581ec6c9d52a7e16b974854bd8f8e3b5f682c",
    "bound method": "948d9ce15c02799c6f0c2005aef22309ce927b7ec8122e61a9ea1843b99ca510",
}
FIRST_CODE = {
    "function with a default": "8fadfcb5b66a1ce23e3061969e80c69ca20610fb16ced0eff4821cc18554c1cb",
    "partial": "7d447a8c12f6ca0c9ed39729508ec51beb6826553d9bcc721ec2632e60718e7f",
}
"""Digests that differ by the first rule, by which earlier versions have stored."""


def test_what_versions_of_python_write_into_classes_does_not_count():
    @dataclasses.dataclass
    class Range:
        low: int = 1

    before = fingerprint(Range).digest
    Range.__firstlineno__ = 7
    Range.__static_attributes__ = ("low",)
    Range.__replace__ = dataclasses.replace
    # Python 3.13 writes it before the methods that `dataclass` makes
    made = {
        name: vars(Range)[name] for name in ("__init__", "__repr__", "__eq__", "__match_args__")
    }
    for name in made:
        delattr(Range, name)
    for name, value in made.items():
        setattr(Range, name, value)
    assert list(vars(Range)).index("__hash__") < list(vars(Range)).index("__init__")
    assert fingerprint(Range).digest == before


def test_a_replace_of_the_users_own_counts():
    def kind(function):
        class Range:
            low = 1

        Range.__replace__ = function
        return Range

    one, other = (kind(f) for f in (lambda self: self, lambda self: None))
    assert fingerprint(one).digest != fingerprint(other).digest


@pytest.mark.parametrize("name", VALUES)
def test_a_value_keeps_its_digest_by_both_rules(name):
    value, digest = VALUES[name]
    assert canonical_digest(value) == digest
    assert first_digest(value, "value") == FIRST_VALUES.get(name, digest)


@pytest.mark.parametrize("name", CODE)
def test_code_keeps_its_fingerprint_by_both_rules(name):
    function, digest = CODE[name]
    assert fingerprint(function).digest == digest
    assert first_fingerprint(function).digest == FIRST_CODE.get(name, digest)


def test_a_version_keeps_its_fingerprint():
    found = fingerprint(above, version="2").digest
    assert found == "9d9d151edd881086c034b908ad0f5d1f6352d0d292997a0bb4fdd6c43547af01"


@pytest.fixture
def folder(tmp_path):
    """A folder of two files."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.txt").write_bytes(b"abc")
    (tmp_path / "inner" / "b.txt").write_bytes(b"x")
    return tmp_path


def test_files_and_folders_keep_their_keys(folder):
    found = [key_of_path(folder / "a.txt"), key_of_path(folder)]
    found += [canonical_digest(folder / "a.txt"), canonical_digest({"atlas": folder})]
    assert found == [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "0a9c762862566d8166b08a755a574ca02825b1da57b601fb3f985aace9d754d3",
        "8c33863ca14e2b270b5ff7f2bd2e719f8bca7879a4b9ec6f677c72fd86b8d89c",
        "20ba37b904560420a4c4061cde7f98b5b400d5cb91a0d0e4c2f81cab8537ef1f",
    ]


def test_opened_images_keep_their_keys(folder):
    spec = ImageSpec((2, 3, 4), "uint16", "zyx", voxel_size=(2.0, 0.5, 0.5), unit="um")
    array = np.arange(24, dtype="uint16").reshape(2, 3, 4)
    found = [
        key_of_source(SourceIdentity("array", array=array), spec),
        key_of_source(SourceIdentity("files", (str(folder / "a.txt"),), detail="level 0"), spec),
    ]
    assert found == [
        "faa8f766dfab467143575318505dcb6490c1416b0e1ff39e1186bedaeadb62ed",
        "c46848842d3414a481ac1777c34fce41b46f859e1140c731ba69fa58dde7c903",
    ]


def test_a_path_that_is_no_file_keeps_its_place_in_a_fingerprint(tmp_path):
    found = fingerprint(functools.partial(above, PurePath("no/such/folder")))
    assert found.digest == "ce46643fea0bdb20a22f1967dc63562a18a02e3da419e2a5d4d754aa51f71844"
    assert found.opaque == ()
    assert len(fingerprint(functools.partial(above, tmp_path)).opaque) == 1
