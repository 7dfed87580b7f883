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
from scutoid.steps.planning._draft import Draft


def folded(drafts: Iterable[Draft], by_node: Mapping[Node, Draft]) -> dict[Draft, tuple[str, ...]]:
    """Return for each step of a plan the steps under which it is shown, the outermost first."""
    drafts = list(drafts)
    heads = _heads(drafts, by_node)
    return {
        draft: tuple(
            dict.fromkeys(heads[one].task for one in draft.call.makings if heads[one] is not draft)
        )
        for draft in drafts
    }


def _heads(drafts: list[Draft], by_node: Mapping[Node, Draft]) -> dict[Making, Draft]:
    """Return the step that makes the result of each operation; of several the first image's."""
    read: set[tuple[Making, Draft]] = set()
    for draft in drafts:
        for node in map(planned_node, draft.call.dependencies):
            upstream = by_node.get(node)
            if upstream is not None:
                read.update((one, upstream) for one in draft.call.makings)
    heads: dict[Making, Draft] = {}
    for draft in drafts:
        for one in draft.call.makings:
            if (one, draft) not in read and not _is_better(heads.get(one), draft):
                heads[one] = draft
    return heads


def _is_better(known: Draft | None, other: Draft) -> bool:
    return known is not None and (_makes_image(known) or not _makes_image(other))


def _makes_image(draft: Draft) -> bool:
    return draft.call.spec.outputs[0] == "image"
