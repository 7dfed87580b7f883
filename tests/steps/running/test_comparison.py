"""A run computes voxels of a new step anew in a block across the faces of others."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from scipy import ndimage, signal
from skimage import measure

import scutoid as sc
from scutoid.errors import ScutoidWarning
from scutoid.steps.running import _comparison
from scutoid.steps.running._difference import difference

NOISE = np.random.default_rng(0).random((64, 80)).astype(np.float32)


def blurred(image):
    return ndimage.gaussian_filter(image, 2)


def labelled(image):
    return measure.label(image > 0.7).astype(np.int32)


def darker(image):
    return image - image.mean()


def rooted(image):
    return np.sqrt(image)


def random(image):
    return np.random.default_rng().random(image.shape)


def by_fft(image):
    return np.fft.ifft2(np.fft.fft2(image)).real  # what it was, but for rounding


def integral(image):
    padded = np.pad(image.astype(np.float64), ((3, 2), (3, 2)))
    sums = padded.cumsum(0).cumsum(1)
    return (sums[5:, 5:] - sums[:-5, 5:] - sums[5:, :-5] + sums[:-5, :-5]) / 25


def run(target, store, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = sc.run(target, store=store, executor="serial", block=32, **options)
    return done, [str(w.message) for w in caught if w.category is ScutoidWarning]


def made(function, **declared):
    return sc.blockwise(version="1", **declared)(function)


def summed(image):
    return image.cumsum(0)


def numbered(image, *, block):
    return image + block.index


def placed(image, *, block):
    return image + 1000 * block.read_roi.offset[0] + 1000 * np.arange(len(image))[:, None]


DEPENDENT = {
    "sums along an axis": (summed, {}),
    "the number of the block": (numbered, {}),
    "a halo that is too short": (blurred, {"halo": 1}),
    "no halo": (blurred, {}),
    "padded": (blurred, {"halo": 1, "border": "reflect"}),
    "cropped": (blurred, {"halo": 1, "border": "crop"}),
    "labels": (labelled, {}),
    "labels of a wide halo": (labelled, {"halo": 4}),
    "the mean of the block": (darker, {"halo": 4}),
}
SAME = {
    "a halo that is wide enough": (blurred, {"halo": 8}),
    "padded": (blurred, {"halo": 8, "border": "reflect"}),
    "padded by a number": (blurred, {"halo": 8, "border": 0.0}),
    "cropped": (blurred, {"halo": 8, "border": "crop"}),
    "each voxel for itself": (rooted, {}),
    "the place of the block": (placed, {}),
    "rounding of an FFT": (by_fft, {"halo": 2}),
    "rounding of an integral image": (integral, {"halo": 3}),
    "meant": (darker, {"check_halo": False}),
    "declared": (darker, {"block_invariant": True}),
}


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "not kept"])
@pytest.mark.parametrize(("function", "declared"), DEPENDENT.values(), ids=DEPENDENT)
def test_a_result_that_depends_on_the_blocks_is_told_once(tmp_path, function, declared, keep):
    step = made(function, **declared)
    result = step.options(keep=keep)(sc.open(NOISE))
    done, said = run(result if keep else sc.threshold(result, level=0.5), tmp_path)
    assert tuple(said) == done.warnings
    assert len(said) == 1
    assert f"step {function.__name__!r}" in said[0]
    assert "differs by up to" in said[0]
    assert json.loads((done.folder / "run.json").read_text())["warnings"] == said
    other = sc.open(NOISE[:50] + 1)
    assert run(step(other), tmp_path)[1] == []  # once a code


@pytest.mark.parametrize(("function", "declared"), SAME.values(), ids=SAME)
def test_a_result_that_does_not_is_not(tmp_path, function, declared):
    assert run(made(function, **declared)(sc.open(NOISE)), tmp_path)[1] == []


def test_a_function_that_differs_from_itself_is_not_deterministic(tmp_path):
    (said,) = run(made(random)(sc.open(NOISE)), tmp_path)[1]
    assert "not deterministic" in said
    assert "halo" not in said


def test_one_block_has_no_neighbours_and_nothing_is_computed_again(tmp_path):
    calls = []

    def counted(image):
        calls.append(image.shape)
        return image

    step = made(counted, dtype="same")
    run(step(sc.open(NOISE[:20, :20])), tmp_path)
    assert calls == [(20, 20)]
    run(step(sc.open(NOISE)), tmp_path)  # of six blocks, one is computed once more
    assert len(calls) == 1 + 6 + 1
    assert calls[-1] == (32, 32)
    run(step(sc.open(NOISE)), tmp_path)
    run(step(sc.open(NOISE + 1)), tmp_path)
    assert len(calls) == 1 + 6 + 1 + 6


def test_a_run_is_told_not_to_compare(tmp_path):
    assert run(made(darker)(sc.open(NOISE)), tmp_path, check_halo=False)[1] == []


def test_a_comparison_that_fails_is_no_failure_of_the_run(tmp_path):
    def picky(image):
        if image.size > 32 * 32:
            raise ValueError("too large")
        return image

    done, said = run(made(picky, dtype="same")(sc.open(NOISE)), tmp_path)
    assert done.ok
    assert said == []


def test_members_that_are_cut_are_compared(tmp_path):
    for n in range(3):
        np.save(tmp_path / f"{n}.npy", NOISE + n)
    images = sc.open_folder(tmp_path / "*.npy")
    (said,) = run(made(blurred, halo=1, block=32)(images), tmp_path / "store")[1]
    assert "'0.npy'" in said


def test_the_step_is_named_and_not_what_reads_it_in_its_blocks(tmp_path):
    short = made(blurred, halo=1).options(keep=False)(sc.open(NOISE))
    (said,) = run(made(rooted)(short), tmp_path)[1]
    assert "'blurred'" in said


FLOATS = np.array([0.0, 1.0, 1000.0])


@pytest.mark.parametrize(
    ("one", "other", "greatest"),
    [
        (FLOATS, FLOATS, None),
        (FLOATS, FLOATS + 1e-4, None),
        (FLOATS, FLOATS + 1e-2, 1e-2),
        (FLOATS.astype(np.float32), (FLOATS + 5e-3).astype(np.float32), None),
        (FLOATS, np.array([np.nan, 1, 1000]), np.nan),
        (FLOATS * np.nan, FLOATS * np.nan, None),
        (np.array([np.inf, 1]), np.array([np.inf, 1]), None),
        (np.array([np.inf, 1]), np.array([1, 1.0]), np.inf),
        (np.array([0, 2**64 - 1], np.uint64), np.array([1, 2**64 - 1], np.uint64), 1),
        (np.array([1, 2], np.uint8), np.array([2, 1], np.uint8), 1),
    ],
)
def test_rounding_is_no_difference_and_integers_are_exact(one, other, greatest):
    found = difference(one, other)
    if greatest is None:
        assert found is None
    else:
        assert found.greatest == pytest.approx(greatest, nan_ok=True)


def filtered(image, *, axis, low, high):
    """Take the greatest of a voxel, `low` before it and `high` after it."""
    padded = np.pad(image, [(low, high) if a == axis else (0, 0) for a in range(image.ndim)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, low + high + 1, axis)
    return windows.max(-1)


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "not kept"])
@pytest.mark.parametrize("shape", [(64, 64), (96, 20), (36, 70)])
@pytest.mark.parametrize("side", [(3, 0), (0, 3)])
def test_a_halo_that_is_short_by_one_voxel_on_one_side_is_told(tmp_path, shape, side, keep):
    image = np.random.default_rng(0).random(shape, np.float32)
    for axis in (axis for axis in (0, 1) if shape[axis] > 32):
        for missing in (0, 1):
            halo = [(0, 0), (0, 0)]
            halo[axis] = tuple(max(n - missing, 0) for n in side)
            step = made(filtered, halo=tuple(halo)).options(keep=keep)
            result = step(sc.open(image), axis=axis, low=side[0], high=side[1])
            store = tmp_path / f"{axis} {missing}"
            said = run(result if keep else sc.threshold(result, level=0.5), store)[1]
            assert len(said) == missing


@pytest.mark.parametrize(
    ("axes", "block", "halo"),
    [("zyx", (1, 16, 16), 1), ("zyx", (2, 16, 16), 1), ("zyx", (3, 20, 48), 1), ("tczyx", 8, 1)],
)
def test_thin_blocks_and_iterated_axes(tmp_path, axes, block, halo):
    shape = (10, 20, 24) if axes == "zyx" else (3, 2, 10, 20, 24)
    image = sc.open(np.random.default_rng(0).random(shape), axes=axes)
    for n, want in ((halo, 0), (halo - 1, 1)):
        step = made(filtered, halo=(n, 0, 0), block=block)
        assert len(run(step(image, axis=0, low=1, high=1), tmp_path / str(n))[1]) == want


def widest(image, *, radius):
    return ndimage.maximum_filter(image, 2 * radius + 1)


RIM = np.zeros((160, 160), np.float32)
RIM[5:20, 33:60] = 1


def test_a_place_with_something_in_it_is_looked_for(tmp_path):
    step = made(widest, halo=1)
    assert len(run(step(sc.open(RIM), radius=4), tmp_path)[1]) == 1


def test_an_image_without_anything_in_it_does_not_count(tmp_path):
    step = made(widest, halo=1)
    assert run(step(sc.open(RIM * 0), radius=4), tmp_path)[1] == []
    assert len(run(step(sc.open(RIM), radius=4), tmp_path)[1]) == 1


@pytest.mark.parametrize("quick", [True, False])
def test_other_parameters_are_compared_where_that_takes_little_time(tmp_path, monkeypatch, quick):
    if not quick:
        monkeypatch.setattr(_comparison, "_QUICK", -1.0)
    step = made(widest, halo=4)
    assert run(step(sc.open(NOISE), radius=2), tmp_path)[1] == []
    assert len(run(step(sc.open(NOISE), radius=9), tmp_path)[1]) == int(quick)
    large = sc.open(np.tile(NOISE, (4, 4)))  # of many blocks, one more is a small part
    assert len(run(step(large, radius=8), tmp_path)[1]) == 1
    assert run(step(large[1:], radius=8), tmp_path)[1] == []


@pytest.mark.parametrize(("halo", "want"), [(4, 0), (1, 1)])
def test_the_blocks_that_where_leaves_out_are_not_compared(tmp_path, halo, want):
    for number, alone in enumerate([(0, 1), (1, 0)]):
        chosen = np.zeros((2, 3), bool)
        chosen[alone] = True
        step = made(widest, halo=halo).options(where=chosen)
        assert len(run(step(sc.open(NOISE), radius=4), tmp_path / str(number))[1]) == want


def by_fft_blurred(image):
    kernel = np.outer(*[signal.windows.gaussian(9, 2)] * 2)
    return signal.fftconvolve(image, (kernel / kernel.sum()).astype(image.dtype), "same")


def less_background(image):
    image = image.astype(np.float32)
    return image - by_fft_blurred(image)


def above_surroundings(image):
    return image > ndimage.uniform_filter(image, 9)


def logarithm(image):
    return np.log(np.maximum(by_fft_blurred(image), 1e-12))


OFFSET = 10 * np.random.default_rng(0).random((160, 160)) + 60_000
SPARSE = np.where(np.random.default_rng(0).random((160, 160)) > 0.99, 1.0, 0.1)
ROUNDING = {
    "a small difference of large numbers": (less_background, (OFFSET * 20).astype(np.float32)),
    "of large integers": (less_background, OFFSET.astype(np.uint16)),
    "running sums that decide about ties": (above_surroundings, SPARSE),
    "the logarithm of what an FFT leaves of zero": (logarithm, np.where(SPARSE < 1, 0, 0.7)),
}


@pytest.mark.parametrize(("function", "image"), ROUNDING.values(), ids=ROUNDING)
def test_what_a_change_of_the_last_digits_does_is_rounding(tmp_path, function, image):
    step = made(function, halo=4, border="crop")
    assert run(step(sc.open(image)), tmp_path)[1] == []


@pytest.mark.parametrize(("function", "image"), ROUNDING.values(), ids=ROUNDING)
def test_a_short_halo_is_told_beside_rounding(tmp_path, function, image):
    if function is above_surroundings:
        image = np.random.default_rng(0).random(image.shape)  # without ties
    step = made(function, halo=1, border="crop")
    assert len(run(step(sc.open(image)), tmp_path)[1]) == 1


STONES = np.kron(np.random.default_rng(0).integers(2, 5, (8, 8)), np.ones((20, 20), int))


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_whole_numbers_that_stand_for_something_are_no_rounding(tmp_path, dtype):
    def distance(image):
        return ndimage.distance_transform_edt(image == 3)

    step = made(distance, halo=2)
    assert len(run(step(sc.open(STONES.astype(dtype))), tmp_path)[1]) == 1


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        ({"halo": 1}, "blurred"),
        ({"halo": 1, "check_halo": False}, None),
        ({"halo": 1, "block_invariant": True}, "blurred"),
    ],
    ids=["short", "meant", "declared the same"],
)
def test_what_is_computed_in_blocks_is_named_and_nothing_that_reads_it(tmp_path, declared, named):
    names = []
    for factor in (2, 3):  # the second run compares another step that reads the same one

        def more(image, factor=factor):
            return factor * image

        image = made(blurred, **declared).options(keep=False)(sc.open(NOISE))
        for name in ("first", "second"):
            step = made(rooted).options(keep=False, name=name)
            image = step(image)
        step = sc.blockwise(version=str(factor))(more)
        names += [text.split("'")[1] for text in run(step(image), tmp_path)[1]]
    assert set(names) == ({named} if named else set())


def test_a_comparison_leaves_no_trace_but_its_own_file(tmp_path):
    events = {}

    for check_halo in (True, False):
        store, seen = tmp_path / str(check_halo), []

        class Listener:
            def on_event(self, event, seen=seen):
                if type(event).__name__ not in seen:  # batches are as many as time allows
                    seen.append(type(event).__name__)

        result = made(rooted, halo=1)(sc.open(NOISE))
        done, _ = run(result, store, check_halo=check_halo, listeners=[Listener()])
        steps = [(step.n_blocks, step.n_done, step.n_cached) for step in done.steps]
        files = {
            path.relative_to(store).as_posix().replace(done.folder.name, "run")
            for path in store.rglob("*")
        }
        events[check_halo] = seen, steps, files
    with_it, without = events[True], events[False]
    assert with_it[:2] == without[:2]
    assert len(with_it[2] - without[2]) == 1
    assert without[2] < with_it[2]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_comparison_that_is_stopped_leaves_a_run_that_is_done(tmp_path, stop):
    done = []

    def stops(image):
        done.append(1)
        if len(done) > 6:
            raise stop
        return image

    result = made(stops, dtype="same")(sc.open(NOISE))
    if stop is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            run(result, tmp_path)
    else:
        assert run(result, tmp_path)[1] == []
    (record,) = tmp_path.glob("runs/*/run.json")
    assert json.loads(record.read_text())["ok"]
    assert run(result, tmp_path)[0].ok
    assert len(done) == 7
