"""Fold steps that an operation made under the one that makes its result.

::

    split_touching            within ()
        distance_transform    within ("split_touching",)
        label                 within ("split_touching",)
            label_pieces      within ("split_touching", "label")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scutoid.steps.graph import Making, Node, planned_node
from scutoid.steps.planning._pending_call import PendingCall


def folded(
    calls: Iterable[PendingCall], by_node: Mapping[Node, PendingCall]
) -> dict[PendingCall, tuple[str, ...]]:
    """Return for each step of a plan the steps under which it is shown, the outermost first."""
    calls = list(calls)
    heads = _heads(calls, by_node)
    return {
        pending: tuple(
            dict.fromkeys(
                heads[one].task for one in pending.call.makings if heads[one] is not pending
            )
        )
        for pending in calls
    }


def _heads(
    calls: list[PendingCall], by_node: Mapping[Node, PendingCall]
) -> dict[Making, PendingCall]:
    """Return the step that makes the result of each operation; of several the first image's."""
    read: set[tuple[Making, PendingCall]] = set()
    for pending in calls:
        for node in map(planned_node, pending.call.dependencies):
            upstream = by_node.get(node)
            if upstream is not None:
                read.update((one, upstream) for one in pending.call.makings)
    heads: dict[Making, PendingCall] = {}
    for pending in calls:
        for one in pending.call.makings:
            if (one, pending) not in read and not _is_better(heads.get(one), pending):
                heads[one] = pending
    return heads


def _is_better(known: PendingCall | None, other: PendingCall) -> bool:
    return known is not None and (_makes_image(known) or not _makes_image(other))


def _makes_image(pending: PendingCall) -> bool:
    return pending.call.spec.outputs[0] == "image"
