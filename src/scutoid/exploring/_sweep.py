"""Sweeps: a region computed with many choices of parameters, measured and shown side by side."""

from __future__ import annotations

import math
import os
import time
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import parse_bytes
from scutoid.durable import writing
from scutoid.errors import ParameterError, PipelineError, RunFailed
from scutoid.exploring._applied import applied
from scutoid.exploring._choices import Choice, Choices, choices_of, short_names
from scutoid.exploring._drawn import behind_of, read_behind, tile_of
from scutoid.exploring._failures import ERROR, Failures, failed_of, shortened
from scutoid.exploring._graph import Graph
from scutoid.exploring._margin import MARGIN, Margin, MarginLike
from scutoid.exploring._measures import MeasureFunction, Measures
from scutoid.exploring._placed import placed
from scutoid.exploring._preview import Preview, look
from scutoid.exploring._region import Region
from scutoid.exploring._session import Session
from scutoid.exploring._sheet import Tile, draw_sheet
from scutoid.exploring._spans import RegionLike
from scutoid.geometry import Roi
from scutoid.printable import html_text, printed
from scutoid.steps import Image, run
from scutoid.steps.graph import ImageRef
from scutoid.steps.handles import grid, note, refs_in, refusing_depth, section
from scutoid.stopping import ends_by_signals

if TYPE_CHECKING:
    import pandas as pd

