"""Commands that look at results and runs: as text, as pages, in viewers."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scutoid.cli._results import several, single, tell_missing
from scutoid.cli._say import say
from scutoid.errors import ParameterError, StoreError
from scutoid.printable import printable

if TYPE_CHECKING:
    import pandas as pd

    from scutoid.steps.handles import Lazy, Partial
    from scutoid.store import Entry, Recipe

_ROWS = 10


def ls(*, store: str = "results", all_steps: bool = False) -> int:
    """List the results in a store, the newest first.

    Parameters
    ----------
    store : str
        Folder of the results.
    all_steps : bool
        Whether the results inside operations are listed too, such as label_pieces in label.
    """
    from rich.console import Console
    from rich.table import Table

    from scutoid.steps import Store
    from scutoid.steps.results import own_bytes

    entries = Store(store).entries()
    listed = [(e, r) for e, r in entries if all_steps or not r.within]
    table = Table(box=None, pad_edge=False)
    for name in ("step", "key", "kind", "status", "MB", "blocks", "made"):
        table.add_column(name, justify="right" if name in ("MB", "blocks") else "left")
    for entry, recipe in listed:
        size = own_bytes(entry)
        row = (
            recipe.step,
            recipe.key[:12],
            recipe.kind,
            entry.status,
            f"{size / 1e6:.1f}",
            _n_blocks(entry, recipe),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(recipe.created)),
        )
        table.add_row(*map(printable, row))
    console = Console(width=None if sys.stdout.isatty() else 120, markup=False, emoji=False)
    with console.capture() as text:  # printed as all else is: rich has an exit of its own
        console.print(table)
    say(text.get(), end="")
    if len(listed) < len(entries):
        say(f"and {len(entries) - len(listed)} inside operations: --all-steps")
    return 0


def show(step: str, *, store: str = "results", partial: Literal["error", "allow"] = "error") -> int:
    """Show the newest result of a step: its inputs, parameters and content.

    Parameters
    ----------
    step : str
        Name of the step, as 'scutoid ls' lists it.
    store : str
        Folder of the results.
    partial : {"error", "allow"}
        What becomes of members that a run did not finish: an error and exit code 1, or the others
        are shown.
    """
    from scutoid.steps import Store

    opened = Store(store)
    entries = opened.entries(step)
    if not entries:
        names = ", ".join(dict.fromkeys(recipe.step for _, recipe in opened.entries()))
        raise StoreError(
            "the store has results of the step", value=step, remedy=f"there are {names or 'none'}"
        )
    entry, recipe = entries[0]
    say(f"{printable(recipe.step)}  {recipe.key[:12]}  {recipe.kind}, {entry.status}")
    say(f"  in      {entry.place}")
    created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(recipe.created))
    took = "" if recipe.seconds is None else f", took {recipe.seconds:.1f} s"
    say(f"  made    {created} on {recipe.host}{took}")
    _facts("with", {name: fact.text for name, fact in recipe.parameters.items()})
    _facts("from", {name: fact.text for name, fact in recipe.inputs.items()})
    _facts("code", {name: digest[:12] for name, digest in recipe.code.items()})
    _facts("using", recipe.versions)
    if recipe.block is not None:
        say(f"  blocks  {_n_blocks(entry, recipe)} of {' x '.join(map(str, recipe.block))}")
    if step in opened:
        for result in several(opened[step]):
            _print_result(result, partial)
    return 0


def _n_blocks(entry: Entry, recipe: Recipe) -> str:
    from scutoid.steps.results import how_far

    found = how_far(entry, recipe)
    return "" if found is None else str(found)


def _facts(word: str, facts: Mapping[str, str]) -> None:
    for number, (name, text) in enumerate(facts.items()):
        say(f"  {word if not number else '':<7} {printable(name)} = {printable(text)}")


def _print_result(result: Lazy, partial: Partial) -> None:
    from scutoid.steps import Table, Tables, Value, Values
    from scutoid.steps.handles import Collection

    if isinstance(result, Collection):
        result.taken(partial).check()
        tell_missing(result, partial)
    if isinstance(result, Table):
        _print_table(result.to_pandas())
    elif isinstance(result, Tables):
        _print_table(result.to_pandas(partial=partial))
    elif isinstance(result, Values):
        say(f"\n{result.to_pandas(partial=partial).head(_ROWS).to_string()}")
    elif isinstance(result, Value):
        say(f"\n{result.get()!r}")
    else:
        say(f"\n{result!r}")


def _print_table(frame: pd.DataFrame) -> None:
    n_shown = min(_ROWS, len(frame))
    unit = frame.attrs.get("unit")
    lengths = f", lengths in {unit}" if unit else ""
    say(f"\n{len(frame)} rows, {len(frame.columns)} columns{lengths}; the first {n_shown}:")
    say(frame.head(_ROWS).to_string())


def _serve_view(
    results: Sequence[object], *, link: str | None, port: int, open_browser: bool
) -> int:
    from scutoid.views import web

    try:
        with web(*results, link=link, port=port, open_browser=open_browser) as page:
            say(f"{page.address}\nCtrl-C ends it", flush=True)
            page.wait()
    except KeyboardInterrupt:
        say()
    return 0


def view(
    *steps: str,
    store: str = "results",
    member: str | None = None,
    color_by: str | None = None,
    web: bool = False,
    link: str | None = None,
    port: int = 0,
    browser: bool = True,
) -> int:
    """Open the newest results of some steps in napari, or in Neuroglancer in the browser.

    Parameters
    ----------
    steps : str
        Names of steps; images, labels and tables with positions are shown.
    store : str
        Folder of the results.
    member : str
        Key of the member that is shown of results of a folder of images, such as A01.tif.
    color_by : str
        In napari, the column of the tables by which objects are coloured.
    web : bool
        Serve a page with Neuroglancer to this machine until Ctrl-C, and open it in the browser.
    link : str
        With --web, the address of an earlier page, copied from the browser: what was in view there
        is in view again.
    port : int
        With --web, the port to listen on; default: any that is free.
    browser : bool
        With --web, whether a browser is told to open the page; the address is printed anyway.
    """
    if not web and (link is not None or port or not browser):
        raise ParameterError(
            "--link, --port and --no-browser are of a page",
            value="no --web",
            place="scutoid view",
            remedy="add --web",
        )
    if web and color_by is not None:
        raise ParameterError(
            "--color-by is of napari", value="--web", place="scutoid view", remedy="leave one out"
        )
    from scutoid.steps import Store

    results = single(Store(store), steps, member)
    if web:
        return _serve_view(results, link=link, port=port, open_browser=browser)
    from scutoid.views import view as open_view

    open_view(*results, color_by=color_by, block=True)
    return 0


def serve(*, store: str = "results", port: int = 0) -> int:
    """Show a store and its live runs as a page in the browser of this machine, until Ctrl-C.

    Parameters
    ----------
    store : str
        Folder of the results; it is only read.
    port : int
        Port that the page is shown at; 0 takes one that is free.
    """
    from scutoid.serving import serve as serve_store

    def tell(address: str) -> None:
        say(f"{store} is shown at\n\n    {address}\n\nCtrl-C ends it.", flush=True)

    serve_store(store, port=port, tell=tell)
    return 0


def report(
    run: str | None = None,
    *,
    store: str = "results",
    output: Path | None = None,
    open: bool = False,  # noqa: A002 - the flag --open
) -> int:
    """Write a page that shows a run: pictures, counts, charts, times, failures; print its path.

    Parameters
    ----------
    run : str, optional
        Name of its folder in runs/; default: the run that began last.
    store : str
        Folder of the results.
    output : Path, optional
        The file, ending in .html; default: report.html in the folder of the run.
    open : bool
        Open it in the browser of this machine.
    """
    from scutoid.reports import report as write_report

    path = write_report(store, run, path=output)
    say(path)
    if open:
        import webbrowser

        webbrowser.open(path.absolute().as_uri())
    return 0
