"""Commands that run a pipeline, or say what a run would do."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypedDict, Unpack

from scutoid.cli._debug import commands_again
from scutoid.cli._say import say
from scutoid.cli._submit import (
    array_of_element,
    check_workers,
    job_of_element,
    part_of,
    share_options,
)
from scutoid.cli._submit import requeue as begin_again
from scutoid.errors import RunStopped, ScutoidWarning
from scutoid.events import Event, Listener
from scutoid.executors import find_executor, read_preset
from scutoid.progress import Progress
from scutoid.steps import Run, run_share
from scutoid.steps import plan as plan_targets
from scutoid.steps import run as run_targets


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
    chosen = (executor or "auto") if preset is None else read_preset(preset, executor)
    find_executor(chosen)  # a name that is none is refused before the pipeline is looked at
    with _in_plain_words() as said, Progress() as shown:
        above = _Above(said)
        listeners: list[Listener] = [shown, above] if progress else [above]
        try:
            if part is not None:
                done = run_share(
                    *targets,
                    **part,
                    share=part_of(share),
                    executor=chosen,
                    listeners=listeners,
                    array=array_of_element(),
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
        if most := done.most_of_the_time():
            say(most)
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
    check_workers(workers)
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
