"""Runs: the same result everywhere, only what changed runs again, nothing that is done is lost."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

import scutoid as sc
from scutoid.blocks import EventLog
from scutoid.errors import ParameterError, PipelineError, RunFailed, StepError


def statuses(plan):
    return {step.name: step.status for step in plan.steps}


def content(store):
    """Digests of all files of the results, apart from what tells when and where they were made."""
    found = {}
    for path in sorted(store.rglob("*")):
        name = path.relative_to(store).as_posix()
        own = name.startswith((".", "runs/"))
        if not path.is_file() or own or path.name in ("COMPLETE", "journal"):
            continue
        if path.name == "recipe.json":
            recipe = json.loads(path.read_text())
            said = {k: v for k, v in recipe.items() if k not in ("created", "seconds", "host")}
            # A journal has times, and a pack is in order of completion: their sizes differ.
            sizes = said.get("extra", {}).get("sizes", {})
            volatile = [file for file in sizes if file == "journal" or ".pack" in file]
            said = {k: v for k, v in said.items() if k != "digest" or not volatile}
            for file in volatile:
                del sizes[file]
            for file in [file for file in said.get("files", {}) if file.endswith(".shards")]:
                del said["files"][file]  # in order of completion too
            found[name] = json.dumps(said, sort_keys=True)
        elif ".pack" in path.name or path.suffix in (".shards", ".digests"):
            continue  # in order of completion; what is read of it is compared below
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.parametrize(
    ("executor", "workers"),
    [
        ("serial", 1),
        ("threads", 2),
        ("threads", 4),
        ("processes", 1),
        ("processes", 2),
        ("processes", 4),
    ],
)
def test_stores_are_bit_identical_for_every_executor_and_number_of_workers(
    tmp_path, blobs, pipeline, executor, workers
) -> None:
    reference = tmp_path / "reference"
    smooth, labels, cells = pipeline(sc.open(blobs, voxel_size=(2, 1, 1), unit="um"))
    sc.run(smooth, labels, cells, store=reference, executor="serial", block=16)
    expected = content(reference)
    assert any(name.startswith("denoise") and "/c/" in name for name in expected)
    store = tmp_path / "store"
    again = pipeline(sc.open(blobs, voxel_size=(2, 1, 1), unit="um"))
    sc.run(*again, store=store, executor=executor, workers=workers, block=16)
    assert content(store) == expected
    pd.testing.assert_frame_equal(again[2].to_pandas(), cells.to_pandas())


@pytest.mark.parametrize("executor", ["slrum", 4, object()])
def test_what_is_no_executor_is_refused_before_anything_is_stored(tmp_path, executor) -> None:
    with pytest.raises(ParameterError, match="known name"):
        sc.run(sc.gaussian(sc.open(np.ones((9, 9))), sigma=1), store=tmp_path, executor=executor)
    assert not list(tmp_path.iterdir())


def test_a_foreign_executor_serves(tmp_path, blobs, pipeline) -> None:
    smooth, _, cells = pipeline(sc.open(blobs))
    with ThreadPoolExecutor(2) as pool:
        run = sc.run(smooth, cells, store=tmp_path, executor=pool, block=16)
    assert run.ok
    assert len(cells.to_pandas()) > 2


def test_through_blocks_equals_the_whole_array_to_the_last_bit(tmp_path, blobs, steps) -> None:
    denoise, foreground = steps
    raw = sc.open(blobs)
    smooth = denoise(raw, sigma=1.5)
    mask = foreground(smooth, level=30000)
    sc.run(mask, smooth, store=tmp_path, executor="threads", block=11)
    whole = denoise(np.asarray(raw), sigma=1.5)
    np.testing.assert_array_equal(np.asarray(smooth), whole)
    np.testing.assert_array_equal(np.asarray(mask), whole > 30000)


def test_a_second_run_does_nothing_and_says_so(tmp_path, blobs, pipeline) -> None:
    first = sc.run(*pipeline(sc.open(blobs)), store=tmp_path, executor="serial")
    assert all(step.n_cached == 0 for step in first.steps)
    plan = sc.plan(*pipeline(sc.open(blobs)), store=tmp_path)
    assert plan.is_done
    assert {step.reason for step in plan.steps} == {"up to date"}
    before = content(tmp_path)
    second = sc.run(*pipeline(sc.open(blobs)), store=tmp_path, executor="serial")
    assert all(step.n_cached == step.n_done == step.n_blocks for step in second.steps)
    assert content(tmp_path) == before


def test_a_changed_parameter_of_the_last_step_runs_that_step_alone(tmp_path, blobs, steps) -> None:
    denoise, foreground = steps
    raw = sc.open(blobs)
    sc.run(foreground(denoise(raw), level=100), store=tmp_path, executor="serial")
    changed = foreground(denoise(raw), level=200)
    plan = sc.plan(changed, store=tmp_path)
    assert statuses(plan) == {"denoise": "cached", "foreground": "run"}
    assert plan["foreground"].reason == "`level` 100 -> 200"
    run = sc.run(changed, store=tmp_path, executor="serial")
    assert run.step("denoise").n_cached == run.step("denoise").n_blocks
    assert run.step("foreground").n_cached == 0


def test_a_cached_target_needs_nothing_before_it(tmp_path, blobs, steps) -> None:
    denoise, foreground = steps
    raw = sc.open(blobs)
    mask = foreground(denoise.options(keep=False)(raw, sigma=1), level=100)
    sc.run(mask, store=tmp_path, executor="serial", block=16)
    assert not (tmp_path / "denoise").exists()
    np.testing.assert_array_equal(np.asarray(mask), denoise(blobs, sigma=1) > 100)
    plan = sc.plan(
        foreground(denoise.options(keep=False)(raw, sigma=1), level=100), store=tmp_path, block=16
    )
    assert statuses(plan) == {"foreground": "cached"}


def test_the_same_step_twice_in_a_pipeline_has_two_results(tmp_path, blobs, steps) -> None:
    denoise, _ = steps
    raw = sc.open(blobs)
    a, b = denoise(raw, sigma=1), denoise(raw, sigma=2)
    run = sc.run(a, b, store=tmp_path, executor="serial")
    assert [step.name for step in run.steps] == ["denoise", "denoise-2"]
    np.testing.assert_array_equal(np.asarray(run["denoise-2"]), denoise(blobs, sigma=2))
    assert len(sc.Store(tmp_path).find("denoise", sigma=1)) == 1


def test_force_runs_a_step_again(tmp_path, blobs, steps) -> None:
    denoise, _ = steps
    smooth = denoise(sc.open(blobs))
    sc.run(smooth, store=tmp_path, executor="serial")
    assert sc.plan(smooth, store=tmp_path, force=["denoise"])["denoise"].reason == "forced"
    run = sc.run(smooth, store=tmp_path, executor="serial", force=["denoise"])
    assert run.step("denoise").n_cached == 0


def test_a_missing_output_is_made_again(tmp_path, blobs, steps) -> None:
    import shutil

    denoise, _ = steps
    smooth = denoise(sc.open(blobs))
    sc.run(smooth, store=tmp_path, executor="serial")
    (image,) = tmp_path.glob("denoise/*/image.ome.zarr")
    shutil.rmtree(image)
    plan = sc.plan(smooth, store=tmp_path)
    assert "missing" in plan["denoise"].reason
    sc.run(smooth, store=tmp_path, executor="serial")
    np.testing.assert_array_equal(np.asarray(smooth), denoise(blobs))


def test_failed_blocks_are_reported_and_the_others_are_kept(tmp_path, blobs) -> None:
    @sc.blockwise(dtype="uint16", retries=0)
    def fragile(image, *, block):
        if block.index == 3:
            raise ValueError("a bad block")
        return image

    @sc.blockwise
    def after(image):
        return image + 1

    bad = fragile(sc.open(blobs))
    with pytest.raises(RunFailed, match="a bad block") as caught:
        sc.run(after(bad), store=tmp_path, executor="serial", block=16)
    run = caught.value.run
    assert not run.ok
    step = run.step("fragile")
    assert (step.n_failed, step.n_done) == (1, step.n_blocks - 1)
    assert run.step("after").n_orphaned == 1
    assert "ValueError" in run.summary()
    assert "block 3" in run.summary()
    plan = sc.plan(after(bad), store=tmp_path, block=16)
    assert plan["fragile"].status == "partial"
    assert plan["fragile"].n_done == step.n_blocks - 1
    returned = sc.run(after(bad), store=tmp_path, executor="serial", block=16, on_failure="return")
    assert not returned.ok
    assert returned.step("fragile").n_cached == step.n_blocks - 1


def test_a_step_of_the_wrong_shape_fails_before_the_run(blobs) -> None:
    @sc.blockwise(halo=2)
    def crops(image):
        return image[2:-2, 2:-2, 2:-2]

    with pytest.raises(StepError, match="shape that it was given") as caught:
        _ = crops(sc.open(blobs)).dtype
    assert "do not crop the halo" in str(caught.value)


def test_several_outputs_and_positions_in_the_frame(tmp_path, blobs) -> None:
    @sc.blockwise(out=("image", "table"), position=("z", "y", "x"), halo=1)
    def peaks(image):
        top = ndimage.maximum_filter(image, 3) == image
        z, y, x = np.nonzero(top)
        return top, pd.DataFrame({"z": z.astype(float), "y": y.astype(float), "x": x.astype(float)})

    image, table = peaks(sc.open(blobs)[5:])
    sc.run(image, table, store=tmp_path, executor="threads", block=13)
    expected = ndimage.maximum_filter(blobs[5:], 3) == blobs[5:]
    np.testing.assert_array_equal(np.asarray(image), expected)
    places = {tuple(row) for row in table.to_pandas().to_numpy()}
    assert places == {
        (z + 5.0, float(y), float(x)) for z, y, x in zip(*np.nonzero(expected), strict=True)
    }


def test_reductions_merge_in_block_order_not_in_order_of_completion(tmp_path, blobs) -> None:
    @sc.reduction(merge=lambda a, b: a + b)
    def order(image, *, block):
        return [block.index]

    result = order(sc.open(blobs))
    sc.run(result, store=tmp_path, executor="threads", workers=4, block=9)
    assert result.get() == sorted(result.get())
    assert len(result.get()) == 4 * 5 * 6


def test_whole_steps_values_and_files(tmp_path, blobs) -> None:
    @sc.step
    def facts(image, *, voxel_size):
        return {"max": int(image.max()), "voxel": voxel_size, "hist": np.bincount([1, 1, 2])}

    @sc.step(out="image", dtype="uint8")
    def flipped(image):
        return (image[::-1] > 100).astype("uint8")

    @sc.step(out="files")
    def written(image, *, folder):
        (folder / "note.txt").write_text(str(image.sum()))

    raw = sc.open(blobs, voxel_size=2.0, unit="um")
    results = facts(raw), flipped(raw), written(raw)
    sc.run(*results, store=tmp_path, executor="processes", workers=2)
    said = results[0].get()
    assert (said["max"], said["voxel"], said["hist"].tolist()) == (60000, (2.0,) * 3, [0, 2, 1])
    np.testing.assert_array_equal(np.asarray(results[1]), (blobs[::-1] > 100))
    assert (results[2].path / "note.txt").read_text() == str(blobs.sum())


def test_setup_is_called_once_a_worker_and_left_at_its_end(tmp_path, blobs) -> None:
    calls = []

    class Model:
        def __enter__(self):
            calls.append("in")
            return 3

        def __exit__(self, *_):
            calls.append("out")

    @sc.blockwise(setup={"model": Model}, dtype="uint16", version="1")
    def predict(image, *, model):
        return image // model

    result = predict(sc.open(blobs))
    sc.run(result, store=tmp_path, executor="serial", block=16)
    assert calls == ["in", "out"]
    np.testing.assert_array_equal(np.asarray(result), blobs // 3)


def test_where_leaves_regions_out(tmp_path, blobs, steps) -> None:
    _, foreground = steps
    only = foreground.options(where=[sc.Roi((0, 0, 0), (16, 16, 16))])(sc.open(blobs), level=-1)
    run = sc.run(only, store=tmp_path, executor="serial", block=16)
    assert run.ok
    result = np.asarray(only)
    assert result[:16, :16, :16].all()
    assert not result[16:].any()


def test_tiff_storage(tmp_path, blobs, steps) -> None:
    import tifffile

    denoise, _ = steps
    stored = denoise.options(storage=sc.Storage(format="tiff"))(
        sc.open(blobs, voxel_size=1.5, unit="um")
    )
    sc.run(stored, store=tmp_path, executor="processes", workers=2, block=16)
    (path,) = tmp_path.glob("denoise/*/image.tif")
    np.testing.assert_array_equal(tifffile.imread(path), denoise(blobs))
    assert sc.open(path).voxel_size == (1.5,) * 3


def test_results_are_found_again_by_name_and_parameter(tmp_path, blobs, pipeline) -> None:
    *_, cells = pipeline(sc.open(blobs))
    sc.run(cells, store=tmp_path, executor="serial")
    store = sc.Store(tmp_path)
    pd.testing.assert_frame_equal(store["measure"].to_pandas(), cells.to_pandas())
    assert store["denoise"].shape == blobs.shape
    assert store["remove_small"].is_labels
    assert len(store.find("denoise", sigma=1.0)) == len(store.find("denoise", sigma=1)) == 1
    assert store.find("denoise", sigma=9.0) == []


def test_a_stored_result_is_an_input_like_any_other(tmp_path, blobs, steps) -> None:
    denoise, foreground = steps
    sc.run(denoise(sc.open(blobs)), store=tmp_path, executor="serial")
    mask = foreground(sc.Store(tmp_path)["denoise"], level=10)
    sc.run(mask, store=tmp_path, executor="serial")
    np.testing.assert_array_equal(np.asarray(mask), denoise(blobs) > 10)


def test_block_shape_enters_the_key_unless_the_step_does_not_depend_on_it(
    tmp_path, blobs, steps
) -> None:
    denoise, _ = steps
    raw = sc.open(blobs)
    results = denoise(raw), sc.gaussian(raw, sigma=1)
    sc.run(*results, store=tmp_path, executor="serial", block=16)
    plan = sc.plan(denoise(raw), sc.gaussian(raw, sigma=1), store=tmp_path, block=32)
    assert statuses(plan) == {"denoise": "run", "gaussian": "cached"}
    assert plan["denoise"].reason == "block (16, 16, 16) -> (30, 32, 32)"


def test_steps_with_one_version_and_the_same_inputs_are_two(tmp_path, blobs) -> None:
    @sc.blockwise(version="1")
    def twice(image):
        return image * 2

    @sc.blockwise(version="1")
    def thrice(image):
        return image * 3

    raw = sc.open(blobs // 4)
    results = twice(raw), thrice(raw)
    run = sc.run(*results, store=tmp_path, executor="serial")
    assert [step.n_cached for step in run.steps] == [0, 0]
    np.testing.assert_array_equal(np.asarray(results[1]), blobs // 4 * 3)


@pytest.mark.parametrize("border", ["reflect", "nearest", 7])
@pytest.mark.parametrize("halo", [3, [(9, 0), (0, 9)]])
def test_a_border_equals_padding_the_whole_image(tmp_path, border, halo) -> None:
    @sc.blockwise(border=border, halo=halo)
    def far(image):
        # the voxel nine before, or nine behind: what a wide halo brings
        return np.roll(image, 3 if halo == 3 else 9, axis=0)

    image = np.random.default_rng(0).integers(0, 99, (10, 11)).astype("uint8")
    pairs = [(3, 3), (3, 3)] if halo == 3 else halo
    modes = {"reflect": {"mode": "symmetric"}, "nearest": {"mode": "edge"}}
    padded = np.pad(image, pairs, **modes.get(border, {"mode": "constant", "constant_values": 7}))
    inner = tuple(slice(a, a + n) for (a, _), n in zip(pairs, image.shape, strict=True))
    expected = np.roll(padded, 3 if halo == 3 else 9, axis=0)[inner]
    lazy = far(sc.open(image))
    np.testing.assert_array_equal(np.asarray(far.options(block=1)(sc.open(image))), expected)
    sc.run(lazy, store=tmp_path, executor="serial", block=2)
    np.testing.assert_array_equal(np.asarray(lazy), expected)


def test_a_run_keeps_its_events_its_slowest_blocks_and_what_workers_printed(tmp_path, blobs):
    @sc.blockwise(dtype="uint8", block=16)
    def talk(image, *, begun, block):
        if block.index == 2:
            time.sleep(time.time() - begun)  # as long as all before it, the start included
            print("block two is slow")  # noqa: T201
        return image.astype("uint8")

    run = sc.run(talk(sc.open(blobs), begun=time.time()), store=tmp_path, workers=1)
    assert (run.folder / "logs" / "worker-0.log").read_text() == "block two is slow\n"
    kinds = [event["event"] for event in EventLog.read(run.folder / "events.jsonl")]
    assert kinds[0] == "RunStarted"
    assert kinds[-1] == "RunDone"
    batches = [e for e in EventLog.read(run.folder / "events.jsonl") if e["event"] == "BatchDone"]
    assert sum(batch["n_done"] for batch in batches) == run.step("talk").n_blocks
    assert all(batch["seconds"] > 0 for batch in batches)
    said = json.loads((run.folder / "run.json").read_text())
    assert said["steps"][0]["slowest"][0]["block"] == 2
    assert run.step("talk").slowest[0].index == 2


def test_workers_that_print_nothing_leave_no_logs(tmp_path, blobs, steps):
    run = sc.run(steps[0](sc.open(blobs)), store=tmp_path, workers=2)
    assert not (run.folder / "logs").exists()
    assert (run.folder / "events.jsonl").stat().st_size > 0


def test_a_failed_run_says_where_the_logs_are(tmp_path, blobs):
    @sc.blockwise(dtype="uint8")
    def bad(image):
        print("on my way to fail")  # noqa: T201
        raise ValueError("no")

    with pytest.raises(RunFailed) as caught:
        sc.run(bad(sc.open(blobs)), store=tmp_path, workers=1)
    assert str(caught.value.run.folder / "logs") in str(caught.value)


def test_zero_workers_are_refused(tmp_path, blobs, steps):
    with pytest.raises(ParameterError, match="1 worker or more"):
        sc.run(steps[0](sc.open(blobs)), store=tmp_path, workers=0)


def test_steps_share_the_resources_of_a_run(tmp_path, blobs):
    inside, most = [], []

    @sc.blockwise(dtype="uint8", block=16, requires={"gpu": 2}, version="1")
    def predict(image):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return image.astype("uint8")

    result = predict(sc.open(blobs))
    with pytest.raises(ParameterError, match="gpu"):
        sc.run(result, store=tmp_path, executor="threads", workers=3)
    sc.run(result, store=tmp_path, executor="threads", workers=3, resources={"gpu": 5})
    assert max(most) <= 2


def test_a_block_that_is_zero_in_one_of_several_outputs_is_no_damage(tmp_path) -> None:
    @sc.blockwise(out=("image", "image", "parts"), dtype=("same", "same", None), version="1")
    def both(image):
        return image, image * 0, {"sum": np.array([image.sum()])}

    @sc.blockwise(out=("image", "image"), dtype=("same", "same"), version="1")
    def pair(image):
        return image * 0, image

    image = np.zeros((8, 8), "uint8")
    image[:4] = 3
    first, zero, parts = both.options(block=4)(sc.open(image))
    other, second = pair.options(block=4)(sc.open(image))
    sc.run(first, zero, parts, other, second, store=tmp_path, executor="serial")
    for found, wanted in ((first, image), (zero, image * 0), (other, image * 0), (second, image)):
        np.testing.assert_array_equal(np.asarray(found), wanted)
    assert sc.Store(tmp_path).verify().ok


def test_a_step_says_the_size_of_an_axis_that_it_adds_or_changes(tmp_path) -> None:
    @sc.blockwise(
        axes="cyx",
        out_axes="cyx",
        out_sizes={"c": 3},
        dtype="same",
        setup={"weights": lambda: np.array([1, 2, 3], "uint8")},
        version="1",
    )
    def classes(image, *, weights):
        return weights[:, None, None] * image[:1]

    image = np.random.default_rng(0).integers(0, 80, (2, 20, 24), dtype="uint8")
    found = classes.options(block=8)(sc.open(image, axes="cyx"))
    assert (found.axes, found.shape) == ("cyx", (3, 20, 24))
    wanted = np.stack([image[0], 2 * image[0], 3 * image[0]])
    np.testing.assert_array_equal(np.asarray(found), wanted)
    run = sc.run(sc.gaussian(found.channel(2), sigma=1), found, store=tmp_path, executor="threads")
    np.testing.assert_array_equal(np.asarray(run["classes"]), wanted)
    wrong = sc.blockwise(out_axes="yx", out_sizes={"c": 2}, dtype="same")(lambda image: image)
    with pytest.raises(PipelineError, match="out_sizes"):
        wrong(sc.open(image[0])).shape  # noqa: B018


def test_a_reduction_on_arrays_ends_with_its_parameters() -> None:
    @sc.reduction(
        merge=lambda a, b: a + b, finish=lambda total, *, scale, voxel_size: total * scale
    )
    def scaled_sum(image, *, scale):
        return image.sum()

    assert scaled_sum(np.ones((3, 3)), scale=2) == 18
    assert scaled_sum(sc.open(np.ones((3, 3))), scale=2).get() == 18


def test_the_plan_warns_of_a_result_that_is_stored_otherwise(tmp_path) -> None:
    image = sc.open(np.ones((40, 40), "uint8"))
    sc.run(sc.gaussian(image, sigma=1), store=tmp_path, executor="serial")
    with_levels = sc.gaussian.options(storage=sc.Storage(levels=2))(image, sigma=1)
    plan = sc.plan(with_levels, store=tmp_path)
    assert plan.is_done
    assert "force=['gaussian']" in plan.warnings[0]
    run = sc.run(with_levels, store=tmp_path, executor="serial", force=["gaussian"])
    assert run["gaussian"].levels == 2
    assert not sc.plan(with_levels, store=tmp_path).warnings
    assert not sc.plan(sc.gaussian(image, sigma=1), store=tmp_path).warnings


def test_the_plan_warns_of_what_it_cannot_see_change(tmp_path) -> None:
    weights = memoryview(b"3")  # holds no value that could be looked into

    @sc.blockwise
    def segment(image):
        return image * weights[0]

    image = sc.open(np.ones((4, 4), "uint8"))
    (warning,) = sc.plan(segment(image), store=tmp_path).warnings
    assert all(word in warning for word in ("'segment'", "weights", "memoryview", "version="))
    assert not sc.plan(sc.gaussian(image, sigma=1), store=tmp_path).warnings


@pytest.mark.parametrize("block", [16, (8, 16), (1, 8, 16), {"y": 8, "x": 16}], ids=str)
def test_a_block_shape_may_name_all_axes(block) -> None:
    movie = sc.open(np.zeros((3, 40, 50), "uint8"), axes="tyx")
    smooth = sc.gaussian.options(block=block)(movie, sigma=1)
    y = 16 if block == 16 else 8
    assert smooth.ref.node.layout.grid.block_shape == (1, y, 16)


@pytest.mark.parametrize("block", [(2, 8, 16), (8,), (0, 8), (1, 1, 8, 16)], ids=str)
def test_a_block_shape_that_fits_no_axes_is_refused(block) -> None:
    movie = sc.open(np.zeros((3, 40, 50), "uint8"), axes="tyx")
    with pytest.raises(PipelineError, match=r"'yx'.*'tyx' with t 1"):
        _ = sc.gaussian.options(block=block)(movie, sigma=1).ref.node.layout
