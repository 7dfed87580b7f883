"""Leave modules out of the doctests whose optional packages are not installed."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

OPTIONAL = ("magicgui", "prefect", "qtpy")
MISSING = {name for name in OPTIONAL if find_spec(name) is None}


def imported(path: Path) -> set[str]:
    """Return the packages that a module imports as it is loaded."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


collect_ignore = (
    [str(path) for path in Path(__file__).parent.rglob("*.py") if MISSING & imported(path)]
    if MISSING
    else []
)
