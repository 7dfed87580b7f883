"""What a result says of the steps that were computed inside its blocks, which have no entry.

::

    denoise (not kept)  ->  threshold (not kept)  ->  label pieces (kept)
                                                      recipe: inside: threshold, denoise
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from scutoid.errors import StoreError
from scutoid.steps._keys import Keys
from scutoid.steps._producers import Call
from scutoid.steps._recipes import recipe_of_key
from scutoid.store import Recipe, differences

_INSIDE = "inside"


def with_inside(recipe: Recipe, call: Call, keys: Keys) -> Recipe:
    """Return the recipe of a call with those of the steps that are computed inside its blocks."""
    found = {id(fused): fused for fused in _fused(call)}
    if not found:
        return recipe
    inside = [
        json.loads(recipe_of_key(fused, keys.call(fused)).to_json()) for fused in found.values()
    ]
    return replace(recipe, output={**recipe.output, _INSIDE: inside})


def nearest_inside(reader: Recipe | None, new: Recipe) -> Recipe | None:
    """Return what the recipe of a reader says of a step inside it, nearest to what is wanted."""
    found = []
    for content in () if reader is None else reader.output.get(_INSIDE, ()):
        with suppress(StoreError):  # of a later version: there is nothing to compare with
            said = Recipe.from_json(json.dumps(content))
            found.append(replace(said, created=reader.created if reader is not None else 0.0))
    named = (said for said in found if said.step == new.step)
    return min(named, key=lambda said: len(differences(new, said)), default=None)


def _fused(call: Call) -> Iterator[Call]:
    for fused in call.fused_inputs:
        yield fused
        yield from _fused(fused)
