"""The commands of the command line."""

from __future__ import annotations

import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypedDict, Unpack

from scutoid.cli._debug import commands_again
from scutoid.cli._say import say
from scutoid.cli._submit import job_of_element, part_of, share_options
from scutoid.cli._submit import requeue as begin_again
from scutoid.errors import ParameterError, RunStopped, ScutoidWarning, StoreError
from scutoid.events import Event, Listener
from scutoid.executors import find_executor, read_preset
from scutoid.printable import printable
from scutoid.progress import Progress
from scutoid.steps import Image, Run, Store, Table, Tables, Value, Values, run_share
from scutoid.steps import export as export_result
from scutoid.steps import open as open_image
from scutoid.steps import plan as plan_targets
from scutoid.steps import run as run_targets
from scutoid.steps.handles import Collection, Lazy, Partial
from scutoid.steps.results import how_far, own_bytes
from scutoid.store import Entry, Recipe

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 10
_NAMED = 3


class PlanOptions(TypedDict):
    """Options of the commands that take a file with a pipeline."""

    store: str
    block: int | None
    memory: str | None
    paranoid: bool
    force: tuple[str, ...]
    accept: tuple[str, ...]


class RunOptions(PlanOptions):
    """Options of a run."""

    workers: int | None
    check_halo: bool


def run(
    targets: Sequence[object],
    *,
    again: Sequence[str] = (),
    progress: bool = True,
    executor: str | None = None,
    preset: Path | None = None,
    share: str | None = None,
    requeue: bool = False,
    **options: Unpack[RunOptions],
) -> int:
    """Run a pipeline and print its outcome; options are those of `scutoid.run`.

    Parameters
    ----------
    targets : sequence
        Results of steps.
    again : sequence of str
        The command that debugs a block of this pipeline, without the step and the block.
    progress : bool
        Whether to show how far it is: bars on a terminal, lines elsewhere.
    executor : str, optional
        Its name, or that of a preset.
    preset : Path, optional
        The file of the preset, in place of the user's own.
    share : str, optional
        Which part of the blocks this process does beside others, such as ``3/20``.
    requeue : bool
        Whether this element of a job array begins again after its time limit.
    **options
        As above.
    """
    job = job_of_element() if requeue else None
    part = None if share is None else share_options(share, options)
    chosen = (executor or "processes") if preset is None else read_preset(preset, executor)
    find_executor(chosen)  # a name that is none is refused before the pipeline is looked at
    with _in_plain_words() as said, Progress() as shown:
        above = _Above(said)
        listeners: list[Listener] = [shown, above] if progress else [above]
        try:
            if part is not None:
                done = run_share(
                    *targets, **part, share=part_of(share), executor=chosen, listeners=listeners
                )
            else:
                done = run_targets(
                    *targets,
                    **options,
                    executor=chosen,
                    on_failure="return",
                    listeners=listeners,
                    progress=False,
                )
        except RunStopped as stopped:
            if isinstance(stopped.run, Run):
                say(stopped.run.summary(), file=sys.stderr)
            if job is not None:
                begin_again(job, stopped.run)
            raise
    n_cached = sum(step.n_cached == step.n_blocks for step in done.steps)
    if not done.ok:
        say(done.summary(), file=sys.stderr)
        for command in commands_again(done, again):
            say(f"to debug it: {command}", file=sys.stderr)
        say(
            f"\nfailed. What was finished is kept in {done.store}; "
            "correct the cause and give the same command again.",
            file=sys.stderr,
        )
        return 1
    if n_cached == len(done.steps):
        say(f"nothing to run: all {n_cached} steps are up to date in {done.store}")
    else:
        for text in above.texts:
            say(f"warning: {text}", file=sys.stderr)
        ran = len(done.steps) - n_cached
        took = f"{done.seconds:.1f} s"
        say(f"{ran} steps run, {n_cached} up to date, {took}; results in {done.store}")
    return 0


class _Above:
    """Remembers which warnings stand above what a run printed, to be said again at its end."""

    def __init__(self, said: Sequence[str]) -> None:
        self._said = said
        self.texts: tuple[str, ...] = ()

    def on_event(self, event: Event) -> None:
        """Note that something was printed after what has been said."""
        del event
        self.texts = tuple(dict.fromkeys(self._said))


@contextmanager
def _in_plain_words() -> Iterator[list[str]]:
    """Print warnings of scutoid without the line of ours that they come from; yield their texts."""
    said: list[str] = []
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, ScutoidWarning):
                said.append(str(message))
                say(f"warning: {message}", file=sys.stderr)
            else:
                others(message, category, filename, lineno, file, line)

        warnings.simplefilter("always", ScutoidWarning)
        warnings.showwarning = show
        yield said


