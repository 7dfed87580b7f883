"""Numbers in names of files: gaps in a stack, and several numberings in one folder of planes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import gap_among

GRID = [f"img_c{c}_z{z:03d}" for c in (0, 1) for z in range(3)]
SILENT = {
    "regular": ["Z0", "Z20", "Z40"],
    "no numbers": ["a", "b", "c"],
    "one": ["Z7"],
    "two": ["Z1", "Z5"],
    "a number and a time": ["f1_12-59", "f2_13-00", "f3_13-00"],
    "decimals": ["z0.5", "z1.0", "z1.5"],
    "signs": ["z-10", "z0", "z10"],
    "dates": ["t125958", "t125959", "t130000", "t130001"],
    "other parts": ["Z1", "Z2b3", "Z4"],
}
SAID = {
    "a gap": (["Z1", "Z2", "Z4"], "between Z2.tif and Z4.tif"),
    "padded": ([f"a1_Z{n:04d}" for n in (*range(7), *range(8, 12))], "a1_Z0006.tif and a1_Z0008"),
    "a grid": (GRID, "more than one way, from img_c0_z000.tif to img_c1_z002.tif"),
    "channels in words": (["DAPI_z1", "DAPI_z2", "GFP_z1", "GFP_z2"], "more than one way"),
}


def opened(folder, names, **options):
    folder.mkdir()
    for n, name in enumerate(names):
        tifffile.imwrite(folder / f"{name}.tif", np.full((4, 5), n, "uint8"), metadata=None)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        image = sc.open(folder, **options)
    assert image.shape == (len(names), 4, 5)
    return [str(each.message) for each in said]


@pytest.mark.parametrize("names", SILENT.values(), ids=SILENT)
def test_names_of_planes_that_are_as_expected_say_nothing(tmp_path, names):
    assert opened(tmp_path / "planes", names) == []


@pytest.mark.parametrize(("names", "text"), SAID.values(), ids=SAID)
def test_names_of_planes_that_are_unexpected_are_told(tmp_path, names, text):
    (said,) = opened(tmp_path / "planes", names)
    assert text in said


def test_axes_settle_what_several_numbers_mean_and_hide_no_gap(tmp_path):
    assert opened(tmp_path / "grid", GRID, axes="tyx") == []
    assert len(opened(tmp_path / "gap", ["Z1", "Z2", "Z4"], axes="tyx")) == 1


@given(
    st.integers(0, 50), st.integers(1, 9), st.integers(3, 12), st.integers(0, 20), st.integers(0, 4)
)
def test_a_gap_is_found_where_one_number_is_taken_out(first, step, n, gone, width):
    texts = [f"Z{number:0{width}d}b" for number in range(first, first + step * n, step)]
    assert gap_among(texts) is None
    at = 1 + gone % (n - 2)
    left = texts[:at] + texts[at + 1 :]
    assert gap_among(left[::-1]) == ((left[at - 1], left[at]) if n > 3 else None)


def test_a_place_that_no_member_has_is_told_and_can_be_kept(tmp_path):
    for well in ("A", "B"):
        for z in (1, 2, 4):
            np.save(tmp_path / f"{well}_z{z}.npy", np.full((4, 5), z, "uint8"))
    with pytest.warns(sc.errors.ScutoidWarning, match="'z' no file has a 'plane' between 2 and 4"):
        images = sc.open_folder(tmp_path / "{well}_z{plane:d}.npy", stack={"z": "plane"})
    assert images["A"].shape == (3, 4, 5)
    assert any(
        "between 2 and 4" in text for text in sc.plan(images * 2, store=tmp_path / "store").warnings
    )
    stack = {"z": {"plane": range(1, 5)}}
    kept = sc.open_folder(tmp_path / "{well}_z{plane:d}.npy", stack=stack, missing="fill")
    assert kept["B"].read()[:, 0, 0].tolist() == [1, 2, 0, 4]
    for axis in "cpr":
        assert sc.open_folder(tmp_path / "{well}_z{plane:d}.npy", stack={axis: "plane"}).keys


def test_a_plane_that_is_a_link_to_nothing_is_refused(tmp_path):
    opened(tmp_path / "planes", ["Z1", "Z2"])
    (tmp_path / "planes" / "Z3.tif").symlink_to("/none/there")
    with pytest.raises(sc.errors.SourceNotFound, match=r"(?s)/none/there.*Z3\.tif.*git annex get"):
        sc.open(tmp_path / "planes")
