"""Read damaged inputs in child processes, each with a deadline and a limit of memory.

One process loads all libraries and reads nothing.  It forks a child for so many inputs; a child
says which input it begins and what came of each, so that when it ends or hangs it is known of
which, and another goes on with the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import selectors
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from formats import Format
from mutations import mutate

READ, REFUSED, RAW, HUNG, ENDED = "read", "refused", "raw error", "hung", "ended"
FAULTS = (RAW, HUNG, ENDED)
"""What must come of no input; the other two may."""
_SHOWN_FRAMES = 4
_LONGEST = 300
"""Characters of what is said of an input."""


@dataclass(frozen=True)
class Limits:
    """What an input may take."""

    seconds: float = 60.0
    """Until it counts as hung: of a clock, on a machine that other work shares."""
    nbytes: int = 2 * 2**30
    """Memory of a child, which all of its inputs share."""
    batch: int = 1
    """Inputs that one child reads, one after the other."""


@dataclass(frozen=True)
class Result:
    """What came of one input."""

    name: str
    """Of the format."""
    seed: int
    """-1: the good file itself."""
    outcome: str
    """One of five words."""
    how: str = ""
    """What was damaged."""
    said: str = ""
    """The error, and where it was raised."""


@dataclass
class _Child:
    """A process that reads a batch of inputs."""

    pid: int
    pipe: int
    todo: list[tuple[str, int]]
    deadline: float
    text: bytes = b""
    begun: list[str] = field(default_factory=list)


def prepare(formats: dict[str, Format], folder: Path) -> None:
    """Write the good file of each format, in a child: what writes may start threads."""
    for name, each in formats.items():
        place = folder / "good" / name
        place.mkdir(parents=True)
        pid = os.fork()
        if pid == 0:
            _leave(partial(_noted, each, place))
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
            raise SystemExit(f"the good file of {name!r} could not be written")


def _noted(each: Format, place: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = each.write(place)
    (place / ".path").write_text(str(path.relative_to(place)))


def _leave(work: Callable[[], object]) -> None:
    """Do some work in a child, and end it without what the parent would do at its end."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may go on in a child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def inputs_of(formats: Sequence[str], n: int, seed: int) -> list[tuple[str, int]]:
    """Return which inputs are read: of each format the good one, and so many with other seeds."""
    return [(name, s) for name in formats for s in (-1, *range(seed, seed + n))]


def read_all(
    formats: dict[str, Format],
    inputs: Sequence[tuple[str, int]],
    folder: Path,
    limits: Limits,
    jobs: int,
) -> Iterator[Result]:
    """Read inputs in children, so many at once, and yield what came of each."""
    waiting = [list(inputs[n : n + limits.batch]) for n in range(0, len(inputs), limits.batch)][
        ::-1
    ]
    running: dict[int, _Child] = {}
    selector = selectors.DefaultSelector()
    while waiting or running:
        while waiting and len(running) < jobs:
            child = _started(formats, waiting.pop(), folder, limits)
            running[child.pipe] = child
            selector.register(child.pipe, selectors.EVENT_READ)
        for key, _ in selector.select(timeout=0.5):
            child = running[key.fd]
            new = os.read(key.fd, 2**16)
            child.text += new
            yield from _told(child, limits)
            if not new:
                selector.unregister(key.fd)
                yield from _ended(running.pop(key.fd), waiting)
        for child in [each for each in running.values() if time.monotonic() > each.deadline]:
            os.kill(child.pid, signal.SIGKILL)
            child.deadline = float("inf")
            child.begun.append(HUNG)


def _told(child: _Child, limits: Limits) -> Iterator[Result]:
    *lines, child.text = child.text.split(b"\n")
    for line in lines:
        said = json.loads(line)
        child.deadline = time.monotonic() + limits.seconds
        if "how" in said and "outcome" not in said:
            child.begun = [said["how"]]
            continue
        name, seed = child.todo.pop(0)
        child.begun = []
        yield Result(name, seed, **said)


def _ended(child: _Child, waiting: list[list[tuple[str, int]]]) -> Iterator[Result]:
    """Take what is left of a child: the input that ended it, and those after it."""
    os.close(child.pipe)
    code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    if not child.todo:
        return
    (name, seed), *rest = child.todo
    if rest:
        waiting.append(rest)
    outcome = HUNG if HUNG in child.begun else ENDED
    yield Result(name, seed, outcome, child.begun[0] if child.begun else "", f"exit code {code}")


def _started(
    formats: dict[str, Format], batch: list[tuple[str, int]], folder: Path, limits: Limits
) -> _Child:
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receiving)
        _leave(lambda: _read_batch(formats, batch, folder, limits, sending))
    os.close(sending)
    return _Child(pid, receiving, list(batch), time.monotonic() + limits.seconds)


def _read_batch(
    formats: dict[str, Format],
    batch: list[tuple[str, int]],
    folder: Path,
    limits: Limits,
    pipe: int,
) -> None:
    """Read inputs, and write what came of each as a line of JSON."""
    resource.setrlimit(resource.RLIMIT_DATA, (limits.nbytes, limits.nbytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    warnings.simplefilter("ignore")
    for name, seed in batch:
        place = folder / "inputs" / f"{name}-{seed}"
        path, how = make_input(formats, name, seed, folder, place)
        os.write(pipe, json.dumps({"how": how}).encode() + b"\n")
        outcome, said = judge(formats[name], path)
        text = json.dumps({"outcome": outcome, "how": how, "said": said}) + "\n"
        with contextlib.suppress(OSError):
            shutil.rmtree(place)
        os.write(pipe, text.encode())


def make_input(
    formats: dict[str, Format], name: str, seed: int, folder: Path, place: Path
) -> tuple[Path, str]:
    """Copy the good file of a format to a place, damage it as a seed says, and say how."""
    good = folder / "good" / name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(good, place)
    inner = (place / ".path").read_text()
    (place / ".path").unlink()
    path = place / inner
    if seed < 0:
        return path, "nothing"
    rng = random.Random(f"{name} {seed}")  # noqa: S311
    how = mutate(path, rng)[:_LONGEST]
    return path, how + _sealed(formats[name], path, rng)


def _sealed(one: Format, path: Path, rng: random.Random) -> str:
    if rng.random() < 0.5:
        with contextlib.suppress(OSError):
            one.seal(path)
            return ""
    return ", unsealed"


def judge(one: Format, path: Path) -> tuple[str, str]:
    """Read an input as a user does; return what came of it and what was said."""
    from scutoid.errors import ScutoidError

    try:
        one.read(path)
    except ScutoidError as error:
        return REFUSED, f"{type(error).__name__}: {error}"[:_LONGEST]
    except BaseException as error:  # noqa: BLE001 - whatever leaves it is the finding
        frames = traceback.extract_tb(error.__traceback__)[-_SHOWN_FRAMES:]
        where = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
        return RAW, f"{type(error).__name__}: {str(error)[:_LONGEST]} at {where}"
    return READ, ""
