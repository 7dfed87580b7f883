"""Formats of stored values: open ones, each with a name and an ending; never pickle."""

from scutoid.store.formats._registry import (
    FORMATS,
    Format,
    choose_format,
    find_format,
    installed_formats,
)
from scutoid.store.formats._sheets import SHEETS

__all__ = ["FORMATS", "SHEETS", "Format", "choose_format", "find_format", "installed_formats"]
