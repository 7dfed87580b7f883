"""Explain why a stored result does not serve: the differences between two recipes, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from scutoid.store._recipe import Fact, Recipe
from scutoid.store.keys import VERSION_PART

T = TypeVar("T")


def explain(new: Recipe, old: Recipe | None) -> str:
    """Say why a result of `old` does not serve as one of `new`, in one line.

    Parameters
    ----------
    new : Recipe
        What is wanted.
    old : Recipe or None
        The nearest result that is there.

    Examples
    --------
    >>> from scutoid.store import Fact
    >>> old = Recipe(step="denoise", key="1", parameters={"sigma": Fact.of(2.0)})
    >>> new = Recipe(step="denoise", key="2", parameters={"sigma": Fact.of(3.0)})
    >>> explain(new, old), explain(new, None)
    ('`sigma` 2.0 -> 3.0', 'first run')
    """
    if old is None:
        return "first run"
    return "; ".join(differences(new, old)) or "the step's declaration changed"


def differences(new: Recipe, old: Recipe) -> list[str]:
    """Return each difference between two recipes, the most telling first.

    Where the rule of keys changed, digests differ even of the same code and values, so only what
    can be compared without them is named besides.
    """
    if new.rule != old.rule:
        rule = f"the rule of keys changed: {old.rule} -> {new.rule}"
        same = replace(old, rule=new.rule)
        return [rule, *differences(_without_digests(new), _without_digests(same))]
    return [
        *_parameters(new, old),
        *_code(new, old),
        *_inputs(new, old),
        *_versions(new.environment, old.environment),
        *([f"block {old.block} -> {new.block}"] if new.block != old.block else []),
    ]


def distance(new: Recipe, old: Recipe) -> tuple[int, int]:
    """Return how far apart two recipes are, for comparison with other pairs.

    That is the number of differences, and of these the number of inputs that are called otherwise:
    a file that was edited is nearer than another file.
    """
    pairs = _pairs(new.inputs, old.inputs)
    others = sum(
        before is None or now is None or before.text != now.text for _, before, now in pairs
    )
    return len(differences(new, old)), others


def _without_digests(recipe: Recipe) -> Recipe:
    parameters = {name: Fact(fact.text, fact.text) for name, fact in recipe.parameters.items()}
    inputs = {name: Fact(fact.text, fact.text) for name, fact in recipe.inputs.items()}
    return replace(recipe, code={}, parameters=parameters, inputs=inputs)


def version_notes(new: Recipe, old: Recipe) -> list[str]:
    """Return the packages whose versions differ, though they do not enter the key."""
    return [
        f"{name} {before} -> {now}"
        for name, before, now in _pairs(new.versions, old.versions)
        if before is not None and now is not None and before != now
    ]


def _parameters(new: Recipe, old: Recipe) -> Iterator[str]:
    for name, before, now in _pairs(new.parameters, old.parameters):
        if before is None or now is None:
            yield f"`{name}` is {'new' if before is None else 'gone'}"
        elif before.digest != now.digest:
            same = before.text == now.text
            yield (
                f"`{name}` ({now.text}) changed"
                if same
                else f"`{name}` {before.text} -> {now.text}"
            )


def _code(new: Recipe, old: Recipe) -> Iterator[str]:
    own = next((name for name in new.code if name != VERSION_PART), "")
    changed = [name for name in new.code if new.code[name] != old.code.get(name)]
    both = [name for name in changed if name in old.code]
    moved = {f"default of `{name}`" for name, *_ in _pairs(new.parameters, old.parameters)}
    for name in both:
        # A default that changed shows as a parameter already, unless the call gave its own.
        if name not in moved or not any(_parameters(new, old)):
            yield f"{'own code' if name == own else name} changed"
    if not both:  # else new and gone parts follow from the change of what calls them
        yield from (f"{'own code' if name == own else name} is new" for name in changed)
        yield from (f"{name} is gone" for name in old.code if name not in new.code)


def _inputs(new: Recipe, old: Recipe) -> Iterator[str]:
    for name, before, now in _pairs(new.inputs, old.inputs):
        if before is None or now is None:
            yield f"input `{name}` is {'new' if before is None else 'gone'}"
        elif before.digest != now.digest:
            same = before.text == now.text
            yield (
                f"input `{name}` ({now.text}) changed"
                if same
                else f"input `{name}`: {before.text} -> {now.text}"
            )


def _versions(new: Mapping[str, str], old: Mapping[str, str]) -> Iterator[str]:
    for name, before, now in _pairs(new, old):
        if before != now:
            yield f"{name} {before or 'not counted'} -> {now or 'not counted'}"


def _pairs(new: Mapping[str, T], old: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    for name in (*new, *(name for name in old if name not in new)):
        yield name, old.get(name), new.get(name)
