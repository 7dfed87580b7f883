from ._changed_members import noted_files
from ._cost import Cost, StepCost
from ._keys import Keys
from ._plan import Plan, PlannedStep
from ._planned import PlannedCall, PlannedRun, is_computed
from ._planner import Looks, Planner
from ._summary import summarize
from ._warnings import notes_of_images, warnings_of

__all__ = [
    "Cost",
    "Keys",
    "Looks",
    "Plan",
    "PlannedCall",
    "PlannedRun",
    "PlannedStep",
    "Planner",
    "StepCost",
    "is_computed",
    "noted_files",
    "notes_of_images",
    "summarize",
    "warnings_of",
]
