"""Image analysis at any size: pipelines of plain functions, run block by block and kept once.

See `blockwise`, `step` and `reduction` for making steps, `open` and `open_folder` for inputs, and
`plan` and `run` for running them.
"""

import importlib
import importlib.util

import lazy_loader

_named, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """Import a name, or a package of scutoid, when it is first asked for."""
    if name in __all__:
        return _named(name)
    if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f"{__name__}.{name}")
    import difflib

    close = difflib.get_close_matches(name, __all__, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
