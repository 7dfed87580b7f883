"""Lazy results: images, tables, values, parts and files, each read when it is asked for.

::

    Lazy             a handle: it has a reference, and reads what it refers to
    ├── Image
    ├── Table   Value   Parts   Files
    └── Collection   of each, by key

A handle of a run reads the store of that run for ever.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.arrays import read_region
from scutoid.errors import MissingExtra, ParameterError, PipelineError
from scutoid.geometry import Roi, RoiLike
from scutoid.printable import printed
from scutoid.steps.graph import Described, ImageRef
from scutoid.steps.handles._depth import refusing_depth
from scutoid.steps.handles._evaluate import Evaluation, stored_levels
from scutoid.steps.handles._lazy import Lazy, remedy_for_image
from scutoid.steps.handles._operators import ImageOperators, Operators
from scutoid.steps.layout import Framed

if TYPE_CHECKING:
    import pandas as pd

Fill = float | str | None


class Image(Described, ImageOperators):
    """A lazy labelled array.

    Made by `scutoid.open` and by steps.  Indexing and `crop` are lazy; `read`, ``np.asarray`` and
    `to_dask` read voxels.  A result that has not been run is computed in this process, unstored.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> image = sc.open(np.arange(12).reshape(3, 4), voxel_size=0.5, unit="um")
    >>> image[1:, :2]
    Image('array', yx, (2, 2), int64, voxel size (0.5, 0.5) um)
    >>> np.asarray(image[1:, :2])
    array([[4, 5],
           [8, 9]])
    """

    kind = "image"
    ref: ImageRef
    _instead_of_bool = "use np.any(image) or np.all(image); & | ~ join masks voxel by voxel"

    @property
    def framed(self) -> Framed:
        """The description and the place in the frame of the uncropped image."""
        return self.ref.framed

    @property
    def levels(self) -> int:
        """Number of pyramid levels behind this image."""
        return stored_levels(self.read_ref)

    @property
    def is_labels(self) -> bool:
        """Whether voxels are object numbers rather than intensities."""
        return self.ref.is_labels

    def __getitem__(self, index: object) -> Image:
        if isinstance(index, Lazy) or (isinstance(index, np.ndarray) and index.ndim):
            raise PipelineError(
                "an image is cut by slices and integers, never picked from by a mask",
                value=f"image[{type(index).__name__}]",
                place=repr(self.name),
                remedy="write np.asarray(image)[np.asarray(mask)], or image * mask; sc.measure "
                "takes the voxels of objects",
            )
        return Image(self.ref.narrow(index), self._stored)

    def crop(self, roi: RoiLike) -> Image:
        """Take a region, given in the frame of the uncropped image.

        Raises
        ------
        GeometryError
            If the region is not inside the image.
        """
        return self[self.ref.crop_index(roi)]

    def channel(self, which: str | int) -> Image:
        """Take one channel, by name or number; its axis goes.

        Raises
        ------
        PipelineError
            If the image has no channel axis, or no such channel.
        """
        return Image(self.ref.channel(which), self._stored)

    def like(self, other: Image, *, order: int | None = None) -> NoReturn:
        """Refuse: this is `scutoid.resample` with ``like=``.

        Raises
        ------
        PipelineError
            With the call to write.
        """
        order_text = "" if order is None else f", order={order}"
        raise PipelineError(
            "an image is put on the grid of another by scutoid.resample",
            value="image.like(other)",
            place=repr(self.name),
            remedy=f"write sc.resample(image, like=other{order_text})",
        )

    def read(self, roi: RoiLike | None = None, *, fill: Fill = None) -> NDArray[Any]:
        """Read a region.

        Parameters
        ----------
        roi : Roi, optional
            In the frame of the uncropped image, in voxels; default: all.
        fill : number, "nearest" or "reflect", optional
            What lies beyond the image's edge; without it such a region raises.

        Returns
        -------
        ndarray
            Of the image's dtype and axes; the caller's own.
        """
        region = self.roi if roi is None else Roi.of(roi)
        inside = region.intersect(self.roi)
        local = region.shift(-self.roi.offset)
        with refusing_depth():
            source = Evaluation().image(self.read_ref, inside)
            return read_region(source, local, fill=fill, spec=self.framed.spec)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an Image is read from storage: its array is always a copy")
        array = self.read()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Image]:
        return (self[place] for place in range(len(self)))

    def __contains__(self, value: object) -> bool:
        raise PipelineError(
            "whether an image has a value is seen only when all of it is read",
            value=f"{value!r} in image",
            place=repr(self.name),
            remedy="write np.any(image == value)",
        )

    def to_dask(self, *, chunks: object = "auto") -> Any:
        """Return a dask array whose chunks are read when dask asks for them.

        Needs the extra ``dask``.

        Parameters
        ----------
        chunks : optional
            As `dask.array.from_array` takes them.  Default: those in which the image is stored;
            where it is not stored in any, as an array in memory, dask chooses.

        Returns
        -------
        dask.array.Array
        """
        try:
            import dask.array as da
        except ImportError as error:
            raise MissingExtra.of("dask", extra="dask") from error
        stored = self.framed.chunks
        is_stored = isinstance(chunks, str) and chunks == "auto" and any(n > 1 for n in stored)
        wanted = stored if is_stored else chunks
        try:
            return da.from_array(  # type: ignore[no-untyped-call]
                _Indexable(self), chunks=wanted, asarray=True, name=False
            )
        except (ValueError, TypeError, ZeroDivisionError) as error:  # of `normalize_chunks`
            raise ParameterError(
                "chunks are such as dask takes",
                value=f"{chunks!r}: {type(error).__name__}: {error}",
                place="chunks=",
                remedy='give "auto", a number of voxels, or one for each axis',
            ) from error

    def to_xarray(self, *, chunks: object = "auto") -> Any:
        """Return a `xarray.DataArray` with coordinates from voxel size, origin, times and channels.

        Needs the extra ``xarray``.

        Parameters
        ----------
        chunks : optional
            As `to_dask` takes them: they are read when dask asks for them.  None: all voxels are
            read now.

        Returns
        -------
        xarray.DataArray
            One dimension an axis, named by its letter.  Coordinates are centres of voxels in the
            image's unit, which stands in their ``units``; an axis of unknown size has none.
            `scutoid.open` takes it back.

        Raises
        ------
        MissingExtra
            If xarray is not installed, or dask for chunks.
        """
        from scutoid.steps.handles._to_xarray import data_array

        data = self.read() if chunks is None else self.to_dask(chunks=chunks)
        return data_array(data, self.framed.spec, self.name)

    @printed
    def __repr__(self) -> str:
        spec = self.framed.spec
        sizes = spec.voxel_size or spec.known_sizes
        shown = str(sizes).replace("None", "?")
        size = f", voxel size {shown} {spec.unit or ''}".rstrip() if sizes else ""
        are_assumed = any(note.subject == "axes" and note.is_said for note in spec.notes)
        axes = f"{spec.axes} (assumed)" if are_assumed else spec.axes
        times = "" if spec.time is None else f", {spec.time}"
        return f"Image({self.name!r}, {axes}, {spec.shape}, {spec.dtype}{size}{times})"

    def _repr_html_(self) -> str:
        from scutoid.steps.handles._shown import image_html

        return image_html(type(self).__name__, self.read_ref)


class _Indexable:
    """An image as dask wants it: read by slices."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.shape, self.dtype, self.ndim = image.shape, image.dtype, image.ndim

    def __getitem__(self, index: object) -> NDArray[Any]:
        return self.image[index].read()


