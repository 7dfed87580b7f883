"""The comparison with other programs: what is a difference, and that we agree with ourselves."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).parents[1] / "tools" / "peers.py"


@pytest.fixture(scope="module")
def peers():
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("peers_tool", TOOL)
    module = sys.modules["peers_tool"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    for name in ("peers_tool", "claims", "suites"):
        sys.modules.pop(name, None)


@pytest.fixture
def claim(peers):
    return peers.Claim(
        "a.zarr",
        "cyx",
        peers.noise((2, 8, 9)),
        {"y": 0.5, "x": 0.25},
        {"y": "um", "x": "um"},
        ["DAPI", "GFP"],
        {"well": "A1"},
    )


OTHERS = {
    "axes": ({"axes": "zyx"}, "axes cyx, found zyx"),
    "shape": ({"voxels": np.zeros((2, 8, 8))}, r"shape \(2, 8, 9\), found \(2, 8, 8\)"),
    "voxels": ({"voxels": np.zeros((2, 8, 9))}, "144 other voxels"),
    "a size": ({"sizes": {"y": 0.25, "x": 0.25}}, r"sizes y = 0\.5, found 0\.25"),
    "a unit": ({"units": {"y": "um", "x": "nm"}}, "units x = um, found nm"),
    "channels": ({"channels": ["GFP", "DAPI"]}, r"channels \['DAPI', 'GFP'\], found"),
    "a column": ({"columns": {"well": "A2"}}, "columns well = A1, found A2"),
}
LACKS = {
    "a size": ({"sizes": {"x": 0.25}}, r"sizes y = 0\.5, found none"),
    "units": ({"units": {}}, "units y = um, found none"),
    "channels": ({"channels": []}, "channels .* found \\[\\]"),
    "columns": ({"columns": {}}, "columns well = A1, found none"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_one_is_a_difference(peers, claim, name) -> None:
    change, said = OTHERS[name]
    for knows_all in (True, False):
        found = {claim.place: dataclasses.replace(claim, **change)}
        lines = peers.differences({claim.place: claim}, found, knows_all=knows_all)
        assert len(lines) == 1
        assert re.search(said, lines[0])


@pytest.mark.parametrize("name", LACKS)
def test_what_is_not_known_is_a_difference_unless_the_program_has_no_word_for_it(
    peers, claim, name
) -> None:
    change, said = LACKS[name]
    found = {claim.place: dataclasses.replace(claim, **change)}
    assert peers.differences({claim.place: claim}, found, knows_all=False) == []
    assert re.search(said, peers.differences({claim.place: claim}, found)[0])


def test_images_that_only_one_side_has(peers, claim) -> None:
    assert peers.differences({"a.zarr": claim}, {}) == ["a.zarr: not found"]
    assert peers.differences({}, {"a.zarr": claim}) == ["a.zarr: unexpected"]


def test_claims_are_the_same_after_they_were_saved(peers, claim, tmp_path) -> None:
    peers.save([claim], tmp_path)
    assert peers.differences({claim.place: claim}, peers.load(tmp_path)) == []


def test_scutoid_opens_what_it_wrote_for_others(peers, tmp_path) -> None:
    said = {claim.place: claim for claim in peers.write_ours(tmp_path)}
    assert {place.partition(":")[0].partition("@")[0] for place in said} > {"plate.ome.zarr"}
    said = {place: claim for place, claim in said.items() if "!" not in place}
    found = {place: peers.seen(place, tmp_path) for place in said}
    assert peers.differences(said, found) == []


def test_a_program_that_fails_or_differs_is_told_of(peers, tmp_path, capsys, monkeypatch) -> None:
    def differs(peer, python, folder):
        return peers.Answer(3, ["a.zarr: 7 other voxels"])

    def fails(peer, python, folder):
        raise RuntimeError("with_x.py write failed:\nIndexError")

    monkeypatch.setattr(peers, "environment", lambda peer, envs: Path(sys.executable))
    peer = peers.Peer("x", ("x==1.2",), "", ("differs", "fails"))
    monkeypatch.setattr(peers, "PEERS", (peer,))
    monkeypatch.setattr(peers, "ASKED", {"differs": differs, "fails": fails})
    monkeypatch.setattr(sys, "argv", ["peers.py", "--envs", str(tmp_path)])
    assert peers.main() == 1
    said = capsys.readouterr().out
    for line in ("3 images, 1 difference", "a.zarr: 7 other voxels", "failed", "IndexError", "1.2"):
        assert line in said


def test_each_program_is_pinned_and_has_a_script(peers) -> None:
    for peer in peers.PEERS:
        assert peer.version
        assert peer.script.is_file() or peer.does == ("suite",)
        assert set(peer.does) <= set(peers.ASKED)


def test_a_suite_is_counted_by_what_passed_what_does_not_apply_and_what_failed(
    peers, tmp_path, monkeypatch
) -> None:
    suites = sys.modules["suites"]
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_tcp.py").write_text("def test_a():\n    assert 0\n")
    (tests / "test_server.py").write_text(
        "def test_good():\n    pass\n\ndef test_also():\n    pass\n\n"
        "def test_bad():\n    assert 0\n"
    )
    monkeypatch.setattr(suites, "NOT_APPLICABLE", {"test_tcp.py": "is about connections"})
    monkeypatch.setattr(suites, "_tests", lambda *_: tests)
    outcome = peers.suite(
        next(p for p in peers.PEERS if p.name == "daisy"), sys.executable, tmp_path
    )
    assert outcome.words == "2 passed, 1 not applicable, 1 failed"
    assert ["test_bad" in line for line in outcome.differences] == [True]
    assert any("test_tcp.py" in line for line in outcome.notes)
