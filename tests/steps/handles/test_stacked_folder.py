"""Members of several files: keys, columns, places, and what does not fit."""

from __future__ import annotations

import re

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError, SourceError, SourceNotFound

PATTERN = "{well}_s{site:d}_w{channel}"


def voxels(name):
    """Return the image of a file, which no other file has."""
    seed = sum(ord(letter) * 31**n for n, letter in enumerate(name))
    return np.random.default_rng(seed).integers(0, 255, (6, 7)).astype("uint8")


def write_zarr(path, array):
    zarr.create_array(path, data=array, chunks=array.shape)


WRITERS = {
    ".tif": lambda path, array: tifffile.imwrite(path, array, metadata=None),
    ".ome.tif": lambda path, array: tifffile.imwrite(path, array, metadata={"axes": "YX"}),
    ".npy": np.save,
    ".png": iio.imwrite,
    ".zarr": write_zarr,
}


def fill(folder, names, ending=".npy"):
    for name in names:
        path = folder / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[ending](path, voxels(name))
    return folder


NAMES = [f"{w}_s{s}_w{c}" for w in ("B03", "C10", "C9") for s in (1, 2, 10) for c in (1, 2)]


@pytest.fixture
def plate(tmp_path):
    return fill(tmp_path / "plate", NAMES)


@pytest.mark.parametrize("ending", WRITERS)
def test_files_of_one_member_are_one_image_in_every_format(tmp_path, ending):
    plate = fill(tmp_path, NAMES[:4], ending)
    images = sc.open_folder(plate / f"{PATTERN}{ending}", stack={"c": "channel"})
    assert images.keys == ("B03/1", "B03/2")
    image = images["B03/2"]
    assert (image.axes, image.shape, image.channels) == ("cyx", (2, 6, 7), ("1", "2"))
    assert np.array_equal(image.read(), [voxels("B03_s2_w1"), voxels("B03_s2_w2")])
    assert np.array_equal(image.channel("2").read(), voxels("B03_s2_w2"))


def test_members_are_in_natural_order_with_what_is_left_as_columns(plate):
    images = sc.open_folder(plate / f"{PATTERN}.npy", stack={"c": "channel"})
    wells, sites = ("B03", "C9", "C10"), (1, 2, 10)
    assert images.keys == tuple(f"{well}/{site}" for well in wells for site in sites)
    assert list(images.groups.columns) == ["well", "site"]
    assert images.groups.loc["C9/10"].tolist() == ["C9", 10]
    assert images.groups["site"].dtype == "int64"


def test_columns_stand_in_tables_and_come_back_from_the_store_as_they_were(plate, tmp_path):
    @sc.step(out="table")
    def brightest(image):
        return pd.DataFrame({"value": image.max(axis=(1, 2))})

    table = brightest(sc.open_folder(plate / f"{PATTERN}.npy", stack={"c": "channel"}))
    sc.run(table, store=tmp_path / "store", executor="serial")
    found = table.to_pandas()
    assert list(found.columns) == ["key", "well", "site", "value"]
    pd.testing.assert_frame_equal(found, sc.Store(tmp_path / "store")["brightest"].to_pandas())
    assert found["site"].dtype == "int64"


def test_one_file_a_member_has_columns_and_keeps_its_path_as_key(plate):
    images = sc.open_folder(plate / f"{PATTERN}.npy")
    assert images.keys == sc.open_folder(plate / "*.npy").keys
    row = images.groups.loc["C10_s2_w1.npy"].to_dict()
    assert row == {"well": "C10", "site": 2, "channel": "1"}


ORDERS = {
    "natural": ({"p": "site"}, None, (1, 2, 10)),
    "given": ({"t": {"site": [10, 1, 2]}}, None, (10, 1, 2)),
    "given as text": ({"t": {"site": ["2", "1", "10"]}}, None, (2, 1, 10)),
    "channels": ({"c": "site"}, {"10": "late", "1": "early", "2": "middle"}, (10, 1, 2)),
    "channels by number": ({"c": "site"}, {2: "b", 10: "c", 1: "a"}, (2, 10, 1)),
    "channels, values alone": ({"c": "site"}, [10, 2, 1], (10, 2, 1)),
}


