from ._best import Best, best
from ._costed import with_estimates
from ._preview import Preview, preview
from ._sweep import Sweep, sweep

__all__ = [
    "Best",
    "Preview",
    "Sweep",
    "best",
    "preview",
    "sweep",
    "with_estimates",
]
