"""The client of workers with a loop of their own, with daisy's names."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from scutoid import blocks
from scutoid.integrations.daisy._block import Block
from scutoid.integrations.daisy._context import Context
from scutoid.integrations.daisy._task import raise_if_failed
from scutoid.integrations.daisy.logging import set_log_basedir

_logger = logging.getLogger("scutoid.daisy")


class Client:
    """Takes blocks from the run that started this process, or that its environment names.

    Parameters
    ----------
    context : Context, optional
        Only kept; the run is found by its connection file.

    Raises
    ------
    WorkerError
        If there is no run to join.
    """

    def __init__(self, context: Context | None = None) -> None:
        self.context = Context.from_env() if context is None else context
        self._blocks = blocks.connect()
        self.worker_id = self._blocks.worker
        if "logdir" in self.context:
            set_log_basedir(self.context["logdir"] or None)

    @contextmanager
    def acquire_block(self) -> Iterator[Block | None]:
        """Yield a block to work on, or None at the end.

        The block is done when the body ends.  An exception in it is the block's failure: it is
        logged and goes to the run with its traceback, and this worker takes the next block.
        Other exceptions, such as KeyboardInterrupt, are not caught.
        """
        following = next(self._blocks, None)
        if following is None:
            self._blocks.leave()
            yield None
            return
        block = Block.of(following)
        try:
            yield block
            raise_if_failed(block)
        except Exception as error:
            _logger.exception("block %s failed", block.block_id)
            self._blocks.failed(error)
        else:
            self._blocks.done()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a client has acquire_block, context and worker_id, not {name!r}")
