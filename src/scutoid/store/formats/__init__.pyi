from ._registry import (
    FORMATS,
    Format,
    choose_format,
    find_format,
    installed_formats,
)
from ._sheets import SHEETS
from ._values import from_json, is_json, to_json

__all__ = [
    "FORMATS",
    "SHEETS",
    "Format",
    "choose_format",
    "find_format",
    "from_json",
    "installed_formats",
    "is_json",
    "to_json",
]
