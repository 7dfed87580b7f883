from ._corrected import corrected, unapplied
from ._correction import Correction
from ._folder import Corrections, open_corrections

__all__ = [
    "Correction",
    "Corrections",
    "corrected",
    "open_corrections",
    "unapplied",
]