_PICTURES = 100
"""Choices that are drawn; all are measured."""
_ROWS = 40
"""Rows that a notebook shows."""
_LAYERS = 36
"""Choices that a viewer shows at once."""
_CAPTION = 60
"""Letters of an error below a picture."""
_SECONDS = "seconds"


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A region computed with many choices of parameters; made by `scutoid.sweep`.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> raw = sc.open(np.random.default_rng(0).random((64, 64)))
    >>> spots = sc.label(sc.threshold(sc.gaussian(raw, sigma=1), level=0.6))
    >>> found = sc.sweep(spots, {"gaussian.sigma": [1, 2], "threshold.level": [0.52, 0.55]})
    >>> found.table[["gaussian.sigma", "threshold.level"]].to_numpy().tolist()
    [[1.0, 0.52], [1.0, 0.55], [2.0, 0.52], [2.0, 0.55]]
    """

    choices: tuple[Mapping[str, object], ...]
    """Values by ``step.parameter``, in the order of the table."""
    table: pd.DataFrame
    """A row a choice: its parameters, then what was measured.  Of labels, and of tables of objects:
    ``n_objects`` (whole ones), ``n_touching`` (those that go on beyond what was computed, which no
    other measure counts), ``mean_size`` and ``median_size`` in voxels; of masks ``coverage``; of
    other images ``mean`` and ``std``; of numbers ``value``.  With several targets, after the name
    of each.  Then scores against the truth, measures that were asked for, and ``seconds``.  Where
    choices failed, they have no measures (NaN), and a column ``error`` says why."""
    targets: Any = field(repr=False)
    """What was swept, as the pipeline has it."""
    tiles: tuple[Tile, ...] = field(repr=False)
    """What is drawn of each choice; none where no target is an image."""
    _region: Region = field(repr=False)
    _behind: ImageRef | None = field(repr=False)

    def __len__(self) -> int:
        return len(self.choices)

    def target(self, number: int) -> Any:
        """Return the targets with the parameters of one choice, ready to run in full."""
        return _applied(self._region, self.targets, self.choices[number])

    def preview(self, number: int) -> Preview:
        """Compute one choice again."""
        return look(self._region, self.choices[number])

    def caption(self, number: int) -> tuple[str, ...]:
        """Return the lines that stand below the picture of a choice."""
        chosen = _chosen(self.choices[number], short_names(self.choices[number]))
        if failed_of(self.table)[number]:
            return (chosen, f"failed: {shortened(self.table[ERROR].iloc[number], _CAPTION)}")
        said = []
        for name in self.table.columns:
            last, value = str(name).rpartition(".")[2], self.table[name].iloc[number]
            if last == "n_objects":
                said.append(f"{int(value)} objects")
            elif last in ("f1", "coverage"):
                said.append(f"{last} {value:.3g}")
        return (chosen, ", ".join(dict.fromkeys(said))) if said else (chosen,)

    def sheet(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """Draw all choices side by side, with one contrast and outlines of objects.

        Parameters
        ----------
        path : path, optional
            Where it is written as well; it ends in .png.

        Returns
        -------
        bytes
            A PNG: of a volume the largest voxels over z, of other axes the first place; at most
            the first 100 choices.

        Raises
        ------
        PipelineError
            If no target is an image.
        ParameterError
            If the path has another ending.
        StoreError
            If the file cannot be written.
        """
        _check_ending(path, ".png", "sheet")
        if not self.tiles:
            raise PipelineError(
                "a sheet shows images",
                value="none of the targets is one",
                place="sheet",
                remedy="sweep an image beside the table: sc.sweep((labels, table), ...)",
            )
        captions = [self.caption(number) for number in range(len(self.tiles))]
        title = f"{len(self)} choices of {', '.join(self.choices[0])}"
        if len(self.tiles) < len(self):
            title += f"; the first {len(self.tiles)} are shown"
        png = draw_sheet(self.tiles, captions, title, self._columns())
        if path is not None:
            with writing(Path(path), "a sheet") as new:
                new.write_bytes(png)
        return png

    def html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return a page of its own with the sheet and the table, without scripts or links.

        Parameters
        ----------
        path : path, optional
            Where it is written as well; it ends in .html.

        Raises
        ------
        ParameterError
            If the path has another ending.
        StoreError
            If the file cannot be written.
        """
        _check_ending(path, ".html", "html")
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sweep of '
            f"{html_text(self._names())}</title><style>:root{{color-scheme:light dark}}"
            "body{font-family:system-ui,sans-serif;margin:24px}img{max-width:100%;height:auto}"
            f"</style></head><body>{self._as_html(len(self))}</body></html>\n"
        )
        if path is not None:
            with writing(Path(path), "a page") as new:
                new.write_text(page, encoding="utf-8")
        return page

    def view(self, numbers: Sequence[int] | None = None, *, show: bool = True) -> Any:
        """Open napari with a cell of its grid a choice.

        Needs the extra ``napari``.

        Parameters
        ----------
        numbers : sequence of int, optional
            Which choices; default: all that did not fail, up to 36.
        show : bool, optional
            Whether the window is shown at once.

        Returns
        -------
        napari.Viewer

        Raises
        ------
        ParameterError
            If there are more.
        """
        every = [number for number, failed in enumerate(failed_of(self.table)) if not failed]
        shown = every if numbers is None else list(numbers)
        if not 1 <= len(shown) <= _LAYERS:
            raise ParameterError(
                f"a viewer shows 1 to {_LAYERS} choices side by side",
                value=len(shown),
                place="view of a sweep",
                remedy="name some: sweep.view([0, 3, 5])",
            )
        from scutoid.views import view

        viewer: Any = None
        cells: list[list[Any]] = []
        for number in shown:
            there = [] if viewer is None else list(viewer.layers)
            viewer = view(*self._cell(number), viewer=viewer, show=show)
            cells.append([layer for layer in viewer.layers if layer not in there])
        for place, layer in enumerate(layer for cell in cells for layer in cell):
            viewer.layers.move(viewer.layers.index(layer), place)
        arranged = getattr(viewer, "canvas", viewer).grid  # napari before 0.9: the viewer's own
        arranged.stride = len(cells[0])
        arranged.enabled = True
        return viewer

    def _cell(self, number: int) -> list[Image]:
        """Return what is shown of one choice, below one another."""
        preview = self.preview(number)
        name = self.caption(number)[0]
        shown: list[Image] = []
        for target, looked in zip(preview.targets, preview.looked, strict=True):
            if isinstance(target, ImageRef) and looked.spec is not None:
                if self._behind is not None and looked.roi is not None and not shown:
                    array = read_behind(self._behind, looked)
                    below = placed(
                        array, looked.spec, looked.roi, f"image, {name}", is_labels=False
                    )
                    shown.append(below)
                shown.append(
                    placed(looked.result, looked.spec, looked.roi, name, is_labels=target.is_labels)
                )
                return shown
        raise PipelineError("a viewer shows images", value="no target is one", place="sweep.view")

    def _columns(self) -> int:
        """Return how many choices stand side by side: of a grid, all values of the last one."""
        names = list(self.choices[0])
        last = [choice[names[-1]] for choice in self.choices]
        n = len(self.tiles)
        for period in range(2, 9):
            rows = [last[start : start + period] for start in range(0, len(last), period)]
            is_grid = all(_same(row, rows[0]) for row in rows) and not _same(last[:1], last[1:2])
            if len(rows) > 1 and is_grid:
                return period
        return n if n <= 4 else min(max(3, math.ceil(math.sqrt(n))), 8)

    def _names(self) -> str:
        return ", ".join(ref.name for ref in self._region.targets)

    def _as_html(self, count: int) -> str:
        picture = ""
        if self.tiles:
            encoded = b64encode(self.sheet()).decode()
            picture = f'<img alt="contact sheet" src="data:image/png;base64,{encoded}"/>'
        rows = self.table.head(count)
        cells = [["", *rows.columns]]
        body = zip(
            rows.index.tolist(), *(rows[name].tolist() for name in rows.columns), strict=True
        )
        below = "" if count >= len(self) else note(f"{count} of {len(self)} choices")
        return section("Sweep", self._names(), picture, grid(cells[0], body), below)

    def _repr_html_(self) -> str:
        return self._as_html(_ROWS)

    @printed
    def __str__(self) -> str:
        return f"{len(self)} choices\n{self.table.to_string()}"