def plan(
    targets: Sequence[object],
    *,
    all_steps: bool = False,
    time_sample: int | None = None,
    workers: int = 1,
    **options: Unpack[PlanOptions],
) -> int:
    """Print what a run would do; options are those of `scutoid.plan`.

    Parameters
    ----------
    targets : sequence
        Results of steps.
    all_steps : bool
        Whether the steps of operations have a line each.
    time_sample : int, optional
        Blocks of each step that are run and measured.
    workers : int
        How many the cost is told for; the sample runs in one.
    **options
        As above.
    """
    planned = plan_targets(*targets, **options, sample=time_sample)
    say(planned.text(folded=not all_steps))
    if planned.cost is not None:
        say(f"\n{planned.cost.text(workers, folded=not all_steps)}")
    return 0


def why(targets: Sequence[object], *, step: tuple[str, ...], **options: Unpack[PlanOptions]) -> int:
    """Print why steps of a pipeline would run; options are those of `scutoid.plan`."""
    planned = plan_targets(*targets, **options)
    for name in step or [planned_step.name for planned_step in planned]:
        say(planned[name].why())
    return 0


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


def show(step: str, *, store: str = "results", partial: Partial = "error") -> int:
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
        for result in _several(opened[step]):
            _print_result(result, partial)
    return 0


def _n_blocks(entry: Entry, recipe: Recipe) -> str:
    found = how_far(entry, recipe)
    return "" if found is None else str(found)


def _facts(word: str, facts: Mapping[str, str]) -> None:
    for number, (name, text) in enumerate(facts.items()):
        say(f"  {word if not number else '':<7} {printable(name)} = {printable(text)}")


def _several(result: Lazy | tuple[Lazy, ...]) -> tuple[Lazy, ...]:
    return result if isinstance(result, tuple) else (result,)


def _print_result(result: Lazy, partial: Partial) -> None:
    if isinstance(result, Collection):
        result.taken(partial).check()
        _tell_missing(result, partial)
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


def _tell_missing(result: Collection[Any], partial: Partial) -> None:
    """Say which members are left out, if that is allowed."""
    missing = result.missing
    if missing and partial == "allow":
        named = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        text = f"without {len(missing)} of {len(result)} members, which were not finished: {named}"
        say(text, file=sys.stderr)


def verify(*, store: str = "results", heal: bool = True) -> int:
    """Read and check all stored results, and remove damaged ones so that they are made again.

    Parameters
    ----------
    store : str
        Folder of the results.
    heal : bool
        Whether damaged results are removed; --no-heal only reports them.
    """
    report = Store(store).verify(heal=heal)
    say(report)
    return 0 if report.ok else 1


def gc(
    *,
    store: str = "results",
    older_than: str | None = None,
    keep_runs: int | None = None,
    max_size: str | None = None,
    dry_run: bool = False,
) -> int:
    """Remove results that are no longer needed, and leftovers of killed runs.

    Parameters
    ----------
    store : str
        Folder of the results.
    older_than : str, optional
        Results that no run has used for so long may go, such as 30d or 12h.
    keep_runs : int, optional
        Results that the last so many runs needed stay; all others may go.
    max_size : str, optional
        The results unused for longest go until the store is no larger, such as 100GB.
    dry_run : bool
        Only print what would go.
    """
    collected = Store(store).gc(
        older_than=older_than, keep_runs=keep_runs, max_size=max_size, dry_run=dry_run
    )
    say(collected)
    return 0


def du(*, store: str = "results") -> int:
    """Print the size of the results of each step, the largest first.

    Parameters
    ----------
    store : str
        Folder of the results.
    """
    sizes = Store(store).du()
    for name, nbytes in {**sizes, "in all": sum(sizes.values())}.items():
        say(f"{nbytes / 1e6:12.1f} MB  {name}")
    return 0


