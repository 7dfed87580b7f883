"""The topics of daisy's tutorial, on a simulated picture of blue cells."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from functools import partial

import numpy as np
import pytest
import zarr
from scipy import ndimage

from scutoid.integrations import daisy

SIDE, EDGE, SIGMA = 256, 64, 3
CONTEXT = daisy.Coordinate((4 * SIGMA,) * 2)
WHOLE = daisy.Roi((0, 0), (SIDE, SIDE))
WRITE = daisy.Roi((0, 0), (EDGE, EDGE))
READ = WRITE.grow(CONTEXT, CONTEXT)
TOTAL = WHOLE.grow(CONTEXT, CONTEXT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A colour image, channels first, with blue cells on a warm ground."""
    monkeypatch.chdir(tmp_path)
    daisy.set_log_basedir(tmp_path / "daisy_logs")
    rng = np.random.default_rng(7)
    points = np.zeros((SIDE, SIDE))
    points[tuple(rng.integers(0, SIDE, (2, 60)))] = 1
    cells = ndimage.gaussian_filter(points, 5)
    cells = np.clip(3 * cells / cells.max(), 0, 1)
    image = np.stack([0.6 - 0.5 * cells, 0.4 - 0.2 * cells, 0.2 + 0.8 * cells])
    noisy = np.clip(image + rng.normal(0, 0.05, image.shape), 0, 1).astype("float32")
    raw = zarr.create_array(
        "sample.zarr/raw", shape=noisy.shape, chunks=(3, 64, 64), dtype="float32"
    )
    raw[...] = noisy
    return tmp_path


def prepare(name, dtype="float32", edge=EDGE, channels=True):
    shape, chunks = (SIDE, SIDE), (edge, edge)
    if channels:
        shape, chunks = (3, *shape), (3, *chunks)
    zarr.create_array(
        f"sample.zarr/{name}", shape=shape, chunks=chunks, dtype=dtype, overwrite=True
    )


def result(name):
    return zarr.open_array(f"sample.zarr/{name}", mode="r")[...]


def expected():
    return ndimage.gaussian_filter(result("raw"), (0, SIGMA, SIGMA))


def clipped(roi):
    return tuple(slice(max(a, 0), min(b, SIDE)) for a, b in zip(roi.begin, roi.end, strict=True))


def inner(block):
    """The written region within the read one."""
    low = [max(a, 0) for a in block.read_roi.begin]
    return tuple(
        slice(a - c, b - c)
        for a, b, c in zip(block.write_roi.begin, block.write_roi.end, low, strict=True)
    )


def smooth(name, block):
    raw = zarr.open_array("sample.zarr/raw", mode="r")
    out = zarr.open_array(f"sample.zarr/{name}", mode="r+")
    image = ndimage.gaussian_filter(raw[(slice(None), *clipped(block.read_roi))], (0, SIGMA, SIGMA))
    out[(slice(None), *clipped(block.write_roi))] = image[(slice(None), *inner(block))]


def smoothing(name, function=None, **options):
    return daisy.Task(
        name,
        total_roi=TOTAL,
        read_roi=READ,
        write_roi=WRITE,
        process_function=function or partial(smooth, name),
        **{"read_write_conflict": False, "num_workers": 2} | options,
    )


def test_smoothing_without_context_has_seams_and_with_context_none(folder):
    prepare("seams")
    bare = daisy.Task(
        "seams",
        total_roi=WHOLE,
        read_roi=WRITE,
        write_roi=WRITE,
        process_function=partial(smooth, "seams"),
        read_write_conflict=False,
        num_workers=2,
    )
    assert daisy.run_blockwise([bare], progress=False)
    assert np.abs(result("seams") - expected()).max() > 0.005
    prepare("smooth")
    assert daisy.run_blockwise([smoothing("smooth")], progress=False)
    assert np.array_equal(result("smooth"), expected())


WORKER = """
    import json
    import sys
    import time
    from pathlib import Path

    sys.path.insert(0, {tests!r})
    from test_daisy_tutorial import smooth
    from scutoid.integrations import daisy

    config = json.loads(Path(sys.argv[1]).read_text())
    time.sleep(config["slow start"])
    client = daisy.Client()
    while True:
        with client.acquire_block() as block:
            if block is None:
                break
            smooth(config["output"], block)
"""


def test_workers_in_a_script_of_their_own_with_a_slow_start(folder, request):
    (folder / "worker.py").write_text(
        textwrap.dedent(WORKER.format(tests=str(request.path.parent)))
    )
    (folder / "config.json").write_text(json.dumps({"output": "by_script", "slow start": 1}))
    prepare("by_script")

    def start():
        import subprocess

        subprocess.run([sys.executable, "worker.py", "config.json"], check=True)

    assert daisy.run_blockwise([smoothing("by_script", start)], progress=False)
    assert np.array_equal(result("by_script"), expected())


def failing(name, folder, tries, block):
    """Every other block fails, some number of times."""
    number = block.block_id[1]
    mark = folder / f"tries-{number}"
    with mark.open("a") as file:
        file.write("x")
    if number % 2 and len(mark.read_text()) <= tries:
        raise ValueError("simulated failure")
    smooth(name, block)


