"""Images as Zarr hierarchies that exist in addresses only."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.views import view_layers
from scutoid.views._neuroglancer_arrays import ZarrImage, chunk_shape

TYPES = ["bool", "uint8", "int8", "uint16", "int32", "int64", "uint64", "float32", "float64", ">i4"]


def served(image, **options):
    """Return what is served of the first layer of an image."""
    return ZarrImage(view_layers(image, **options)[0])


def chunks_of(shown, level=0):
    """Put the chunks of a level together."""
    about = json.loads(shown((str(level), "zarr.json")))
    chunks = about["chunk_grid"]["configuration"]["chunk_shape"]
    whole = np.zeros(about["shape"], about["data_type"])
    grid = [-(-size // chunk) for size, chunk in zip(about["shape"], chunks, strict=True)]
    for place in np.ndindex(*grid):
        body = shown((str(level), "c", *map(str, place)))
        if body is None:
            continue
        block = np.frombuffer(body, np.dtype(about["data_type"]).newbyteorder("<")).reshape(chunks)
        cut = tuple(slice(p * c, (p + 1) * c) for p, c in zip(place, chunks, strict=True))
        part = whole[cut]
        part[...] = block[tuple(slice(0, size) for size in part.shape)]
    return whole


@st.composite
def images(draw):
    shape = draw(st.lists(st.integers(1, 90), min_size=2, max_size=3))
    seed = draw(st.integers(0, 9))
    dtype = draw(st.sampled_from(TYPES))
    array = np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 100, shape)
    starts = [draw(st.integers(0, size - 1)) for size in shape]
    ends = [draw(st.integers(start + 1, size)) for start, size in zip(starts, shape, strict=True)]
    cut = tuple(slice(start, end) for start, end in zip(starts, ends, strict=True))
    return array.astype(dtype), cut


@given(images(), st.booleans())
def test_the_chunks_of_a_cropped_image_are_its_voxels(drawn, is_labels):
    array, cut = drawn
    image = sc.open(array)[cut]
    is_labels = is_labels and array.dtype.kind in "iu"
    shown = ZarrImage(view_layers(labels=image)[0]) if is_labels else served(image)
    np.testing.assert_array_equal(chunks_of(shown), array[cut].astype(shown.dtype))
    assert shown.dtype in {np.dtype(t) for t in ("u1", "i1", "u2", "i4", "u4", "u8", "f4")}


@pytest.mark.parametrize("number", [2**31, 2**53 + 1, 2**63 - 1])
@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_object_numbers_stay_exact(number, dtype):
    shown = ZarrImage(view_layers(labels=np.array([[0, number]], dtype))[0])
    assert shown.dtype == np.uint64
    assert chunks_of(shown)[0, 1] == number


def test_object_numbers_below_zero_are_those_that_are_higher_by_2_to_the_64():
    shown = ZarrImage(view_layers(labels=np.array([[0, -1]], "i4"))[0])
    assert chunks_of(shown)[0, 1] == 2**64 - 1


def test_each_request_reads_one_chunk(image):
    fake = image((70, 300, 300), "zyx")
    shown = served(fake)
    fake.read_shapes.clear()
    assert shown(("0", "c", "0", "1", "2"))
    assert fake.read_shapes == [(64, 64, 64)]


def test_functions_of_users_are_called_by_one_thread_at_a_time():
    inside, most = [], []
    meet = threading.Barrier(2, timeout=0.2)

    @sc.blockwise
    def busy(image):
        inside.append(1)
        most.append(len(inside))
        with contextlib.suppress(threading.BrokenBarrierError):
            meet.wait()  # until another one is here, too
        inside.pop()
        return image + 1

    layers = view_layers(busy(sc.open(np.zeros((200, 300), "u1"))))
    shown = ZarrImage(layers[0])
    most.clear()
    meet.reset()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        chunks = list(pool.map(shown, [("0", "c", "0", "0")] * 2))
    assert all(chunks)
    assert set(most) == {1}


def test_chunks_of_zeros_are_not_sent(image):
    fake = image((4, 5), "yx")
    fake.array[...] = 0
    assert served(fake)(("0", "c", "0", "0")) is None


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("1", "zarr.json"),
        ("0", "c", "0"),
        ("0", "c", "0", "9"),
        ("0", "c", "0", "-1"),
        ("0", "c", "0", "0", "0"),
        ("..", "zarr.json"),
        ("0", "d", "0", "0"),
        ("²", "zarr.json"),
    ],
)
def test_there_is_nothing_at_other_paths(image, path):
    assert served(image((4, 5), "yx"))(path) is None


def test_voxels_lie_where_the_layer_says(image):
    fake = image((3, 4, 5), "zyx", voxel_size=(2.0, 0.5, 0.25), origin=(10.0, 20.0, 30.0))
    ome = json.loads(served(fake)(("zarr.json",)))["attributes"]["ome"]
    about = ome["multiscales"][0]
    assert [axis["name"] for axis in about["axes"]] == ["z", "y", "x"]
    assert {axis["unit"] for axis in about["axes"]} == {"meter"}
    scale, translation = about["datasets"][0]["coordinateTransformations"]
    np.testing.assert_allclose(scale["scale"], [2e-6, 0.5e-6, 0.25e-6])
    np.testing.assert_allclose(translation["translation"], [10e-6, 20e-6, 30e-6])


def test_axes_without_a_unit_are_shown_in_voxels(image):
    ome = json.loads(served(image((3, 4, 5), "zyx"))(("zarr.json",)))["attributes"]["ome"]
    assert [set(axis) for axis in ome["multiscales"][0]["axes"]] == [{"name"}] * 3


@pytest.mark.parametrize(
    "cut", [np.s_[:, :, :], np.s_[2:, 9:90, 3:], np.s_[5], np.s_[1:4, 7:9, 41:42]]
)
def test_stored_levels_are_served_where_the_finest_lies(tmp_path, cut):
    """A ramp has the same value at a place at all levels, where no voxel is beyond its edge."""
    steps = {"z": 1e4, "y": 100.0, "x": 1.0}
    grid = np.indices((8, 128, 96)).astype("f4")
    ramp = sum(g * step for g, step in zip(grid, steps.values(), strict=True))
    whole = sc.open(ramp, voxel_size=(2.0, 0.5, 0.5), unit="um")
    kept = sc.gaussian.options(storage=sc.Storage(levels=3))(whole, sigma=0)
    sc.run(kept, store=tmp_path / "store")
    shown = served(kept[cut])
    assert len(shown.levels) == 3
    sizes = {"z": 2.0, "y": 0.5, "x": 0.5}
    for number, level in enumerate(shown.levels):
        axes = level.data.axes
        found = chunks_of(shown, number)
        for place in (np.zeros(len(axes)), np.array(found.shape) - 1):
            world = np.array(level.translate) + place * level.scale
            expected = sum(w / sizes[a] * steps[a] for w, a in zip(world, axes, strict=True))
            expected += 5e4 if "z" not in axes else 0
            assert found[tuple(place.astype(int))] == pytest.approx(expected, abs=1e-2)


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    st.lists(st.one_of(st.none(), st.integers(1, 3000)), min_size=5, max_size=5),
)
def test_chunks_are_of_bounded_size(shape, stored):
    chunks = chunk_shape(shape, stored[: len(shape)])
    assert np.prod(chunks) <= 2**18
    assert all(chunk < 2 * size or chunk == 1 for chunk, size in zip(chunks, shape, strict=True))
