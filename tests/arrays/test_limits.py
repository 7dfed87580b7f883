"""Windows of what is written, so that other programs show it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scutoid as sc
from scutoid.arrays import ImageSpec, Limits, _limits


def windows(path):
    channels = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["omero"][
        "channels"
    ]
    return [
        tuple(each["window"][name] for name in ("min", "max", "start", "end")) for each in channels
    ]


def sparse(shape=(64, 128, 128), dtype="f4"):
    """A dark image with a single bright object."""
    array = np.zeros(shape, dtype)
    array[40:44, 100:104, 17:21] = min(710, np.iinfo(dtype).max if dtype == "u1" else 710)
    return array


@sc.blockwise(halo=1, version="1")
def same(image):
    return image


def stored(image, folder, **options):
    run = sc.run(same.options(**options)(image), store=folder, executor="serial", check_halo=False)
    [path] = run.store.glob("same/*/image.ome.zarr")
    return path


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
def test_a_result_has_the_window_of_its_data(tmp_path, dtype):
    array = sparse(dtype=dtype)
    top = float(array.max())
    path = stored(sc.open(array), tmp_path, block=(32, 64, 64))
    assert windows(path) == [(0, top, 0, top)]


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_is_shown_from_0_to_1_and_not_read_for_it(tmp_path, monkeypatch, value):
    read, opened = [], _limits.open_source

    def noted(place):
        source = opened(place)
        monkeypatch.setattr(type(source), "read", lambda *given: read.append(given))
        return source

    mask = sc.open(np.full((4, 8, 8), value))
    monkeypatch.setattr(_limits, "open_source", noted)
    run = sc.run(same(mask), store=tmp_path, executor="serial", check_halo=False, report=False)
    [path] = run.store.glob("same/*/image.ome.zarr")
    assert windows(path) == [(0, 1, 0, 1)]
    assert not read


def test_so_has_one_that_is_read_in_parts(tmp_path):
    """Of 64 MiB a 64th is read: chunks that hold an object take more bytes than empty ones."""
    array = np.random.default_rng(0).integers(95, 105, (128, 512, 512)).astype("u2")
    array[70:74, 300:306, 17:23] = np.random.default_rng(0).integers(600, 711, (4, 6, 6))
    path = stored(sc.open(array), tmp_path, block=(64, 128, 128))
    [(low, high, _, _)] = windows(path)
    assert low == 95
    assert high > 600


def test_channels_have_a_window_each(tmp_path):
    array = np.stack([sparse((64, 128, 128), "u2"), sparse((64, 128, 128), "u2") // 10 + 5])
    image = sc.open(array, axes="czyx")
    path = stored(image, tmp_path, block=64)
    assert windows(path) == [(0, 710, 0, 710), (5, 76, 5, 76)]


def test_an_export_has_exact_windows_and_reads_back_without_them(tmp_path):
    image = sc.open(sparse(), voxel_size=1, unit="um")
    sc.export(image, tmp_path / "out.ome.zarr")
    assert windows(tmp_path / "out.ome.zarr") == [(0, 710, 0, 710)]
    again = sc.open(tmp_path / "out.ome.zarr")
    assert (again.display, again.channels) == ((), ())
    assert not again.framed.spec.notes


def test_labels_have_none(tmp_path):
    path = stored(sc.label(sc.open(sparse()) > 5), tmp_path)
    assert "omero" in json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
    sc.run(sc.label(sc.open(sparse()) > 5), store=tmp_path / "b", executor="serial")
    [path] = (tmp_path / "b").glob("label/*/image.ome.zarr")
    assert "omero" not in json.loads((path / "zarr.json").read_text())["attributes"]["ome"]


def test_keys_and_voxels_stay_as_they_are(tmp_path):
    image = sc.open(sparse())
    path = stored(image, tmp_path, block=(32, 64, 64))
    np.testing.assert_array_equal(np.asarray(sc.open(path)), np.asarray(image))
    [step] = sc.plan(same.options(block=(32, 64, 64))(image), store=tmp_path)
    assert step.status == "cached"
    assert sc.Store(tmp_path).verify().ok


@given(
    array=hnp.arrays(
        "f4", (2, 5, 6), elements=st.floats(-9, 9, width=32) | st.sampled_from([np.nan, np.inf])
    ),
    cut=st.integers(1, 5),
)
def test_limits_of_parts_are_those_of_the_whole(array, cut):
    limits = Limits.of(ImageSpec(array.shape, array.dtype, "cyx"))
    for start in range(0, 6, cut):
        limits.add(array[..., start : start + cut], (0, 0, start))
    for channel, values in enumerate(array):
        known = values[np.isfinite(values)]
        low, high = limits.window(channel)
        assert low < high
        if known.size:
            assert low == known.min()
            assert high == known.max() or known.min() == known.max()


def test_napari_ome_zarr_shows_results_by_their_window(tmp_path):
    reader = pytest.importorskip("napari_ome_zarr", reason="napari-ome-zarr is not installed")
    path = stored(sc.open(sparse()), tmp_path, block=(32, 64, 64))
    [(_, options, kind)] = reader.napari_get_reader(str(path))(str(path))
    assert kind == "image"
    limits = np.array(options["contrast_limits"], float).reshape(-1, 2)
    assert limits.tolist() == [[0, 710]]
