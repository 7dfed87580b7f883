"""What the record of a run says of the inputs of its steps: other steps, or where they lie."""

from __future__ import annotations

from collections.abc import Iterator

from scutoid.steps.graph import (
    CollectionFromStore,
    CollectionRef,
    FromStore,
    Node,
    Opened,
    OpenedFolder,
    Ref,
    dependencies_in,
    planned_node,
)
from scutoid.steps.planning import PlannedCall, PlannedRun
from scutoid.steps.results import InputRecord, StoredResult

_MANY = 1
"""Files of an image of which only the first is named."""


def recorded_inputs(each: PlannedCall, planned: PlannedRun) -> tuple[InputRecord, ...]:
    """Describe each input of a planned step, and each parameter that a step makes."""
    call = each.call
    given = zip(each.key.inputs, call.inputs, strict=True)
    named = ((name, item) for name, item in (*given, *call.params.items()))
    facts = {**each.key.inputs, **each.key.parameters}
    return tuple(
        _recorded(name, facts[name].text, ref, planned)
        for name, item in named
        for ref in dependencies_in([item])
    )


def _recorded(name: str, text: str, ref: Ref | CollectionRef, planned: PlannedRun) -> InputRecord:
    maker = planned.of(ref)
    if maker is not None:
        return InputRecord(name, text, maker.task)
    node = planned_node(ref)
    return InputRecord(name, text, None, ", ".join(_places(node)))


def _places(node: Node) -> Iterator[str]:
    """Yield where an input lies: nothing of what was given."""
    if isinstance(node, Opened):
        identity = node.source.identity
        locations = tuple(file.url for file in identity.remote) or identity.locations
        yield from locations[:_MANY]
        if len(locations) > _MANY:
            yield f"and {len(locations) - _MANY} files more"
    elif isinstance(node, OpenedFolder):
        yield _pattern(node)
    elif isinstance(node, FromStore) and isinstance(node.stored, StoredResult):
        yield str(node.stored.entry.path)
    elif isinstance(node, CollectionFromStore):
        yield node.place


def _pattern(folder: OpenedFolder) -> str:
    """Return where the members lie, with ``{key}`` in place of their keys, if all do so."""
    key, files = next(iter(folder.paths.items()))
    if isinstance(files, str) and files.endswith(f"/{key}"):
        return f"{files.removesuffix(key)}{{key}}"
    return f"{len(folder.paths)} members of {folder.name}"
