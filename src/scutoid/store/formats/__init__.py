"""Formats of stored values: open ones, each with a name and an ending; never pickle."""

from scutoid.store.formats._registry import (
    FORMATS,
    Format,
    choose_format,
    find_format,
    installed_formats,
)

__all__ = ["FORMATS", "Format", "choose_format", "find_format", "installed_formats"]
