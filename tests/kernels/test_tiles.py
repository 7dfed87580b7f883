"""Models over tiles: as over the whole array, where the margin covers what they look at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from scutoid.errors import ParameterError, StepError
from scutoid.kernels import Tiling, check_tiling, field_of_view, predict_tiles

cases = st.integers(1, 3).flatmap(
    lambda ndim: st.tuples(
        st.tuples(*[st.integers(1, 17)] * ndim),
        st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * ndim),
        st.one_of(st.none(), st.tuples(*[st.integers(1, 7)] * ndim)),
        st.integers(1, 5),
        st.integers(0, 2**32 - 1),
    )
)


def looks(margin):
    """A model that adds up what lies in its field of view, zero beyond the edge."""

    def model(batch):
        out = batch if batch.dtype.kind == "f" else batch.astype("int64")
        for axis, (low, high) in enumerate(margin, 2):
            padded = np.pad(out, [(low, high) if n == axis else (0, 0) for n in range(out.ndim)])
            windows = np.lib.stride_tricks.sliding_window_view(padded, low + high + 1, axis)
            out = (windows * np.arange(1, low + high + 2)).sum(axis=-1)
        return out.sum(axis=1)

    return model


@given(cases)
@settings(max_examples=100)
def test_tiles_give_what_the_whole_array_gives(case) -> None:
    shape, margin, tile, batch, seed = case
    image = np.random.default_rng(seed).integers(0, 100, (2, *shape))
    seen = []

    def model(given):
        seen.append(given.shape)
        return looks(margin)(given)

    inner = [slice(n // 4, n) for n in shape]
    [found] = predict_tiles(
        model,
        image,
        Tiling(margin, tile, batch),
        inner=inner,
        start=[0] * len(shape),
        n_outputs=None,
        dtype=np.dtype("int64"),
    )
    whole = np.zeros(shape, "int64")
    whole[tuple(inner)] = looks(margin)(image[None])[0][tuple(inner)]
    np.testing.assert_array_equal(found, whole)
    assert max(given[0] for given in seen) <= batch
    if tile is None:
        assert len(seen) == 1


def pooled(size):
    """A model that gives each voxel the sum of its window of `size` voxels on an axis."""

    def model(batch):
        out = batch[:, 0].astype("int64")
        for axis in range(1, out.ndim):
            assert out.shape[axis] % size == 0
            sums = np.add.reduceat(out, range(0, out.shape[axis], size), axis=axis)
            out = np.repeat(sums, size, axis=axis)
        return out

    return model


@given(cases, st.integers(2, 4), st.integers(0, 9))
@settings(max_examples=60)
def test_tiles_begin_at_multiples_of_the_stride_in_the_whole_image(case, size, first) -> None:
    shape, _, tile, batch, seed = case
    image = np.random.default_rng(seed).integers(0, 100, (1, *(n + 12 for n in shape)))
    shape = image.shape[1:]
    stride, tiling = (size,) * len(shape), ((0, 0),) * len(shape)
    padded = np.pad(image, [(0, 0), *((0, -n % size) for n in shape)], mode="edge")
    whole = pooled(size)(padded[None])[0][tuple(slice(n) for n in shape)]
    # a part of the image, as a block with a halo gets it
    part = (slice(None), *(slice(first, None) for _ in shape))
    inner = [slice(size - 1 if first else 0, n - first) for n in shape]
    [found] = predict_tiles(
        pooled(size),
        image[part],
        Tiling(tiling, tile, batch, stride),
        inner=inner,
        start=[first] * len(shape),
        n_outputs=None,
        dtype=np.dtype("int64"),
    )
    np.testing.assert_array_equal(found[tuple(inner)], whole[part[1:]][tuple(inner)])


def test_a_model_may_leave_out_what_it_cannot_see_around() -> None:
    image = np.random.default_rng(0).random((1, 30, 31))
    kernel = np.ones((5, 3))
    whole = ndimage.correlate(image[0], kernel)
    tiling = Tiling(((2, 2), (1, 1)), (7, 9), 3)
    [found] = predict_tiles(
        lambda batch: np.stack([ndimage.correlate(b[0], kernel)[2:-2, 1:-1] for b in batch]),
        image,
        tiling,
        inner=[slice(2, 28), slice(1, 30)],
        start=[0, 0],
        n_outputs=None,
        dtype=np.dtype("float64"),
    )
    np.testing.assert_array_equal(found[2:28, 1:30], whole[2:28, 1:30])


def test_each_channel_of_the_answer_is_an_array() -> None:
    image = np.arange(12.0).reshape(1, 3, 4)
    found = predict_tiles(
        lambda batch: np.concatenate([batch, -batch], axis=1),
        image,
        Tiling(((0, 0), (0, 0)), (2, 2)),
        inner=[slice(0, 3), slice(0, 4)],
        start=[0, 0],
        n_outputs=2,
        dtype=np.dtype("float32"),
    )
    np.testing.assert_array_equal(found[0], image[0])
    np.testing.assert_array_equal(found[1], -image[0])


def one_tile(model, n_outputs):
    return predict_tiles(
        model,
        np.zeros((1, 6, 8)),
        Tiling(((0, 0), (0, 0))),
        inner=[slice(0, 6), slice(0, 8)],
        start=[0, 0],
        n_outputs=n_outputs,
        dtype=np.dtype("float32"),
    )


@pytest.mark.parametrize(
    "model",
    [
        lambda batch: batch[:, 0, 0],
        lambda batch: (batch, batch),
        lambda batch: (batch, batch[0]),
        lambda batch: {"out": batch},
        lambda batch: 1.0,
        lambda batch: None,
        lambda batch: batch.astype(str),
        lambda batch: batch * 1j,
    ],
)
def test_an_answer_that_is_no_array_of_numbers_is_refused(model) -> None:
    with pytest.raises(StepError, match="returns numbers"):
        field_of_view(model, ndim=2, limit=4)
    with pytest.raises(StepError, match="returns numbers"):
        one_tile(model, None)


@pytest.mark.parametrize(
    ("model", "n_outputs"),
    [
        (lambda batch: batch[:, :, 1:], None),  # one row lost on one side
        (lambda batch: batch[:, :, 2:-2], None),  # more than there is around the tile
        (lambda batch: np.concatenate([batch, batch], axis=1), None),
        (lambda batch: batch, 2),
        (lambda batch: batch.repeat(2, axis=-1), None),
    ],
)
def test_an_answer_of_another_shape_is_refused(model, n_outputs) -> None:
    with pytest.raises(StepError, match="answer for each voxel"):
        one_tile(model, n_outputs)


def test_an_answer_of_more_channels_says_how_many_to_give() -> None:
    with pytest.raises(StepError, match="give channels=3"):
        one_tile(lambda batch: batch.repeat(3, axis=1), None)


@pytest.mark.parametrize("n_outputs", [None, 1])
def test_one_channel_may_be_left_out_of_the_answer(n_outputs) -> None:
    for model in (lambda batch: batch + 1, lambda batch: batch[:, 0] + 1):
        np.testing.assert_array_equal(one_tile(model, n_outputs), np.ones((1, 6, 8)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "uint8", "bool"])
def test_an_answer_may_be_a_tensor(dtype) -> None:
    torch = pytest.importorskip("torch")
    weight = torch.ones(1, requires_grad=True)

    def model(batch):
        return (torch.from_numpy(batch) + weight).to(getattr(torch, dtype))

    np.testing.assert_array_equal(one_tile(model, None), np.ones((1, 6, 8)))


@given(
    st.integers(1, 2).flatmap(
        lambda n: st.tuples(*[st.tuples(st.integers(0, 40), st.integers(0, 40))] * n)
    )
)
@settings(max_examples=25)
def test_the_field_of_view_is_how_far_a_model_looks(margin) -> None:
    def model(batch):
        return sum(
            ndimage.shift(batch, (0, 0, *shift), order=0, prefilter=False)
            for shift in zip(*((low, -high) for low, high in margin), strict=True)
        )

    assert field_of_view(model, ndim=len(margin)) == margin


def test_the_field_of_view_of_a_model_that_pools_holds_for_all_places() -> None:
    def model(batch):
        return np.repeat(batch[..., ::4] + batch[..., 3::4], 4, axis=-1)

    assert field_of_view(model, ndim=1, stride=4) == ((3, 3),)


@pytest.mark.parametrize(
    "model",
    [lambda batch: looks(((2, 3),))(batch) > 0, lambda batch: np.stack([batch, batch]).argmax(0)],
    ids=["threshold", "argmax"],
)
def test_a_model_that_swallows_nan_is_refused_rather_than_called_narrow(model) -> None:
    with pytest.raises(StepError, match="NaN where it looks"):
        field_of_view(model, ndim=1)


def test_a_model_that_looks_at_everything_has_no_field_of_view() -> None:
    with pytest.raises(StepError, match="no further than"):
        field_of_view(lambda batch: batch - batch.mean(), ndim=2)
    with pytest.raises(StepError, match="no further than 3 voxels"):
        field_of_view(looks(((4, 0),)), ndim=1, limit=3)


@pytest.mark.parametrize(
    "tiling",
    [
        Tiling(((0, 0),)),
        Tiling(((0, -1), (0, 0))),
        Tiling(((0, 0), (0, 0)), tile=(0, 3)),
        Tiling(((0, 0), (0, 0)), tile=(3,)),
        Tiling(((0, 0), (0, 0)), batch=0),
        Tiling(((0, 0), (0, 0)), stride=(1, 0)),
    ],
)
def test_what_cannot_be_a_tiling_is_refused(tiling) -> None:
    with pytest.raises(ParameterError):
        check_tiling(tiling, 2, "here")
