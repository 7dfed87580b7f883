"""The command line: run and plan pipelines, list, show and view results, run a demonstration.

`main` is the entry point.
"""

from scutoid.cli._main import main

__all__ = ["main"]
