"""Bad input: a clear error (rule, value, place, remedy), and nothing computed is lost."""

from __future__ import annotations

import inspect
import subprocess
from functools import partial

import numpy as np
import pytest
import tifffile
from scipy import ndimage

import scutoid as sc
from scutoid.errors import (
    GeometryError,
    MemoryLimitError,
    MetadataError,
    ParameterError,
    PipelineError,
    RunFailed,
    ScutoidError,
    SourceError,
    SourceNotFound,
    StepError,
    StoreError,
)


@sc.blockwise
def add(a, b):
    return a + b


@sc.blockwise(halo=lambda sigma: 4 * sigma)
def smooth(image, *, sigma=1.0):
    return image


def says(error: ScutoidError, *words: str) -> None:
    """Check that a message has its parts: what was found, and each of the words."""
    text = str(error)
    assert "found:" in text
    for word in words:
        assert word in text, text


def test_a_missing_file_names_what_is_close(tmp_path) -> None:
    (tmp_path / "brain.tif").write_bytes(b"")
    with pytest.raises(SourceNotFound) as caught:
        sc.open(tmp_path / "brian.tif")
    says(caught.value, "brian.tif", "did you mean 'brain.tif'")


def test_a_truncated_tiff_is_noticed_when_it_is_opened(tmp_path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 99, (20, 64, 64)).astype("uint16"))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(SourceError) as caught:
        sc.open(path)
    says(caught.value, "a.tif", "remedy")


def test_a_zarr_without_metadata_says_what_was_looked_for(tmp_path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(SourceError, match=r"zarr\.json"):
        sc.open(tmp_path / "a.zarr")


def test_unknown_axes_are_named() -> None:
    with pytest.raises(MetadataError, match="'q'"):
        sc.open(np.zeros((2, 3)), axes="qy")


def test_images_of_different_shape_do_not_meet() -> None:
    with pytest.raises(PipelineError) as caught:
        _ = add(sc.open(np.zeros((4, 5))), sc.open(np.zeros((4, 6)))).shape
    says(caught.value, "5 and 6", "step 'add'", "axis 'x'", "remedy")


def test_images_of_different_voxel_size_do_not_meet() -> None:
    a = sc.open(np.zeros((4, 5)), voxel_size=(1, 1), unit="um")
    b = sc.open(np.zeros((4, 5)), voxel_size=(1, 2), unit="um")
    with pytest.raises(MetadataError) as caught:
        _ = add(a, b).shape
    says(caught.value, "1.0 um and 2.0 um", "axis 'x'")
    assert add(a, sc.open(np.zeros((4, 5)))).voxel_size == (1, 1)


def test_a_halo_larger_than_the_image_is_refused() -> None:
    with pytest.raises(PipelineError) as caught:
        _ = smooth(sc.open(np.zeros((30, 30))), sigma=9.0).shape
    says(caught.value, "36", "step 'smooth'", "remedy")


def test_a_step_that_no_block_shape_changes_may_reach_beyond_a_thin_image() -> None:
    image = np.random.default_rng(0).random((5, 20, 20))
    found = sc.gaussian.options(block=9)(sc.open(image), sigma=3)
    np.testing.assert_array_equal(np.asarray(found), ndimage.gaussian_filter(image, 3))


def test_a_step_says_what_is_wrong_with_its_images_when_it_is_called() -> None:
    def check(images, level):
        if images[0].dtype.kind == "f" and level < 0:
            raise ParameterError("levels are above 0", value=level)

    step = sc.blockwise(check=check, dtype=bool)(lambda image, *, level: image > level)
    assert step(sc.open(np.zeros((3, 3))), level=1).shape == (3, 3)
    with pytest.raises(ParameterError, match="above 0"):
        step(sc.open(np.zeros((3, 3))), level=-1)
    wrong = sc.blockwise(check=lambda images, other: None, dtype=bool)(lambda image: image > 0)
    with pytest.raises(ParameterError, match="other"):
        wrong(sc.open(np.zeros((3, 3))))


def test_a_physical_halo_needs_a_voxel_size() -> None:
    step = sc.blockwise(halo=sc.um(2))(lambda image: image)
    with pytest.raises(MetadataError, match="voxel size"):
        _ = step(sc.open(np.zeros((30, 30)))).shape
    known = sc.open(np.zeros((30, 30)), voxel_size=(0.5, 1), unit="um")
    assert step(known).ref.node.layout.grid.halo[0] == (4, 2)


def test_a_parameter_that_the_step_does_not_have_names_the_closest() -> None:
    with pytest.raises(ParameterError) as caught:
        smooth(sc.open(np.zeros((9, 9))), sigam=2)
    says(caught.value, "sigam", "did you mean 'sigma'")
    with pytest.raises(ParameterError):
        smooth(np.zeros((9, 9)), sigam=2)


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(ParameterError, match="must be given"):
        sc.threshold(sc.open(np.zeros((9, 9))))


def test_a_step_that_returns_the_wrong_shape_in_a_run_keeps_what_was_done(tmp_path) -> None:
    @sc.blockwise(dtype="float64", retries=0)
    def wrong(image):
        return image[1:]

    raw = sc.open(np.random.default_rng(0).random((20, 20)))
    fine = sc.threshold(raw, level=0.5)
    with pytest.raises(RunFailed, match="shape that it was given"):
        sc.run(fine, wrong(raw), store=tmp_path, executor="serial")
    assert sc.plan(fine, store=tmp_path).is_done


def test_a_step_that_raises_in_its_trial_call_asks_for_a_dtype() -> None:
    @sc.blockwise
    def picky(image):
        raise ValueError("not today")

    with pytest.raises(PipelineError) as caught:
        _ = picky(sc.open(np.zeros((9, 9)))).dtype
    says(caught.value, "not today", "dtype=")


def test_a_step_with_another_dtype_in_some_blocks_is_refused(tmp_path) -> None:
    @sc.blockwise(retries=0)
    def fickle(image, *, block):
        return image.astype("float32" if block.index == 0 else "float64")

    with pytest.raises(RunFailed, match="same dtype for every block"):
        sc.run(fickle(sc.open(np.zeros((20, 20)))), store=tmp_path, executor="serial", block=10)


def test_a_step_that_returns_another_dtype_than_its_rule_says_is_refused(tmp_path) -> None:
    @sc.blockwise(retries=0, dtype=lambda image: np.promote_types(image, "float32"))
    def halved(image):
        return (image / 2).astype("float32")

    narrow, wide = (sc.open(np.ones((9, 9), dtype)) for dtype in ("uint8", "float64"))
    assert (halved(narrow).dtype, halved(wide).dtype) == (np.float32, np.float64)
    sc.run(halved(narrow), store=tmp_path, executor="serial")
    with pytest.raises(RunFailed, match="float32; dtype= said float64"):
        sc.run(halved(wide), store=tmp_path, executor="serial")


@pytest.mark.parametrize("dtype", ["object", "no dtype"])
def test_a_rule_that_says_no_type_of_voxels_is_refused(dtype) -> None:
    @sc.blockwise(dtype=lambda image: dtype)
    def same(image):
        return image

    with pytest.raises(PipelineError, match="dtype= is"):
        _ = same(sc.open(np.ones((9, 9)))).dtype


def test_a_store_that_is_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "s").write_text("x")
    with pytest.raises(StoreError, match="folder"):
        sc.run(sc.threshold(sc.open(np.zeros((4, 4))), level=1), store=tmp_path / "s")


