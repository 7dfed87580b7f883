"""Whether the blocks of a step change its result: one that is new to the store is compared.

Voxels on both sides of some faces are computed anew in a block that lies across them.  Where they
differ, the halo is too short, on whichever side, or the function looks at its block as a whole, as
a labelling does.  Then a block is computed again as it was: a function that differs from itself is
not deterministic, which is another fault; and so is the one across, of voxels that are multiplied
by nearly 1: what that changes as much is rounding, and no fault of the halo.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from contextlib import suppress

import numpy as np

from scutoid.blocks import Report
from scutoid.regular import read_regular
from scutoid.steps.graph import CollectionRef, Gathered, MappedCall, Ref
from scutoid.steps.planning import PlannedCall, PlannedRun
from scutoid.steps.results import COMPARED
from scutoid.steps.running._across import case_with_content

_LOG = logging.getLogger(__name__)
_QUICK = 1.0
"""Seconds a block below which each set of parameters is compared."""
_PART = 0.05
"""Part of a step's time that may go into comparing one more set of parameters."""


class Comparison:
    """Compares some voxels of each step that is new to the store, after a run.

    The first time that a code runs it is compared in any case; with other parameters where that
    takes little time.

    Parameters
    ----------
    planned : PlannedRun
        What was run.
    report : Report
        Of the run.
    """

    def __init__(self, planned: PlannedRun, report: Report) -> None:
        self._planned = planned
        self._report = report
        self._path = planned.store.path / COMPARED
        self._known: set[str] | None = None
        self._blamed: set[object] = set()

    def warnings(self) -> tuple[str, ...]:
        """Return what was found; a comparison that fails has found nothing."""
        found = []
        for each in self._planned:
            if not self._is_compared(each):
                continue
            if not self._blamed.isdisjoint(each.call.fused_inputs):
                self._blamed.add(each.call)
                continue
            try:
                text = self._of(each)
            except (Exception, SystemExit):  # noqa: BLE001 - it is not the run that fails
                _LOG.debug("step %r: its blocks were not compared", each.task, exc_info=True)
                continue
            if text:
                found.append(text)
        return tuple(found)

    def _is_compared(self, each: PlannedCall) -> bool:
        """Whether a step was made in this run of blocks that another cut may change."""
        call, spec = each.call, each.call.spec
        return (
            not each.is_cached
            and spec.kind == "blockwise"
            and "image" in spec.outputs
            and spec.check_halo
            and not call.is_block_invariant
            and not (spec.setup or spec.options.requires or spec.sees_neighbours)
            and call.given_parts is None
            and spec.grid is None
            and spec.scale == 1
            and (
                isinstance(call, MappedCall)
                or (each.entry.status == "complete" if each.is_kept else self._report.ok)
            )
        )

    def _of(self, each: PlannedCall) -> str | None:
        if self._known is None:
            self._known = set(
                read_regular(self._path).decode().split() if self._path.exists() else ()
            )
        code = self._digest(each)
        exact = self._with_parameters(each, code)
        if exact in self._known or (code in self._known and not self._is_quick(each)):
            return None
        case = case_with_content(each)
        if case is None:
            return None
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = case.compare()
        if result.has_content:
            new = {code, exact} - self._known
            self._known |= new
            # Without the note they are compared again.
            with suppress(OSError), self._path.open("a") as file:
                file.writelines(f"{digest}\n" for digest in sorted(new))
        if result.differs:
            self._blamed.add(each.call)
        return result.text and self._of_inputs(each, result.text)

    def _of_inputs(self, each: PlannedCall, text: str) -> str | None:
        """Return what is wrong with a step, if it is not an image computed in its blocks.

        That one was told of when it was new, or is meant, or was declared to be the same.
        """
        for node in each.call.fused_inputs:
            other = self._planned.by_node.get(node)
            case = None if other is None else case_with_content(other)
            if other is None or case is None:
                continue
            result = case.compare()
            if result.differs:
                told = result.text and self._of_inputs(other, result.text)
                return told if node.spec.block_invariant else None
        return text

    def _digest(self, each: PlannedCall) -> str:
        """Digest what a step is, whatever it is called with."""
        spec = each.call.spec
        declared = self._planned.keys.declaration(spec)
        return _sha(spec.label, each.key.code.digest, declared)

    def _with_parameters(self, each: PlannedCall, code: str) -> str:
        """Digest a step with the parameters that are not computed from images."""
        made = (Ref, CollectionRef, Gathered)
        given = sorted(n for n, value in each.call.params.items() if not isinstance(value, made))
        return _sha(code, *((name, each.key.parameters[name].digest) for name in given))

    def _is_quick(self, each: PlannedCall) -> bool:
        """Whether comparing a step takes little time, by its slowest block in this run."""
        tasks = self._report.tasks
        own = [tasks[each.task]] if each.task in tasks else list(tasks.values())
        slowest = max((b.seconds for task in own for b in task.slowest), default=0.0)
        n_blocks = max(1, each.n_blocks - each.n_done)
        return slowest <= _QUICK or slowest <= _PART * slowest * n_blocks


def _sha(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
