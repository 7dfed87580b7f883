from ._changed_members import noted_files
from ._choice import choose_executor
from ._cost import Cost, StepCost
from ._keys import Keys
from ._plan import Choice, Plan, PlannedStep
from ._planned import PlannedCall, PlannedRun, is_computed
from ._planner import Looks, Planner
from ._summary import summarize
from ._warnings import notes_of_images, warnings_of

__all__ = [
    "Choice",
    "Cost",
    "Keys",
    "Looks",
    "Plan",
    "PlannedCall",
    "PlannedRun",
    "PlannedStep",
    "Planner",
    "StepCost",
    "choose_executor",
    "is_computed",
    "noted_files",
    "notes_of_images",
    "summarize",
    "warnings_of",
]
