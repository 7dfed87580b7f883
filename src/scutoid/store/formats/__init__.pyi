from ._registry import (
    FORMATS,
    Format,
    choose_format,
    find_format,
    installed_formats,
)
from ._sheets import SHEETS

__all__ = ["FORMATS", "SHEETS", "Format", "choose_format", "find_format", "installed_formats"]