def test_a_read_only_store_is_refused_before_any_work(tmp_path) -> None:
    target = tmp_path / "ro"
    target.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", target], check=False
    ).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    calls = []

    @sc.blockwise(dtype=bool)
    def counted(image):
        calls.append(1)
        return image > 0

    try:
        with pytest.raises(StoreError, match=r"[Rr]ead-only") as caught:
            sc.run(counted(sc.open(np.zeros((4, 4)))), store=target, executor="serial")
        assert "choose another" in str(caught.value)
        assert calls == []
    finally:
        subprocess.run(["umount", target], check=True)


def test_a_full_disk_keeps_what_was_done(tmp_path) -> None:
    target = tmp_path / "small"
    target.mkdir()
    size = "size=1600k"
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", target], check=False
    ).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    noise = np.random.default_rng(0).random((40, 128, 128)).astype("float32")

    @sc.blockwise(block_invariant=True)
    def same(image):
        return image * 1

    try:
        raw = sc.open(noise)
        with pytest.raises((RunFailed, StoreError)) as caught:
            sc.run(
                same.options(retries=0)(raw),
                store=target / "s",
                executor="serial",
                block=(40, 32, 64),
            )
        assert "space" in str(caught.value)
        subprocess.run(["mount", "-o", "remount,size=60m", target], check=True)
        run = sc.run(same(raw), store=target / "s", executor="serial", block=(40, 32, 64))
        assert run.steps[0].n_cached > 0
        np.testing.assert_array_equal(np.asarray(run["same"]), noise)
    finally:
        subprocess.run(["umount", target], check=True)


