"""Prefect 3: results of tasks as verified open files, and keys made of code and content.

::

    result_serializer=StoreSerializer(folder="results")   what tasks return, as TIFF, Parquet, ...
    cache_policy=ByContent()                              which stored result is reused
    ImageSource("plate/A01.tif")                          an input that is identified by content

Prefect itself keeps a reference of some hundred bytes.  See docs/prefect.md.
"""

from typing import TYPE_CHECKING

from scutoid.errors import MissingExtra

if TYPE_CHECKING:
    from scutoid.integrations.prefect._policy import ByContent
    from scutoid.integrations.prefect._serializer import StoreSerializer
    from scutoid.integrations.prefect._source import ImageSource

__all__ = ["ByContent", "ImageSource", "StoreSerializer"]

_HOMES = {"ByContent": "_policy", "ImageSource": "_source", "StoreSerializer": "_serializer"}


def __getattr__(name: str) -> object:
    """Import Prefect when a name that needs it is used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "prefect":
            raise
        raise MissingExtra.of("prefect", extra="prefect") from error
    return getattr(home, name)
