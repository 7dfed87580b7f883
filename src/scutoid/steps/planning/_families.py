"""Families of results: of those of one family, equal blocks are those that have read the same.

A family is all that makes a key but for the inputs that steps or files make: code, declaration,
parameters, the grid and what else holds for every block.  What a block reads of those inputs is
digested block by block, as the run goes (`steps/compute/_reads.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from scutoid.steps.graph import BlockCall, Constant, ImageRef, Layouts, Ref
from scutoid.steps.planning._keys import Keys
from scutoid.steps.planning._pending_call import PendingCall
from scutoid.steps.planning._step_code import digest_of
from scutoid.store import DIGESTS, Entry, EntryStore

_VERSION = "1"


class Families:
    """Works out the families of results, each once.

    Parameters
    ----------
    keys : Keys
        What their keys are made of.
    layouts : Layouts
        How calls are cut.
    """

    def __init__(self, keys: Keys, layouts: Layouts) -> None:
        self._keys = keys
        self._layouts = layouts
        self._known: dict[BlockCall, str] = {}

    def of(self, call: BlockCall) -> str:
        """Return the family of a step's result; empty where its blocks cannot be told apart.

        That is so of steps of which something cannot be seen (`opaque`), and of those that see what
        their neighbours have written.
        """
        if call not in self._known:
            self._known[call] = self._make(call)
        return self._known[call]

    def _make(self, call: BlockCall) -> str:
        if call.spec.sees_neighbours or self._keys.call(call).opaque:
            return ""
        inside = [self.of(fused) for fused in call.fused_inputs]
        if not all(inside):
            return ""
        return digest_of("family", _VERSION, *_told(call, self._keys, self._layouts), *inside)


def _told(call: BlockCall, keys: Keys, layouts: Layouts) -> Iterator[str]:
    spec, made = call.spec, keys.call(call)
    step = layouts.step(call)
    layout = step.layout
    yield from keys.begin(call)
    yield from (spec.kind, made.code.digest, keys.declaration(spec))
    for name, value in sorted(call.params.items()):
        yield f"{name}={_as_told(value, made.parameters[name].digest)}"
    for (name, fact), value in zip(made.inputs.items(), call.inputs, strict=True):
        yield f"{name}:{_as_told(value, fact.digest)}"
    yield repr((layout.iterated, layout.function_axes, layout.returned_axes, layout.inputs))
    yield repr((layout.image, layout.grid, dict(layout.new_sizes)))
    yield repr((step.dtypes, step.voxel_size, step.origin, step.unit, step.channels, step.time))
    frames = [frame and (frame.spec.shape, frame.spec.axes, frame.offset) for frame in call.frames]
    yield repr(frames)
    storage = spec.options.storage
    if storage.levels != 1:  # a block that is taken over brings its part of the coarser levels
        yield repr((storage.levels, storage.factors, storage.downsampling, spec.labels))


def _as_told(value: object, digest: str) -> str:
    """Describe an input or parameter: by its digest, unless a step or a file makes it."""
    if isinstance(value, ImageRef):
        spec = value.framed.spec
        frame = (spec.shape, spec.axes, str(spec.dtype), value.framed.offset)
        scale = (spec.sizes, spec.unit, spec.origin, spec.channels, spec.time)
        return f"image {value.view} {frame} {scale}"
    is_made = isinstance(value, Ref) and not isinstance(value.node, Constant)
    return f"made {value.kind}" if is_made else digest  # type: ignore[attr-defined]


def find_earlier(pending: PendingCall, store: EntryStore) -> Entry | None:
    """Return the newest other result of a step's family that blocks can be taken from.

    Those that are complete come before those that are not.
    """
    made = pending.key
    found: Entry | None = None
    for entry, recipe in store.entries(pending.call.spec.label):
        is_alike = recipe.code == made.code.parts and recipe.block == made.block
        if not is_alike or entry.key == pending.entry.key or recipe.stands_for is not None:
            continue
        is_complete = entry.status == "complete"
        if (found is not None and not is_complete) or not (entry.path / DIGESTS).exists():
            continue
        from scutoid.steps.results import BlockDigests

        if BlockDigests.family_of(entry) != pending.family:
            continue
        found = entry
        if is_complete:
            break
    return found