def test_an_input_inside_the_store_is_refused(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((9, 9), "uint8"))
    with pytest.raises(StoreError) as caught:
        sc.plan(sc.threshold(sc.open(tmp_path / "in.tif"), level=1), store=tmp_path)
    says(caught.value, "in.tif", "remedy")


def test_a_whole_step_that_does_not_fit_in_memory_is_refused_in_the_plan(tmp_path) -> None:
    step = sc.step(lambda image: 1)
    with pytest.raises(MemoryLimitError, match="fit in the memory"):
        sc.plan(step(sc.open(np.zeros((300, 300)))), store=tmp_path, memory=100_000)


def test_reading_too_much_without_a_run_is_refused() -> None:
    from scutoid.steps.handles._evaluate import Evaluation

    image = smooth(sc.open(np.zeros((300, 300))))
    with pytest.raises(MemoryLimitError, match=r"sc\.run"):
        Evaluation(limit=1000).value(image.ref)


def test_a_target_that_is_an_input_is_refused(tmp_path) -> None:
    with pytest.raises(PipelineError, match="this is an input"):
        sc.plan(sc.open(np.zeros((4, 4))), store=tmp_path)


def test_a_crop_outside_the_image_is_refused() -> None:
    with pytest.raises(GeometryError, match="inside the image"):
        sc.open(np.zeros((4, 4))).crop(sc.Roi((2, 2), (4, 4)))


def test_a_channel_that_is_not_there_is_refused() -> None:
    image = sc.open(np.zeros((2, 4, 4)), axes="cyx")
    with pytest.raises(PipelineError, match="not named"):
        image.channel("dapi")
    with pytest.raises(GeometryError):
        image.channel(2)


def test_a_value_that_is_not_open_data_is_refused(tmp_path) -> None:
    step = sc.step(lambda image: object())
    with pytest.raises(RunFailed, match="tables, arrays of numbers or text"):
        sc.run(step(sc.open(np.zeros((4, 4)))), store=tmp_path, executor="serial")


def test_declarations_are_checked_by_the_decorator() -> None:
    with pytest.raises(PipelineError, match="out="):
        sc.blockwise(out="picture")(lambda image: image)
    with pytest.raises(PipelineError, match="border="):
        sc.blockwise(border="wrap")(lambda image: image)
    with pytest.raises(PipelineError, match="at least one input"):
        sc.blockwise(lambda *, sigma: 1)
    with pytest.raises(StepError, match="DataFrame"):
        sc.blockwise(out="table")(lambda image: 3)(sc.open(np.zeros((4, 4)))).to_pandas()


@pytest.mark.parametrize(
    "option",
    [
        {"keep": "no"},
        {"storage": "zarr"},
        {"join": "outer"},
        {"retries": -1},
        {"retries": "2"},
        {"timeout": 0},
        {"requires": "gpu"},
        {"requires": {"gpu": -1}},
        {"name": ""},
    ],
    ids=str,
)
def test_an_option_that_there_is_not_is_refused_where_it_is_given(option) -> None:
    (name,) = option
    with pytest.raises(ParameterError, match=f"option '{name}'"):
        sc.gaussian.options(**option)


@pytest.mark.parametrize("decorator", [sc.step, sc.blockwise, partial(sc.reduction, merge=max)])
@pytest.mark.parametrize("environment", ["scipy", None, [3], {"scipy": "1.17"}, 1])
def test_packages_that_count_are_a_list_of_names(environment, decorator) -> None:
    with pytest.raises(ParameterError, match=r"(?s)list of names.*step 'total'.*environment=\["):

        @decorator(environment=environment)
        def total(image):
            return image


@pytest.mark.parametrize("make", [sc.blockwise, sc.step, sc.reduction(merge=max)])
def test_options_that_a_decorator_takes_are_refused_with_the_decorator(make) -> None:
    step = make(_of_image)
    decorator = getattr(sc, step.spec.kind)
    taken = inspect.signature(decorator).parameters.values()
    names = {each.name for each in taken if each.kind is each.KEYWORD_ONLY}
    names -= set(step.spec.options.__dataclass_fields__)
    assert "threadsafe" in names
    for name in names:
        with pytest.raises(ParameterError, match=f"@sc.{step.spec.kind}[(]{name}=") as caught:
            step.options(**{name: True})
        assert "options are" in str(caught.value)
    with pytest.raises(ParameterError) as caught:
        step.options(thread_safe=True)
    assert "@sc" not in str(caught.value)


def _of_image(image):
    return image
