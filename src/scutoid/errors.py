"""All exceptions of scutoid, as one tree.

Every error says four things: the rule that was broken, the value that was found, the place where it
was found, and what to do about it.  Each is also a subclass of the builtin that fits::

    ScutoidError
    ├── GeometryError      (ValueError)  a region, coordinate or grid that cannot exist
    ├── MetadataError      (ValueError)  axes, voxel sizes, units that are missing or disagree
    ├── ParameterError     (TypeError)  an argument that a step or a function does not take
    ├── PipelineError      (ValueError)  inputs that do not fit, steps that cannot be planned
    ├── SourceNotFound     (FileNotFoundError)  an input that does not exist
    ├── SourceError        (OSError)  an input that exists and cannot be read
    ├── StoreError         (OSError)  a store that cannot be written, or holds what it should not
    ├── DamagedResult      (StoreError)  a stored result that fails its checks
    ├── IncompleteResult   (StoreError)  a result that a run did not finish, or members of one
    ├── UnwritableStore    (StoreError)  a store that is full, over its quota or read-only
    ├── MemoryLimitError   (MemoryError)  work that cannot fit in the memory allowed
    ├── StepError          (RuntimeError)  a step that raised, or returned what it may not return
    ├── WorkerError        (RuntimeError)  a worker that died, hung or could not be started
    ├── RunFailed          (RuntimeError)  a run that ended with failed blocks
    └── MissingExtra       (ImportError)  an optional package that is not installed

What looks wrong and is allowed is warned of, as a `ScutoidWarning` (UserWarning).  A run that a
signal ends raises `RunStopped` (SystemExit), as one that Ctrl-C ends raises KeyboardInterrupt.
"""

from __future__ import annotations

import struct
import zlib

from scutoid.printable import printable, printable_lines

__all__ = [
    "DamagedResult",
    "GeometryError",
    "IncompleteResult",
    "MemoryLimitError",
    "MetadataError",
    "MissingExtra",
    "ParameterError",
    "PipelineError",
    "RunFailed",
    "RunStopped",
    "ScutoidError",
    "ScutoidWarning",
    "SourceError",
    "SourceNotFound",
    "StepError",
    "StoreError",
    "UnwritableStore",
    "WorkerError",
]

SIGNS_OF_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Errors that readers of damaged files raise; a SyntaxError is broken XML.  Not MemoryError, which
is not the file's fault."""


class ScutoidError(Exception):
    """Base class of all errors that scutoid raises on purpose.

    Parameters
    ----------
    rule : str
        The rule that was broken.
    value : object, optional
        The value that was found instead.
    place : str, optional
        Where: a file, a step, an argument.
    remedy : str, optional
        What to do about it.

    Examples
    --------
    >>> print(
    ...     ScutoidError("a shape is not negative", value=(-1,), remedy="give sizes of 0 or more")
    ... )
    a shape is not negative
      found: (-1,)
      remedy: give sizes of 0 or more
    """

    def __init__(
        self,
        rule: str,
        *,
        value: object = None,
        place: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(rule)
        self.rule = rule
        self.value = None if value is None else value if isinstance(value, str) else repr(value)
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.rule]
        where = None if self.place is None else printable(self.place)
        for name, text in (("found", self.value), ("where", where), ("remedy", self.remedy)):
            if text is not None:
                lines.append(f"  {name}: {text}")
        return printable_lines("\n".join(lines))


class GeometryError(ScutoidError, ValueError):
    """A region, coordinate or grid that cannot exist."""


class MetadataError(ScutoidError, ValueError):
    """Axes, voxel sizes or units that are missing, unknown or disagree."""


class ParameterError(ScutoidError, TypeError):
    """An argument that a step or a function does not take."""


class PipelineError(ScutoidError, ValueError):
    """Inputs that do not fit together, or a step that cannot be planned."""


class SourceNotFound(ScutoidError, FileNotFoundError):
    """An input that does not exist."""


class SourceError(ScutoidError, OSError):
    """An input that exists and cannot be read."""


class StoreError(ScutoidError, OSError):
    """A store that cannot be written, or that holds what it should not."""


class DamagedResult(StoreError):
    """A stored result that fails its checks."""


class IncompleteResult(StoreError):
    """A result that a run did not finish, or a collection some of whose members it did not."""


class UnwritableStore(StoreError):
    """A store to which nothing can be written any more: full, over its quota, or read-only.

    It ends a run, also in its midst; what was finished is kept.
    """


class MemoryLimitError(ScutoidError, MemoryError):
    """Work that cannot fit in the memory allowed."""


class StepError(ScutoidError, RuntimeError):
    """A step that raised, or that returned what it may not return."""


class WorkerError(ScutoidError, RuntimeError):
    """A worker that died, hung or could not be started."""

    report: object = None
    """The report of each task, if those that need not wait for such workers have finished."""


class RunFailed(ScutoidError, RuntimeError):
    """A run that ended with failed blocks; what was computed is kept."""

    report: object = None
    """The report of each task, if the run got as far as that."""


class RunStopped(SystemExit):
    """A run that SIGTERM or SIGHUP has ended; what was computed is kept.

    It ends the process with the exit code of shells for that signal, and is no `Exception`, so that
    a program that goes on after failures does not go on here.

    Parameters
    ----------
    code : int
        Exit code: 128 and the number of the signal, 143 for SIGTERM.
    signal : str
        Name of the signal.
    """

    report: object = None
    """The report of each task, if blocks had begun."""
    run: object = None
    """What came of the run until then, if blocks had begun and it was `scutoid.run`."""

    def __init__(self, code: int, signal: str) -> None:
        super().__init__(code)
        self.signal = signal


class ScutoidWarning(UserWarning):
    """What looks wrong in a pipeline and is allowed, such as a change that no key notices.

    Examples
    --------
    A script that stops where it would otherwise be warned:

    >>> import warnings
    >>> warnings.simplefilter("error", ScutoidWarning)
    """

    def __str__(self) -> str:
        return printable_lines(super().__str__())


class MissingExtra(ScutoidError, ImportError):
    """An optional package that is not installed.

    Examples
    --------
    >>> print(MissingExtra.of("napari", extra="napari"))
    this needs the package 'napari', which is not installed
      remedy: pip install "scutoid[napari]"
    """

    @classmethod
    def of(cls, package: str, *, extra: str, reads: str = "") -> MissingExtra:
        """Name the package that is missing, the extra that brings it, and what it reads."""
        needed = f"{reads} is read by" if reads else "this needs"
        return cls(
            f"{needed} the package {package!r}, which is not installed",
            remedy=f'pip install "scutoid[{extra}]"',
        )
