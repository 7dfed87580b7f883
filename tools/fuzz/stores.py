"""Stores: recipes, records of runs, journals, images and tables, with all that reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from formats import Format

IMAGE = np.random.default_rng(0).integers(0, 200, (20, 24)).astype("uint16")
_UNDATED = ("host", "created", "seconds", "digest")


def _write(folder: Path) -> Path:
    import scutoid as sc

    image = sc.open(IMAGE, axes="yx", voxel_size=1, unit="um")
    labels = sc.label(sc.gaussian(image, sigma=1) > 100)
    table = sc.measure(labels, intensity=image)
    sc.run(table, store=folder / "store", executor="serial", block=10, progress=False)
    return folder / "store"


def _read(path: Path) -> None:
    """Read all results, verify, list garbage, and the facts of runs; raise the last refusal."""
    import scutoid as sc
    from scutoid.errors import ScutoidError
    from scutoid.reports import read_run

    calls: list[Callable[[], Any]] = [
        lambda: sc.Store(path).verify(heal=False),
        lambda: sc.Store(path).gc(older_than="0", dry_run=True),
        lambda: sc.Store(path).gc(keep_runs=1, dry_run=True),
        lambda: sc.Store(path).gc(max_size="1B", dry_run=True),
        lambda: sc.Store(path).du(),
        lambda: repr(sc.Store(path)),
        lambda: sc.Store(path).verify(),
        lambda: read_run(path),
        *(lambda n=name: _read_newest(path, n) for name in ("gaussian", "label", "measure")),
    ]
    refused = None
    for call in calls:
        try:
            call()
        except ScutoidError as error:
            refused = error
        except KeyError as error:  # of sc.Store(...)["name"]: it has none of the name
            if type(error) is not KeyError:
                raise
            refused = refused or sc.errors.StoreError(str(error))
    if refused is not None:
        raise refused


def _read_newest(path: Path, name: str) -> object:
    import scutoid as sc

    result = sc.Store(path)[name]
    return result.read() if hasattr(result, "axes") else result.to_pandas()


def _seal(path: Path) -> None:
    """Write the digests of recipes, and of what says that a result is complete, anew."""
    for recipe in path.glob("*/*/recipe.json"):
        try:
            content = json.loads(recipe.read_bytes())
            told = {name: value for name, value in content.items() if name not in _UNDATED}
        except (ValueError, AttributeError, RecursionError):
            continue
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        recipe.write_text(json.dumps(content | {"digest": digest}, indent=1))
        mark = hashlib.sha256(recipe.read_bytes()).hexdigest()
        recipe.with_name("COMPLETE").write_text(f"{mark}\n")


FORMATS = {"store": Format(_write, _read, _seal)}
