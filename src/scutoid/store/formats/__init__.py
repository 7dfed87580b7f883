"""Formats that values are stored in: each an open one, with a name and an ending."""

from scutoid.store.formats._registry import (
    FORMATS,
    Format,
    choose_format,
    find_format,
    installed_formats,
)

__all__ = ["FORMATS", "Format", "choose_format", "find_format", "installed_formats"]
