from ._corrected import corrected, unapplied
from ._correction import Correction
from ._folder import Corrections, open_corrections
from ._opening import correct
from ._suspicious import suspicious
from ._window import Proofreader

__all__ = [
    "Correction",
    "Corrections",
    "Proofreader",
    "correct",
    "corrected",
    "open_corrections",
    "suspicious",
    "unapplied",
]
