"""The entry point: dispatch of commands, and their exit codes.

Exit codes: 0 done, 1 failed blocks or a result that lacks some, 2 wrong usage or bad input, 129
stopped by SIGHUP, 130 by Ctrl-C, 143 by SIGTERM, 141 nobody reads on, as after `| head`.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TextIO

from scutoid._version import __version__
from scutoid.cli._say import say
from scutoid.errors import IncompleteResult, RunFailed, RunStopped, ScutoidError

if TYPE_CHECKING:
    from cyclopts import App

DONE, FAILED, USAGE, STOPPED, UNREAD = 0, 1, 2, 130, 141
_KEPT = "What was finished is kept; the same command goes on from there."
_ON_FILES = {
    "run": "Run a pipeline",
    "submit": "Submit a run as a job array of SLURM",
    "plan": "Print what a run would do, and why",
    "why": "Print in full why steps would run",
    "debug": "Run one block or member of a step here, under Python's debugger",
}
_HELP = """Image analysis at any size: run pipelines of Python functions, block by block, and keep
each result once.

A pipeline is a function under @sc.pipeline in a Python file; its parameters are flags:

    scutoid plan FILE.py --store results          what would run, and why
    scutoid why FILE.py --step STEP               each difference from the nearest earlier result
    scutoid run FILE.py --store results           run it; again: only what changed
    scutoid submit FILE.py --array 20             run it as a job array of SLURM
    scutoid debug FILE.py --step STEP --at 5      one block again, in the debugger where it fails
    scutoid ls --store results                    list the results
    scutoid show STEP --store results             its inputs and content
    scutoid serve --store results                 its runs and results as a page, live
    scutoid report --store results                a page of what the last run did
    scutoid correct STEP --corrections FOLDER     correct its labels in napari
    scutoid export STEP PATH --store results      a copy of it, as CSV, TIFF, ...
    scutoid verify --store results                check all results, remove damaged ones
    scutoid du, scutoid gc --store results        their size; remove those not needed
    scutoid demo                                  a small example, without any data of yours
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default: those of the process.
    """
    sys.exit(run_command(list(sys.argv[1:] if argv is None else argv)))


def run_command(argv: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        code = _carry_out(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        if not _is_unread(sys.stdout):
            raise
        return UNREAD
    return code


def _carry_out(argv: list[str]) -> int:
    debug = "--debug" in argv
    try:
        return _dispatch(argv)
    except RunFailed as error:
        say(error, file=sys.stderr)
        return FAILED
    except ScutoidError as error:
        if debug:
            raise
        say(f"error: {error}", file=sys.stderr)
        return FAILED if isinstance(error, IncompleteResult) else USAGE
    except RunStopped as stopped:
        say(f"\nstopped by {stopped.signal}. {_KEPT}", file=sys.stderr)
        return int(stopped.code or STOPPED)
    except KeyboardInterrupt:
        say(f"\nstopped. {_KEPT}", file=sys.stderr)
        return STOPPED


def _is_unread(stream: TextIO) -> bool:
    """Whether who read a stream has gone, such as head; then nothing more is written to it."""
    looked_at = select.poll()
    looked_at.register(stream, 0)
    if not looked_at.poll(0):
        return False
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())  # so that what is left to write at the end raises nothing
    os.close(nothing)
    return True


def _dispatch(argv: list[str]) -> int:
    if len(argv) > 1 and argv[0] in _ON_FILES and not argv[1].startswith("-"):
        return _run_file(argv[0], argv[1], argv[2:])
    return _call(_app(), argv)


def _call(app: App, tokens: Sequence[str]) -> int:
    from cyclopts import CycloptsError, UnusedCliTokensError

    try:
        result = app(tokens, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError as error:
        if isinstance(error, UnusedCliTokensError):
            say("parameters are given by name: --NAME VALUE; --help lists them", file=sys.stderr)
        return USAGE
    return result if isinstance(result, int) else DONE


def _app() -> App:
    from cyclopts import App

    from scutoid.cli._commands import COMMANDS

    app = App(
        name="scutoid",
        help=_HELP,
        version=__version__,
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
    )
    for name in _ON_FILES:
        app.command(_needs_file(name), name=name)
    for name, command in COMMANDS.items():
        app.command(command, name=name)
    return app


def _needs_file(name: str) -> Callable[..., int]:
    def command(file: str) -> int:
        raise AssertionError(file)  # a file that is named is dispatched before

    command.__doc__ = (
        f"{_ON_FILES[name]}: scutoid {name} FILE.py [--PARAMETER VALUE ...] --store DIR.\n\n"
        f"'scutoid {name} FILE.py --help' shows the parameters of the pipeline in a file.\n\n"
        "Parameters\n----------\nfile : str\n    A Python file with a function under @sc.pipeline; "
        "FILE.py:name where it has several."
    )
    return command


def _run_file(command: str, file: str, tokens: list[str]) -> int:
    from cyclopts import App

    from scutoid.cli._debug import debug
    from scutoid.cli._pipelines import load_pipeline, saved_parameters, with_flags
    from scutoid.cli._running import plan, run, why
    from scutoid.cli._submit import submit

    pipeline = load_pipeline(file)
    carry_out: dict[str, Callable[..., int]]
    carry_out = {
        "run": partial(run, again=["scutoid", "debug", file, *tokens]),
        "submit": partial(submit, file=file, tokens=tokens),
        "plan": plan,
        "why": why,
        "debug": debug,
    }

    def call(parameters: dict[str, object], /, **options: object) -> int:
        targets = pipeline.targets(**parameters)
        for name in ("debug", "parameters"):  # looked at before
            del options[name]
        return carry_out[command](targets, **options)

    app = App(
        name=f"scutoid {command} {file}",
        help_format="plaintext",
        version_flags=(),
        suppress_keyboard_interrupt=False,
    )
    saved = saved_parameters(pipeline, tokens)
    app.default(with_flags(pipeline, call, command=command, saved=saved))
    return _call(app, tokens)