@pytest.mark.parametrize(("stack", "channels", "order"), ORDERS.values(), ids=ORDERS)
def test_places_are_in_natural_order_or_in_the_given_one(plate, stack, channels, order):
    images = sc.open_folder(
        plate / "{well}_s{site:d}_w{channel}.npy", stack=stack, channels=channels
    )
    image = images["C9/2"]
    assert np.array_equal(image.read(), [voxels(f"C9_s{site}_w2") for site in order])
    if channels is not None:
        names = list(channels.values()) if isinstance(channels, dict) else map(str, order)
        assert image.channels == tuple(names)


def test_several_axes_are_stacked_and_one_member_is_called_like_the_folder(tmp_path):
    names = [f"img_{t:03d}_{c}_{z:03d}" for t in range(2) for c in ("DAPI", "GFP") for z in (9, 10)]
    folder = fill(tmp_path / "Pos0", names)
    stack = {"z": "z", "c": "channel", "t": "time"}
    images = sc.open_folder(
        folder / "img_{time:03d}_{channel}_{z:d}.npy", stack=stack, voxel_size=(3, 1, 1), unit="um"
    )
    assert (images.keys, images.groups) == (("Pos0",), None)
    image = images["Pos0"]
    assert (image.axes, image.shape, image.channels) == ("tczyx", (2, 2, 2, 6, 7), ("DAPI", "GFP"))
    assert image.voxel_size == (3, 1, 1)
    assert np.array_equal(image.read()[1, 0, 1], voxels("img_001_DAPI_010"))


def test_placeholders_stand_in_folders_too(tmp_path):
    names = [f"{w}/{c}/{w}-{s}" for w in ("A1", "A2") for c in ("red", "green") for s in (1, 2)]
    fill(tmp_path, names)
    images = sc.open_folder(tmp_path / "{well}/{c}/{well}-{site:d}.npy", stack={"c": "c"})
    assert images.keys == ("A1/1", "A1/2", "A2/1", "A2/2")
    assert np.array_equal(images["A2/1"].read()[1], voxels("A2/red/A2-1"))


def test_a_reader_reads_each_file(plate, tmp_path):
    def half(path):
        return np.load(path)[:3] / 2

    images = sc.open_folder(plate / f"{PATTERN}.npy", stack={"c": "channel"}, read=half)
    assert np.array_equal(images["C9/2"].read()[1], voxels("C9_s2_w2")[:3] / 2)
    with pytest.raises(ParameterError, match="returns an array for each file"):
        sc.open_folder(plate / f"{PATTERN}.npy", stack={"c": "channel"}, read=len)

    def odd(path):
        return len(path) if path.endswith("w2.npy") else np.load(path)

    images = sc.open_folder(plate / f"{PATTERN}.npy", stack={"c": "channel"}, read=odd)
    assert images["C9/2"][0].read().shape == (6, 7)
    with pytest.raises(PipelineError, match="for every file what it returned for the first"):
        images["C9/2"].read()


def test_select_leaves_out_files(plate):
    images = sc.open_folder(
        plate / f"{PATTERN}.npy", stack={"c": "channel"}, select=lambda path: "_w1" in path
    )
    assert images["B03/1"].shape == (1, 6, 7)


def test_a_place_without_a_file_is_an_error_or_zeros_that_are_told(plate, tmp_path):
    (plate / "C9_s2_w2.npy").unlink()
    (plate / "C9_s10_w1.npy").unlink()
    pattern, stack = plate / f"{PATTERN}.npy", {"c": "channel"}
    with pytest.raises(SourceError, match="each place of a member has a file") as raised:
        sc.open_folder(pattern, stack=stack)
    assert "none for well='C9', site=2: c='2'; well='C9', site=10: c='1'" in str(raised.value)
    assert 'missing="fill", which takes 0' in str(raised.value)
    images = sc.open_folder(pattern, stack=stack, missing="fill")
    assert len(images) == 9
    assert np.array_equal(images["C9/2"].read(), [voxels("C9_s2_w1"), np.zeros((6, 7))])
    assert np.array_equal(images["C9/10"].read(), [np.zeros((6, 7)), voxels("C9_s10_w2")])

    @sc.step
    def total(image):
        return int(image.sum())

    (warning,) = sc.plan(total(images), store=tmp_path / "store").warnings
    assert "2 places of its members have no file; their voxels are 0" in warning


def test_a_channel_that_no_file_has_is_missing_everywhere(plate):
    channels = {"1": "DAPI", "2": "GFP", "3": "RFP"}
    given = {"stack": {"c": "channel"}, "channels": channels}
    with pytest.raises(SourceError, match="and 6 more"):
        sc.open_folder(plate / f"{PATTERN}.npy", **given)
    images = sc.open_folder(plate / f"{PATTERN}.npy", **given, missing="fill")
    assert not images["B03/1"].channel("RFP").read().any()


