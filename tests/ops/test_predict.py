"""Models over images: blocks and tiles make no difference where the halo is large enough."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError, RunFailed
from scutoid.testing import assert_would_run

KERNEL = np.arange(1, 8)


def load_sums():
    """A model in integers, so that the order of its sums does not matter."""

    def model(batch):
        out = batch.astype("int64")
        for axis in range(2, out.ndim):
            out = ndimage.correlate1d(out, KERNEL, axis=axis, mode="constant")
        return out.sum(axis=1)

    return model


cases = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=16).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.uint8, shape),
        st.integers(4, 12),
        st.one_of(st.none(), st.integers(1, 9)),
        st.integers(1, 4),
        st.integers(3, 5),
    )
)


@given(cases)
@settings(max_examples=40)
def test_blocks_tiles_and_batches_make_no_difference(case) -> None:
    image, block, tile, batch, halo = case
    whole = load_sums()(image[None, None])[0]
    lazy = sc.predict(
        sc.open(image),
        model=load_sums,
        halo=halo,
        tile=tile,
        batch=batch,
        block=block,
        dtype="int64",
    )
    assert lazy.dtype == np.int64
    np.testing.assert_array_equal(np.asarray(lazy), whole)
    found = sc.predict(image, model=load_sums, halo=halo, tile=tile, dtype="int64")
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("border", ["reflect", "nearest", 7])
def test_a_model_may_leave_out_a_margin_where_the_border_is_padded(border) -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 21)).astype("uint8")
    mode = {"reflect": "symmetric", "nearest": "edge", 7: "constant"}[border]
    more = {"constant_values": 7} if border == 7 else {}
    padded = np.pad(image, 3, mode=mode, **more)
    whole = load_sums()(padded[None, None])[0][3:-3, 3:-3]

    def load():
        return lambda batch: load_sums()(batch)[:, 3:-3, 3:-3]

    found = sc.predict(
        sc.open(image), model=load, halo=3, tile=5, batch=3, block=8, border=border, dtype="int64"
    )
    np.testing.assert_array_equal(np.asarray(found), whole)


@given(st.integers(9, 30), st.integers(5, 12), st.integers(1, 7), st.integers(0, 6))
@settings(max_examples=25)
def test_pooling_sees_the_cells_of_the_whole_image(size, block, tile, offset) -> None:
    image = np.random.default_rng(size).integers(0, 255, (size, size + 3)).astype("uint8")

    def load():
        def model(batch):
            assert batch.shape[2] % 4 == batch.shape[3] % 4 == 0
            cells = batch[:, 0, ::4, ::4].astype("int64") + batch[:, 0, 3::4, 3::4]
            return cells.repeat(4, axis=1).repeat(4, axis=2)

        return model

    def whole(part):
        padded = np.pad(part, [(0, -n % 4) for n in part.shape], mode="edge")
        return load()(padded[None, None])[0][tuple(slice(n) for n in part.shape)]

    crop = sc.open(image)[offset:, :]
    options = {"halo": 3, "stride": 4, "tile": tile, "block": block, "dtype": "int64"}
    found = sc.predict(crop, model=load, **options)
    np.testing.assert_array_equal(np.asarray(found), whole(image[offset:]))


def load_two():
    return lambda batch: np.concatenate([batch, 2 * batch], axis=1)


def test_what_a_model_returns_of_several_channels_is_one_image(tmp_path) -> None:
    image = np.random.default_rng(0).random((40, 41)).astype("float32")
    found = sc.predict(sc.open(image), model=load_two, halo=1, channels=2)
    assert (found.axes, found.shape) == ("cyx", (2, 40, 41))
    sc.run(found, store=tmp_path, executor="threads", block=16)
    np.testing.assert_array_equal(np.asarray(found), np.stack([image, 2 * image]))
    np.testing.assert_array_equal(np.asarray(found.channel(1)), 2 * image)
    np.testing.assert_array_equal(
        sc.predict(image, model=load_two, halo=1, channels=2), np.stack([image, 2 * image])
    )


def test_channels_of_a_model_take_the_place_of_those_of_the_image() -> None:
    image = np.random.default_rng(0).random((2, 3, 20, 21)).astype("float32")
    raw = sc.open(image, axes="tcyx")

    def load():
        return lambda batch: np.concatenate([batch, -batch[:, :1]], axis=1)

    found = sc.predict(raw, model=load, halo=1, axes="cyx", channels=4, block=8)
    assert (found.axes, found.shape) == ("tcyx", (2, 4, 20, 21))
    wanted = np.concatenate([image, -image[:, :1]], axis=1)
    np.testing.assert_array_equal(np.asarray(found), wanted)
    with pytest.raises(ParameterError, match="one axis of channels"):
        sc.predict(raw, model=load, halo=1, channels=4)


def test_a_model_may_take_the_channels_of_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 255, (2, 3, 20, 21)).astype("uint8")
    raw = sc.open(image, axes="tcyx")
    found = sc.predict(raw, model=load_sums, halo=3, axes="cyx", block=8, dtype="int64")
    assert found.axes == "tyx"
    np.testing.assert_array_equal(np.asarray(found), load_sums()(image))
    each = sc.predict(raw, model=load_sums, halo=3, block=8, dtype="int64")
    assert each.axes == "tcyx"
    np.testing.assert_array_equal(np.asarray(each).sum(axis=1), np.asarray(found))


def test_members_of_a_collection_are_predicted_one_by_one(tmp_path) -> None:
    import tifffile

    for name, size in (("a", 20), ("b", 30)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.full((size, size), 3, "uint8"))
    images = sc.open_folder(str(tmp_path / "*.tif"))
    found = sc.predict(images, model=load_sums, halo=3, dtype="int64")
    sc.run(found, store=tmp_path / "store", executor="serial")
    for key in found.keys:
        whole = load_sums()(np.asarray(images[key])[None, None])[0]
        np.testing.assert_array_equal(np.asarray(found[key]), whole)


def test_the_model_is_loaded_once_a_worker_and_gets_batches(tmp_path) -> None:
    def load(log):
        with log.open("a") as file:
            file.write("load\n")

        def model(batch):
            with log.open("a") as file:
                file.write(f"{len(batch)}\n")
            return batch

        return model

    log = tmp_path / "log"
    raw = sc.open(np.ones((32, 64), "uint8"))
    found = sc.predict(
        raw, model=functools.partial(load, log), halo=0, tile=8, batch=6, dtype="uint8", version="1"
    )
    sc.run(found, store=tmp_path / "store", executor="serial", block=32)
    assert log.read_text().split() == ["load", "6", "6", "4", "6", "6", "4"]


def load_times(factor, weights=None):
    del weights
    return lambda batch: batch * factor


def test_the_loader_and_what_is_bound_to_it_enter_the_key(tmp_path) -> None:
    raw = sc.open(np.ones((16, 16), "uint8"))
    weights = tmp_path / "weights"
    weights.write_text("1")

    def call(*args, **options):
        model = functools.partial(load_times, *args)
        return sc.predict(raw, model=model, halo=0, **options)

    store = tmp_path / "store"
    sc.run(call(2, weights), store=store, executor="serial")
    assert_would_run(call(2, weights), store=store, steps=[])
    assert_would_run(call(3, weights), store=store, steps=["predict"])
    weights.write_text("2")
    assert_would_run(call(2, weights), store=store, steps=["predict"])
    sc.run(call(2, version="a"), store=store, executor="serial")
    assert_would_run(call(3, version="a"), store=store, steps=[])
    assert_would_run(call(3, version="b"), store=store, steps=["predict"])


def test_another_code_of_the_model_is_another_key(tmp_path) -> None:
    raw = sc.open(np.ones((16, 16), "uint8"))

    def one():
        return lambda batch: batch + 1

    def other():
        return lambda batch: batch + 2

    sc.run(sc.predict(raw, model=one, halo=0), store=tmp_path, executor="serial")
    assert_would_run(sc.predict(raw, model=one, halo=0), store=tmp_path, steps=[])
    assert_would_run(sc.predict(raw, model=other, halo=0), store=tmp_path, steps=["predict"])


def test_what_a_block_requires_is_passed_on() -> None:
    found = sc.predict(
        sc.open(np.ones((8, 8))), model=load_sums, halo=0, requires={"gpu": 1}, block=4
    )
    assert found.ref.node.spec.options.requires == {"gpu": 1}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"halo": -1}, "halo is 0 or more"),
        ({"halo": (1, 2, 3)}, "halo is 0 or more"),
        ({"halo": 2.5}, "halo is a whole number"),
        ({"halo": ((1, 2), (3,))}, "halo is a whole number"),
        ({"halo": sc.um(2)}, "halo is a whole number"),
        ({"halo": True}, "halo is a whole number"),
        ({"halo": 0, "tile": 2.5}, "tile is a whole number"),
        ({"halo": 0, "tile": (4, 4, 4)}, "tile is a whole number"),
        ({"halo": 0, "batch": 1.5}, "batch is a whole number"),
        ({"halo": 0, "batch": None}, "batch is a whole number"),
        ({"halo": 0, "stride": "2"}, "stride is a whole number"),
        ({"halo": 0, "channels": 1.5}, "channels is 1 or more"),
        ({"halo": 0, "border": "crop"}, "border is"),
        ({"halo": 0, "axes": "zyx"}, "spatial axes"),
        ({"halo": 0, "model": load_sums()}, "without arguments that loads"),
        ({"halo": 0, "tile": 0}, "tile is 1 or more"),
        ({"halo": 0, "batch": 0}, "batch is 1 or more"),
        ({"halo": 0, "stride": 0}, "stride is 1 or more"),
        ({"halo": 0, "channels": 0}, "channels is 1 or more"),
        ({"halo": 0, "axes": "yxc"}, "channels before"),
        ({"halo": 0, "axes": "tyx"}, "channels before"),
        ({"halo": 0, "model": 3}, "a function that loads"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_work(options, words) -> None:
    with pytest.raises(ParameterError, match=words):
        sc.predict(sc.open(np.zeros((9, 9))), **{"model": load_sums, **options})


def test_numbers_may_be_of_numpy_and_axes_those_of_an_array() -> None:
    image = np.random.default_rng(0).integers(0, 99, (3, 9, 10)).astype("uint8")
    one = np.int64(3)
    options = {"halo": one, "tile": one, "batch": one, "stride": np.array([1, 1]), "dtype": "int64"}
    found = sc.predict(image, model=load_sums, axes="cyx", **options)
    np.testing.assert_array_equal(found, load_sums()(image[None])[0])
    dask_array = pytest.importorskip("dask.array")
    lazy = sc.predict(dask_array.from_array(image[0], chunks=4), model=load_sums, **options)
    assert isinstance(lazy, sc.Image)
    np.testing.assert_array_equal(np.asarray(lazy), load_sums()(image[:1, None])[0])


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ParameterError, match="an image"):
        sc.predict([1, 2], model=load_sums, halo=0)


def test_axes_that_the_image_has_not_are_refused() -> None:
    with pytest.raises((PipelineError, ParameterError)):
        sc.predict(sc.open(np.zeros(9), axes="t"), model=load_sums, halo=0)


def test_an_answer_of_another_shape_fails_the_run(tmp_path) -> None:
    found = sc.predict(sc.open(np.zeros((9, 9))), model=lambda: lambda b: b[..., 2:], halo=0)
    with pytest.raises(RunFailed, match="answer for each voxel"):
        sc.run(found, store=tmp_path, executor="serial")


# PyTorch


def with_weights(network):
    """Give a network the same weights in every worker; the seed of torch is shared by threads."""
    import torch

    rng = np.random.default_rng(0)
    with torch.no_grad():
        for weights in network.parameters():
            drawn = rng.normal(0, weights[0].numel() ** -0.5, tuple(weights.shape))
            weights.copy_(torch.from_numpy(drawn))
    return network


def build_network():
    """A small net of padded convolutions; it looks 1 + 2 + 4 = 7 voxels far."""
    from torch import nn

    return with_weights(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=4, dilation=4),
            nn.ReLU(),
            nn.Conv2d(8, 2, 1),
        )
    )


def build_pooling():
    """A net that halves the image, looks around and doubles it again."""
    from torch import nn

    return with_weights(
        nn.Sequential(
            nn.Conv3d(1, 4, 3, padding=1),
            nn.MaxPool3d(2),
            nn.ReLU(),
            nn.Conv3d(4, 4, 3, padding=1),
            nn.Upsample(scale_factor=2),
            nn.Conv3d(4, 1, 1),
        )
    )


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def test_a_network_in_blocks_is_the_network_on_the_whole_image(torch, tmp_path) -> None:
    load = sc.ops.torch_model(build_network)
    assert sc.ops.field_of_view(load, ndim=2) == ((7, 7), (7, 7))
    image = np.random.default_rng(0).random((96, 110)).astype("float32")
    whole = load()(image[None, None])[0]
    found = sc.predict(sc.open(image), model=load, halo=7, tile=16, batch=4, channels=2)
    sc.run(found, store=tmp_path, executor="threads", block=32)
    np.testing.assert_allclose(np.asarray(found), whole, atol=1e-5)
    short = sc.predict(sc.open(image), model=load, halo=4, tile=16, channels=2)
    assert np.abs(np.asarray(short[0]) - whole[0]).max() > 1e-3


def test_a_network_is_built_by_a_function_not_given(torch) -> None:
    image = np.ones((9, 9))
    with pytest.raises(ParameterError, match="loads a model"):
        sc.predict(image, model=build_network(), halo=7)
    with pytest.raises(ParameterError, match="makes a module"):
        sc.ops.torch_model(build_network())


def test_a_network_of_less_precision_gets_what_its_weights_are(torch) -> None:
    load = sc.ops.torch_model(lambda: build_network().to(torch.bfloat16))
    image = np.random.default_rng(0).random((20, 21))
    found = sc.predict(image, model=load, halo=7, channels=2)
    wanted = sc.ops.torch_model(build_network)()(image[None, None])[0]
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_a_network_runs_in_worker_processes(torch, tmp_path) -> None:
    load = sc.ops.torch_model(build_network)
    image = np.random.default_rng(0).random((64, 70)).astype("float32")
    found = sc.predict(sc.open(image), model=load, halo=7, batch=2, channels=2)
    sc.run(found, store=tmp_path, workers=2, block=32)
    whole = load()(image[None, None])[0]
    np.testing.assert_allclose(np.asarray(found[1]), whole[1], atol=1e-5)


def load_thread_count():
    import torch

    return lambda batch: np.full(batch.shape, torch.get_num_threads())


def test_worker_processes_give_a_network_one_thread(torch, tmp_path) -> None:
    found = sc.predict(sc.open(np.zeros((16, 16))), model=load_thread_count, halo=0, dtype="int64")
    sc.run(found, store=tmp_path, workers=1)
    assert (np.asarray(found) == 1).all()


def test_a_network_that_pools_sees_the_cells_of_the_whole_image(torch) -> None:
    load = sc.ops.torch_model(build_pooling)
    halo = sc.ops.field_of_view(load, ndim=3, stride=2)
    image = np.random.default_rng(0).random((21, 30, 27)).astype("float32")
    padded = np.pad(image, [(0, 1), (0, 0), (0, 1)], mode="edge")
    whole = load()(padded[None, None])[0, 0, :21, :, :27]
    options = {"model": load, "halo": halo, "tile": (6, 9, 7), "batch": 3, "block": (12, 13, 11)}
    found = sc.predict(sc.open(image), stride=2, **options)
    np.testing.assert_allclose(np.asarray(found), whole, atol=1e-5)


def test_networks_are_told_apart_by_their_code(torch, tmp_path) -> None:
    raw = sc.open(np.ones((16, 16), "float32"))

    def predicted(build):
        return sc.predict(raw, model=sc.ops.torch_model(build), halo=0)

    def build(bias=1.0):
        from torch import nn

        net = nn.Conv2d(1, 1, 1)
        nn.init.constant_(net.bias, bias)
        return net

    sc.run(predicted(build), store=tmp_path, executor="serial")
    assert_would_run(predicted(build), store=tmp_path, steps=[])
    changed = functools.partial(build, bias=2.0)
    assert_would_run(predicted(changed), store=tmp_path, steps=["predict"])


def test_a_network_without_its_library_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ImportError, match=r"scutoid\[torch\]"):
        sc.ops.torch_model(build_network)()
