"""Name code in keys by the module it first stood in, so that moving a module changes no key."""

from __future__ import annotations

_FIRST_MODULES = {
    "scutoid.store.formats._images": "scutoid.store._format_images",
    "scutoid.store.formats._registry": "scutoid.store._formats",
    "scutoid.store.formats._tables": "scutoid.store._format_tables",
    "scutoid.store.formats._values": "scutoid.store._format_values",
    "scutoid.store.keys._digest": "scutoid.store._canonical",
    "scutoid.store.keys._encoder": "scutoid.store._canonical",
    "scutoid.store.keys._files": "scutoid.store._entry",
    "scutoid.store.keys._fingerprint": "scutoid.store._fingerprint",
    "scutoid.store.keys._input_hashes": "scutoid.store._inputs",
    "scutoid.store.keys._ownership": "scutoid.store._ownership",
}
"""The first module of those that moved; a key "module:name" stands over one "module"."""


def first_module(module: str, name: str) -> str:
    """Return the module that a function or class of scutoid stood in when keys were first made.

    Parameters
    ----------
    module : str
        Where it stands now; one of another package is returned as it is.
    name : str
        Its qualified name.

    Examples
    --------
    >>> first_module("scutoid.store.keys._digest", "canonical_digest")
    'scutoid.store._canonical'
    >>> first_module("numpy", "sin")
    'numpy'
    """
    return _FIRST_MODULES.get(f"{module}:{name}") or _FIRST_MODULES.get(module, module)