def export(
    step: str,
    path: str,
    *,
    store: str = "results",
    output: int = 1,
    partial: Partial = "error",
    labels: Sequence[str] = (),
    tables: Sequence[str] = (),
) -> int:
    """Write a copy of the newest result of a step to a path, or update a copy there.

    Parameters
    ----------
    step : str
        Name of the step, as 'scutoid ls' lists it.
    path : str
        Its ending sets the format: .csv, .parquet, .json, .npy, .png, .tif, .ome.zarr, or none for
        a folder.  Members of a collection are named by columns of their groups and by their keys
        where it has placeholders: 'qc/{well}_{site:02d}.png', 'qc/{key}.png'.
    store : str
        Folder of the results.
    output : int
        Number of the output, for a step with several; 1 is the first.
    partial : {"error", "allow"}
        What becomes of members that a run did not finish: an error and exit code 1, or they are
        left out.
    labels : str
        Steps whose labels are written within images that are exported as .ome.zarr, as STEP or
        NAME=STEP; may be given several times.
    tables : str
        The same for steps whose tables are written within them.
    """
    results = _several(Store(store)[step])
    if not 1 <= output <= len(results):
        raise ParameterError(f"the step has outputs 1 to {len(results)}", value=output, place=step)
    chosen = results[output - 1]
    if isinstance(chosen, Collection):
        _tell_missing(chosen, partial)
    say(
        export_result(
            chosen,
            path,
            labels=_within(labels, store),
            tables=_within(tables, store),
            partial=partial,
        )
    )
    return 0


def _within(given: Sequence[str], store: str) -> dict[str, Any] | None:
    """Return the results that are written within images, by the names that they get there."""
    steps = {name: step or name for name, _, step in (text.partition("=") for text in given)}
    return {name: _several(Store(store)[step])[0] for name, step in steps.items()} or None


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
    opened = Store(store)
    results = _single(opened, steps, member)
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


def correct(
    step: str,
    *,
    corrections: Path,
    store: str = "results",
    member: str | None = None,
    image: str | None = None,
    suspicious: bool = False,
    who: str | None = None,
) -> int:
    """Correct the labels of a step in napari; what differs is kept in a folder of corrections.

    Parameters
    ----------
    step : str
        Name of the step.
    corrections : Path
        The folder, such as cells.corrections, which sc.corrected takes; made if there is none.
    store : str
        Folder of the results.
    member : str, optional
        Key of the member that is corrected of labels of a folder of images, such as A01.tif.
    image : str, optional
        A step of the store, or a path, that is shown below the labels.
    suspicious : bool
        List objects that are likely wrong first, and step through them.
    who : str, optional
        Name that is kept with each correction; default: that of the user.
    """
    from scutoid.correcting import correct as open_labels
    from scutoid.correcting import suspicious as find_suspicious

    opened = Store(store)
    labels = _image_of(opened, step, member)
    below = None
    if image is not None:
        is_path = Path(image).exists()
        below = open_image(image) if is_path else _image_of(opened, image, member)
    table = find_suspicious(labels, below) if suspicious else None
    open_labels(labels, below, corrections=corrections, table=table, who=who, block=True)
    return 0


def _single(store: Store, steps: Sequence[str], member: str | None) -> list[Any]:
    """Return the results of steps, of folders of images those of one member."""
    items = [(step, item) for step in steps for item in _several(store[step])]
    if member is not None and not any(isinstance(item, Collection) for _, item in items):
        raise ParameterError(
            "--member is of the results of a folder of images",
            value=member,
            place=f"steps {', '.join(steps)}",
            remedy="leave it out",
        )
    return [
        _member(step, item, member) if isinstance(item, Collection) else item
        for step, item in items
    ]


def _member(step: str, results: Collection[Any], member: str | None) -> Any:
    if member is None:
        raise ParameterError(
            "of a folder of images one member is shown",
            value=f"{len(results)} members",
            place=f"step {step!r}",
            remedy=f"add --member {shlex.quote(next(iter(results.keys), 'KEY'))}",
        )
    return results[member]


def _image_of(store: Store, step: str, member: str | None) -> Image:
    """Return the image of a step, or of one of its members."""
    images = [item for item in _single(store, [step], member) if isinstance(item, Image)]
    if not images:
        raise ParameterError("a step that is corrected, or shown below, has an image", place=step)
    return images[0]


def demo(*, out: Path = Path("scutoid-demo"), workers: int | None = None) -> int:
    """Simulate a small brain with a known number of cells, and count them by region.

    Parameters
    ----------
    out : Path
        Folder for the simulated image and the results.
    workers : int, optional
        Number of workers; default: the cores.
    """
    from scutoid.cli._demo import run_demo

    return run_demo(out, workers)


COMMANDS: dict[str, Callable[..., int]] = {
    "ls": ls,
    "show": show,
    "du": du,
    "export": export,
    "gc": gc,
    "verify": verify,
    "report": report,
    "view": view,
    "correct": correct,
    "serve": serve,
    "demo": demo,
}
"""Commands by name, apart from those that take a file with a pipeline."""
