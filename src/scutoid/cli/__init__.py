"""The command line: run and plan pipelines, list, show and view results, run a demonstration.

`main` is the entry point; `Progress` shows the progress of a run and can be used from Python.
"""

from scutoid.cli._main import main
from scutoid.cli._progress import Progress

__all__ = ["Progress", "main"]
