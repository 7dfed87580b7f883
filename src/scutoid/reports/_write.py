"""Write the report of a run: `report.html` and `report.json` in its folder.

::

    runs/<id>/report.html      the page, with its pictures
    runs/<id>/report.json      facts, tables and members, for programs
    runs/<id>/thumbnails/      pictures of members, if there are many
"""

from __future__ import annotations

import base64
import io
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from scutoid.durable import beside
from scutoid.errors import ScutoidError, ScutoidWarning, StoreError
from scutoid.reports._allowance import Allowance
from scutoid.reports._facts import RunFacts
from scutoid.reports._gallery import Gallery, gallery_of, takes_too_long
from scutoid.reports._page import Page, Shown
from scutoid.reports._pictures import Picture, shown_picture
from scutoid.reports._read import read_run
from scutoid.reports._tables import TableFacts, tables_of
from scutoid.steps import Run, Store
from scutoid.steps.handles import SHARP
from scutoid.steps.results import THUMBNAILS
from scutoid.store import EntryStore
from scutoid.texts import json_text

HTML = "report.html"
VERSION = 1
"""Of `report.json`."""
_MOST_WITHIN = 200
"""Members whose pictures lie in the page itself."""
_MOST_BYTES = 4_500_000
"""Of the pictures in the page, as text."""
_SHARE = 0.03
"""Of a run's seconds what its report may take for pictures and charts."""
_LEAST, _LEAST_OF_MANY = 0.6, 0.03
"""Seconds that it may take at least; of a run of more than a few members."""
_FEW_MEMBERS = 24
_READ_RATE = 64 * 2**20
"""Bytes that are read in a second, about: no more are read than time is left for."""
_BUDGET = 16 * 2**20
_LEAST_BUDGET = 2**20
_HEAVY_SECONDS = 0.5
"""What it takes to load what reads tables, where nothing has loaded it yet."""
_OF_COLUMNS = 0.3
"""Of what is left when members come, what their columns may take."""
_SMALL = 160
"""Pixels of a member's picture."""
_FEW_BYTES = 12_000
"""Of a member's picture that is not made smaller."""


