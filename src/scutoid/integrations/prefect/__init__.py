"""Prefect 3: results of tasks as open files that are verified, and keys made of code and content.

::

    result_serializer=StoreSerializer(folder="results")   what tasks return, as TIFF, Parquet, ...
    cache_policy=ByContent()                              when a stored result is the right one
    ImageSource("plate/A01.tif")                          an input that is known by its content

What Prefect keeps itself is a reference of some hundred bytes.  See docs/prefect.md.
"""

from scutoid.errors import MissingExtra

try:
    from scutoid.integrations.prefect._policy import ByContent
    from scutoid.integrations.prefect._serializer import StoreSerializer
    from scutoid.integrations.prefect._source import ImageSource
except ModuleNotFoundError as error:
    if error.name != "prefect":
        raise
    raise MissingExtra.of("prefect", extra="prefect") from error

__all__ = ["ByContent", "ImageSource", "StoreSerializer"]
