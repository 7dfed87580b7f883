from ._counts import FINISH, Count, RunCounts
from ._progress import Progress, progress_shown
from ._words import duration

__all__ = ["FINISH", "Count", "Progress", "RunCounts", "duration", "progress_shown"]
