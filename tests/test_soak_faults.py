"""The soak of faults: a short seeded sample of it, and that it finds what it is to find."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc

TOOLS = Path(__file__).parents[1] / "tools"
NAMES = (
    *("soak_store_driver", "soak_store", "soak_faults_driver", "soak_faults_place"),
    *("soak_faults_site", "soak_faults"),
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the soak finds processes by /proc"
)


@pytest.fixture(scope="module")
def soak():
    for name in NAMES:  # later ones import the first
        spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    yield module
    for name in NAMES:
        del sys.modules[name]


@pytest.fixture(scope="module")
def parts(soak):
    return sys.modules["soak_faults_site"]


def test_runs_that_meet_faults_come_to_the_right_results(soak, capsys):
    assert soak.main(["--kills", "1", "--seed", "11", "--jobs", "1"]) == 0
    *_, head, figures = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["runs", "kills", "faults"]
    assert int(figures.split()[1]) >= 1
    assert figures.split()[3:] == ["0"] * len(sys.modules["soak_faults_site"].KINDS)


@pytest.fixture(scope="module")
def whole(soak, parts, tmp_path_factory):
    """The folder of a site whose driver came to its end."""
    folder = tmp_path_factory.mktemp("soak") / "site"
    site = new_site(parts, folder)
    site.site.prepare()
    site.site.store.mkdir()
    assert site.drive()
    return folder


def new_site(parts, folder):
    site = parts.FaultySite(sys.modules["soak_store_driver"].Site(folder, 3), "serial")
    site.place.has_users = False
    return site


@pytest.fixture
def site(parts, whole, tmp_path):
    """A copy of it that a test may spoil."""
    folder = tmp_path.resolve() / "site"
    shutil.copytree(whole, folder)
    site = new_site(parts, folder)
    site.check_store()
    site.check_calls()
    assert site.tally.found == []
    return site


def kinds(site):
    return Counter(kind for kind, _ in site.tally.found)


def test_what_is_lost_wrong_and_never_healed_is_told_apart(site):
    (shard,) = site.site.store.glob("double/*/image.ome.zarr/0/c/2/3")
    shard.write_bytes(shard.read_bytes()[:-1])
    site._truth["profile"] = site._truth["profile"] + 1e-9
    site._truth["count"]["03.npy"]["n"] += 1
    with (site.site.folder / "calls" / "rows-01.npy").open("a") as file:
        file.write("x")
    site.check_store()
    site.check_calls()
    assert kinds(site) == {"lost": 1, "wrong": 2, "never healed": 1}


def test_a_member_may_be_of_either_image_that_lay_in_its_place_and_no_other(site):
    found = {key: (image * 1, None, None) for key, (image, *_) in site._truth["triple"].items()}
    with site._swapping("none") as swap:
        swap()
    (other,) = site._others
    (key,) = [k for k in found if not np.array_equal(other["triple"][k][0], found[k][0])]
    assert site._is_true("triple", found)
    assert site._is_true("triple", {**found, key: other["triple"][key]})
    assert not site._is_true("triple", {**found, key: (found[key][0] + 1, None, None)})


@pytest.mark.parametrize(
    ("fault", "code", "kind"),
    [
        ("none", 0, None),
        ("none", 3, "never healed"),
        ("workers killed", 3, "never healed"),
        ("killed", -9, None),
        ("terminated", 143, None),
        ("terminated", -9, "raw errors"),
        ("full", 3, None),
        ("full", 1, "raw errors"),
        ("interrupted", 130, None),
    ],
)
def test_ends_of_drivers_are_judged_by_what_they_met(site, fault, code, kind):
    site._judge(fault, code)
    assert kinds(site) == ({} if kind is None else {kind: 1})


def test_a_driver_that_hangs_and_a_process_that_stays_are_found(site, parts, monkeypatch):
    monkeypatch.setattr(parts, "HUNG", 0.0)
    left = subprocess.Popen(["sleep", "600"], cwd=site.site.folder)
    try:
        assert not site.drive()
    finally:
        left.kill()
        left.wait()
    assert kinds(site)["hung"] >= 2


@pytest.mark.parametrize("action", ["full", "broken"])
def test_a_driver_is_refused_changes_of_files_and_the_next_goes_on(site, action):
    site.place.clear()
    site._before = {}
    driver = site.place.begin(["150", action], 0)
    assert driver.wait() == sys.modules["soak_faults_driver"].REFUSED
    site.check_store()
    assert site.drive()
    site.check_end()
    assert site.tally.found == []
    assert len(sc.Store(site.site.store).names()) == 12