def test_failures_are_tried_again_unless_retries_are_nought(folder):
    prepare("faulty")
    unlucky = partial(failing, "faulty", folder, 1)
    task = smoothing("faulty", unlucky, max_retries=0)
    states = daisy.run_blockwise([task], progress=False, return_states=True)
    assert (states["faulty"].completed_count, states["faulty"].failed_count) == (8, 8)
    for mark in folder.glob("tries-*"):
        mark.unlink()
    prepare("faulty")
    assert daisy.run_blockwise([smoothing("faulty", unlucky)], progress=False)
    assert np.array_equal(result("faulty"), expected())


def is_written(name, block):
    return bool(result(name)[(slice(None), *clipped(block.write_roi))].any())


def test_a_check_lets_a_later_run_do_only_what_is_missing(folder):
    prepare("resumed")
    check = partial(is_written, "resumed")
    unlucky = partial(failing, "resumed", folder, 1)
    first = smoothing("resumed", unlucky, max_retries=0, check_function=check)
    assert daisy.run_blockwise([first], progress=False) is False
    again = smoothing("resumed", unlucky, max_retries=0, check_function=check)
    states = daisy.run_blockwise([again], progress=False, return_states=True)
    assert (states["resumed"].completed_count, states["resumed"].skipped_count) == (16, 8)
    tries = {int(mark.name[6:]): len(mark.read_text()) for mark in folder.glob("tries-*")}
    assert len(tries) == 16
    assert all(n_tries == 1 + number % 2 for number, n_tries in tries.items())
    assert np.array_equal(result("resumed"), expected())


def blue(smoothed, region):
    """Mask of the blue pixels of an image."""
    red, green, blue = smoothed[(slice(None), *clipped(region))]
    return (blue > red + 0.2) & (blue > green + 0.2)


def segment(source, name, log, block):
    mask = blue(zarr.open_array(f"sample.zarr/{source}", mode="r"), block.read_roi)
    labels, _ = ndimage.label(mask)
    labels = np.where(mask, labels + 10_000 * block.block_id[1], 0)
    zarr.open_array(f"sample.zarr/{name}", mode="r+")[clipped(block.write_roi)] = labels
    with (log / "order").open("a") as file:
        file.write("s")


def smooth_and_note(name, log, block):
    smooth(name, block)
    end = time.monotonic() + 240
    # The last block ends only when the second task has begun: it must not wait for all of the first
    order = log / "order"
    while order.exists() and order.read_text().count("r") == 15 and "s" not in order.read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
    with (log / "order").open("a") as file:
        file.write("r")


def test_a_second_task_with_larger_blocks_begins_before_the_first_is_over(folder):
    prepare("first")
    prepare("cells", "uint32", 2 * EDGE, channels=False)
    large = daisy.Roi((0, 0), (2 * EDGE,) * 2)
    a = smoothing("first", partial(smooth_and_note, "first", folder), num_workers=1)
    b = daisy.Task(
        "cells",
        total_roi=WHOLE,
        read_roi=large,
        write_roi=large,
        process_function=partial(segment, "first", "cells", folder),
        read_write_conflict=False,
        num_workers=1,
        upstream_tasks=[a],
    )
    assert daisy.run_blockwise([a, b], progress=False)
    mask = blue(expected(), WHOLE)
    assert np.array_equal(result("cells") > 0, mask)
    order = (folder / "order").read_text()
    assert sorted(order) == ["r"] * 16 + ["s"] * 4
    assert "s" in order[:-4]


def link(source, name, block):
    """Label blue cells, and take up the numbers of neighbours that are done."""
    mask = blue(zarr.open_array(f"sample.zarr/{source}", mode="r"), block.read_roi)
    objects, n = ndimage.label(mask)
    numbers = np.where(mask, objects + 10_000 * (block.block_id[1] + 1), 0)
    out = zarr.open_array(f"sample.zarr/{name}", mode="r+")
    known = out[clipped(block.read_roi)]
    for number in range(1, n + 1):
        same = known[(objects == number) & (known > 0)]
        if len(same):
            numbers[objects == number] = same.min()
    out[clipped(block.write_roi)] = numbers[inner(block)]


def test_neighbours_in_conflict_give_the_same_labels_for_any_number_of_workers(folder):
    prepare("smooth")
    assert daisy.run_blockwise([smoothing("smooth")], progress=False)
    margin = daisy.Coordinate((10, 10))
    outputs = []
    for workers in (1, 2, 4):
        prepare("linked", "uint32", channels=False)
        task = daisy.Task(
            "linked",
            total_roi=WHOLE.grow(margin, margin),
            read_roi=WRITE.grow(margin, margin),
            write_roi=WRITE,
            process_function=partial(link, "smooth", "linked"),
            read_write_conflict=True,
            num_workers=workers,
        )
        assert daisy.run_blockwise([task], progress=False)
        outputs.append(result("linked"))
    assert np.array_equal(outputs[0], outputs[1])
    assert np.array_equal(outputs[0], outputs[2])
    labels, n_cells = ndimage.label(blue(expected(), WHOLE))
    assert np.array_equal(outputs[0] > 0, labels > 0)
    # A cell that crosses one border has one number, as the block that comes later took it up.
    split = sum(len(np.unique(outputs[0][labels == cell])) > 1 for cell in range(1, n_cells + 1))
    alone = prepare_without_context()
    assert split < alone / 2


def prepare_without_context():
    """How many cells have several numbers where blocks do not look at each other."""
    labels, n_cells = ndimage.label(blue(expected(), WHOLE))
    places = np.indices(labels.shape) // EDGE
    block = places[0] * (SIDE // EDGE) + places[1]
    return sum(len(np.unique(block[labels == cell])) > 1 for cell in range(1, n_cells + 1))
