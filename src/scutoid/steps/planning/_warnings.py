"""What looks wrong in a plan and is allowed: above all what may change without a key noticing."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence

from scutoid.arrays import Storage
from scutoid.steps.graph import (
    Call,
    CollectionRef,
    ConstantCollection,
    Node,
    Opened,
    OpenedFolder,
    Ref,
    planned_node,
)
from scutoid.steps.planning._keys import Keys
from scutoid.steps.planning._late import shared_variables
from scutoid.steps.planning._planned import PlannedCall, PlannedRun
from scutoid.steps.planning._recipes import is_stored_otherwise
from scutoid.store import changes_since, file_names_in, fingerprint, is_own

_NAMED = 3
"""Files that a warning names."""
_SAMPLE = 10
"""Values of a table with one for each member that are looked at."""


def warnings_of(planned: PlannedRun) -> tuple[str, ...]:
    """Return the warnings of a plan, each once; a plan, a run and its record say the same."""
    found: dict[str, None] = dict.fromkeys(notes_of_images(planned))
    for each in planned:
        found.update(dict.fromkeys(_of_call(each, planned.keys)))
    found.update(dict.fromkeys(_of_changed_objects(planned)))
    found.update(dict.fromkeys(_of_shared_keys(planned)))
    found.update(dict.fromkeys(_of_folders(planned)))
    return tuple(found)


def notes_of_images(planned: PlannedRun) -> tuple[str, ...]:
    """Return what was said of images and folders when they were opened."""
    found: dict[str, None] = {}
    for _, node in _read(planned):
        if isinstance(node, Opened):
            found.update(dict.fromkeys(node.notes))
        elif isinstance(node, OpenedFolder):
            found.update(dict.fromkeys(node.said))
    return tuple(found)


def _of_folders(planned: PlannedRun) -> Iterator[str]:
    """Yield what was assumed of a folder's images where one is read; what is filled, always."""
    for each, node in _read(planned):
        if isinstance(node, OpenedFolder):
            yield from node.filled if each.is_cached else node.notes


def _read(planned: PlannedRun) -> Iterator[tuple[PlannedCall, Node]]:
    for each in planned:
        for ref in each.call.dependencies:
            yield each, planned_node(ref)


def _of_changed_objects(planned: PlannedRun) -> Iterator[str]:
    """Yield which objects whose methods are steps hold something else than when these were called.

    What they hold now counts, also for steps that were called before the change.
    """
    for node, each in planned.by_node.items():
        if isinstance(node, Call) and node.states is not None:
            for held, names in changes_since(node.states, node.spec.functions):
                yield _changed(f"step {each.task!r}", held, names, "the step was called")
    for _, source in _read(planned):
        if isinstance(source, OpenedFolder) and source.states is not None:
            for held, names in changes_since(source.states, {"read": source.opening.reader}):
                yield _changed(f"folder {source.name!r}", held, names, "the folder was opened")


def _changed(place: str, held: object, names: str, since: str) -> str:
    kind = type(held).__name__
    return (
        f"{place}: {names} of its {kind} changed since {since}, and the value of now counts; give "
        f"each a {kind} of its own, or pass what differs as a parameter"
    )


def _of_shared_keys(planned: PlannedRun) -> Iterator[str]:
    """Yield what is wrong where steps of a loop, each with a function of its own, are one."""
    firsts: dict[PlannedCall, Call] = {}
    compared: list[tuple[object, object]] = []
    for node, each in planned.by_node.items():
        if not isinstance(node, Call):
            continue
        one, other = firsts.setdefault(each, node).spec, node.spec
        if one is other or any(a is one.function and b is other.function for a, b in compared):
            continue
        compared.append((one.function, other.function))
        names = shared_variables(one, other)
        if names:
            yield _read_late(each, names)
        elif one.version is not None and is_own(one.function):
            yield from _under_one_version(each, one.function, other.function)


def _under_one_version(each: PlannedCall, one: object, other: object) -> Iterator[str]:
    """Yield that two functions for which one version stands are not the same."""
    parts, others = fingerprint(one).parts, fingerprint(other).parts
    names = [name for name in (*parts, *others) if parts.get(name) != others.get(name)]
    if names:
        yield (
            f"step {each.task!r}: two steps of version {each.call.spec.version!r} have one key and "
            f"one result, though {', '.join(dict.fromkeys(names))} differs; version= stands for "
            "all of a function, its closure and its object too: pass what differs as a parameter"
        )


def _read_late(each: PlannedCall, names: tuple[str, ...]) -> str:
    words = ", ".join(names)
    bound = ", ".join(f"{name}={name}" for name in names)
    return (
        f"step {each.task!r}: two steps made by one def have one key and one result, for both read "
        f"{words} only when they run, so a loop's variable has its last value in all of them; "
        f"bind it where the step is made, def {each.call.spec.name}(..., *, {bound}), or give it "
        "as a parameter"
    )


def _of_call(each: PlannedCall, keys: Keys) -> Iterator[str]:
    is_asked = each.call.spec.options.storage != Storage()
    if each.is_cached and is_asked and is_stored_otherwise(each.entry, each.call.spec):
        yield (
            f"step {each.task!r} is there, stored in another way than storage= asks for, which "
            f"is no part of its key; force=[{each.task!r}] stores it again"
        )
    if each.key.opaque:
        yield (
            f"step {each.task!r}: a change of {', '.join(each.key.opaque)} is not "
            "noticed; pass it as a parameter, or give version= to the decorator"
        )
    for name, value in each.call.params.items():
        for text in () if isinstance(value, (Ref, CollectionRef)) else file_names_in(value):
            yield _named(each.task, name, text)
    for node in map(planned_node, each.call.dependencies):
        if isinstance(node, OpenedFolder) and node.undeclared:
            seen = {os.path.realpath(path) for path in keys.reached_by_reader(node)}
            unseen = [path for path in node.undeclared if path not in seen]
            yield from [_undeclared(node, unseen)] if unseen else []
        if isinstance(node, ConstantCollection):
            some = list(itertools.islice(node.by_key.values(), _SAMPLE))
            for text in file_names_in(some)[:1]:
                yield _named(each.task, node.name, text)


def _undeclared(folder: OpenedFolder, paths: Sequence[str]) -> str:
    names = list(paths[:_NAMED])
    if len(paths) > _NAMED:
        names.append(f"{len(paths) - _NAMED} more")
    return (
        f"folder {folder.name!r}: read= opened {', '.join(names)} besides the file it was given; "
        "a change there is not noticed; name what it reads with each file, "
        "open_folder(..., reads=function of a path)"
    )


def _named(task: str, name: str, text: str) -> str:
    return (
        f"step {task!r}: {name} holds {text!r}, text that names a file; "
        "pass a pathlib.Path to notice when its content changes"
    )