def sweep(
    target: Any,
    choices: Choices,
    roi: RegionLike = None,
    *,
    n: int | None = None,
    seed: int = 0,
    measures: Mapping[str, MeasureFunction] | None = None,
    truth: Image | NDArray[Any] | None = None,
    threshold: float = 0.5,
    behind: Image | None = None,
    margin: MarginLike = MARGIN,
    local: bool | str | Collection[str] = False,
    store: str | os.PathLike[str] | None = None,
    exact: bool = True,
    memory: int | str | None = None,
    running: Mapping[str, Any] | None = None,
) -> Sweep:
    """Compute a region with many choices of parameters, measure each and draw them side by side.

    What choices have in common is computed once.  Names and values are checked for all choices
    before the first is computed.  A choice that a function fails at is warned of and has no
    measures; the others are kept.

    Parameters
    ----------
    target : Image, Table, Value, or a tuple, list or dict of these
        As in `preview`; the first image is drawn.
    choices : mapping, DataFrame or sequence of mapping
        ``{"gaussian.sigma": [1, 2], "threshold.level": [300, 400]}``: all combinations; with `n`
        some of them, at random.  Instead of a list of values a function that gets a
        `numpy.random.Generator` and returns one.  Or a choice a row of a DataFrame, or a dict each.
        Parameters are named ``step.parameter``, by the name of the step in the store.
    roi : optional
        The region, as in `preview`; default: all.  With a `store` and without a region, all choices
        are run into the store, where ``Store.find`` finds them.
    n : int, optional
        How many choices are drawn at random.
    seed : int, optional
        Of what is drawn.
    measures : mapping of str to function, optional
        Further columns.  A function gets the result of the region, a tuple where there are
        several targets, without the objects that go on beyond what was computed.
    truth : Image or ndarray, optional
        Labels of the whole image that the first labels are compared with, by `compare`.  Objects
        of both that go on beyond what was computed are left out, and those of which more than half
        lies in such ones.
    threshold : float, optional
        Least intersection over union of objects that match.
    behind : Image, optional
        What outlines are drawn on; default: the first image of the pipeline of the same shape.
    margin, local, store, exact, memory
        As in `preview`.
    running : mapping, optional
        Further arguments of `run`, where choices are run into a store, such as ``{"workers": 4}``.

    Returns
    -------
    Sweep
        `.table`, `.sheet`, `.html`, `.view`, `.target`.

    Raises
    ------
    ParameterError
        If a parameter is not there, a step refuses a value, or a measure has the name of another
        column.
    GeometryError, PipelineError, MemoryLimitError
        As in `preview`.
    Exception
        What the first choice failed with, if all of them fail.
    RunStopped
        If SIGTERM or SIGHUP ends it, in the main thread; what was run into a store is kept.

    Warns
    -----
    ScutoidWarning
        If some choices fail.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> raw = sc.open(np.arange(100).reshape(10, 10))
    >>> bright = sc.threshold(raw, level=10)
    >>> sc.sweep(bright, {"threshold.level": [24, 49]}).table["coverage"].tolist()
    [0.75, 0.5]
    """
    names = (local,) if isinstance(local, str) else local
    drawn = choices_of(choices, n, seed)
    with refusing_depth():
        graph = Graph(refs_in([target]), local=names if isinstance(names, bool) else tuple(names))
        graph.check_local()
        limit = None if memory is None else parse_bytes(memory)
        session = Session(graph, store=store, limit=limit, exact=exact)
        region = Region(session, Margin(margin), roi)
        for choice in drawn:
            region.check(choice)
    measuring = Measures(dict(measures or {}), truth, threshold)
    measuring.check((*drawn[0], _SECONDS, ERROR))
    with ends_by_signals():
        if store is not None and roi is None and not graph.members:
            # choices that fail there fail below again, and are warned of
            with suppress(RunFailed):
                results = [_applied(region, target, each) for each in drawn]
                run(*results, store=store, **running or {})
        below = behind_of(region) if behind is None else behind.read_ref
        return _swept(target, region, drawn, measuring, below)