REFUSED = {
    "an unknown placeholder": ({"stack": {"c": "wave"}}, ParameterError, "well, site, channel"),
    "an axis that is none": ({"stack": {"y": "site"}}, ParameterError, "along axes of t, c, z"),
    "an axis of two letters": ({"stack": {"cz": "site"}}, ParameterError, "along axes of t, c, z"),
    "one placeholder twice": (
        {"stack": {"c": "site", "z": "site"}},
        ParameterError,
        "becomes one axis",
    ),
    "no mapping": ({"stack": "channel"}, ParameterError, 'stack={"c": "channel"}'),
    "no axis": ({"stack": {}}, ParameterError, "becomes which axis"),
    "group= as well": (
        {"stack": {"c": "channel"}, "group": "(?P<x>.)"},
        ParameterError,
        "not from both",
    ),
    "channels without an axis of them": (
        {"stack": {"z": "channel"}, "channels": {"1": "DAPI"}},
        ParameterError,
        "stacked along c",
    ),
    "channels without a stack": ({"channels": {"1": "DAPI"}}, ParameterError, "by stack="),
    "missing= that is none": (
        {"stack": {"c": "channel"}, "missing": "zero"},
        ParameterError,
        '"error" or "fill"',
    ),
    "a channel without a name": (
        {"stack": {"c": "channel"}, "channels": {"1": "DAPI"}},
        SourceError,
        "w2.npy",
    ),
    "two channels of one name": (
        {"stack": {"c": "channel"}, "channels": {"1": "DAPI", "2": "DAPI"}},
        ParameterError,
        "a name of its own",
    ),
    "a value without a place": ({"stack": {"t": {"site": [1, 2]}}}, SourceError, "s10_w1.npy"),
    "a value with two places": (
        {"stack": {"t": {"site": [1, 2, 10, 2]}}},
        ParameterError,
        "one place",
    ),
    "two orders of channels": (
        {"stack": {"c": {"channel": ["1", "2"]}}, "channels": ["2", "1"]},
        ParameterError,
        "order of channels",
    ),
}


