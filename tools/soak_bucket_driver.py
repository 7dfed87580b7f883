"""Drivers of the soak of a store in a bucket: forked by a process that has imported all.

It reads a line of JSON for each driver, and writes a line when one has begun, and when it ends.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
import traceback
import uuid
from pathlib import Path

import numpy as np
import pandas as pd

import scutoid as sc
from scutoid.errors import ScutoidError
from scutoid.steps import run_share

SHAPE = (96, 96)
BLOCK = (32, 32)
MEMBER = (8, 12)
N_MEMBERS = 9
RAW = np.arange(SHAPE[0] * SHAPE[1], dtype="u4").reshape(SHAPE)
COUNTED = ("doubled", "summed", "turned")
"""Steps whose blocks or members, nine of each, leave marks."""
DONE, FAILED, RAISED = 0, 3, 4
"""Exit codes: to the end, with an error of scutoid, with another."""
OPTIONS = {"progress": False, "check_halo": False, "on_failure": "raise"}


def mark(marks, step, a):
    """Note that a block or member of a step is computed; trials on small arrays are none."""
    if a.shape in (BLOCK, MEMBER) and (a.shape == BLOCK or a.any()):
        Path(marks, f"{step}-{int(a.flat[0])}-{uuid.uuid4().hex}").touch()


@sc.blockwise(version="1")
def doubled(a, *, marks):
    """Return twice an image."""
    mark(marks, "doubled", a)
    time.sleep(0.02)
    return a * 2


@sc.blockwise(out=("image", "table"), version="1")
def summed(a, *, marks):
    """Return an image and the sums of its blocks."""
    mark(marks, "summed", a)
    return a + 1, pd.DataFrame({"sum": [float(a.sum())]})


@sc.step(out="value", version="1")
def total(a):
    """Return the sum of an image."""
    return int(a.sum())


@sc.step(out=("image", "value"), version="1")
def turned(a, *, marks):
    """Return an image upside down, and its first voxel."""
    mark(marks, "turned", a)
    time.sleep(0.02)
    return a[::-1] + 1, {"first": int(a.flat[0])}


@sc.step(out="value", version="1")
def joined(values):
    """Return the sum of what members returned."""
    return sum(value["first"] for value in values.values())


def member(number):
    """Return the image of a member."""
    return np.arange(MEMBER[0] * MEMBER[1], dtype="u2").reshape(MEMBER) + 100 * number + 1


def make_plate(folder):
    """Make the files of a collection."""
    folder.mkdir()
    for number in range(N_MEMBERS):
        np.save(folder / f"{number}.npy", member(number))


def targets(marks):
    """Return the results of the pipeline, by name."""
    plate = sc.open_folder(Path(marks).with_name("plate"), axes="yx")
    upside, firsts = turned(plate, marks=marks)
    image = doubled.options(block=BLOCK)(sc.open(RAW, axes="yx"), marks=marks)
    plus, sums = summed.options(block=BLOCK)(image, marks=marks)
    of_members = {"upside": upside, "firsts": firsts, "joined": joined(sc.gather(firsts))}
    return {"image": image, "plus": plus, "sums": sums, "total": total(plus), **of_members}


def faults_of(store, marks):
    """Return what of a store that is complete is not true."""
    found = targets(marks)
    plan = sc.plan(*found.values(), store=store)
    if any(step.status != "cached" for step in plan):
        return [f"not complete: {[(step.name, step.status) for step in plan]}"]
    sc.run(*found.values(), store=store, executor="serial", **OPTIONS)
    truth = RAW.astype("u8") * 2
    blocks = [truth[y : y + 32, x : x + 32] for y in range(0, 96, 32) for x in range(0, 96, 32)]
    members = {f"{number}.npy": member(number) for number in range(N_MEMBERS)}
    upside = {key: image.read() for key, image in found["upside"].items()}
    are_right = {
        "image": np.array_equal(found["image"].read(), truth),
        "plus": np.array_equal(found["plus"].read(), truth + 1),
        "sums": found["sums"].to_pandas()["sum"].tolist() == [float(b.sum()) for b in blocks],
        "total": found["total"].get() == int((truth + 1).sum()),
        "upside": upside.keys() == members.keys()
        and all(np.array_equal(upside[key], members[key][::-1] + 1) for key in members),
        "firsts": [one["first"] for one in found["firsts"].to_dict().values()]
        == [int(one.flat[0]) for one in members.values()],
        "joined": found["joined"].get() == sum(int(one.flat[0]) for one in members.values()),
    }
    return [name for name, is_right in are_right.items() if not is_right]


def drive(order):
    """Do what a line says, in a process of its own."""
    os.environ.update(order["environment"])
    tempfile.tempdir = order["environment"]["TMPDIR"]
    report = Path(order["report"])
    if order["what"] == "check":
        report.write_text(json.dumps(faults_of(order["store"], order["marks"])))
        return
    found = targets(order["marks"])
    plan = sc.plan(*found.values(), store=order["store"])
    n_done = {step.name: step.n_done for step in plan if step.name in COUNTED}
    report.write_text(json.dumps(n_done))
    given = {"store": order["store"], "executor": order["executor"], "workers": 2}
    if order["share"] is None:
        sc.run(*found.values(), **given, **OPTIONS)
        return
    done = run_share(*found.values(), share=tuple(order["share"]), check_halo=False, **given)
    if not done.ok:
        raise RuntimeError(done.summary())


def _child(order):
    try:
        drive(order)
        code = DONE
    except ScutoidError:
        Path(order["report"]).with_suffix(".error").write_text(traceback.format_exc())
        code = FAILED
    except BaseException:  # noqa: BLE001 - what it is, is told
        Path(order["report"]).with_suffix(".error").write_text(traceback.format_exc())
        code = RAISED
    sys.stdout.flush()
    os._exit(code)


def say(text):
    """Write a line to who reads them."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main():
    """Fork a driver for each line."""
    for line in sys.stdin:
        order = json.loads(line)
        process = os.fork()
        if process == 0:
            sys.stdin.close()
            os.setsid()
            _child(order)
        say(f"begun {order['number']} {process}")
        threading.Thread(target=_wait, args=(order["number"], process)).start()


def _wait(number, process):
    _, status = os.waitpid(process, 0)
    say(f"ended {number} {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    import s3fs  # noqa: F401 - before there are forks

    main()
