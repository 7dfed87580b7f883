"""Tables and values as they lie in a store, packed parts, and files that users write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from formats import Format


def _table() -> Any:
    import pandas as pd

    rng = np.random.default_rng(0)
    names = [f"cell {n}, é" for n in range(30)]
    return pd.DataFrame({"label": np.arange(30), "size": rng.random(30), "name": names})


def _picture() -> Any:
    from PIL import Image

    return Image.fromarray(np.arange(300, dtype="uint8").reshape(20, 15))


_VALUES: dict[str, Any] = {
    "parquet": _table,
    "csv": _table,
    "json": lambda: {"n": (1, 2.5), "a": np.arange(4), "t": [{"b": float("nan")}, "text", 1j]},
    "npy": lambda: np.arange(60.0).reshape(3, 20),
    "png": lambda: np.arange(300, dtype="uint16").reshape(20, 15),
    "pil": _picture,
    "tiff": lambda: np.arange(600, dtype="uint16").reshape(2, 20, 15),
}


def _stored(name: str) -> Format:
    """Return a format of values in a store."""

    def write(folder: Path) -> Path:
        from scutoid.store import find_format

        path = folder / f"value{find_format(name).suffix}"
        find_format(name).save(_VALUES[name](), path)
        return path

    def read(path: Path) -> object:
        from scutoid.store import find_format

        return find_format(name).load(path)

    return Format(write, read)


def _write_parts(folder: Path) -> Path:
    from scutoid.store import bytes_of_arrays

    arrays = {"a": np.arange(900), "b": np.zeros((2, 3), "float32"), "t": np.array(["x", "yz"])}
    (folder / "parts").write_bytes(bytes_of_arrays(arrays))
    return folder / "parts"


def _read_parts(path: Path) -> object:
    from scutoid.store import arrays_of_bytes

    return arrays_of_bytes(path.read_bytes())


def _write_payload(folder: Path) -> Path:
    from scutoid.steps.compute import encode

    value = {"n": 3, "t": (1, None, [2.5]), "table": _table(), "a": np.arange(900)}
    (folder / "payload").write_bytes(encode(value))
    return folder / "payload"


def _read_payload(path: Path) -> object:
    from scutoid.steps.compute import decode

    return decode(path.read_bytes())


def _write_records(folder: Path) -> Path:
    from scutoid.store import Pack

    with Pack(folder / "pack" / "values.pack", "a") as pack:
        pack.append_many((n, {"rows": n}, b"payload %d" % n) for n in range(20))
    return folder / "pack"


def _read_records(path: Path) -> object:
    from scutoid.store import Pack

    with Pack(path / "values.pack") as pack:
        return [(pack.meta(name), pack.read(name)) for name in pack if name not in pack.damaged()]


def _write_parameters(folder: Path) -> Path:
    import scutoid as sc

    sc.save_parameters(folder / "a.json", {"sigma": 2.0}, sc.gaussian)
    return folder / "a.json"


def _read_parameters(path: Path) -> object:
    import scutoid as sc

    return sc.read_parameters(path, sc.gaussian)


FORMATS = {
    **{f"stored {name}": _stored(name) for name in _VALUES},
    "parts": Format(_write_parts, _read_parts),
    "payload": Format(_write_payload, _read_payload),
    "pack": Format(_write_records, _read_records),
    "parameters": Format(_write_parameters, _read_parameters),
}
