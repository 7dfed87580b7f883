"""Workers with a loop of their own, which join and leave a run at any time.

::

    driver, ConnectExecutor("run.json")             worker, connect("run.json")
      listens, writes address and key  --------->     reads them, joins
      item                             --------->     for block in blocks: ...
                                       <---------     done, failed, or leaving
      end                              --------->     the loop ends

A worker holds one item at a time, so the current item of a lost worker is always known.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scutoid.errors import ParameterError
from scutoid.executors._guest_pool import GuestPool
from scutoid.executors._guests import Door
from scutoid.executors._launch import Launch, LaunchedGroup
from scutoid.executors._pickling import dump_works
from scutoid.executors._work import Work, WorkerPool

_PORTS = 2**16


class ConnectExecutor:
    """Hands blocks to workers that `scutoid.blocks.connect`; can start them by commands.

    Parameters
    ----------
    file : path-like, optional
        The connection file, which workers read; on a shared file system for workers on other
        machines.  Only its owner can read it, and it is removed at the end.  By default one for
        the workers that are launched.
    host : str, optional
        Name of this machine as the workers know it.  By default only workers on this machine can
        join; any other name than one of its own (``127.0.0.1``, ``localhost``, ``::1``) listens on
        all its networks, which is logged as a warning.
    port : int, optional
        0: any that is free.
    launch : sequence of Launch, optional
        Workers to start; one that ends with an error is started again, up to a limit in a row, and
        one that leaves with exit code 0 once nobody else works at its task and blocks are left.
    patience : float, optional
        Seconds without any worker after which the run gives up; None: it waits.

    Raises
    ------
    ParameterError
        If there is neither a file nor anything to launch: then no worker could ever join; or if
        there is no such host or port.
    """

    handles_timeout = True
    handles_setup = True
    handles_own_loop = True

    def __init__(
        self,
        file: str | os.PathLike[str] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        launch: Sequence[Launch] = (),
        patience: float | None = None,
    ) -> None:
        if file is None and not launch:
            raise ParameterError(
                "workers find a run by its connection file",
                value=file,
                place="ConnectExecutor(file=)",
                remedy="give a path that the workers can read too, or launch=[Launch(command)]",
            )
        _check_address(host, port)
        self._file = None if file is None else Path(file).absolute()
        self._address = (host, port)
        self._launch = tuple(launch)
        self._patience = patience

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Listen for workers, and start the ones to launch.

        Raises
        ------
        ParameterError
            If a work cannot be sent to other processes, or a task to launch for is unknown.
        WorkerError
            If the address cannot be listened on.
        """
        names = [work.name for work in works]
        for launch in self._launch:
            if launch.task is not None and launch.task not in names:
                raise ParameterError(
                    "workers are launched for tasks of the run",
                    value=launch.task,
                    place="Launch(task=)",
                    remedy=f"one of {', '.join(map(repr, names))}",
                )
        payloads = dump_works(works)
        folder = Path(tempfile.mkdtemp(prefix="scutoid-"))
        file = self._file or folder / "connection.json"
        try:
            door = self.listen()
        except BaseException:
            folder.rmdir()
            raise

        def forget() -> None:
            door.rendezvous.remove(file)
            shutil.rmtree(folder, ignore_errors=True)

        numbers = itertools.count()
        groups: list[LaunchedGroup] = []
        pool = GuestPool(
            *(works, payloads, door, numbers),
            groups=groups,
            patience=self._patience,
            place=str(file),
            wanted=workers,
            at_end=forget,
        )
        try:
            door.rendezvous.write(file)
            for launch in self._launch:
                groups.append(launch.start(file, logs, numbers))  # noqa: PERF401 - ended if one fails
        except BaseException:
            pool.stop(grace=0)
            raise
        return pool

    def listen(self) -> Door:
        """Begin to listen for workers.

        Raises
        ------
        WorkerError
            If the address cannot be listened on.
        """
        return Door(*self._address)

    @property
    def file(self) -> Path | None:
        """The connection file."""
        return self._file

    @property
    def launch(self) -> tuple[Launch, ...]:
        """Workers to start."""
        return self._launch

    @property
    def patience(self) -> float | None:
        """Seconds without any worker after which the run gives up."""
        return self._patience


def _check_address(host: object, port: object) -> None:
    if not isinstance(host, str) or not host:
        raise ParameterError(
            "workers find this machine by a name or an address",
            value=host,
            place="ConnectExecutor(host=)",
            remedy="give what its name is on the workers' machines, or leave host= out",
        )
    if not isinstance(port, int) or not 0 <= port < _PORTS:
        raise ParameterError(
            f"a port is a number from 0 to {_PORTS - 1}",
            value=port,
            place="ConnectExecutor(port=)",
            remedy="port=0 takes any that is free",
        )
