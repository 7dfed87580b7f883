from ._tune import tune
from ._tuning import Tuning

__all__ = ["Tuning", "tune"]
