"""The pipeline whose results the golden store holds: one step of every kind that is stored.

Inputs are made by whole-number arithmetic, and each step has a version, so its key does not depend
on its code, only on its name and on that of the module, under which `make.load_pipeline` loads it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import scutoid as sc

SHAPE = (24, 40)
BLOCK = (12, 16)
BROKEN_BLOCK = 3
PLATE = ("a/1.npy", "a/2.npy", "b/1.npy")

is_broken = False
"""Whether `unsteady` fails on one of its blocks, as it did when the store was made."""


def raw_array():
    """Return an image, (y, x) of uint16."""
    y, x = np.indices(SHAPE)
    return ((y * 37 + x * 11 + (y * x) % 17) % 251).astype("uint16")


def write_plate(folder, *, is_changed=True):
    """Write a folder of three images; one of them changed after the store's first run."""
    for number, name in enumerate(PLATE):
        y, x = np.indices((8 + number, 10))
        image = ((y * 13 + x * 7) % (40 + number)).astype("uint8")
        if is_changed and name == "a/2.npy":
            image[0, 0] += 1
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, image)


@sc.blockwise(version="1", dtype="uint16", halo=1, block=BLOCK)
def brighten(image, *, amount=2):
    return image * amount


@sc.blockwise(version="1", dtype="bool", out=("image", "table"), block=BLOCK)
def bright(image, *, level=100, block):
    mask = image > level
    return mask, pd.DataFrame({"block": [block.index], "n": [int(mask.sum())]})


@sc.blockwise(version="1", out="parts", block=BLOCK)
def profiles(image, *, block):
    return {"rows": image.sum(axis=1, dtype="int64"), "first": np.array(block.write_roi.offset)}


@sc.step(version="1", out="value")
def widest(parts):
    """Read the parts of a step whole; returns a value of several types."""
    sums = [int(part["rows"].sum()) for part in parts.values()]
    return {"sums": np.array(sums), "best": int(np.argmax(sums)), "pair": (len(sums), None)}


@sc.step(version="1", out="image", dtype="uint16")
def flipped(image):
    return image[::-1].copy()


@sc.step(version="1", out="image", dtype="uint16")
def turned(image):
    return image[:, ::-1].copy()


@sc.reduction(version="1", merge=lambda a, b: a + b, block=BLOCK)
def total(image):
    return int(image.sum())


@sc.step(version="1", out="table")
def row_table(image):
    return pd.DataFrame({"row": range(len(image)), "sum": image.sum(axis=1, dtype="int64")})


@sc.step(version="1", out="value")
def column_sums(image):
    """Return an array that is no small one, so that it is stored as npy."""
    return np.tile(image.sum(axis=0, dtype="int64"), 26)


@sc.step(version="1", out="files")
def notes(image, *, folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "sum.txt").write_text(f"{int(image.sum())}\n", encoding="utf-8")


@sc.blockwise(version="1", dtype="uint16", block=BLOCK, keep=False)
def halved(image):
    return image // 2


@sc.blockwise(version="1", dtype="uint16", block=BLOCK)
def raised(image, *, by=1):
    return image + by


@sc.blockwise(version="1", dtype="uint16", block=BLOCK, retries=0)
def unsteady(image, *, block):
    if is_broken and block.index == BROKEN_BLOCK:
        raise ValueError("this block is broken")
    return image + 5


@sc.blockwise(version="1", dtype="uint8")
def dimmed(image, *, by=2):
    return image // by


@sc.step(version="1", out=("table", "value"))
def described(image):
    rows = pd.DataFrame({"row": range(len(image)), "top": image.max(axis=1).astype("int64")})
    return rows, {"mean": float(image.mean()), "shape": image.shape}


@sc.step(version="1", out=("value", "files"))
def saved(image, *, folder):
    (folder / "top.txt").write_text(f"{int(image.max())}\n", encoding="utf-8")
    return image.sum(axis=0, dtype="int64"), None


def image_targets():
    """Return the results of one image, by name."""
    raw = sc.open(raw_array(), voxel_size=(2.0, 0.5), unit="um")
    brightened = brighten(raw, amount=3)
    mask, counts = bright(brightened)
    parts = profiles(raw)
    return {
        "brighten": brightened,
        "mask": mask,
        "counts": counts,
        "profiles": parts,
        "widest": widest(parts),
        "flipped": flipped.options(storage=sc.Storage(format="tiff"))(raw),
        "turned": turned(raw),
        "total": total(raw),
        "row_table": row_table(raw),
        "column_sums": column_sums(raw),
        "notes": notes(raw),
        "raised": raised(halved(raw), by=4),
    }


def first_lift():
    """Return what was run before `accepted_lift` was accepted for it."""
    return raised.options(name="lifted")(sc.open(raw_array()), by=7)


def accepted_lift():
    """Return what the result of `first_lift` stands for."""
    return raised.options(name="lifted")(sc.open(raw_array()), by=8)


def partial_target():
    """Return an image of which one block failed."""
    return unsteady(sc.open(raw_array()))


def folder_targets(folder):
    """Return the results of a folder of images, by name."""
    images = sc.open_folder(Path(folder) / "**" / "*.npy", voxel_size=0.5, unit="um")
    small = dimmed(images)
    table, value = described(small)
    array, files = saved.options(storage=sc.Storage(format="npy"))(images)
    return {
        "dimmed": small,
        "packed_table": table,
        "packed_value": value,
        "saved_array": array,
        "saved_files": files,
        "as_npy": dimmed.options(name="as_npy", storage=sc.Storage(format="npy"))(images, by=3),
        "as_zarr": dimmed.options(name="as_zarr", storage=sc.Storage(format="zarr"))(images, by=4),
    }
