"""A step: a function that runs on arrays, and is put off on lazy inputs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from scutoid.arrays import SPATIAL
from scutoid.blocks import Mask
from scutoid.errors import MetadataError, PipelineError
from scutoid.geometry import Roi
from scutoid.steps.compute import finish, merge_in_order, prepared, unpack
from scutoid.steps.declaration import (
    NEIGHBOURS,
    CallOptions,
    DraftRole,
    StepBlock,
    StepSpec,
    own,
)
from scutoid.steps.graph import CollectionRef, Gathered, ImageRef, Opened, Ref, make_call
from scutoid.steps.handles._lazy import Lazy, handle_of, remedy_for_image
from scutoid.steps.handles._single import Image
from scutoid.steps.handles._typed import (
    Function_co,
    Many_co,
    One_co,
    TypedCall,
)
from scutoid.steps.layout import MaskImage, ask


class Step(TypedCall[Function_co, One_co, Many_co]):
    """A function that runs on arrays, and is put off on lazy inputs.

    Called with numpy arrays it just runs.  Called with an Image, Table, Value or a collection among
    its arguments it returns a lazy result.
    """

    def __init__(self, spec: StepSpec) -> None:
        self.spec = spec
        functools.update_wrapper(self, spec.function)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if not any(is_lazy(item) or _is_dask(item) for item in (*args, *kwargs.values())):
            return self._run(args, kwargs)
        arguments, params = self.spec.parameters.bind(self.spec.label, args, kwargs)
        inputs = [self._lazy(item) for item in arguments]
        images = [item for item in inputs if isinstance(item, Image)]
        is_mapped = any(getattr(item, "is_collection", False) for item in inputs)
        if self.spec.check is not None and images and not is_mapped:
            ask(self.spec.check, "check", images, params, f"step {self.spec.label!r}")
        from scutoid.store import states_of  # what works out keys; a worker calls on arrays alone

        call = make_call(
            self.spec,
            [_as_called(item) for item in inputs],
            {name: _as_called(value) for name, value in params.items()},
            states=states_of(self.spec.functions),
        )
        handles = tuple(handle_of(ref) for ref in call.outputs)
        return handles if self.spec.packed else handles[0]

    def options(self, **options: Unpack[CallOptions]) -> Step[Function_co, One_co, Many_co]:
        """Return the same step with options for this call.

        Parameters
        ----------
        **options
            name, keep, storage, block, where, join, retries, timeout, requires, as in
            `blockwise`; view: how viewers show it, by arguments of napari's layers that enter no
            key, such as ``{"colormap": "magma", "opacity": 0.5}``; where: the blocks to compute at
            all, by a list of `Roi` in the frame of the image, or a coarse mask (an Image, placed
            by voxel size and origin, or by shape where these are unknown).  What lies outside
            stays zero, and has no rows.

        Examples
        --------
        >>> import numpy as np
        >>> import scutoid as sc
        >>> image = sc.open(np.zeros((8, 8), "uint8"))
        >>> sc.gaussian.options(name="smooth", block=4)(image, sigma=1)
        Image('smooth', yx, (8, 8), float32)
        """
        if "where" in options:
            options["where"] = frozen_where(options["where"])
            if options["where"] is not None and (
                self.spec.kind == "step" or "parts" in self.spec.outputs
            ):
                raise PipelineError(
                    "blocks are left out of images, tables and reductions",
                    value=f"a {self.spec.kind} with out={self.spec.outputs}",
                    place=f"where of step {self.spec.label!r}",
                )
        return Step(self.spec.with_options(**options))

    def along(self, axes: str) -> Step[Function_co, One_co, Many_co]:
        """Return the same step working on other axes."""
        return Step(replace(self.spec, axes=axes))

    def _lazy(self, item: object) -> object:
        """Take arrays among lazy inputs as images, where the step cuts its inputs into blocks."""
        is_array = isinstance(item, np.ndarray) and item.ndim > 0
        if self.spec.kind != "step" and (is_array or _is_dask(item)):
            from scutoid.arrays import open_source

            return Image(ImageRef(Opened(open_source(item), "array")))
        return item

    def _run(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        spec = self.spec
        injected = {name: kwargs[name] for name in spec.parameters.injected if name in kwargs}
        named = {name: value for name, value in kwargs.items() if name not in injected}
        inputs, params = spec.parameters.bind(spec.label, args, named)
        inputs = tuple(map(_in_native_order, inputs))
        params = {name: params[name] if name in named else own(params[name]) for name in params}
        missing = [name for name in spec.parameters.injected if name not in injected]
        for name in missing:
            if name == NEIGHBOURS and spec.sees_neighbours:
                injected[name] = _no_neighbours(spec, inputs[0])
            elif name not in spec.setup:
                injected[name] = _whole_block(inputs) if name == "block" else None
        with prepared(spec) as ready:
            loaded = {name: value for name, value in ready.items() if name not in kwargs}
            defaults = map(own, spec.parameters.defaults_after(len(inputs)))
            result = spec.function(*inputs, *defaults, **{**params, **injected, **loaded})
        if spec.kind != "reduction":
            return result
        merged = merge_in_order([unpack(spec, result)[0]], spec.merge)  # type: ignore[arg-type]
        return finish(spec, merged, {"voxel_size": None, "origin": None, **params, **injected})

    def __repr__(self) -> str:
        return f"<{self.spec.kind} {self.spec.label!r}>"


def with_draft(
    step: Step[Function_co, One_co, Many_co], role: DraftRole
) -> Step[Function_co, One_co, Many_co]:
    """Return the same step, which says how it takes part in drafts of blocks."""
    return Step(replace(step.spec, draft=role))


def is_lazy(value: object) -> bool:
    """Whether a value is a result that has yet to be read, held by the user or by a call."""
    return isinstance(value, (Lazy, Gathered, Ref, CollectionRef))


def _as_called(item: object) -> object:
    """Return an argument as a call holds it: of a handle its reference, else what it is by now.

    A list, a dict or a table that is changed after the call is not changed in it.
    """
    if isinstance(item, Lazy):
        return item.read_ref
    return item if is_lazy(item) or _is_dask(item) else own(item)


def frozen_where(where: object) -> object:
    """What ``options(where=)`` got, as a value that can enter a key: images are read."""
    if isinstance(where, Image):
        _check_place_is_known(where)
        spec = where.framed.spec
        return MaskImage(np.asarray(where) != 0, spec.axes, spec.voxel_size, spec.origin, spec.unit)
    if where is None or isinstance(where, (np.ndarray, Mask, MaskImage)):
        return where
    if isinstance(where, (list, tuple)):
        return tuple(Roi.of(region) for region in where)
    if isinstance(where, Roi):
        return (where,)
    raise PipelineError(
        "where= is a list of regions, an image or Mask, or an array of the blocks' grid",
        value=type(where).__name__,
        place="options(where=)",
        remedy=remedy_for_image(where),
    )


def _check_place_is_known(mask: Image) -> None:
    """Refuse a part of an image whose place in the world is unknown: it would count by its shape.

    Raises
    ------
    MetadataError
        If a mask is cut out of an image without voxel sizes, or was made of such a part.
    """
    framed, ref = mask.framed, mask.ref
    if framed.spec.voxel_size is not None:
        return
    whole = ref.node.framed(ref.output)
    sizes = dict(zip(whole.spec.axes, whole.spec.shape, strict=True))
    is_part = any(
        axis in SPATIAL and (start or length != sizes.get(axis, length))
        for axis, start, length in zip(
            framed.spec.axes, framed.offset, framed.spec.shape, strict=True
        )
    )
    if is_part:
        raise MetadataError(
            "a mask that is a part of an image has a voxel size, which says where it lies",
            value=f"{framed.roi}, without one",
            place="options(where=)",
            remedy="give voxel_size= to sc.open for the mask and the image, or the whole mask; "
            "sc.open(np.asarray(mask)) covers the image whatever it was cut out of",
        )


def _is_dask(item: object) -> bool:
    return type(item).__module__.startswith("dask.array")


def _in_native_order(item: object) -> object:
    """Return an array in the byte order of the machine, in which blocks of an image come."""
    if isinstance(item, np.ndarray) and not item.dtype.isnative and item.dtype.kind in "biufc":
        return item.astype(item.dtype.newbyteorder("="))
    return item


def _whole_block(inputs: Sequence[Any]) -> StepBlock:
    """Describe a whole array as the one block that it is."""
    shape = np.shape(inputs[0])
    axes = "tczyx"[-len(shape) :] if shape else ""
    region = Roi((0,) * len(shape), shape)
    return StepBlock(0, axes, region, region, region, axes)


def _no_neighbours(spec: StepSpec, image: object) -> object:
    """What the one block of a whole array sees: nothing."""
    declared: Any = spec.dtypes[spec.outputs.index("image")]
    array = np.asarray(image)
    return np.zeros(array.shape, array.dtype if declared == "same" else declared)
