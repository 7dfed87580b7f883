from ._counts import Count, RunCounts
from ._progress import Progress, progress_shown

__all__ = ["Count", "Progress", "RunCounts", "progress_shown"]