def report(
    of: Run | Store | str | os.PathLike[str],
    run: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the report of a run: one page that shows what it did, and what came of it.

    The page has the graph of steps, pictures, counts, histograms and charts of tables, members of
    collections, times, parameters, versions, warnings and failures.  It is one file that needs no
    network; pictures of more than 200 members lie in a folder beside it.  `report.json` beside it
    has the same for programs.  Each run that computes something writes it by itself, with as many
    pictures as fit in a small part of its time; this writes all of it.

    Parameters
    ----------
    of : Run, Store or path
        A run, or the store that has it.
    run : str, optional
        Name of the run's folder in the store; default: the run that began last.
    path : path, optional
        The file, with the ending .html; default: `report.html` in the folder of the run.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StoreError
        If there is no such run, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import scutoid as sc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = sc.run(sc.gaussian(sc.open(np.eye(8)), sigma=1), store=folder)
    ...     print(sc.report(run).name)
    report.html
    """
    if isinstance(of, Run):
        facts = read_run(of.store, of.folder.name if run is None else run)
    else:
        facts = read_run(of, run)
    place = Path(facts.folder) / HTML if path is None else Path(path)
    try:
        _write(facts, place, Allowance())
    except OSError as error:
        raise StoreError(
            "the report of a run can be written",
            value=error.strerror or str(error),
            place=str(place),
            remedy="give another place: scutoid report --output FILE.html, or path=",
        ) from error
    return place


def report_of_run(done: Run, *, in_haste: bool = False) -> None:
    """Write the report of a run that has just ended, in a small part of its time.

    Parameters
    ----------
    done : Run
        What came of it.
    in_haste : bool
        Whether it gets no more time than that of a short run.

    Warns
    -----
    ScutoidWarning
        If it cannot be written; the run is as it is.
    """
    try:
        began = time.monotonic()
        facts = read_run(done.store, done.folder.name)
        spent = time.monotonic() - began
        many = any(len(step.members) > _FEW_MEMBERS for step in done.steps)
        least = _LEAST_OF_MANY if many else _LEAST
        allowance = Allowance((least if in_haste else max(_SHARE * done.seconds, least)) - spent)
        page = Path(facts.folder) / HTML
        _write(facts, page, allowance)
        beside = (page.with_suffix(".json"), page.with_name(THUMBNAILS))
        EntryStore(done.store).publish(page, *(path for path in beside if path.exists()))
    except Exception as error:  # noqa: BLE001 - nothing of a report may harm what was computed
        text = f"the run has no report: {type(error).__name__}: {error}"
        warnings.warn(text, ScutoidWarning, stacklevel=4)


def _write(facts: RunFacts, place: Path, allowance: Allowance) -> None:
    maker = _Maker(facts, place, allowance)
    page = maker.page()
    content = {
        "version": VERSION,
        **facts.to_dict(),
        "tables": [table.to_dict() for table in page.tables],
        "gallery": None if page.gallery is None else page.gallery.to_dict(),
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    _replace(place.with_suffix(".json"), json_text(content) + "\n")
    _replace(place, page.html())


def _replace(path: Path, text: str) -> None:
    """Write a file so that who reads it has it whole; no disk is waited for."""
    new = beside(path)
    try:
        new.write_text(text, encoding="utf-8", errors="backslashreplace")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


class _Maker:
    """Makes what a page shows, until its time is over.

    Parameters
    ----------
    facts : RunFacts
        The run.
    place : Path
        Where the page goes.
    allowance : Allowance
        What pictures and charts may take.
    """

    def __init__(self, facts: RunFacts, place: Path, allowance: Allowance) -> None:
        self._facts = facts
        self._place = place
        self._allowance = allowance
        self._n_bytes = 0
        self._left_out: list[str] = []

    def page(self) -> Page:
        """Return what the page shows."""
        tables = self._tables()
        pictures = list(self._pictures())
        gallery = self._gallery()
        members = {} if gallery is None else dict(self._members(gallery))
        return Page(self._facts, pictures, tables, gallery, members, self._left_out)

    def _gallery(self) -> Gallery | None:
        if takes_too_long(self._facts, self._allowance):
            self._leave_out("the members of collections")
            return None
        return gallery_of(self._facts, self._allowance.part(_OF_COLUMNS))

    def _tables(self) -> list[TableFacts]:
        names = [s.name for s in self._facts.steps if any(o.kind == "table" for o in s.outputs)]
        if not names:
            return []
        import sys

        is_quick = "pyarrow.parquet" in sys.modules or self._allowance.left > _HEAVY_SECONDS
        if not (is_quick and self._allowance.is_left):
            self._leave_out(f"charts of {', '.join(names)}")
            return []
        return list(tables_of(self._facts))

    def _leave_out(self, what: str) -> None:
        self._left_out.append(
            f"{what}: there was no time for it while the run ended. It is on the page that "
            f"`scutoid report {self._facts.name} --store {self._facts.store}` writes."
        )

    def _picture(self, step: str, output: int, member: str | None = None) -> Picture | None:
        budget = _BUDGET
        if self._allowance.is_limited:
            budget = min(int(self._allowance.left * _READ_RATE), _BUDGET)
            if budget < _LEAST_BUDGET:
                return None
        sharp = SHARP if member is None else _SMALL
        return shown_picture(
            self._facts, step, output=output, member=member, budget=budget, sharp=sharp
        )

    def _pictures(self) -> Iterator[Shown]:
        """Make pictures of the steps: first of the last ones, shown in their order."""
        wanted = [
            (step, number)
            for step in self._facts.steps
            if step.kind not in ("collection", "") and not step.within and step.stored == "complete"
            for number, output in enumerate(step.outputs)
            if output.kind == "image"
        ]
        made: dict[int, Shown] = {}
        n_left_out = 0
        for place, (step, number) in reversed(list(enumerate(wanted))):
            try:
                found = self._picture(step.name, number)
            except ScutoidError as error:
                self._left_out.append(f"a picture of {step.name}: {getattr(error, 'value', error)}")
                continue
            source = "" if found is None else self._within(found.png)
            if found is None or not source:
                n_left_out += 1
                continue
            name = step.name if len(step.outputs) == 1 else f"{step.name}, output {number + 1}"
            made[place] = Shown(name, source, found.size, found.caption)
        if n_left_out:
            self._leave_out(f"{n_left_out} pictures of steps")
        yield from (made[place] for place in sorted(made))

    def _within(self, png: bytes) -> str:
        """Return the address of a picture that lies in the page; "" if it has no room for it."""
        text = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
        if self._n_bytes + len(text) > _MOST_BYTES:
            return ""
        self._n_bytes += len(text)
        return text

    def _members(self, gallery: Gallery) -> Iterator[tuple[str, Shown]]:
        if gallery.step is None:
            return
        keep = self._within if gallery.n_all <= _MOST_WITHIN else self._beside()
        n_left_out = 0
        for key in gallery.keys:
            if gallery.step in gallery.lacking.get(key, ()):
                continue
            try:
                found = self._picture(gallery.step, gallery.output, key)
            except ScutoidError:  # the card says that it has none
                continue
            source = "" if found is None else keep(_small(found.png))
            if found is None or not source:
                n_left_out += 1
                continue
            yield key, Shown(key, source, found.size, found.caption)
        if n_left_out:
            self._leave_out(f"{n_left_out} pictures of members")

    def _beside(self) -> Callable[[bytes], str]:
        """Return what writes a picture into the folder beside the page, and its address."""
        name = THUMBNAILS if self._place.name == HTML else f"{self._place.stem}-{THUMBNAILS}"
        folder = self._place.with_name(name)
        if folder.is_dir() and not folder.is_symlink():
            for old in folder.glob("[0-9]*.png"):
                old.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        numbers = iter(range(10**9))

        def write(png: bytes) -> str:
            file = f"{next(numbers)}.png"
            (folder / file).write_bytes(png)
            return f"{name}/{file}"

        return write


def _small(png: bytes) -> bytes:
    """Return a picture with fewer pixels and colours."""
    from PIL import Image

    image: Image.Image = Image.open(io.BytesIO(png))
    if max(image.size) <= _SMALL and len(png) <= _FEW_BYTES:
        return png
    image = image.convert("RGB")
    image.thumbnail((_SMALL, _SMALL))
    file = io.BytesIO()
    image.quantize(64).save(file, "PNG")
    return file.getvalue()
