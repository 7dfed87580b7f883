"""Results that a run has, told to listeners that want them."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from scutoid.events import Listener, ResultListener
from scutoid.steps.graph import MappedCall
from scutoid.steps.planning import PlannedCall, PlannedRun
from scutoid.steps.running._stored_results import StoredResults

_logger = logging.getLogger(__name__)


class Told:
    """Tells listeners of results, each once; one that fails is left out, and the run goes on.

    Parameters
    ----------
    planned : PlannedRun
        The steps.
    listeners : iterable of Listener
        Those of the run; those that are a `ResultListener` get results.
    """

    def __init__(self, planned: PlannedRun, listeners: Iterable[Listener]) -> None:
        self._planned = planned
        self._listeners = [each for each in listeners if isinstance(each, ResultListener)]

    def of(self, each: PlannedCall) -> None:
        """Tell of the result of a step, if it is complete; collections have a result a member."""
        if not self._listeners or isinstance(each.call, MappedCall):
            return
        if not each.is_kept or each.entry.status != "complete":
            return
        result = StoredResults(self._planned).of(each)
        for listener in list(self._listeners):
            try:
                listener.on_result(each.task, result, each.within)
            except Exception:
                _logger.exception("a listener failed and gets no more results")
                self._listeners.remove(listener)
