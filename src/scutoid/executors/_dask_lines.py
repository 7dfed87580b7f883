"""What Dask itself has to say while a cluster of ours runs: into a file, not the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

LINES_VARIABLE = "DASK_LOGGING__DISTRIBUTED"
"""From which level on Dask's processes print lines: a setting of Dask, as a variable."""

# Dask gives each a handler of its own, which prints to the terminal, unless logging is set up.
_ROOTS = ("distributed", "tornado")
_LOGGERS = (*_ROOTS, "distributed.client", "distributed.gc", "tornado.application")
_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


@contextmanager
def kept_out_of_the_terminal(logs: Path | None) -> Iterator[None]:
    """Keep lines of Dask in this process out of the terminal; those from warnings on go to `logs`.

    Handlers of other kinds, and those of logging as a whole, get them as ever.
    """
    with ExitStack() as stack:
        file = None
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True)
            file = logging.FileHandler(logs / "dask-driver.log", encoding="utf-8", delay=True)
            file.setLevel(logging.WARNING)
            file.setFormatter(logging.Formatter(_FORMAT))
            stack.callback(file.close)
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            for handler in logger.handlers:
                if type(handler) is logging.StreamHandler:
                    handler.addFilter(_nothing)
                    stack.callback(handler.removeFilter, _nothing)
            if file is not None and (name in _ROOTS or not logger.propagate):
                logger.addHandler(file)
                stack.callback(logger.removeHandler, file)
        yield


def _nothing(record: logging.LogRecord) -> bool:
    del record
    return False
