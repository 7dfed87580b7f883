"""Previews of what is tuned, made again for other parameters: what these change is computed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scutoid.exploring import preview
from scutoid.steps.handles import Image, Lazy
from scutoid.tuning._subject import Subject
from scutoid.tuning._visible import Seen, Spans, spans_in


@dataclass(frozen=True, slots=True)
class Shown:
    """What was computed for some values of parameters."""

    values: Mapping[str, object]
    """The values."""
    seen: Seen
    """What of the reference was visible."""
    handles: tuple[Any, ...]
    """Images and tables of the region, and values, in their places."""
    n_touching: int
    """Objects that go on beyond the region and its margin."""
    seconds: float
    """How long it took."""


class Previews:
    """Computes regions of what is tuned; it belongs to one thread.

    Parameters
    ----------
    subject : Subject
        What is tuned.
    reference : Image
        The image in whose layer regions are seen.
    **options
        As in `scutoid.preview`.
    """

    def __init__(self, subject: Subject, reference: Image, **options: Any) -> None:
        self._subject = subject
        self._reference = reference
        self._options = options
        self._last: Any = None

    def show(self, values: Mapping[str, object], found: Seen) -> Shown:
        """Compute what is visible.

        Steps that the values do not change, and values of whole images, are those of before.
        """
        start = time.perf_counter()
        targets = self._subject.build(values)
        regions = self._regions(targets, found)
        handles: dict[int, Any] = {}
        n_touching = 0
        for numbers, spans in _by_region(regions).items():
            made = self._preview([targets[n] for n in numbers], spans)
            handles.update(zip(numbers, made.handles, strict=True))
            n_touching += made.n_touching
        return Shown(
            dict(values),
            found,
            tuple(handles[n] for n in sorted(handles)),
            n_touching,
            time.perf_counter() - start,
        )

    def _preview(self, targets: Sequence[Lazy], spans: Spans) -> Any:
        if self._last is None:
            self._last = preview(list(targets), spans, exact=False, **self._options)
        else:
            self._last = self._last.again(list(targets), spans)
        return self._last

    def _regions(self, targets: Sequence[Lazy], found: Seen) -> list[Spans | None]:
        """Return the region of each target in its own frame; None: it does not lie there."""
        regions: list[Spans | None] = []
        own = spans_in(found, self._reference, self._reference) or {}
        for target in targets:
            if isinstance(target, Image):
                regions.append(spans_in(found, self._reference, target))
            else:
                regions.append({axis: span for axis, span in own.items() if axis != "c"})
        return regions


def _by_region(regions: Sequence[Spans | None]) -> dict[tuple[int, ...], Spans]:
    """Put targets of one region together."""
    found: dict[tuple[tuple[str, tuple[int, int]], ...], list[int]] = {}
    for number, region in enumerate(regions):
        if region is not None:
            found.setdefault(tuple(sorted(region.items())), []).append(number)
    return {tuple(numbers): dict(region) for region, numbers in found.items()}
