"""Previews: results of a region, without a run."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.blocks import parse_bytes
from scutoid.errors import PipelineError
from scutoid.exploring._graph import Graph
from scutoid.exploring._margin import MARGIN, Margin, MarginLike
from scutoid.exploring._placed import placed
from scutoid.exploring._region import Looked, Region
from scutoid.exploring._session import Session
from scutoid.exploring._spans import RegionLike
from scutoid.geometry import Roi
from scutoid.printable import printed
from scutoid.steps.graph import Constant, ImageRef, Ref
from scutoid.steps.handles import handle_of, refs_in, refusing_depth

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """Results of a region, computed without a run.

    Made by `scutoid.preview`.  `update` makes another one with other parameters.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> raw = np.zeros((200, 300), "uint8")
    >>> raw[100:110, 120:140] = 50
    >>> cells = sc.label(sc.threshold(sc.open(raw), level=20))
    >>> found = sc.preview(cells, {"y": (90, 120), "x": (110, 150)})
    >>> found.array.shape, int(found.array.max()), found.touching.tolist()
    ((30, 40), 1, [])
    >>> found.update({"threshold.level": 60}).array.max()
    np.uint32(0)
    """

    results: tuple[Any, ...]
    """Of each target an array of the region, a DataFrame, or a value."""
    handles: tuple[Any, ...]
    """The same as lazy results in their place, for `scutoid.view`."""
    rois: tuple[Roi | None, ...]
    """The region of each target, in its own frame; None of a value of the whole image."""
    seconds: float
    """How long it took."""
    parameters: Mapping[str, object]
    """The parameters of all steps, by ``step.parameter``, as they were here."""
    changes: Mapping[str, object]
    """Those of them that are not as the pipeline has them."""
    looked: tuple[Looked, ...] = field(repr=False)
    """Of each target what was computed around its region."""
    _region: Region = field(repr=False)

    @property
    def targets(self) -> tuple[Ref, ...]:
        """What was computed."""
        return self._region.targets

    @property
    def result(self) -> Any:
        """The result of the only target; of several a tuple."""
        return self.results[0] if len(self.results) == 1 else self.results

    @property
    def array(self) -> NDArray[Any]:
        """The region of the first image among the targets."""
        return self.results[self._first("image")]  # type: ignore[no-any-return]

    @property
    def table(self) -> pd.DataFrame:
        """The first table among the targets."""
        return self.results[self._first("table")]  # type: ignore[no-any-return]

    @property
    def handle(self) -> Any:
        """The lazy result of the only target; of several a tuple."""
        return self.handles[0] if len(self.handles) == 1 else self.handles

    @property
    def roi(self) -> Roi | None:
        """The region of the first target, in its own frame."""
        return self.rois[0]

    @property
    def touching(self) -> NDArray[np.integer[Any]]:
        """Numbers of the objects that go on beyond what was computed, in ascending order.

        They may look otherwise in the whole image.  Of labels that are numbered anew at each time
        point it is the numbers of all; `touches` tells them apart.
        """
        number = next((n for n, each in enumerate(self.looked) if each.objects is not None), None)
        if number is None:
            return np.zeros(0, np.int64)
        objects = self.looked[number].objects
        assert objects is not None  # noqa: S101 - as was asked
        found = list(objects.touching().values())
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    @property
    def n_touching(self) -> int:
        """How many objects go on beyond what was computed; of the target that has most."""
        return max((each.n_touching for each in self.looked), default=0)

    @property
    def touches(self) -> NDArray[np.bool_]:
        """Where the objects of the first labels are that go on beyond what was computed."""
        for target, each in zip(self.results, self.looked, strict=True):
            if each.objects is not None and isinstance(target, np.ndarray):
                return each.mask()
        return np.zeros(self.array.shape, bool)

    def update(self, values: Mapping[str, object] | None = None, roi: RegionLike = None) -> Preview:
        """Compute the same region with other parameters, or another region.

        What does not depend on a parameter is remembered: images of the region before the step, and
        values of the whole image.

        Parameters
        ----------
        values : mapping of str to value, optional
            By ``step.parameter``; all others are as the pipeline has them.  Default: as they are.
        roi : optional
            As in `preview`; default: the same.

        Returns
        -------
        Preview

        Raises
        ------
        ParameterError
            If there is no such parameter, or the step refuses the value.
        """
        region = self._region if roi is None else self._region.moved(roi)
        return look(region, self.changes if values is None else values)

    def again(self, target: object, roi: RegionLike = None) -> Preview:
        """Compute results of a pipeline that was called again, such as with other parameters.

        What it has in common with this one is remembered, as `update` does: images of the region,
        and values of the whole image.

        Parameters
        ----------
        target : Image, Table, Value, or a tuple, list or dict of these
            Results of steps, as in `preview`.
        roi : optional
            As in `preview`; default: the same.

        Returns
        -------
        Preview

        Raises
        ------
        ScutoidError
            As `preview`.

        Examples
        --------
        >>> import numpy as np
        >>> import scutoid as sc
        >>> raw = sc.open(np.arange(64.0).reshape(8, 8))
        >>> def bright(factor):
        ...     return sc.threshold(raw, level=sc.otsu(raw) * factor)
        >>> first = sc.preview(bright(1.0), {"y": (2, 6)})
        >>> int(first.array.sum()), int(first.again(bright(0.5)).array.sum())
        (17, 32)
        """
        region = self._region
        with refusing_depth():
            known = region.session.known
            refs = [known.ref(ref) if isinstance(ref, Ref) else ref for ref in refs_in([target])]
            graph = Graph(refs, local=region.session.graph.local)
            graph.check_local()
            roi = region.given if roi is None else roi
            session = region.session.on(graph)
            return look(Region(session, region.margin, roi), {})

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.array if dtype is None else self.array.astype(dtype)
        return array.copy() if copy else array

    @printed
    def summary(self) -> str:
        """Say what was computed, and how many objects go on beyond it."""
        lines = []
        for ref, result, roi in zip(self._region.targets, self.results, self.rois, strict=True):
            kind = f"{result.shape} {result.dtype}" if isinstance(result, np.ndarray) else ref.kind
            lines.append(f"{ref.name}: {kind}" + ("" if roi is None else f" of {roi}"))
        if any(each.objects is not None for each in self.looked):
            lines.append(f"{self.n_touching} objects go on beyond what was computed")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    __repr__ = __str__

    def _first(self, kind: str) -> int:
        for number, ref in enumerate(self._region.targets):
            if ref.kind == kind:
                return number
        raise PipelineError(
            f"a preview of an {kind} has one among its targets"
            if kind == "image"
            else f"a preview with a {kind} has one among its targets",
            value=", ".join(ref.kind for ref in self._region.targets),
            place="preview",
            remedy="take .results",
        )


def preview(
    target: object,
    roi: RegionLike = None,
    *,
    margin: MarginLike = MARGIN,
    local: bool | str | Collection[str] = False,
    store: str | os.PathLike[str] | None = None,
    values: Mapping[str, object] | None = None,
    exact: bool = True,
    memory: int | str | None = None,
) -> Preview:
    """Compute results of a region, in this process, without a run.

    Steps with a halo equal a run inside of the region bit for bit: what they read around it is that
    of the image.  Reductions and functions of whole images, such as a threshold by Otsu, are those
    of the whole image.  Steps that join objects across blocks (`label`, `fill_holes`,
    `remove_small`, `hysteresis`, `stitch`, `measure`) see the region and a margin.  They equal a
    run, but for the numbers, for all objects that do not go on beyond that; those that do are
    named by `Preview.touching`, and by a column ``touches_edge`` of tables.

    Parameters
    ----------
    target : Image, Table, Value, or a tuple, list or dict of these
        Results of steps.  Tables have the rows of objects with a voxel in the region.
    roi : Roi, sequence of slice, or mapping of axis to (start, stop), slice or int, optional
        The region in voxels, in the frame of the target; of a table, of the image that it is made
        of.  A mapping leaves out axes that are taken whole; default: all.
    margin : int, Length or mapping of axis to these, optional
        How far around the region objects are seen: voxels, or a length as `um` makes it.
        Default: 32 voxels along each spatial axis.
    local : bool, str or collection of str, optional
        Reductions and functions of whole images that see the region alone: all, or by the names of
        their steps.
    store : path, optional
        Results that are there are read, and not computed.
    values : mapping of str to value, optional
        Other values of parameters, by ``step.parameter``.
    exact : bool, optional
        Whether steps whose result may depend on their blocks are computed in those of a run,
        which is more than the region where blocks are large; else on the region as it is.
    memory : int or str, optional
        Bytes, or a text such as "2GB", that images may take; default: half of the machine's.  At
        most 1 GiB of them is remembered.

    Returns
    -------
    Preview
        `.result`, `.touching`, and `update` for other parameters.

    Raises
    ------
    GeometryError
        If the region is not inside of the image.
    ParameterError
        If there is no such parameter, or a step refuses its value.
    PipelineError
        For collections; take one member.
    MemoryLimitError
        If the region is too large.

    Notes
    -----
    `fill_holes` fills no hole that goes on beyond the region and its margin; an object that lies
    inside of such a hole is an object of its own here.  Cut pieces of objects may be missing where
    a step drops what is small.  Values and tables that an image depends on are those of the whole
    image; tables that go together with labels are of the region, as the labels' numbers are.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> raw = np.random.default_rng(0).random((64, 64))
    >>> smooth = sc.gaussian(sc.open(raw), sigma=2)
    >>> found = sc.preview(smooth, sc.Roi((10, 20), (8, 8)))
    >>> bool((found.array == np.asarray(smooth)[10:18, 20:28]).all())
    True
    """
    names = (local,) if isinstance(local, str) else local
    refs = refs_in([target])
    with refusing_depth():
        graph = Graph(refs, local=names if isinstance(names, bool) else tuple(names))
        graph.check_local()
        limit = None if memory is None else parse_bytes(memory)
        session = Session(graph, store=store, limit=limit, exact=exact)
        region = Region(session, Margin(margin), roi)
    return look(region, values or {})


def look(region: Region, values: Mapping[str, object]) -> Preview:
    """Compute a region with some other values of parameters."""
    start = time.perf_counter()
    with refusing_depth():
        looked = region.look(values)
    results = tuple(each.result for each in looked)
    named = region.session.parameters.values()
    return Preview(
        results=results,
        handles=tuple(_handle(ref, each) for ref, each in zip(region.targets, looked, strict=True)),
        rois=tuple(each.roi for each in looked),
        seconds=time.perf_counter() - start,
        parameters={**named, **values},
        changes=dict(values),
        looked=looked,
        _region=region,
    )


def _handle(ref: Ref, looked: Looked) -> Any:
    """Return a result as a lazy one, in its place."""
    if not isinstance(ref, ImageRef):
        return handle_of(Ref(Constant(looked.result, ref.name), ref.kind))
    assert looked.spec is not None  # noqa: S101 - images have one
    return placed(looked.result, looked.spec, looked.roi, ref.name, is_labels=ref.is_labels)
