"""What members are called, by keys=, so that steps take collections of other names together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError

NAMES = ("A01_s1", "A01_s2", "B10_s1")


@pytest.fixture
def plate(tmp_path):
    """Images, masks of other names and endings beside them, and masks in folders of their own."""
    for n, name in enumerate(NAMES):
        for path in (f"raw/{name}.npy", f"raw/{name}_cp_masks.npy", f"own/{name[:3]}/{name}.npy"):
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, np.full((4, 5), n + 1, "uint8"))
    return tmp_path


IMAGES = {
    "placeholders": ("raw/{well}_s{site:[0-9]}.npy", {"keys": "{well}/{site}"}),
    "groups": ("raw/*_s[0-9].npy", {"group": r"(?P<w>.+)_s(?P<s>.)", "keys": "{w}/{s}"}),
}
MASKS = {
    "beside": ("raw/{well}_s{site:d}_cp_masks.npy", {"keys": "{well}/{site}"}),
    "stacked": ("raw/{well}_s{site:d}_{kind}_masks.npy", {"stack": {"c": "kind"}}),
    "folders": ("own/{well}/{well}_s{site:d}.npy", {"keys": "{well}/{site}"}),
}


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("images", IMAGES)
def test_masks_and_images_of_other_names_meet(plate, tmp_path, images, masks):
    @sc.step(out="value")
    def pair(mask, image):
        return [int(mask.max()), int(image.max())]

    opened = []
    for pattern, options in (MASKS[masks], IMAGES[images]):
        opened.append(sc.open_folder(str(plate / pattern), **options))
    assert opened[0].keys == opened[1].keys == ("A01/1", "A01/2", "B10/1")
    pairs = pair(*opened)
    sc.run(pairs, store=tmp_path / "s")
    assert pairs.to_dict() == {"A01/1": [1, 1], "A01/2": [2, 2], "B10/1": [3, 3]}


@pytest.mark.parametrize(
    ("pattern", "keys", "expected"),
    [
        ("raw/*_s?.npy", "{key}", NAMES),
        ("own/**/*.npy", "set/{key}", tuple(f"set/{name[:3]}/{name}" for name in NAMES)),
        ("raw/{w}_s{s:[0-9]}.npy", "{s}-{w}", ("1-A01", "2-A01", "1-B10")),
        ("raw/{w:[AB]}{c:d}_s{s:[0-9]}.npy", "{w}{c:03d}{{{s}", ("A001{1", "A001{2", "B010{1")),
    ],
)
def test_keys_are_made_of_columns_and_of_paths(plate, pattern, keys, expected):
    images = sc.open_folder(plate / pattern, keys=keys)
    assert images.keys == expected
    assert [images[key].read().max() for key in expected] == [1, 2, 3]
    if images.groups is not None:
        assert tuple(images.groups.index) == expected


def test_rows_of_a_table_are_called_by_its_columns(plate):
    paths = [str(plate / f"raw/{name}.npy") for name in NAMES]
    table = pd.DataFrame({"path": paths, "well": [name[:3] for name in NAMES], "n": [3, 1, 2]})
    assert sc.open_folder(table, keys="{well}-{n}").keys == ("A01-3", "A01-1", "B10-2")


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("{well}", "'A01', of 'A01_s1.npy' and of 'A01_s2.npy'"),
        ("{site}", "write {well} or {s} or {key}"),
        ("all", "by placeholders"),
        ("../{key}", "relative path"),
        ("/{key}", "relative path"),
        ("{well:d}", "well='A01'"),
        ("{well", "ends with a brace"),
    ],
)
def test_keys_that_do_not_fit_are_refused(plate, keys, text):
    with pytest.raises(ParameterError) as caught:
        sc.open_folder(plate / "raw/{well}_s{s:[0-9]}.npy", keys=keys)
    assert text in str(caught.value)


def test_collections_without_a_common_key_are_refused_with_both_and_the_remedy(plate):
    images = sc.open_folder(plate / "raw/*_s?.npy")
    masks = sc.open_folder(plate / "raw/*_masks.npy")

    @sc.blockwise
    def both(a, b):
        return a + b

    for step in (both, both.options(join="inner")):
        with pytest.raises(PipelineError) as caught:
            step(images, masks)
        text = str(caught.value)
        assert "such as 'A01_s1.npy' and 'A01_s1_cp_masks.npy'" in text
        assert "keys=" in text
        assert "inner" not in text


def test_operations_take_the_members_that_are_in_both_where_it_is_asked_for(plate, tmp_path):
    masks = sc.open_folder(plate / "own/{well}/*_s{s:d}.npy", keys="{well}/{s}")
    images = sc.open_folder(plate / "raw/{well:A..}_s1.npy", keys="{well}/1")
    with pytest.raises(PipelineError, match='join="inner"'):
        sc.measure(masks, intensity=images)
    table = sc.measure.options(join="inner")(masks, intensity=images)
    sc.run(table, store=tmp_path / "s")
    assert table.to_pandas()[["key", "mean"]].to_numpy().tolist() == [["A01/1", 1.0]]
    with pytest.raises(PipelineError, match='join="inner"'):  # and then as before
        sc.measure(masks, intensity=images)
    both = sc.watershed.options(join="inner")(masks, images, max_extent=4)
    assert both.keys == ("A01/1",)
