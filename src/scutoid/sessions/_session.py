"""`session`: what many runs share, from its begin to its end."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from numbers import Integral
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scutoid.errors import ParameterError, PipelineError, WorkerError
from scutoid.executors import default_workers, find_executor
from scutoid.paths import absolute
from scutoid.sessions._recorded import Recording
from scutoid.sessions._scratch import Scratch
from scutoid.steps import Plan, Run
from scutoid.steps import plan as plan_targets
from scutoid.steps import run as run_targets
from scutoid.stopping import Stop, ends_by_signals


class Session:
    """What several runs share; see `session`, which begins one.

    It can be left by ``with``, whatever happens in there, or closed by `close`.
    """

    def __init__(
        self,
        *,
        store: str | os.PathLike[str] | None,
        executor: Any,
        workers: int | None,
        temporary_directory: str | os.PathLike[str] | None,
        logs: str | os.PathLike[str] | None,
    ) -> None:
        self._process = os.getpid()
        self._named = repr(executor)
        self._within = ExitStack()
        self._stack = ExitStack()
        self._is_open = True
        self._recording: Recording | None = None
        # A store that is None is refused by runs and plans that name no other
        self._options: dict[str, Any] = {"store": None, "executor": executor, "workers": workers}
        if store is not None:
            self._options["store"] = store if "://" in str(store) else absolute(store)
        self.logs = None if logs is None else absolute(logs)
        """Folder of the log files; None: there are none."""
        self.temporary_directory: Path | None = None
        """Folder of temporary files, removed at the end; None: where they lie without a session."""
        self.client: Any = None
        """The `distributed.Client` of a cluster; None for other executors."""
        with ExitStack() as undo:
            undo.callback(self._stack.close)
            found = find_executor(executor)
            if self.logs is not None:
                self._recording = Recording(self.logs)
                self._stack.callback(self._recording.close)
            if temporary_directory is not None:
                scratch = Scratch(absolute(temporary_directory))
                self._stack.callback(scratch.close)
                self.temporary_directory = scratch.folder
            self._start(found, default_workers(executor) if workers is None else workers)
            undo.pop_all()
        atexit.register(self._close_at_exit)

    @property
    def store(self) -> Path | str | None:
        """Where results are stored, if the session says it."""
        store: Path | str | None = self._options["store"]
        return store

    # Not methods: warnings of a run name the line of its caller.
    @property
    def run(self) -> Callable[..., Run]:
        """`scutoid.run`, with the session's store, executor and workers where none are given.

        Raises
        ------
        PipelineError
            If the session is closed.
        ParameterError
            When it is called, if neither it nor the session has a store.
        """
        return partial(run_targets, **self._checked_options())

    @property
    def plan(self) -> Callable[..., Plan]:
        """`scutoid.plan`, likewise.

        Raises
        ------
        PipelineError
            If the session is closed.
        """
        options = self._checked_options()
        if options["workers"] is None:
            del options["workers"]
        return partial(plan_targets, **options)

    def close(self) -> None:
        """End all that was started, and give streams, temporary files and threads back.

        A cluster that was given goes on.  A session that is closed is closed again at no cost.
        """
        self._is_open = False
        atexit.unregister(self._close_at_exit)
        self._stack.close()

    def __enter__(self) -> Self:
        self._checked_options()
        stop = self._within.enter_context(ends_by_signals())
        self._within.push(partial(self._leave, stop))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._within.__exit__(kind, error, traceback)

    def __repr__(self) -> str:
        word = "open" if self._is_open else "closed"
        return f"Session({word}, store={self.store!s}, executor={self._named})"

    def _start(self, found: Any, workers: int) -> None:
        """Start a cluster, where the executor is one."""
        stand = getattr(found, "stand", None)
        if stand is None:
            return
        logs = self.logs
        if logs is None:
            logs = Path(tempfile.mkdtemp(prefix="scutoid-logs-"))
            self._stack.callback(shutil.rmtree, logs, ignore_errors=True)
        try:
            standing = stand(workers, logs)
        except WorkerError as error:
            if self.logs is not None or not (error.place or "").startswith(str(logs)):
                raise
            raise WorkerError(  # its place goes with the session
                error.rule,
                value=error.value,
                remedy="give the session logs=, a folder that keeps what the cluster prints",
            ) from error
        self._stack.callback(standing.close)
        self.client = standing.client
        self._options |= {"executor": standing, "workers": workers}

    def _leave(
        self, stop: Stop, kind: object, error: BaseException | None, traceback: object
    ) -> None:
        """Close all at the end of a ``with``; a signal that comes meanwhile waits."""
        del kind, traceback
        with stop.noted():
            if error is not None and self._recording is not None:
                self._recording.note(error)
            self.close()

    def _checked_options(self) -> dict[str, Any]:
        if not self._is_open:
            raise PipelineError(
                "a session runs pipelines until it is closed",
                value=repr(self),
                remedy="begin another one, or call scutoid.run",
            )
        return dict(self._options)

    def _close_at_exit(self) -> None:
        if os.getpid() == self._process:  # not in a process that was forked
            self.close()


def _check_folder(name: str, folder: object) -> None:
    """Refuse what is no path; a URL where files of this machine are meant."""
    if folder is None:
        return
    is_path = isinstance(folder, str | os.PathLike) and isinstance(os.fspath(folder), str)
    if not is_path or not str(folder):
        raise ParameterError(
            "a folder is given by its path",
            value=repr(folder),
            place=f"{name}=",
            remedy="leave it out for none",
        )
    if name != "store" and "://" in str(folder):
        raise ParameterError(
            "logs and temporary files lie in a folder of this machine",
            value=folder,
            place=f"{name}=",
            remedy="give a folder; results alone can lie at a URL",
        )


def session(
    *,
    store: str | os.PathLike[str] | None = None,
    executor: Any = "auto",
    workers: int | None = None,
    temporary_directory: str | os.PathLike[str] | None = None,
    logs: str | os.PathLike[str] | None = None,
) -> Session:
    """Set up what several runs share, and take all of it back at the end.

    Parameters
    ----------
    store : path, optional
        Folder of the results, for runs that name none.
    executor : optional
        As that of `run`.  A cluster is started once, and stands until the session is closed; a
        client or cluster that is given goes on afterwards.  What Dask computes meanwhile in this
        process, such as ``array.compute()``, is computed there too.
    workers : int, optional
        1 or more; default: what a preset says, else the cores that this process may use.
    temporary_directory : path, optional
        Temporary files of this process, of its workers, of Dask and of all that is started in the
        session go to a new folder in this one, such as the scratch of an HPC system, which is
        removed at the end.  It is made if it does not exist.
    logs : path, optional
        Folder that gets what goes to ``sys.stdout`` and ``sys.stderr`` as ``stdout.log`` and
        ``stderr.log`` too, after what an earlier session has left there, and the files of workers
        of a cluster of its own.

    Returns
    -------
    Session
        With methods `run`, `plan` and `close`.

    Raises
    ------
    ParameterError
        If there is no such executor, or a folder cannot be written.
    WorkerError
        If a cluster does not start, or cannot be reached.

    Notes
    -----
    In a ``with``, SIGTERM and SIGHUP end the session as Ctrl-C does: all is closed first.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import scutoid as sc
    >>> smooth = sc.gaussian(sc.open(np.zeros((64, 64))), sigma=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with sc.session(store=f"{folder}/results", executor="serial") as session:
    ...         session.run(smooth)
    Run(1 steps, done, ...)
    """
    given: object = workers  # whatever the types promise
    is_number = isinstance(given, Integral) and not isinstance(given, bool)
    if workers is not None and not (is_number and workers >= 1):
        raise ParameterError("a session has 1 worker or more", value=workers, place="workers=")
    folders = {"store": store, "temporary_directory": temporary_directory, "logs": logs}
    for name, folder in folders.items():
        _check_folder(name, folder)
    return Session(
        store=store,
        executor=executor,
        workers=workers,
        temporary_directory=temporary_directory,
        logs=logs,
    )
