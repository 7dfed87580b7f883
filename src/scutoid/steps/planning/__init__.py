"""What would run, and why."""

from scutoid.steps.planning._changed_members import noted_files
from scutoid.steps.planning._keys import Keys
from scutoid.steps.planning._plan import Plan, PlannedStep
from scutoid.steps.planning._planned import PlannedCall, PlannedRun, is_computed
from scutoid.steps.planning._planner import Planner
from scutoid.steps.planning._summary import summarize
from scutoid.steps.planning._warnings import notes_of_images, warnings_of

__all__ = [
    "Keys",
    "Plan",
    "PlannedCall",
    "PlannedRun",
    "PlannedStep",
    "Planner",
    "is_computed",
    "noted_files",
    "notes_of_images",
    "summarize",
    "warnings_of",
]
