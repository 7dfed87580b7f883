"""The client of workers with a loop of their own, with daisy's names."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from scutoid import blocks
from scutoid.executors import CONNECTION_VARIABLE
from scutoid.integrations.daisy._block import Block
from scutoid.integrations.daisy._context import CONTEXT_VARIABLE, Context, context_of
from scutoid.integrations.daisy._functions import raise_if_failed
from scutoid.integrations.daisy.logging import set_log_basedir

_logger = logging.getLogger("scutoid.daisy")


class Client:
    """Takes blocks from the run that started this process, or that its environment names.

    Parameters
    ----------
    context : Context, optional
        That of a worker function, which says where the run is and which task is asked for; by
        default the one in the environment.

    Attributes
    ----------
    context : Context
        The same with this worker's number and the run's address; also left in the environment, for
        programs that this process starts.
    worker_id : int
        The worker's number: no two clients of a run that live at once have the same.
    task_id : str or None
        The only task asked for; None: all.
    host, port : str, int
        Where the run listens.

    Raises
    ------
    MissingContext
        A KeyError, if neither a context nor a connection file is known.
    WorkerError
        If there is no run to join.
    """

    def __init__(self, context: Context | None = None) -> None:
        told = Context.here() if context is None else Context(context)
        file = told.get("connection", os.environ.get(CONNECTION_VARIABLE))
        if file is None:
            told = Context.from_env()
        self.task_id = told.get("task_id")
        self._blocks = blocks.connect(file, tasks=None if self.task_id is None else [self.task_id])
        self.worker_id = self._blocks.worker
        told["connection"] = str(file)
        self.context, text = context_of(told.to_env(), self.worker_id)
        os.environ[CONTEXT_VARIABLE] = text
        if "logdir" in self.context:
            set_log_basedir(self.context["logdir"] or None)
        self.host, self.port = self.context["hostname"], int(self.context["port"])

    @contextmanager
    def acquire_block(self) -> Iterator[Block | None]:
        """Yield a block to work on, or None at the end.

        The block is done when the body ends.  An exception in it is the block's failure: it is
        logged and goes to the run with its traceback, and this worker takes the next block.
        Other exceptions, such as KeyboardInterrupt, are not caught.
        """
        following = next(self._blocks, None)
        grid = self._blocks.grid
        if following is None or grid is None:
            self._blocks.leave()
            yield None
            return
        block = Block.of(following, grid)
        try:
            yield block
            raise_if_failed(block)
        except Exception as error:
            _logger.exception("block %s failed", block.block_id)
            self._blocks.failed(error)
        else:
            self._blocks.done()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"a client has acquire_block, context, worker_id, task_id, host and port, not {name!r}"
        )
