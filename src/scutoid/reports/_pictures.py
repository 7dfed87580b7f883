"""Pictures of the results of a run: maximum projections, with the outlines of objects."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scutoid.arrays import ArraySource, open_source
from scutoid.errors import ScutoidError, StoreError
from scutoid.reports._facts import RunFacts, StepFacts
from scutoid.reports._members import members_at
from scutoid.reports._places import entry_of
from scutoid.steps import Image
from scutoid.steps.graph import ImageRef
from scutoid.steps.handles import (
    OF_FILE,
    SHARP,
    outlined_thumbnail,
    source_there,
    thumbnail,
)
from scutoid.steps.layout import View
from scutoid.steps.results import StoredResult

_KEY = "{key}"
"""In the place of a folder's members, where the key of one stands."""
_BUDGET = 16 * 2**20
"""Bytes of chunks that are decoded for one picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a result."""

    png: bytes
    """As PNG."""
    size: tuple[int, int]
    """Width and height on a page, in pixels: those of what the voxels cover."""
    caption: str
    """What of the image it shows."""


def picture(
    of: RunFacts | Image,
    step: str = "",
    *,
    output: int = 0,
    member: str | None = None,
    over: Image | None = None,
    budget: int = _BUDGET,
) -> bytes:
    """Return a picture of an image: its maximum projection; of objects, their outlines.

    Nothing is computed, and of a large image only the coarsest level that fills the picture is
    read, or a part in the middle.

    Parameters
    ----------
    of : RunFacts or Image
        A run whose step is shown; or a result, which is read from its store or file.
    step : str
        Name of the step.
    output : int
        Number of the output, for a step with several.
    member : str, optional
        Key of the member of a collection; default: the first that is stored.
    over : Image, optional
        What outlines are drawn over; default, of a run: the nearest image that the step was made
        of and that is stored.
    budget : int
        Bytes of decoded chunks that may be read of each image.

    Returns
    -------
    bytes
        A PNG.

    Raises
    ------
    StoreError
        If there is no image to show, or it cannot be read cheaply; the message says why.
    """
    return shown_picture(of, step, output=output, member=member, over=over, budget=budget).png


def shown_picture(
    of: RunFacts | Image,
    step: str = "",
    *,
    output: int = 0,
    member: str | None = None,
    over: Image | None = None,
    budget: int = _BUDGET,
    sharp: int = SHARP,
) -> Picture:
    """Return a picture with its size on a page and what it shows; as `picture`.

    `sharp` is how many pixels a small one is enlarged to, so that outlines are thin lines.
    """
    place = step if isinstance(of, RunFacts) else of.name
    view: View | None = None
    fetches = isinstance(of, RunFacts)  # what its results have at the URL of their store
    try:
        behind = None if over is None else _source(over.read_ref)
        if isinstance(of, RunFacts):
            facts = _step(of, step)
            member = member or _first_member(of, facts)
            source, is_labels = _stored(of, facts, output, member), _holds_labels(facts, output)
            if behind is None and is_labels:
                behind = next(_images_above(of, facts, source, member), None)
        else:
            ref = of.read_ref
            source, is_labels, view = _source(ref), ref.holds_labels, ref.view
        is_labels = is_labels and source.spec.dtype.kind in "iu"
        if is_labels and behind is not None:
            made = outlined_thumbnail(
                behind, source, view, budget=budget, sharp=sharp, fetches=fetches
            )
        else:
            made = thumbnail(source, view, is_labels=is_labels, budget=budget, fetches=fetches)
    except (ScutoidError, OSError) as error:
        raise _none(place, str(error)) from error
    if isinstance(made, str):
        raise _none(place, made)
    return Picture(base64.b64decode(made.png), made.size, made.caption)


def _none(place: str, why: str) -> StoreError:
    return StoreError("a picture shows an image that can be read cheaply", value=why, place=place)


def _source(ref: ImageRef) -> ArraySource:
    """Return what reads an image that was opened or is stored."""
    source = source_there(ref)
    if isinstance(source, str):
        raise StoreError(
            "a picture is of what is stored or was opened", value=source or "it was not run"
        )
    return source


def _step(run: RunFacts, name: str) -> StepFacts:
    try:
        return run.step(name)
    except KeyError:
        raise StoreError(
            "a picture is of a step of the run",
            value=name,
            place=run.folder,
            remedy=", ".join(step.name for step in run.steps),
        ) from None


def _holds_labels(step: StepFacts, output: int) -> bool:
    return output < len(step.outputs) and step.outputs[output].labels


def _first_member(run: RunFacts, step: StepFacts) -> str | None:
    members = members_at(entry_of(run, step)) if step.kind == "collection" else None
    return None if members is None else next(iter(members.record.members), None)


def _stored(run: RunFacts, step: StepFacts, output: int, member: str | None) -> ArraySource:
    """Open a stored image."""
    if not 0 <= output < len(step.outputs) or step.outputs[output].kind != "image":
        raise StoreError("a picture is of an output that is an image", value=step.name)
    entry = entry_of(run, step)
    if step.kind != "collection":
        stored = StoredResult(entry, is_finished=True)
        _refuse_large(stored.bytes_to_load(output))
        return stored.image(output)
    members = members_at(entry)
    if members is None or member is None or member not in members.record.members:
        raise StoreError("a picture is of a member that is stored", value=member, place=step.name)
    item = members.items.existing(member)
    _refuse_large(item.bytes_to_load(output))
    return item.image(output)


def _refuse_large(nbytes: int) -> None:
    if nbytes > OF_FILE:
        raise StoreError("a picture is of a file that is checked quickly", value=f"{nbytes} bytes")


def _images_above(
    run: RunFacts, step: StepFacts, labels: ArraySource, member: str | None
) -> Iterator[ArraySource]:
    """Go through images that objects were found in: nearest first, masks and objects left out."""
    extent = _extent(labels)
    seen, waiting = {step.name}, [step]
    while waiting:
        one = waiting.pop(0)
        for each in one.inputs:
            with suppress(ScutoidError, OSError):
                if each.step is None:
                    source = _opened(run, each.source, member)
                    if source is not None and _fits(source, extent):
                        yield source
                elif each.step not in seen:
                    seen.add(each.step)
                    above = _step(run, each.step)
                    waiting.append(above)
                    for number, output in enumerate(above.outputs):
                        is_mask = output.dtype == "bool"  # opening it is dear
                        if output.kind == "image" and not (output.labels or is_mask):
                            source = _stored(run, above, number, member)
                            if _fits(source, extent):
                                yield source


def _extent(source: ArraySource) -> dict[str, int]:
    return {a: n for a, n in zip(source.spec.axes, source.spec.shape, strict=True) if a in "zyx"}


def _fits(source: ArraySource, extent: dict[str, int]) -> bool:
    return source.spec.dtype.kind != "b" and _extent(source) == extent


def _opened(run: RunFacts, source: str | None, member: str | None) -> ArraySource | None:
    """Open what a run got, if it lies in one place and opens by itself."""
    known = next((one for one in run.sources if one.id == source), None)
    if known is None or (member is not None) != (_KEY in known.place):
        return None
    place = known.place.replace(_KEY, member or "")
    return open_source(place) if place and Path(place).exists() else None
