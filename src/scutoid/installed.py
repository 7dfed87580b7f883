"""Which files are of installed packages, of the standard library or of scutoid, not the user's."""

from __future__ import annotations

import functools
import os
import sysconfig
from pathlib import Path


@functools.cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    ours = str(Path(os.path.abspath(__file__)).parent)  # noqa: PTH100  # the folder of scutoid
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {ours}
    return tuple(f"{os.path.abspath(path)}{os.sep}" for path in folders)  # noqa: PTH100


@functools.lru_cache(maxsize=4096)
def is_installed(file: str) -> bool:
    """Whether a file is installed, or of the standard library, or of scutoid.

    Examples
    --------
    >>> is_installed(os.__file__), is_installed("cells.py")
    (True, False)
    """
    try:
        path = os.path.join(os.path.abspath(file), "")  # noqa: PTH100, PTH118
    except OSError:  # some modules say no folder, and the working folder is gone
        return False
    parts = Path(path).parts
    return path.startswith(_installed()) or "site-packages" in parts or "dist-packages" in parts
