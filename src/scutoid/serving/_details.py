"""What the page shows of one step, or of one result, beside the graph."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scutoid.errors import ScutoidError
from scutoid.reports import StepFacts
from scutoid.serving._run_view import RunView
from scutoid.serving._store_view import outputs_of
from scutoid.steps.results import list_of
from scutoid.store import Entry, Fact, Recipe

_VALUE_BYTES = 64 << 10
_MOST = 200


def step_document(view: RunView, step: StepFacts) -> dict[str, Any]:
    """Return all that is shown of a step of a run."""
    try:
        entry = view.entry(step)
        stored = {
            "outputs": outputs_of(entry),
            "value": value_text(entry),
            "place": str(entry.path),
        }
    except (ScutoidError, OSError) as error:
        stored = {"outputs": [], "value": None, "place": step.entry, "problem": str(error)}
    failures = view.failures(step)
    return {
        **stored,
        "name": step.name,
        "key": step.key,
        "stored": step.stored,
        "inputs": [(one.name, one.text) for one in step.inputs[:_MOST]],
        "parameters": [*step.parameters[:_MOST]],
        "versions": [*step.versions[:_MOST]],
        "grid": None if step.grid is None else asdict(step.grid),
        "slowest": [(str(block), seconds) for block, seconds in step.slowest],
        "failures": failures,
        "debug": _debug_command(view, step, failures),
    }


def _debug_command(
    view: RunView, step: StepFacts, failures: Sequence[Mapping[str, Any]]
) -> str | None:
    """Return the command that runs the first block that failed in the debugger."""
    blocks = [one["block"] for one in failures if one["block"] is not None and one["block"] >= 0]
    if not blocks:
        return None
    at = str(blocks[0])
    if step.kind == "collection":
        record = list_of(view.entry(step))
        if record is None or blocks[0] >= len(record.keys):
            return None
        at = record.keys[blocks[0]]
    words = ["--step", step.name, "--at", at, "--store", str(view.store)]
    return f"scutoid debug FILE.py {shlex.join(words)}"


def result_document(entry: Entry, recipe: Recipe) -> dict[str, Any]:
    """Return all that is shown of a stored result by itself."""
    return {
        "name": recipe.step,
        "key": recipe.key,
        "kind": recipe.kind,
        "stored": entry.status,
        "place": str(entry.path),
        "created": recipe.created,
        "seconds": recipe.seconds,
        "outputs": outputs_of(entry),
        "value": value_text(entry),
        "inputs": _texts(recipe.inputs),
        "parameters": _texts(recipe.parameters),
        "versions": [*recipe.versions.items()][:_MOST],
        "grid": None,
        "slowest": [],
        "failures": [],
    }


def _texts(facts: Mapping[str, Fact]) -> list[tuple[str, str]]:
    items: Iterable[tuple[str, Fact]] = [*facts.items()][:_MOST]
    return [(name, fact.text) for name, fact in items]


def value_text(entry: Entry) -> str | None:
    """Return a small value as its file has it; None if it is none, or large, or no text."""
    path = entry.path / "value.json"
    try:
        if path.is_symlink() or path.stat().st_size > _VALUE_BYTES:
            return None
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None