def _swept(
    target: Any,
    region: Region,
    choices: list[Choice],
    measures: Measures,
    behind: ImageRef | None,
) -> Sweep:
    import pandas as pd

    rows: dict[int, dict[str, object]] = {}
    tiles: dict[int, Tile] = {}
    pixels: dict[Roi, NDArray[Any]] = {}
    failures = Failures()
    for number in region.in_order(choices):
        start, row = time.perf_counter(), dict(choices[number])
        preview = failures.tried(number, look, region, choices[number])
        if preview is not None:
            row.update(measures.of(preview))
            row.update(failures.tried(number, measures.asked, preview) or {})
            tile = tile_of(preview, behind, pixels) if number < _PICTURES else None
            if tile is not None:
                tiles[number] = tile
        rows[number] = {**row, _SECONDS: time.perf_counter() - start}
    failures.settle([_chosen(choice, {}) for choice in choices])
    table = pd.DataFrame(failures.noted(rows))
    drawn = _in_places(tiles, min(len(choices), _PICTURES))
    return Sweep(tuple(choices), table, target, drawn, region, behind)


def _in_places(tiles: Mapping[int, Tile], count: int) -> tuple[Tile, ...]:
    """Return a tile a choice, an empty one of those that failed; none if nothing is drawn."""
    if not tiles:
        return ()
    shape = next(iter(tiles.values())).pixels.shape
    empty = Tile(np.full(shape, np.nan, np.float32), None, None)
    return tuple(tiles.get(number, empty) for number in range(count))


def _applied(region: Region, target: Any, choice: Mapping[str, object]) -> Any:
    changes = region.session.parameters.changes(choice, "sweep")
    pairs = {
        (call.name, parameter): value
        for call, own in changes.by_call.items()
        for parameter, value in own.items()
    }
    return applied(target, pairs)


def _check_ending(path: str | os.PathLike[str] | None, ending: str, place: str) -> None:
    if path is not None and Path(path).suffix.lower() != ending:
        raise ParameterError(
            f"a path of {place} ends in {ending}",
            value=os.fspath(path),
            place=f"{place} of a sweep",
            remedy=f"write {os.fspath(Path(path).with_suffix(ending))!r}",
        )


def _chosen(choice: Mapping[str, object], names: Mapping[str, str]) -> str:
    return ", ".join(f"{names.get(name, name)} {_text(value)}" for name, value in choice.items())


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    return [repr(item) for item in one] == [repr(item) for item in other]
