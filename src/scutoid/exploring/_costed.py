"""Estimate what the steps cost of which no block can run by itself, on some regions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from scutoid.errors import ScutoidError
from scutoid.exploring._costed_members import with_functions, with_members
from scutoid.exploring._preview import preview
from scutoid.steps.compute import metered
from scutoid.steps.graph import CollectionRef, ImageRef, Ref
from scutoid.steps.handles import handle_of
from scutoid.steps.planning import Cost, PlannedCall, PlannedRun

_MOST = 4
"""Regions, each as large as a block."""
_SEED = 0


def with_estimates(
    cost: Cost,
    planned: PlannedRun,
    targets: Sequence[Ref | CollectionRef],
) -> Cost:
    """Return a cost with estimates of the steps that wait for all of others.

    Their functions are timed in previews of some regions, in which values of whole images are those
    of the region; reading and writing is taken to be as long as that of steps that were measured.
    Of collections some members are computed in the same way.  What neither can compute stays
    unknown.
    """
    if cost.unknown:
        cost = with_members(cost, planned)
    if not cost.unknown or any(isinstance(target, CollectionRef) for target in targets):
        return cost
    image = _largest_image(planned)
    if image is None:
        return cost
    regions = _regions(image)
    seconds: dict[str, float] = defaultdict(float)
    try:
        handles = [handle_of(target) for target in targets]
        for region in regions:
            with metered() as taken:
                preview(handles, region, margin=0, local=True)
            for label, part in taken.items():
                seconds[label] += part
    except ScutoidError as error:
        return replace(cost, warnings=(*cost.warnings, f"some steps were not measured: {error}"))
    n_blocks = image.n_blocks / len(regions)
    labels = {each.task: each.call.spec.label for each in planned}
    sharing = {label: list(labels.values()).count(label) for label in labels.values()}
    steps = []
    for step in cost:
        label = labels[step.name]
        if step.name not in cost.unknown or label not in seconds:
            steps.append(step)
            continue
        in_all = seconds[label] * n_blocks / sharing[label]
        steps.append(replace(with_functions(step, in_all, cost), n_regions=len(regions)))
    return replace(cost, steps=tuple(steps))


def _largest_image(planned: PlannedRun) -> PlannedCall | None:
    """Return the step with blocks that reads, or makes, the largest image."""
    steps = [each for each in planned if each.step is not None and each.call.images]
    return max(
        steps, key=lambda each: max(image.nbytes for image in each.call.images), default=None
    )


def _regions(each: PlannedCall) -> list[Mapping[str, tuple[int, int]]]:
    """Choose regions that are as large as a block, by axis."""
    assert each.step is not None  # noqa: S101 - it was chosen for that
    layout = each.step.layout
    image = max(each.call.images, key=_nbytes)
    rng = np.random.default_rng(_SEED)
    numbers = rng.permutation(layout.grid.n_blocks)[:_MOST]
    regions: list[Mapping[str, tuple[int, int]]] = []
    for number in numbers.tolist():
        roi = layout.grid.write_roi(number)
        sides = zip(layout.axes, roi.offset, roi.end, strict=True)
        regions.append({axis: (start, end) for axis, start, end in sides if axis in image.axes})
    return regions


def _nbytes(image: ImageRef) -> int:
    return image.nbytes
