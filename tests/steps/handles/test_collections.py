"""Collections: the same pipeline on a folder; only members that changed run again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import PipelineError, RunFailed, SourceNotFound


@pytest.fixture
def folder(tmp_path):
    """Six images in two sub-folders, of different shapes."""
    rng = np.random.default_rng(3)
    root = tmp_path / "plate"
    for n, name in enumerate(["a/1.tif", "a/2.tif", "b/1.tif", "b/2.tif", "b/10.tif", "b/x.y.tif"]):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.zeros((20 + n, 30), "uint16")
        image[3:6, 4:9] = 500
        image[12:15, 20 : 22 + n] = 900
        tifffile.imwrite(path, image + rng.integers(0, 20, image.shape).astype("uint16"))
    return root


def build(folder, pipeline, **options):
    images = sc.open_folder(folder / "**" / "*.tif")
    return (images, *pipeline(images, **options))


def test_keys_are_relative_paths_in_natural_order(folder) -> None:
    images = sc.open_folder(folder / "**" / "*.tif")
    assert images.keys == ("a/1.tif", "a/2.tif", "b/1.tif", "b/2.tif", "b/10.tif", "b/x.y.tif")
    assert images["b/10.tif"].shape == (24, 30)


def test_a_pipeline_runs_unchanged_on_a_folder(tmp_path, folder, pipeline) -> None:
    images, smooth, labels, cells = build(folder, pipeline)
    run = sc.run(cells, labels, store=tmp_path / "s", executor="processes", workers=2)
    assert run.ok
    assert {step.n_blocks for step in run.steps} == {6}
    table = cells.to_pandas()
    assert list(table.columns[:2]) == ["key", "label"]
    assert table.groupby("key").size().tolist() == [2] * 6
    for key, image in images.items():
        alone = pipeline(image)
        np.testing.assert_array_equal(np.asarray(labels[key]), np.asarray(alone[1]))
        np.testing.assert_array_equal(np.asarray(smooth[key]), np.asarray(alone[0]))
        expected = alone[2].to_pandas().assign(key=key)[table.columns]
        rows = table[table["key"] == key].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, expected)


def test_a_second_run_does_nothing(tmp_path, folder, pipeline) -> None:
    sc.run(build(folder, pipeline)[-1], store=tmp_path / "s", executor="threads")
    again = build(folder, pipeline)[-1]
    assert sc.plan(again, store=tmp_path / "s").is_done
    run = sc.run(again, store=tmp_path / "s", executor="threads")
    assert all(step.n_cached == step.n_blocks == 6 for step in run.steps)
    assert len(again.to_pandas()) == 12


def test_an_edited_member_runs_alone(tmp_path, folder, pipeline) -> None:
    sc.run(build(folder, pipeline)[-1], store=tmp_path / "s", executor="serial")
    path = folder / "b" / "2.tif"
    image = tifffile.imread(path)
    image[12:15] = 0
    tifffile.imwrite(path, image)
    cells = build(folder, pipeline)[-1]
    plan = sc.plan(cells, store=tmp_path / "s")
    assert {(step.status, step.n_done) for step in plan.steps} == {("partial", 5)}
    assert plan["denoise"].reason == "1 of 6 members changed: b/2.tif"
    run = sc.run(cells, store=tmp_path / "s", executor="serial")
    assert {(step.n_cached, step.n_done) for step in run.steps} == {(5, 6)}
    assert len(cells.to_pandas()) == 11


def test_added_and_removed_members_do_the_least_work(tmp_path, folder, pipeline) -> None:
    sc.run(build(folder, pipeline)[-1], store=tmp_path / "s", executor="serial")
    (folder / "a" / "3.tif").write_bytes((folder / "a" / "1.tif").read_bytes())
    (folder / "b" / "1.tif").unlink()
    cells = build(folder, pipeline)[-1]
    run = sc.run(cells, store=tmp_path / "s", executor="serial")
    # the new member has the content of another, so it has its key too, and nothing runs
    assert {(step.n_cached, step.n_blocks) for step in run.steps} == {(6, 6)}
    assert set(cells.to_pandas()["key"]) == set(cells.keys)


def test_a_parameter_of_one_member_runs_that_member_alone(tmp_path, folder, steps) -> None:
    _, foreground = steps
    images = sc.open_folder(folder / "**" / "*.tif")
    levels = pd.DataFrame({"key": images.keys, "level": [100] * 6})
    mask = foreground(images, level=sc.per_member(levels, "level"))
    sc.run(mask, store=tmp_path / "s", executor="serial")
    levels.loc[2, "level"] = 700
    mask = foreground(images, level=sc.per_member(levels, "level"))
    run = sc.run(mask, store=tmp_path / "s", executor="serial")
    assert (run.steps[0].n_cached, run.steps[0].n_done) == (5, 6)
    assert not np.asarray(mask["b/1.tif"])[3:6, 4:9].any()
    assert np.asarray(mask["b/2.tif"])[3:6, 4:9].all()


def test_one_bad_member_does_not_stop_the_others(tmp_path, folder, pipeline) -> None:
    (folder / "a" / "2.tif").write_bytes(b"II*\0 this is no TIFF")
    cells = build(folder, pipeline)[-1]
    with pytest.raises(RunFailed, match=r"a/2\.tif") as caught:
        sc.run(cells, store=tmp_path / "s", executor="serial")
    run = caught.value.run
    assert {step.n_done for step in run.steps} == {5}
    assert run.step("denoise").n_failed == 1
    assert run.step("measure").n_orphaned == 1
    table = sc.Store(tmp_path / "s").tables("measure").to_pandas(partial="allow")
    assert set(table["key"]) == set(cells.keys) - {"a/2.tif"}


def test_groups_become_columns(tmp_path, folder, pipeline) -> None:
    images = sc.open_folder(folder / "**" / "*.tif", group=r"(?P<row>[ab])/(?P<site>.+)\.tif")
    cells = pipeline(images)[-1]
    sc.run(cells, store=tmp_path / "s", executor="serial")
    table = cells.to_pandas()
    assert list(table.columns[:4]) == ["key", "row", "site", "label"]
    assert set(table["site"]) == {"1", "2", "10", "x.y"}


def test_gather_hands_all_members_to_one_call(tmp_path, folder, pipeline) -> None:
    @sc.step(out="table")
    def per_image(tables):
        return pd.DataFrame({"key": list(tables), "n": [len(t) for t in tables.values()]})

    cells = build(folder, pipeline)[-1]
    counts = per_image(sc.gather(cells))
    np.testing.assert_array_equal(counts.to_pandas()["n"], [2] * 6)  # without a run
    run = sc.run(counts, store=tmp_path / "s", executor="processes", workers=2)
    assert run.step("per_image").n_blocks == 1
    assert counts.to_pandas()["n"].tolist() == [2] * 6
    assert sc.plan(counts, store=tmp_path / "s").is_done


def test_values_of_members(tmp_path, folder) -> None:
    @sc.step
    def name_and_sum(image, *, key):
        return {"name": key, "sum": int(image.sum())}

    images = sc.open_folder(folder / "**" / "*.tif")
    values = name_and_sum(images)
    sc.run(values, store=tmp_path / "s", executor="serial")
    assert values.to_dict()["a/1.tif"]["name"] == "a/1.tif"
    table = values.to_pandas()
    assert table["sum"].tolist() == [int(np.asarray(images[k]).sum()) for k in images.keys]


def test_a_single_image_serves_every_member(tmp_path, folder) -> None:
    for path in folder.rglob("*.tif"):
        tifffile.imwrite(path, np.full((8, 9), 7, "uint16"))

    @sc.blockwise
    def minus(image, background):
        return image - background

    result = minus(sc.open_folder(folder / "**" / "*.tif"), sc.open(np.full((8, 9), 3, "uint16")))
    sc.run(result, store=tmp_path / "s", executor="processes", workers=2)
    assert (np.asarray(result["b/10.tif"]) == 4).all()


def test_collections_of_other_keys_do_not_zip_unless_told(folder, steps) -> None:
    @sc.blockwise
    def both(a, b):
        return a + b

    all_images = sc.open_folder(folder / "**" / "*.tif")
    some = sc.open_folder(folder / "*" / "1.tif")
    with pytest.raises(PipelineError, match="same keys"):
        both(all_images, some)
    assert both.options(join="inner")(all_images, some).keys == ("a/1.tif", "b/1.tif")


@pytest.mark.parametrize("read", [None, tifffile.imread], ids=["as images", "by a reader"])
def test_files_are_left_out_by_their_paths(folder, read) -> None:
    pattern = folder / "**" / "*.tif"
    some = sc.open_folder(pattern, read=read, select=lambda path: not path.endswith("2.tif"))
    assert some.keys == ("a/1.tif", "b/1.tif", "b/10.tif", "b/x.y.tif")
    with pytest.raises(SourceNotFound, match="select="):
        sc.open_folder(pattern, read=read, select=lambda _: False)


@pytest.mark.parametrize("without", ["a/1.tif", "b/2.tif"], ids=["the first", "a later one"])
def test_a_file_of_another_kind_fails_alone_and_says_how_to_leave_it_out(
    folder, tmp_path, without
) -> None:
    def read(path):
        return None if path.endswith(without) else tifffile.imread(path)

    result = row_sums(sc.open_folder(folder / "**" / "*.tif", read=read))
    run = sc.run(result, store=tmp_path / "s", executor="serial", on_failure="return")
    assert (run.steps[0].n_done, run.steps[0].n_failed) == (5, 1)
    assert run["row_sums"].missing == (without,)
    assert "select=" in run.summary()


@sc.step(version="1", retries=0)
def row_sums(image):
    return int(image.sum())


@pytest.mark.parametrize("broken", [(), ("a/1.tif",), ("a/1.tif", "a/2.tif")], ids=len)
def test_a_plan_reads_no_more_files_than_say_what_they_hold(folder, tmp_path, broken) -> None:
    calls = []

    def read(path):
        calls.append(path)
        if path.endswith(broken):
            raise ValueError("not an image")
        return tifffile.imread(path)

    def result():
        images = sc.open_folder(folder / "**" / "*.tif", read=read)
        return sc.measure(sc.label(images > 300), intensity=images)

    how = {"store": tmp_path / "s", "executor": "serial", "on_failure": "return"}
    first = {folder / name for name in ("a/1.tif", "a/2.tif", "b/1.tif")[: len(broken) + 1]}
    for again in (False, True):
        calls.clear()
        made = result()
        sc.plan(made, store=tmp_path / "s")
        assert set(map(Path, calls)) == first
        sc.run(made, **how)
        if again:  # nothing to do, but what failed
            assert set(map(Path, calls)) <= first


@pytest.mark.parametrize(
    "use",
    [
        lambda images: sc.measure(sc.label(images > 300), intensity=images),
        lambda images: sc.project(images, axis="y"),
        lambda images: sc.subtract_background(images, radius=2),
        lambda images: sc.gaussian(images, sigma=1) * 2,
        row_sums,
    ],
    ids=["measure", "project", "subtract_background", "gaussian", "a step"],
)
@pytest.mark.parametrize("read", [None, tifffile.imread], ids=["as images", "by a reader"])
def test_a_first_file_that_is_damaged_fails_alone_and_is_named(folder, tmp_path, use, read) -> None:
    (folder / "a" / "1.tif").write_bytes(b"no image")
    result = use(sc.open_folder(folder / "**" / "*.tif", read=read))
    run = sc.run(result, store=tmp_path / "s", executor="serial", on_failure="return")
    step = run.steps[-1]
    assert (step.n_done, step.n_failed + step.n_orphaned) == (5, 1)
    assert str(folder / "a" / "1.tif") in run.summary()
    assert result.missing == ("a/1.tif",)


def test_a_reader_may_return_tables_and_values(folder, tmp_path) -> None:
    def read_rows(path):
        return pd.DataFrame({"row": tifffile.imread(path).sum(axis=1)})

    def read_size(path):
        return {"size": list(tifffile.imread(path).shape)}

    @sc.step(version="1")
    def largest(rows):
        return int(rows["row"].max())

    @sc.step(version="1")
    def height(said, *, factor=1):
        return said["size"][0] * factor

    pattern = folder / "**" / "*.tif"
    tables, values = (sc.open_folder(pattern, read=read) for read in (read_rows, read_size))
    assert isinstance(tables, sc.Tables)
    assert isinstance(values, sc.Values)
    results = largest(tables), height(values)
    for executor in ("serial", "processes"):
        sc.run(results, store=tmp_path / executor, executor=executor, workers=2)
        for key in tables.keys:
            image = tifffile.imread(folder / key)
            assert results[0][key].get() == image.sum(axis=1).max()
            assert results[1][key].get() == len(image)
    assert tables["a/1.tif"].to_pandas().equals(read_rows(folder / "a" / "1.tif"))
    assert list(values.to_pandas()["key"]) == list(values.keys)


def test_a_file_that_cannot_be_read_does_not_stop_the_others(folder, tmp_path) -> None:
    def read(path):
        if path.endswith("a/2.tif"):
            raise ValueError("not an image")
        return tifffile.imread(path)

    @sc.step(version="1")
    def total(image):
        return int(image.sum())

    images = sc.open_folder(folder / "**" / "*.tif", read=read)
    result = total.options(retries=0)(images)
    run = sc.run(result, store=tmp_path / "s", executor="serial", on_failure="return")
    (step,) = run.steps
    assert (step.n_done, step.n_failed) == (len(images) - 1, 1)
    said = run.summary()
    assert "member 'a/2.tif': SourceError: a reader reads each file" in said
    assert "ValueError: not an image" in said
    assert str(folder / "a" / "2.tif") in said


def test_a_pattern_that_matches_nothing_says_where_it_looked(tmp_path) -> None:
    with pytest.raises(SourceNotFound, match="at least one file"):
        sc.open_folder(tmp_path / "*.tif")


@pytest.mark.parametrize("storage", [sc.Storage(), sc.Storage(format="zarr")], ids=["tiff", "zarr"])
def test_a_step_with_several_outputs_is_called_once_a_block(tmp_path, folder, storage) -> None:
    calls = tmp_path / "calls"

    dtypes = ("int64", None, "int64")

    @sc.blockwise(out=("image", "parts", "image"), dtype=dtypes, version="1", check_halo=False)
    def segment(image, *, block):
        with calls.open("a") as log:
            log.write(f"{block.write_roi}\n")
        mark = np.random.default_rng().integers(1, 2**31)  # another at each call
        marks = np.full(image.shape, mark)
        return marks, {"mark": np.array([mark])}, -marks

    @sc.blockwise(dtype=bool)
    def differs(marks, parts, negative):
        return (marks != parts["mark"]) | (negative != -marks)

    image = sc.open(np.zeros((20, 30), "uint8"))
    segmented = segment.options(block=10)(image)
    assert not np.asarray(differs(*segmented)).any()
    assert len(calls.read_text().splitlines()) == 6

    calls.unlink()
    images = sc.open_folder(folder / "**/*.tif")
    shapes = [images[key].shape for key in images.keys]
    marks, parts, negative = segment.options(block=10, storage=storage)(images)
    run = sc.run(marks, parts, negative, store=tmp_path / "store", executor="serial")
    assert run.ok
    n_blocks = [int(np.prod([-(-size // 10) for size in shape])) for shape in shapes]
    assert len(calls.read_text().splitlines()) == sum(n_blocks)
    for key in images.keys:
        found = {int(part["mark"][0]) for part in parts[key].read().values()}
        assert set(np.unique(marks[key])) == found
        assert np.array_equal(np.asarray(negative[key]), -np.asarray(marks[key]))


@pytest.mark.parametrize("left_out", ["0", "1", "01"])
def test_a_reader_that_returns_none_is_told_how_files_are_left_out(tmp_path, left_out):
    for name in "01":
        np.save(tmp_path / f"{name}.npy", np.ones((4, 4)))

    def read(path):
        return None if Path(path).stem in left_out else np.load(path)

    pattern = tmp_path / "*.npy"
    if left_out == "01":
        with pytest.raises(PipelineError, match=r"(?s)never None.*select="):
            sc.open_folder(pattern, read=read)
        return
    images = sc.open_folder(pattern, read=read)
    with pytest.raises(RunFailed, match=f"(?s)never None.*{left_out}.npy.*select="):
        sc.run(images + 1, store=tmp_path / "results", executor="serial")
    assert (images + 1)[f"{1 - int(left_out)}.npy"].read().sum() == 32
