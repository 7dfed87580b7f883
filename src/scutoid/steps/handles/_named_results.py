"""Results under the names of their steps, with a method for each kind that says its type.

::

    run["cells"]         whatever the step returned: editors and mypy take it for any kind
    run.table("cells")   a Table, and an error where it is of another kind
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias, TypeVar

from scutoid.errors import PipelineError, StoreError
from scutoid.steps.handles._collections import (
    FilesCollection,
    Images,
    PartsCollection,
    Tables,
    Values,
)
from scutoid.steps.handles._lazy import Lazy
from scutoid.steps.handles._single import Files, Image, Parts, Table, Value

Result: TypeAlias = (
    Image | Images | Table | Tables | Value | Values | Parts | PartsCollection | Files
    | FilesCollection
)  # fmt: skip
"""What one output of a step is."""
L = TypeVar("L", bound=Lazy)

_METHODS: dict[type[Lazy], str] = {
    Image: "image",
    Images: "images",
    Table: "table",
    Tables: "tables",
    Value: "value",
    Values: "values",
    Files: "files",
}


class NamedResults:
    """Results under the names of their steps.

    A subclass finds them by ``[name]``; one that has several outputs is a tuple.
    """

    _error: ClassVar[type[PipelineError | StoreError]]
    """What is raised for a result of another kind."""

    def __getitem__(self, name: str) -> Any:
        raise NotImplementedError

    @property
    def _place(self) -> str:
        """Where the results are, for errors."""
        raise NotImplementedError

    def image(self, name: str, output: int = 0) -> Image:
        """Return a result that is an image.

        Parameters
        ----------
        name : str
            The step's name.
        output : int
            Number of the output, where the step has several.

        Returns
        -------
        Image

        Raises
        ------
        PipelineError, StoreError
            Of a `Run` or a `Store`, if there is no such result, or it is of another kind.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import scutoid as sc
        >>> raw = sc.open(np.zeros((8, 8), "uint8"))
        >>> with tempfile.TemporaryDirectory() as store:
        ...     run = sc.run(sc.gaussian(raw, sigma=1), store=store)
        ...     print(run.image("gaussian"), run.image("gaussian").read().max())
        Image('gaussian', yx, (8, 8), float32) 0.0
        """
        return self._of_kind(Image, name, output)

    def images(self, name: str, output: int = 0) -> Images:
        """Return a result that is a collection of images.

        Parameters, results and errors are those of `image`.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import scutoid as sc
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("a.npy", "b.npy"):
        ...         np.save(f"{folder}/{name}", np.zeros((8, 8), "uint8"))
        ...     raw = sc.open_folder(f"{folder}/*.npy")
        ...     run = sc.run(sc.gaussian(raw, sigma=1), store=f"{folder}/results")
        ...     print(run.images("gaussian").keys)
        ('a.npy', 'b.npy')
        """
        return self._of_kind(Images, name, output)

    def table(self, name: str, output: int = 0) -> Table:
        """Return a result that is a table.

        Parameters, results and errors are those of `image`.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import scutoid as sc
        >>> mask = sc.open(np.eye(4, dtype=bool))
        >>> with tempfile.TemporaryDirectory() as store:
        ...     sc.run(sc.measure(sc.label(mask)), store=store)
        ...     print(len(sc.Store(store).table("measure").to_pandas()))
        Run(..., done, ...)
        4
        """
        return self._of_kind(Table, name, output)

    def tables(self, name: str, output: int = 0) -> Tables:
        """Return a result that is a collection of tables.

        Parameters, results and errors are those of `image`.

        Examples
        --------
        ``run.tables("measure").to_pandas()`` joins the tables of all members.
        """
        return self._of_kind(Tables, name, output)

    def value(self, name: str, output: int = 0) -> Value:
        """Return a result that is a value.

        Parameters, results and errors are those of `image`.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import scutoid as sc
        >>> @sc.step
        ... def brightest(image):
        ...     return int(image.max())
        >>> raw = sc.open(np.arange(6).reshape(2, 3))
        >>> with tempfile.TemporaryDirectory() as store:
        ...     print(sc.run(brightest(raw), store=store).value("brightest").get())
        5
        """
        return self._of_kind(Value, name, output)

    def values(self, name: str, output: int = 0) -> Values:
        """Return a result that is a collection of values.

        Parameters, results and errors are those of `image`.

        Examples
        --------
        ``run.values("brightest").to_dict()`` has the value of each member by its key.
        """
        return self._of_kind(Values, name, output)

    def files(self, name: str, output: int = 0) -> Files:
        """Return a result that is a folder of files.

        Parameters, results and errors are those of `image`.

        Examples
        --------
        ``run.files("report").path`` is the folder.
        """
        return self._of_kind(Files, name, output)

    def _of_kind(self, kind: type[L], name: str, output: int) -> L:
        found: Result | tuple[Result, ...] = self[name]
        outputs = found if isinstance(found, tuple) else (found,)
        if not 0 <= output < len(outputs):
            raise self._error(
                f"output= is the number of an output, of {len(outputs)} from 0 on",
                value=output,
                place=f"{name!r} in {self._place}",
                remedy="leave it out for the first one",
            )
        result = outputs[output]
        if not isinstance(result, kind):
            raise self._error(
                f"{_METHODS[kind]}() is for results that are {kind.__name__}",
                value=f"{name!r} is {type(result).__name__}",
                place=self._place,
                remedy=_how_to_get(result, name, output if len(outputs) > 1 else None),
            )
        return result


def _how_to_get(result: Result, name: str, output: int | None) -> str:
    """Write the call that returns a result as what it is."""
    method = _METHODS.get(type(result))
    if method is None:
        return f'["{name}"]' if output is None else f'["{name}"][{output}]'
    return f'{method}("{name}")' if output is None else f'{method}("{name}", output={output})'
