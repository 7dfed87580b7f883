"""A member of a folder gives what the same image gives alone, whatever the first member is like."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc

HOW = {"executor": "serial", "workers": 1}
NAMES = {
    "the same": ["DAPI", "GFP"],
    "another order": ["GFP", "DAPI"],
    "another name": ["DAPI", "RFP"],
    "one more": ["DAPI", "GFP", "RFP"],
    "one twice": ["DAPI", "DAPI"],
}


def write(path, array, axes, **metadata):
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(
        path, array, ome=True, metadata={"axes": axes, **metadata}, photometric="minisblack"
    )


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_channels_are_named_by_the_member_itself(tmp_path, names):
    labels = np.zeros((12, 12), "uint16")
    labels[2:6, 3:9] = 1
    for key, own in {"a.tif": NAMES["the same"], "b.tif": names}.items():
        levels = np.arange(1, len(own) + 1, dtype="uint16") * (10 if key == "a.tif" else 30)
        image = np.broadcast_to(levels[:, None, None], (len(own), 12, 12))
        write(tmp_path / "raw" / key, image, "CYX", Channel={"Name": own})
        write(tmp_path / "labels" / key, labels, "YX")
    raw = sc.open_folder(tmp_path / "raw" / "*.tif")
    rows = sc.measure(sc.open_folder(tmp_path / "labels" / "*.tif"), intensity=raw)
    sc.run(rows, store=tmp_path / "results", **HOW)

    table = rows.to_pandas().set_index("key").loc["b.tif"]
    unique = names if len(set(names)) == len(names) else range(len(names))
    expected = {f"mean_{name}": 30.0 * (n + 1) for n, name in enumerate(unique)}
    found = {name: table[name] for name in table.index if name.startswith("mean_")}
    assert {name: mean for name, mean in found.items() if not np.isnan(mean)} == expected
    alone = sc.measure(
        sc.open(tmp_path / "labels" / "b.tif"), intensity=sc.open(tmp_path / "raw" / "b.tif")
    )
    pd.testing.assert_frame_equal(rows["b.tif"].to_pandas(), alone.to_pandas())


def test_names_of_channels_reach_a_step_with_its_block(tmp_path):
    write(
        tmp_path / "raw" / "a.tif", np.ones((2, 8, 8), "uint8"), "CYX", Channel={"Name": ["p", "q"]}
    )
    seen = []

    @sc.blockwise(axes="cyx", dtype="uint8", version="1")
    def look(image, other, *, block):
        seen.append(block.channels)
        return image

    raw = sc.open(tmp_path / "raw" / "a.tif")
    np.asarray(look(raw, raw))
    assert seen
    assert set(seen) == {(("p", "q"), ("p", "q"))}
