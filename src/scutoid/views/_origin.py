"""Which labels a table was measured from: those that its step got, by the graph or the store."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scutoid.errors import StoreError
from scutoid.steps import ImageRef
from scutoid.steps.graph import (
    Call,
    FromStore,
    Member,
    Node,
    Ref,
    dependencies_in,
)
from scutoid.steps.planning import Keys
from scutoid.steps.results import StoredResult
from scutoid.store import MARK, RECIPE, URL_MARK, EntryStore, Recipe

_DEPTH = 8
"""Steps that may lie between labels and a table."""
_DIGITS = 12
"""Of a key in the name of the folder of its result."""


def measured_from(table: object, labels: Sequence[object]) -> int | None:
    """Return the place of the labels that a table was measured from among those that are shown.

    Where it was made of several of them, the first that its step names.  None if it was made of
    others.  Where nobody can tell, as of a DataFrame or of labels that no step made, the only
    labels that are shown, masks apart.

    Parameters
    ----------
    table : object
        A handle, or a DataFrame, which nothing is known of.
    labels : sequence
        Images.
    """
    names = [set(_names(image)) for image in labels]
    is_known = False
    for name in _images_of(table):
        is_known = True
        place = next((n for n, each in enumerate(names) if name in each), None)
        if place is not None:
            return place
    only = [n for n, image in enumerate(labels) if not _is_mask(image)]
    if len(only) != 1 or (is_known and _is_made(labels[only[0]])):
        return None
    return only[0]


def _refs(handle: object) -> Iterator[Ref]:
    """Go through what a handle refers to: in the graph, and in the store that it reads."""
    for name in ("ref", "read_ref"):
        ref = getattr(handle, name, None)
        if isinstance(ref, Ref):
            yield ref


def _is_mask(image: object) -> bool:
    return getattr(getattr(image, "dtype", None), "kind", "") == "b"


def _is_made(image: object) -> bool:
    """Whether a step has made an image, so that its own tables name it."""
    return any(isinstance(ref.node, (Call, FromStore, Member)) for ref in _refs(image))


def _names(image: object) -> Iterator[Hashable]:
    """Go through what an image may be called by those who read it, whatever part is shown."""
    for ref in _refs(image):
        yield ref.node, ref.output
        node = _single(ref.node)
        yield node, ref.output
        if isinstance(node, FromStore):
            yield Keys().of(Ref(node, ref.kind, ref.output))
            if isinstance(ref, ImageRef) and ref.view is not None:
                yield Keys().of(ref)


def _single(node: Node) -> Node:
    return node.single if isinstance(node, Member) else node


def _images_of(table: object) -> Iterator[Hashable]:
    """Go through the images that a table was made of, the nearest first, then as they are named."""
    nodes: list[Node] = [ref.node for ref in _refs(table)]
    for _ in range(_DEPTH):
        further: list[Node] = []
        for node in map(_single, nodes):
            if isinstance(node, Call):
                for ref in dependencies_in((*node.inputs, *node.params.values())):
                    if isinstance(ref, ImageRef):
                        yield from _names_of(ref)
                    elif isinstance(ref, Ref):
                        further.append(ref.node)
            elif isinstance(node, FromStore):
                yield from _stored_images(node)
        if not further:
            return
        nodes = further


def _names_of(ref: ImageRef) -> Iterator[Hashable]:
    yield ref.node, ref.output
    node = _single(ref.node)
    if isinstance(node, FromStore):
        yield Keys().of(Ref(node, ref.kind, ref.output))


def _stored_images(node: FromStore) -> Iterator[Hashable]:
    """Go through the keys of the images that a stored result was made of, by the recipes."""
    if not isinstance(node.stored, StoredResult):
        return
    recipes = [node.stored.entry.recipe]
    store = _store_of(node.stored.entry.path)
    places = {} if store is None else _places_in(store)
    for _ in range(_DEPTH):
        further: list[Recipe | None] = []
        for recipe in filter(None, recipes):
            for fact in recipe.inputs.values():
                made = None if store is None else _recipe(store, places, fact.digest)
                if made is None or made.kind == "image":
                    yield fact.digest
                else:
                    further.append(made)
        recipes = further
        if not recipes:
            return


def _store_of(entry: Path) -> EntryStore | None:
    """Return the store that a result lies in, by its folder; at a URL by what is here of it."""
    marks = (MARK, URL_MARK)
    found = (path for path in entry.parents if any((path / mark).exists() for mark in marks))
    return next(map(EntryStore, found), None)


def _places_in(store: EntryStore) -> dict[str, str]:
    """Return where results lie below a store, by the names of their folders.

    Those of stages lie one folder deeper.  A web server may list none; then those that are here.
    """
    here = (
        path.parent for steps in ("*", "*/*") for path in store.path.glob(f"{steps}/*/{RECIPE}")
    )
    places = [path.relative_to(store.path).as_posix() for path in here]
    with suppress(StoreError):
        places += store.places_at_url()
    return {place.rpartition("/")[2]: place for place in places}


def _recipe(store: EntryStore, places: Mapping[str, str], key: str) -> Recipe | None:
    """Return the recipe of the result of a key, whatever its step is called."""
    place = places.get(key[:_DIGITS])
    return None if place is None else store.entry_in(place, "", key).recipe
