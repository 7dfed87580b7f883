"""Steps that see what their neighbours have written: the same whatever the workers and the past."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from functools import partial

import numpy as np
import pytest
from scipy import ndimage

import scutoid as sc
from scutoid.blocks import BlockGrid, BlockTask, Journal, run_blocks
from scutoid.errors import PipelineError

RAW = np.random.default_rng(3).integers(0, 100, (40, 52)).astype("uint8")


@sc.blockwise(halo=4, sees_neighbours=True, dtype="int64", block=8)
def chained(image, *, neighbours, block):
    """A number that depends on all that was seen, and on the order in which it was written."""
    return image.astype("int64") + neighbours.sum() % 1009 + 1


@sc.blockwise(halo=((0, 0), (6, 1)), sees_neighbours=True, dtype="uint16", block=(13, 9))
def one_sided(image, *, neighbours):
    return (image + 3 * neighbours.max()).astype("uint16")


@sc.blockwise(halo=2, sees_neighbours=True, dtype="uint32", block=10)
def linked(mask, *, neighbours, block):
    """Label objects, and take up the numbers that neighbours have given to their parts."""
    labels, n = ndimage.label(mask)
    numbers = np.where(labels > 0, labels + 1000 * block.index, 0)
    for label in range(1, n + 1):
        known = neighbours[(labels == label) & (neighbours > 0)]
        if len(known):
            numbers[labels == label] = known.min()
    return numbers.astype("uint32")


def by_hand(step, array, grid):
    """The same blocks in the order of their levels, one by one, over plain arrays."""
    reach = [
        -(-max(low, high) // size)
        for low, high, size in zip(*grid.halo, grid.block_shape, strict=True)
    ]
    level = {
        index: tuple(p % (r + 1) for p, r in zip(grid.position(index), reach, strict=True))
        for index in range(grid.n_blocks)
    }
    out = np.zeros(array.shape, step.spec.dtype)
    whole = sc.Roi((0, 0), array.shape)
    for index in sorted(level, key=lambda i: (level[i], i)):
        read, write = grid.read_roi(index).intersect(whole), grid.write_roi(index)
        seen = np.zeros(tuple(read.shape), out.dtype)
        for other in grid.blocks_in(read):
            if level[other] < level[index]:
                part = grid.write_roi(other).intersect(read)
                seen[part.to_slices(read.offset)] = out[part.to_slices()]
        result = step.spec.function(array[read.to_slices()], neighbours=seen, **_block(step, index))
        out[write.to_slices()] = result[write.to_slices(read.offset)]
    return out


def _block(step, index):
    class Here:
        pass

    here = Here()
    here.index = index
    return {"block": here} if "block" in step.spec.parameters.injected else {}


@pytest.mark.parametrize("step", [chained, one_sided, linked], ids=lambda step: step.spec.name)
@pytest.mark.parametrize(("executor", "workers"), [("serial", 1), ("threads", 3), ("processes", 2)])
def test_what_a_block_sees_does_not_depend_on_the_workers(tmp_path, step, executor, workers):
    result = step(sc.open(RAW > 50 if step is linked else RAW))
    grid = result.ref.node.layout.grid
    run = sc.run(result, store=tmp_path, executor=executor, workers=workers)
    assert run.ok
    expected = by_hand(step, RAW > 50 if step is linked else RAW, grid)
    assert np.array_equal(np.asarray(result), expected)


@pytest.mark.parametrize("step", [chained, one_sided], ids=lambda step: step.spec.name)
def test_read_without_a_run_it_is_the_same(step):
    result = step(sc.open(RAW))
    expected = by_hand(step, RAW, result.ref.node.layout.grid)
    assert np.array_equal(np.asarray(result), expected)
    assert np.array_equal(np.asarray(result[5:30, 7:9]), expected[5:30, 7:9])


def test_on_plain_arrays_there_are_no_neighbours():
    assert np.array_equal(one_sided(RAW), RAW)


def test_images_of_a_collection_are_each_by_themselves(tmp_path):
    images = {"a": RAW, "b": RAW[:20, ::-1].copy()}
    for key, image in images.items():
        sc.create(tmp_path / f"in/{key}.tif", like=image).write(sc.Roi((0, 0), image.shape), image)
    result = one_sided(sc.open_folder(str(tmp_path / "in/*.tif")))
    sc.run(result, store=tmp_path / "store", executor="serial")
    for key, image in images.items():
        single = one_sided(sc.open(image))
        assert np.array_equal(np.asarray(result[f"{key}.tif"]), np.asarray(single))


def test_what_a_killed_run_left_behind_is_not_seen(tmp_path, wait_for):
    """Killed in the middle, and with garbage where blocks were written but not journalled."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            from pathlib import Path
            import numpy as np
            import scutoid as sc
            from scutoid.blocks import Journal

            def is_to_be_killed():
                journals = Path(sys.argv[1]).glob("store/*/*/journal")
                is_begun = any((Journal.read(path) > 0).sum() > 8 for path in journals)
                return is_begun and not (Path(sys.argv[1]) / "fast").exists()

            @sc.blockwise(halo=4, sees_neighbours=True, dtype="int64", block=8)
            def chained(image, *, neighbours):
                while is_to_be_killed():
                    time.sleep(0.01)
                return image.astype("int64") + neighbours.sum() % 1009 + 1

            raw = np.random.default_rng(3).integers(0, 100, (40, 52)).astype("uint8")
            result = chained.options(name="chained")(sc.open(raw))
            sc.run(result, store=Path(sys.argv[1]) / "store", workers=2)
            np.save(Path(sys.argv[1]) / "result.npy", np.asarray(result))
            """
        )
    )
    command = [sys.executable, str(script), str(tmp_path)]
    process = subprocess.Popen(command)
    journals = partial(tmp_path.glob, "store/*/*/journal")
    try:
        wait_for(lambda: any((Journal.read(path) > 0).sum() > 8 for path in journals()))
    finally:
        process.kill()
        process.wait()
    (journal,) = tmp_path.glob("store/*/*/journal")
    done = Journal.read(journal)
    assert 0 < (done > 0).sum() < len(done)
    from scutoid.arrays import create_image, open_source

    image = next(tmp_path.glob("store/*/*/image.ome.zarr"))
    writer = create_image(image, open_source(str(image)).spec, block=(8, 8))
    grid = BlockGrid(sc.Roi((0, 0), RAW.shape), 8, halo=4)
    for index in np.flatnonzero(done == 0).tolist():
        roi = grid.write_roi(index)
        writer.write(roi, np.full(tuple(roi.shape), 10**9))
    (tmp_path / "fast").touch()
    subprocess.run(command, check=True)
    expected = by_hand(chained, RAW, grid)
    assert np.array_equal(np.load(tmp_path / "result.npy"), expected)


def test_engine_tasks_can_read_their_neighbours_too(tmp_path):
    grid = BlockGrid(sc.Roi((0, 0), RAW.shape), 8, halo=4)
    outputs = []
    for executor, workers in (("serial", 1), ("processes", 3)):
        out = sc.create(tmp_path / f"{executor}.ome.zarr", like=RAW, dtype="int64", block=8)

        def chain(block, out=out):
            inside = block.read_roi.intersect(sc.Roi((0, 0), RAW.shape))
            local = inside.to_slices(block.read_roi.offset)
            seen = out.read_neighbours(block)[local]
            out.write(
                block.write_roi,
                RAW[inside.to_slices()].astype("int64") + seen.sum() % 1009 + 1,
                data_roi=inside,
            )

        task = BlockTask("t", chain, grid, conflict=True)
        assert run_blocks(task, executor=executor, workers=workers).ok
        outputs.append(np.asarray(sc.open(out.path)))
    assert np.array_equal(outputs[0], outputs[1])
    assert np.array_equal(outputs[0], by_hand(chained, RAW, grid))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({}, "declares the dtype"),
        ({"dtype": "uint8", "out": "table"}, "one image"),
        ({"dtype": ("uint8", "uint8"), "out": ("image", "image")}, "one image"),
        ({"dtype": "uint8", "out_axes": "yx", "axes": "zyx"}, "keeps the axes"),
        ({"dtype": "uint8", "block_invariant": True}, "shape of the blocks"),
    ],
)
def test_what_cannot_be_seen_is_refused(declared, message):
    with pytest.raises(PipelineError, match=message):

        @sc.blockwise(halo=1, sees_neighbours=True, **declared)
        def step(image, *, neighbours):
            return image