@pytest.mark.parametrize(("given", "error", "text"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_when_it_is_opened(plate, given, error, text):
    with pytest.raises(error, match=re.escape(text)):
        sc.open_folder(plate / f"{PATTERN}.npy", **given)


def test_two_files_for_one_place_are_refused_with_both_names(plate):
    np.save(plate / "C9_s02_w2.npy", voxels("twice"))
    with pytest.raises(SourceError, match="a place of a member has one file") as raised:
        sc.open_folder(plate / f"{PATTERN}.npy", stack={"c": "channel"})
    for text in ("C9_s2_w2.npy", "C9_s02_w2.npy", "well='C9', site=2: c='2'", "select="):
        assert text in str(raised.value)


def test_a_placeholder_that_tells_apart_files_of_one_member_is_named(tmp_path):
    fill(tmp_path, [f"{w}_T1A0{c}Z01C0{c}" for w in ("B03", "B04") for c in (1, 2)])
    with pytest.raises(SourceError, match=r"write \* for \{a\}, which differs"):
        sc.open_folder(tmp_path / "{well}_T{t}A{a}Z{z}C{c}.npy", stack={"c": "c"})
    (tmp_path / "B04_T1A02Z01C02.npy").unlink()
    with pytest.raises(SourceError, match=r"remedy: restore the files"):
        sc.open_folder(tmp_path / "{well}_T{t}A{a}Z{z}C{c}.npy", stack={"c": "c"})
    rows = pd.DataFrame(
        {"path": [str(path) for path in sorted(tmp_path.glob("B03*"))], "n": [1, 2]}
    ).assign(c=["a", "b"])
    with pytest.raises(SourceError, match="drop the column 'n'"):
        sc.open_folder(rows, stack={"c": "c"})


def test_names_of_channels_without_their_values_are_told_how_to_say_them(plate):
    with pytest.raises(SourceError, match=re.escape("channels={'1': 'DAPI', '2': 'GFP'}")):
        sc.open_folder(plate / f"{PATTERN}.npy", stack={"c": "channel"}, channels=["DAPI", "GFP"])


def test_a_glob_is_no_column_and_what_it_hides_is_told(plate):
    images = sc.open_folder(plate / "*_s{site:d}_w{channel}.npy", select=lambda p: "C9" in p)
    assert list(images.groups.columns) == ["site", "channel"]
    with pytest.raises(SourceError, match=r"B03_s10_w1\.npy and .*C10_s10_w1\.npy"):
        sc.open_folder(plate / "*_s{site:d}_w{channel}.npy", stack={"c": "channel"})


NOTHING = {
    "a glob that finds nothing": ("{a}.jpg", r"its files end in \.npy \(18\)"),
    "placeholders that match nothing": ("{a:d}.npy", "match none of 18 names"),
    "no folder": ("none/{a}.npy", "does not exist"),
    "a folder that is not there": ("none", "found: .*none, which does not exist"),
    "a file": ("B03_s1_w1.npy", r"found: .*B03_s1_w1\.npy$"),
}


@pytest.mark.parametrize(("pattern", "text"), NOTHING.values(), ids=NOTHING)
def test_a_pattern_without_a_match_says_why(plate, pattern, text):
    with pytest.raises(SourceNotFound, match=f"(?m){text}"):
        sc.open_folder(plate / pattern)


def test_a_name_that_matches_in_two_ways_is_refused(plate):
    with pytest.raises(ParameterError, match="in one way"):
        sc.open_folder(plate / "{well}_{rest}.npy")


def test_a_folder_whose_name_has_braces_or_brackets_is_a_folder(tmp_path):
    folder = fill(tmp_path / "{plate}[1]", NAMES[:2])
    assert len(sc.open_folder(folder)) == 2
    assert len(sc.open_folder(tmp_path / "{{plate}}[[]1]" / f"{PATTERN}.npy")) == 2


def test_stacks_are_for_placeholders(plate):
    for pattern in (plate, plate / "*.npy"):
        with pytest.raises(ParameterError, match="patterns with placeholders, and for tables"):
            sc.open_folder(pattern, stack={"c": "channel"})


def test_a_value_that_would_lead_out_of_the_folder_is_refused(tmp_path):
    fill(tmp_path, ["x.._w1", "x.._w2"])
    with pytest.raises(ParameterError, match="relative path"):
        sc.open_folder(tmp_path / "x{a}_w{c}.npy", stack={"c": "c"})


def test_files_that_differ_fail_their_member_alone_and_are_both_named(plate, tmp_path):
    np.save(plate / "C9_s2_w2.npy", np.zeros((6, 8), "uint8"))

    @sc.step(retries=0)
    def total(image):
        return int(image.sum())

    totals = total(sc.open_folder(plate / f"{PATTERN}.npy", stack={"c": "channel"}))
    run = sc.run(totals, store=tmp_path / "store", executor="serial", on_failure="return")
    assert run.step("total").n_failed == 1
    assert "C9_s2_w1.npy" in run.summary()
    assert "C9_s2_w2.npy" in run.summary()


def test_a_pattern_that_is_given_to_open_is_told_of_open_folder(plate):
    for name in ("{well}_s1_w1.npy", "*_s1_w1.npy"):
        with pytest.raises(SourceNotFound, match=r"sc\.open_folder"):
            sc.open(plate / name)


def test_links_count_as_what_they_lead_to_and_folders_are_left_out(plate, tmp_path):
    other = fill(tmp_path / "other", ["D01_s1_w1", "D01_s1_w2"])
    for path in other.iterdir():
        (plate / path.name).symlink_to(path)
    (plate / "D02_s1_w1.npy").mkdir()
    images = sc.open_folder(plate / "{well:D[0-9]+}_s{site:d}_w{c}.npy", stack={"c": "c"})
    assert images.keys == ("D01/1",)
    assert np.array_equal(images["D01/1"].read()[0], voxels("D01_s1_w1"))


def test_tables_that_are_read_have_the_columns_of_placeholders(tmp_path):
    for well in ("A1", "A2"):
        pd.DataFrame({"n": [1, 2], "well": [0, 0]}).to_csv(tmp_path / f"{well}_s3.csv", index=False)
    tables = sc.open_folder(tmp_path / "{plate_well}_s{site:d}.csv", read=pd.read_csv)
    found = tables.to_pandas()
    assert list(found.columns) == ["key", "plate_well", "site", "n", "well"]
    assert found["site"].tolist() == [3] * 4
    with pytest.raises(ParameterError, match="like a group"):
        sc.open_folder(tmp_path / "{well}_s{site:d}.csv", read=pd.read_csv)
