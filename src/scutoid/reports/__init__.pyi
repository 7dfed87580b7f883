from ._facts import (
    FailureFacts,
    GridFacts,
    InputFacts,
    OutputFacts,
    RunFacts,
    SourceFacts,
    StepFacts,
)
from ._graph import STYLE, graph_svg
from ._pictures import Picture, picture, shown_picture
from ._read import read_run, run_names
from ._write import report, report_of_run

__all__ = [
    "STYLE",
    "FailureFacts",
    "GridFacts",
    "InputFacts",
    "OutputFacts",
    "Picture",
    "RunFacts",
    "SourceFacts",
    "StepFacts",
    "graph_svg",
    "picture",
    "read_run",
    "report",
    "report_of_run",
    "run_names",
    "shown_picture",
]
