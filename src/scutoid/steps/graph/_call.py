"""Calls: a step applied to inputs.  Each knows how its images look, and how it can be cut.

::

    Call
    ├── BlockCall    a function of a block, or a reduction: cut into a grid of blocks
    ├── WholeCall    a function of whole values
    └── MappedCall   either of these, once for each member of its collections

A call says how it is cut where nobody says otherwise (`BlockCall.layout`).  How a plan cuts it is
the plan's affair; see `Layouts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scutoid import arrays
from scutoid.arrays import TimeScale
from scutoid.cached import cached_property
from scutoid.errors import PipelineError
from scutoid.steps import compute
from scutoid.steps import layout as layouts
from scutoid.steps.compute import BlockStep, Groups, check_names, own_columns
from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph._making import Making, makings
from scutoid.steps.graph._places import check_places
from scutoid.steps.graph._refs import (
    CollectionRef,
    Gathered,
    ImageRef,
    Member,
    Node,
    Ref,
    dependencies_in,
    refs_of,
    zip_keys,
)
from scutoid.steps.layout import (
    Framed,
    Layout,
    PartsGrid,
    ask,
    call_grid,
)

_STAND_IN = 1
"""What a trial call gets for a value that is not known yet."""


@dataclass(frozen=True, eq=False, repr=False)
class Call(Node):
    """A step applied to inputs."""

    spec: StepSpec
    """The step."""
    inputs: tuple[object, ...]
    """References, or values that are given whole."""
    params: Mapping[str, object]
    """The same, by name."""
    key: str | None = None
    """Which member of a collection it is made for."""
    states: Mapping[str, Mapping[str, object]] | None = None
    """What the objects held whose methods the step is made of, when it was called."""
    makings: tuple[Making, ...] = ()
    """The operations that made it, the outermost first; empty where a user did."""

    @property
    def name(self) -> str:
        """The name in the store and in reports."""
        return self.spec.label

    @property
    def outputs(self) -> tuple[Ref | CollectionRef, ...]:
        """The references to its outputs."""
        return refs_of(self, self.spec.outputs)

    @cached_property
    def images(self) -> tuple[ImageRef, ...]:
        """The images among its inputs."""
        return tuple(item for item in self.inputs if isinstance(item, ImageRef))

    @property
    def dependencies(self) -> tuple[Ref | CollectionRef, ...]:
        """The references that this call needs, in order of its arguments."""
        return tuple(dependencies_in((*self.inputs, *self.params.values())))

    @property
    def fused_inputs(self) -> tuple[BlockCall, ...]:
        """The calls that are computed inside the blocks of this one."""
        return ()

    @cached_property
    def is_block_invariant(self) -> bool:
        """Whether its results are the same for every block shape, what is fused included."""
        return self.spec.block_invariant and all(c.is_block_invariant for c in self.fused_inputs)

    @cached_property
    def given_parts(self) -> Node | None:
        """The node of the parts that it gets, whose blocks are its own."""
        kinds = (item for item in self.inputs if isinstance(item, Ref) and item.kind == "parts")
        first = next(kinds, None)
        return None if first is None else first.node

    @property
    def voxel_size(self) -> tuple[float, ...] | None:
        """Voxel size along the function's spatial axes, from the first image that knows it."""
        return None if self._scale is None else self._scale[0]

    @property
    def origin(self) -> tuple[float, ...] | None:
        """World position of voxel zero of the frame, from the first image that knows its scale."""
        return None if self._scale is None else self._scale[1]

    @property
    def unit(self) -> str | None:
        """Unit of the voxel size."""
        return next((image.unit for image in self.images if self._is_sized(image)), None)

    @property
    def time(self) -> TimeScale | None:
        """Times of the places along "t", from that of the frame on, of the first image that knows.

        Of place zero of the frame on, as `origin`.
        """
        for image in self.images:
            if image.time is not None:
                return image.time.moved(-image.framed.offset[image.axes.index("t")])
        return None

    @property
    def channels(self) -> tuple[tuple[str, ...], ...]:
        """Names of the channels of each input; none of those that are no images."""
        inputs = self.inputs
        return tuple(item.channels if isinstance(item, ImageRef) else () for item in inputs)

    @cached_property
    def _scale(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Voxel size and origin of the frame, along the function's spatial axes."""
        for image in self.images:
            if not self._is_sized(image):
                continue
            spec = image.framed.spec
            sizes = spec.sizes
            first = dict(zip(spec.spatial_axes, image.origin, strict=True))
            start = dict(zip(spec.axes, image.framed.offset, strict=True))
            axes = [axis for axis in self.spec.axes or spec.spatial_axes if axis in sizes]
            origin = tuple(first[axis] - start[axis] * sizes[axis] for axis in axes)
            return tuple(sizes[axis] for axis in axes), origin
        return None

    def _is_sized(self, image: ImageRef) -> bool:
        """Whether the voxel size of an image is known along all axes that the function sees."""
        spec = image.framed.spec
        seen = [axis for axis in spec.spatial_axes if axis in (self.spec.axes or spec.axes)]
        return bool(spec.sizes) and all(axis in spec.sizes for axis in seen)

    def framed(self, output: int) -> Framed:
        """Describe an image output, by the declared dtype or a trial call."""
        framed = self.frames[output]
        if framed is None:
            raise PipelineError("only images have a shape", value=self.name)
        return framed

    @cached_property
    def frames(self) -> tuple[Framed | None, ...]:
        """The description of each output that is an image; None for the others."""
        if "image" not in self.spec.outputs:
            return (None,) * len(self.spec.outputs)
        return self._frame_images()

    def _frame_images(self) -> tuple[Framed | None, ...]:
        raise NotImplementedError

    def levels(self, output: int) -> int:
        """Number of pyramid levels that its image will be stored with."""
        return len(arrays.pyramid_levels(self.framed(output).spec, self.spec.options.storage))

    def is_labels(self, output: int) -> bool:
        """Whether the step declared its images to hold object numbers."""
        return self.spec.labels

    def _placed(self) -> list[Framed | None]:
        return [item.framed if isinstance(item, ImageRef) else None for item in self.inputs]

    def _types_of_images(
        self, layout: Layout | None, *, is_tried: bool = False
    ) -> tuple[list[np.dtype[Any] | None], list[Any]]:
        """Return the dtype of each output that is an image, and what a trial call made of it.

        The trial is made where a dtype is not declared, or if `is_tried`; else there is no sample.
        """
        kinds = self.spec.outputs
        declared = self.spec.dtypes_for([image.dtype for image in self.images])
        is_open = any(d is None and k == "image" for k, d in zip(kinds, declared, strict=True))
        samples = iter(self._trial(layout) if is_open or is_tried else ())
        dtypes: list[np.dtype[Any] | None] = []
        taken = []
        for kind, dtype in zip(kinds, declared, strict=True):
            sample = next(samples, None) if kind == "image" else None
            found: Any = sample.dtype if dtype is None and sample is not None else dtype
            dtypes.append(np.dtype(found) if kind == "image" else None)
            taken.append(sample)
        return dtypes, taken

    def _trial(self, layout: Layout | None) -> tuple[Any, ...]:
        """Call the function on small arrays; return the images that it makes."""
        if self.spec.setup:
            raise PipelineError(
                "a step with setup= declares the dtype of its images",
                place=f"step {self.name!r}",
                remedy="give dtype= to the decorator",
            )
        layout = layout or layouts.make_layout(self.spec, {}, self._placed())
        dtypes = [item.dtype if isinstance(item, ImageRef) else None for item in self.inputs]
        others = [None if isinstance(item, ImageRef) else item for item in self.inputs]
        named = (*zip(self.spec.parameters.inputs, others, strict=False), *self.params.items())
        late = [name for name, item in named if _is_result(item)]
        others = [_STAND_IN if _is_result(item) else item for item in others]
        params = {k: _STAND_IN if _is_result(v) else v for k, v in self.params.items()}
        return compute.trial(self.spec, layout, dtypes, others, params, self.voxel_size, late=late)


@dataclass(frozen=True, eq=False, repr=False)
class BlockCall(Call):
    """A function of a block, or a reduction, on single images."""

    @cached_property
    def layout(self) -> Layout:
        """How it is cut where no plan says otherwise."""
        parts = self.given_parts
        return self.cut(None, None if parts is None else parts.parts_grid)

    def cut(self, block: object, parts: PartsGrid | None) -> Layout:
        """Fit the step to its images, and cut it into blocks.

        Parameters
        ----------
        block : object
            A block shape for steps that ask for none; None: chosen from inputs, halo and chunks.
        parts : PartsGrid, optional
            The blocks of the parts that it gets, which are its own.
        """
        wanted = self.spec.options.block
        if parts is not None:
            wanted = dict(zip(parts.axes, parts.grid.block_shape, strict=True))
        place = f"step {self.name!r}"
        grid = self.spec.grid
        if grid is None:
            check_places(place, self.images)
        layout = layouts.make_layout(
            self.spec,
            self.params,
            self._placed(),
            block=block if wanted is None else wanted,
            is_suggested=wanted is None,
            target=None if grid is None else call_grid(grid, self.images, self.params, place),
        )
        if parts is not None and layout.grid.shape != parts.grid.shape:
            raise PipelineError(
                "parts are read on the grid on which they were made",
                value=f"{layout.grid.shape} and {parts.grid.shape} blocks",
                place=place,
                remedy="give both steps images of the same shape, and the same axes",
            )
        return layout

    def step_on(self, layout: Layout) -> BlockStep:
        """Return what the workers need to compute one block of a layout."""
        dtypes = tuple(None if framed is None else framed.spec.dtype for framed in self.frames)
        return BlockStep(
            self.spec,
            layout,
            dtypes,
            self.voxel_size,
            self.origin,
            self.unit,
            self.channels,
            self.time,
        )

    @property
    def parts_grid(self) -> PartsGrid:
        """The blocks that its parts belong to, where no plan says otherwise."""
        return self.layout.parts_grid

    @property
    def has_finish(self) -> bool:
        """Whether the values of its blocks are joined at the end."""
        is_table = "table" in self.spec.outputs and self.spec.kind == "blockwise"
        return self.spec.kind == "reduction" or is_table

    @cached_property
    def is_fused(self) -> bool:
        """Whether its image is computed inside the blocks of whoever reads it, region by region."""
        spec = self.spec
        asks_for_its_block = "block" in spec.parameters.injected and not spec.block_invariant
        return (
            spec.options.keep is not True
            and spec.kind == "blockwise"
            and spec.outputs == ("image",)
            and self.key is None
            and spec.options.where is None
            and not (spec.sees_neighbours or asks_for_its_block)
            and self.given_parts is None
        )

    @cached_property
    def fused_inputs(self) -> tuple[BlockCall, ...]:
        """The calls that are computed inside the blocks of this one."""
        if self.key is not None:
            return ()
        nodes = (image.node for image in self.images)
        return tuple(node for node in nodes if isinstance(node, BlockCall) and node.is_fused)

    def _frame_images(self) -> tuple[Framed | None, ...]:
        layout = self.layout
        known_axes = {*layout.function_axes, *layout.new_sizes}
        is_new = any(axis not in known_axes for axis in layout.returned_axes)
        dtypes, samples = self._types_of_images(layout, is_tried=is_new)
        known = self.images[0].framed
        return tuple(
            None if dtype is None else layouts.frame_output(layout, known, dtype, sample)
            for dtype, sample in zip(dtypes, samples, strict=True)
        )


@dataclass(frozen=True, eq=False, repr=False)
class WholeCall(Call):
    """A function of whole values."""

    @property
    def parts_grid(self) -> PartsGrid | None:
        """The blocks of the parts that it gets."""
        return None if self.given_parts is None else self.given_parts.parts_grid

    def _frame_images(self) -> tuple[Framed | None, ...]:
        """Describe its images, which are like the first of its inputs but for their dtype."""
        if not self.images:
            raise PipelineError(
                "a step with out='image' has an image among its inputs, whose shape it keeps",
                value=_named(self.inputs),
                place=f"step {self.name!r}",
                remedy=image_remedy(self.inputs),
            )
        known = self.images[0].framed
        dtypes, _ = self._types_of_images(None)
        return tuple(
            None if dtype is None else Framed(known.spec.of_type(dtype), known.offset, known.chunks)
            for dtype in dtypes
        )


@dataclass(frozen=True, eq=False, repr=False)
class MappedCall(Call):
    """A step that runs once for each member of the collections among its inputs."""

    @cached_property
    def collections(self) -> tuple[CollectionRef, ...]:
        """The collections among its inputs and parameters."""
        items = (*self.inputs, *self.params.values())
        return tuple(item for item in items if isinstance(item, CollectionRef))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys that its collections have in common."""
        place = f"step {self.name!r}"
        return zip_keys(self.collections, join=self.spec.options.join, place=place)

    @cached_property
    def groups(self) -> Groups | None:
        """Columns of its collections; those called alike say the same of each member.

        Raises
        ------
        ParameterError
            If they do not.
        """
        place = f"step {self.name!r}"
        found: Groups | None = None
        for item in self.collections:
            groups = item.node.groups
            if found is not None and groups is not None:
                found.check_agrees(groups, place)
                found = found.beside(groups)
            found = groups if found is None else found
        return found

    def member(self, key: str) -> Call:
        """Return the same call for one key of its collections."""

        def single(item: object) -> object:
            return item.member(key) if isinstance(item, CollectionRef) else item

        params = {name: single(value) for name, value in self.params.items()}
        inputs = [single(item) for item in self.inputs]
        return make_call(
            self.spec, inputs, params, key=key, states=self.states, made_by=self.makings
        )

    def framed(self, output: int) -> Framed:
        """Refuse: each member has a shape of its own."""
        raise PipelineError(
            "the members of a collection have a shape each",
            value=self.name,
            remedy="take one member: images[key]",
        )


def _is_result(item: object) -> bool:
    """Whether an argument is a result, whose value is known when it is run or read."""
    return isinstance(item, (Ref, CollectionRef, Gathered))


def make_call(
    spec: StepSpec,
    inputs: Sequence[object],
    params: Mapping[str, object],
    *,
    key: str | None = None,
    states: Mapping[str, Mapping[str, object]] | None = None,
    made_by: tuple[Making, ...] | None = None,
) -> Call:
    """Return the call of a step on references and values, of the kind that it is.

    Parameters
    ----------
    spec, inputs, params, key, states
        As in `Call`.
    made_by : tuple of Making, optional
        Its `makings`; default: the operations that are being called now.

    Raises
    ------
    PipelineError
        If its collections have different keys.
    ScutoidError
        For a member, what the step's own check refuses.
    """
    items = (*inputs, *params.values())
    by = makings() if made_by is None else made_by
    if any(isinstance(item, CollectionRef) for item in items):
        if spec.kind != "step":
            _check_has_image(spec, inputs)
        mapped = MappedCall(spec, tuple(inputs), dict(params), states=states, makings=by)
        _ = mapped.keys, mapped.groups  # raise now what would fail later
        if spec.position:
            place = f"step {spec.label!r}, position="
            check_names(spec.position, own_columns(mapped.groups), place)
        return mapped
    if spec.kind != "step":
        _check_has_image(spec, inputs)
    kind = WholeCall if spec.kind == "step" else BlockCall
    call = kind(spec, tuple(inputs), dict(params), key, states, by)
    if key is not None and spec.check is not None:  # others are checked when the step is called
        ask(spec.check, "check", call.images, call.params, f"step {spec.label!r}")
    return call


def _check_has_image(spec: StepSpec, inputs: Sequence[object]) -> None:
    """Refuse a call of a block-wise step or a reduction without an image to cut into blocks."""
    if any(isinstance(item, (Ref, CollectionRef)) and item.kind == "image" for item in inputs):
        return
    raise PipelineError(
        "a block-wise step has at least one image among its inputs",
        value=_named(inputs),
        place=f"step {spec.label!r}",
        remedy=image_remedy(inputs),
    )


def _named(inputs: Sequence[object]) -> str:
    """Name what a step was given, in place of an image."""
    return ", ".join(
        f"the {item.kind} of {item.name!r}"
        if isinstance(item, (Ref, CollectionRef))
        else type(item).__name__
        for item in inputs
    )


def image_remedy(inputs: Sequence[object]) -> str | None:
    """Say how a value among references becomes the image that it was taken for; None: no value."""
    for item in inputs:
        if not isinstance(item, (Ref, CollectionRef)) or item.kind != "value":
            continue
        node = item.node.collection if isinstance(item.node, Member) else item.node
        if isinstance(node, Call) and node.spec.kind == "step":
            return (
                f'where {node.name!r} returns an image, say so: @sc.step(out="image"), '
                "with dtype= if it is another than that of its first image"
            )
        if not isinstance(node, Call):
            return f"where {node.name!r} is an image, open it as one: sc.open, sc.open_folder"
    return None
