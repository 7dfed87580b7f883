from ._counts import FINISH, Count, RunCounts
from ._progress import Progress, progress_shown

__all__ = ["FINISH", "Count", "Progress", "RunCounts", "progress_shown"]
