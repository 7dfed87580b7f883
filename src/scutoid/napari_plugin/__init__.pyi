from ._listing import ListedRun, ListedStep, list_runs
from ._places import Place, place_of
from ._reader import get_reader
from ._results import ResultsWidget

__all__ = [
    "ListedRun",
    "ListedStep",
    "Place",
    "ResultsWidget",
    "get_reader",
    "list_runs",
    "place_of",
]
