"""What all handles have in common: a reference, and a way to read what it refers to."""

from __future__ import annotations

from typing import Any, ClassVar

from scutoid.errors import PipelineError
from scutoid.printable import printed
from scutoid.steps.graph import CollectionRef, FromStore, Ref, image_remedy
from scutoid.steps.handles._depth import refusing_depth
from scutoid.steps.handles._evaluate import Evaluation


class Lazy:
    """One output of a step or an input: nothing is computed until it is run or read.

    Parameters
    ----------
    ref : Ref
        What it is, in the graph: what new steps depend on.
    stored : Node, optional
        What it is read from; default: the newest store that it was run into, else it is computed.
    """

    kind: ClassVar[str] = ""
    is_collection: ClassVar[bool] = False
    _instead_of_bool: ClassVar[str] = "read it first"
    _classes: ClassVar[dict[tuple[str, bool], type[Lazy]]] = {}
    """The handles of each kind of output, and of collections of these."""

    ref: Ref | CollectionRef

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "kind" in vars(cls):
            Lazy._classes[cls.kind, cls.is_collection] = cls

    def __init__(self, ref: Ref, stored: FromStore | None = None) -> None:
        self.ref = ref
        self._stored: Any = stored

    @property
    def name(self) -> str:
        """The step's name, or the file's."""
        return self.ref.name

    @property
    def read_ref(self) -> Any:
        """What is read, and what new steps depend on: of a result of a run, what it stored."""
        return self.ref if self._stored is None else self.ref.on(self._stored)

    def _value(self) -> Any:
        with refusing_depth():
            return Evaluation().value(self.read_ref)

    def __bool__(self) -> bool:
        raise PipelineError(
            "a lazy result is neither true nor false",
            value=repr(self),
            place="bool(), if, and, or, not",
            remedy=self._instead_of_bool,
        )

    @printed
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def handle_of(ref: Ref | CollectionRef, stored: Any = None) -> Any:
    """Return what the user holds of a reference, and reads from `stored` where that is given."""
    handle: Any = Lazy._classes[ref.kind, isinstance(ref, CollectionRef)]  # noqa: SLF001
    return handle(ref, stored)


def remedy_for_image(value: object, otherwise: str | None = None) -> str | None:
    """Say how what was given becomes an image: a step whose value it is declares it as one.

    Parameters
    ----------
    value : object
        What was given where an image is asked for.
    otherwise : str, optional
        What to say of anything but the value of a step.
    """
    found = image_remedy((value.ref,)) if isinstance(value, Lazy) else None
    return found or otherwise
