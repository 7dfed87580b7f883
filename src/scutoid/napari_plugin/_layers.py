"""Results as layers: which of those at a place are shown, and how they are handed to napari."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scutoid.errors import IncompleteResult, PipelineError, StoreError
from scutoid.napari_plugin._listing import ListedStep, list_runs
from scutoid.napari_plugin._places import Place
from scutoid.steps.handles import Image, Lazy, Store, Table
from scutoid.steps.handles import open as open_image
from scutoid.views import layer_data, view_layers

LayerData = tuple[Any, dict[str, Any], str]


def results_at(place: Place) -> list[Any]:
    """Return what is shown of a store, a run, a result or an OME-Zarr.

    Parameters
    ----------
    place : Place
        Where it lies.

    Returns
    -------
    list of Image, Table
        Of a store those of its newest run that has any; of a run those of the steps that the user
        wrote.

    Raises
    ------
    StoreError
        If nothing that can be shown is there, or it is damaged.
    """
    if place.store is None:
        return [open_image(place.path)]
    store = Store(place.store)
    if place.kind == "image":
        named = [one for one in results_in(store, place.path.parent) if _lies_at(one, place.path)]
        return named or [open_image(place.path)]
    if place.kind == "result":
        results = list(shown(results_in(store, place.path)))
    elif place.kind == "run":
        runs = [run for run in list_runs(place.store) if run.folder.name == place.path.name]
        results = [one for run in runs for one in _of_steps(store, run.steps)]
    else:
        of_runs = (list(_of_steps(store, run.steps)) for run in list_runs(place.store))
        results = next((found for found in of_runs if found), [])
    if not results:
        raise StoreError(
            "what is opened has images, or tables with positions, that are complete",
            value=f"a {place.kind} without one",
            place=str(place.path),
            remedy="choose members of folders in the widget 'scutoid: results'",
        )
    return results


def results_in(store: Store, folder: Path) -> tuple[Lazy, ...]:
    """Return all outputs of the result in a folder."""
    found = store.at(folder)
    return found if isinstance(found, tuple) else (found,)


def _of_steps(store: Store, steps: Iterable[ListedStep]) -> Iterator[Any]:
    for step in steps:
        if step.kind not in ("image", "table"):
            continue
        try:
            yield from shown(results_in(store, step.folder))
        except IncompleteResult:  # a run that goes on, or was stopped
            continue


def shown(results: Iterable[object]) -> Iterator[Any]:
    """Pick those of some results that become layers: images, and tables with positions."""
    return (result for result in results if _has_place(result))


def _has_place(result: object) -> bool:
    if isinstance(result, Table):
        return {"y", "x"} <= set(result.to_pandas().columns)
    return isinstance(result, Image) and {"y", "x"} <= set(result.axes)


def _lies_at(result: Lazy, path: Path) -> bool:
    """Whether an output is the image in a folder of its result."""
    if not isinstance(result, Image):
        return False
    node: Any = result.ref.node
    locations = node.stored.image(result.ref.output).identity.locations
    return any(Path(one).is_relative_to(path.absolute()) for one in locations)


def layers_of(results: Iterable[object]) -> list[LayerData]:
    """Return layers as readers of napari hand them on.

    Of many only the first image, the last labels and the last points are visible, so that a large
    run opens at once.

    Raises
    ------
    PipelineError
        If something cannot be shown.
    """
    specs = view_layers(*results)
    if not specs:
        raise PipelineError("what is opened has layers", value="none")
    first_image = next((spec.name for spec in specs if spec.kind == "image"), None)
    last = {spec.kind: n for n, spec in enumerate(specs)}
    is_seen = [
        spec.name == first_image if spec.kind == "image" else last[spec.kind] == n
        for n, spec in enumerate(specs)
    ]
    found = []
    for spec, seen in zip(specs, is_seen, strict=True):
        data, arguments, kind = layer_data(spec)
        found.append((data, {**arguments, "visible": seen}, kind))
    return found
