"""ND2, LIF and CZI."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
from formats import Format, read_image

_TESTS = Path(__file__).parents[2] / "tests"
TRUTH = np.random.default_rng(0).integers(0, 200, (2, 3, 20, 24)).astype("uint16")


def _nd2(*, packed: bool) -> Any:
    def write(folder: Path) -> Path:
        writers = runpy.run_path(str(_TESTS / "microscope_files.py"))
        voxels = TRUTH[:, :, None]
        return Path(writers["write_nd2"](folder / "a.nd2", voxels, "TZ", packed=packed))

    return write


def _lif(folder: Path) -> Path:
    writers = runpy.run_path(str(_TESTS / "microscope_files.py"))
    image = writers["lif_image"]("a", TRUTH, "tzyx")
    return Path(writers["write_lif"](folder / "a.lif", {"a": image}))


def _czi(folder: Path) -> Path:
    from pylibCZIrw import czi

    path = folder / "a.czi"
    with czi.create_czi(str(path)) as file:
        for t, z in np.ndindex(*TRUTH.shape[:2]):
            file.write(data=TRUTH[t, z][..., None], plane={"T": t, "C": 0, "Z": z})
    return path


FORMATS = {
    "nd2": Format(_nd2(packed=False), read_image),
    "nd2 packed": Format(_nd2(packed=True), read_image),
    "lif": Format(_lif, read_image),
    "czi": Format(_czi, read_image),
}