class Table(Lazy):
    """A lazy table: one row an object, or whatever the step returns."""

    kind = "table"
    _instead_of_bool = "use len(table) > 0, or table.to_pandas().empty"

    def to_pandas(self) -> pd.DataFrame:
        """Return the table; computed in this process if it has not been run."""
        return self._value()  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return len(self.to_pandas())

    def _repr_html_(self) -> str:
        from scutoid.steps.handles._shown import value_html

        return value_html(type(self).__name__, self.read_ref)


def missing_attribute(handle: Lazy, name: str) -> AttributeError:
    """Return the error for an attribute that values have not, and images may have."""
    text = f"{type(handle).__name__!r} object has no attribute {name!r}"
    if not name.startswith("_") and hasattr(Image, name):
        text = f"a value has no {name!r}, as an image has"
        text = "; ".join(filter(None, (text, remedy_for_image(handle))))
    return AttributeError(text, name=name, obj=handle)


class Value(Operators):
    """A lazy scalar, small array or JSON value.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> level = sc.otsu(sc.open(np.array([[0, 0, 0], [9, 9, 9]])))
    >>> level
    Value('otsu')
    >>> level.get()
    0
    """

    kind = "value"
    _instead_of_bool = "use value.get()"

    if not TYPE_CHECKING:  # type checkers know what a value has

        def __getattr__(self, name: str) -> NoReturn:
            raise missing_attribute(self, name)

        def __getitem__(self, index: object) -> NoReturn:  # what iteration and unpacking ask, too
            raise ParameterError(
                "a value is taken apart once it is computed",
                value=f"an index, or a loop over {self!r}",
                remedy="; ".join(filter(None, ("use value.get()", remedy_for_image(self)))),
            )

    def get(self) -> Any:
        """Return the value; computed in this process if it has not been run."""
        return self._value()

    def to_pandas(self) -> pd.DataFrame:
        """Return the value, if the step returned a table.

        Raises
        ------
        PipelineError
            If it did not.
        """
        import pandas as pd

        value = self._value()
        if isinstance(value, pd.DataFrame):
            return value
        raise PipelineError(
            "to_pandas() is for steps that return a DataFrame",
            value=type(value).__name__,
            place=f"step {self.name!r}",
            remedy="; ".join(filter(None, ("use .get()", remedy_for_image(self)))),
        )

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __index__(self) -> int:
        return operator.index(self.get())

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.get(), digits)

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec) if spec else repr(self)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.get(), dtype=dtype, copy=copy)

    def _repr_html_(self) -> str:
        from scutoid.steps.handles._shown import value_html

        return value_html(type(self).__name__, self.read_ref)


class Parts(Lazy):
    """A lazy dict of small arrays a block."""

    kind = "parts"

    def read(self) -> Mapping[int, dict[str, NDArray[Any]]]:
        """Return the parts of all blocks, by block number; each is read when it is asked for."""
        return self._value()  # type: ignore[no-any-return]


class Files(Lazy):
    """A lazy folder of files that a step wrote."""

    kind = "files"

    @property
    def path(self) -> Any:
        """The folder; only results that have been run have one."""
        return self._value()
