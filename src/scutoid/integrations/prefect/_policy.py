"""The cache policy: keys of a task's code and of the content of its inputs."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cloudpickle
from prefect.cache_policies import CachePolicy  # type: ignore[import-not-found, unused-ignore]
from prefect.context import TaskRunContext  # type: ignore[import-not-found, unused-ignore]

from scutoid.integrations.prefect._images import Voxels
from scutoid.steps import Image
from scutoid.store import KEY_RULE, canonical_digest, fingerprint


@dataclass
class ByContent(CachePolicy):  # type: ignore[misc, unused-ignore]
    """Keys a task by its code, with every helper and constant that it reaches, and by its inputs.

    Comments, docstrings and formatting do not count.  Arrays, tables and images count by content,
    paths by the content of their file or folder, dataclasses by their fields.  An input that has
    no stable form has no key: Prefect says so in its log, and runs the task each time.

    Parameters
    ----------
    key_storage, isolation_level, lock_manager : optional
        As in Prefect.  With ``key_storage`` Prefect no longer looks at a result before it takes it
        for good, so that a damaged one fails its task instead of being made again.
    exclude : tuple of str
        Parameters that do not count; ``ByContent() - "name"`` adds one.
    version : str, optional
        Stands for the code, which then does not count.
    environment : tuple of str
        Installed packages whose versions count.
    """

    exclude: tuple[str, ...] = ()
    version: str | None = None
    environment: tuple[str, ...] = ()

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, object],
        flow_parameters: dict[str, object],
        **kwargs: object,
    ) -> str | None:
        """Return the key of a task run.

        Raises
        ------
        ParameterError
            If an input has no form that is the same in every run.
        """
        function = _as_sent(task_ctx.task.fn)
        code = fingerprint(function, version=self.version, environment=self.environment)
        counted = {name: _keyed(v) for name, v in inputs.items() if name not in self.exclude}
        content = canonical_digest(counted, f"inputs of task {task_ctx.task.name!r}")
        return hashlib.sha256(f"rule {KEY_RULE} {code.digest} {content}".encode()).hexdigest()

    def __sub__(self, other: str) -> ByContent:
        if not isinstance(other, str):
            return NotImplemented
        return replace(self, exclude=(*self.exclude, other))


def _as_sent(function: Callable[..., object]) -> Callable[..., object]:
    """Return a function of a script or notebook as it arrives in another process.

    There it lacks the names that only its decorators use; its key must be the same in both places.
    """
    if getattr(function, "__module__", None) != "__main__":
        return function
    try:
        sent: Callable[..., object] = cloudpickle.loads(cloudpickle.dumps(function))
    except (TypeError, AttributeError, ValueError, pickle.PicklingError):
        return function  # it cannot be sent
    return sent


@dataclass(frozen=True, slots=True)
class _Keyed:
    """Stands for an image in a key."""

    image: Image

    def __scutoid_key__(self) -> str:
        # By voxels, so that a result has the same key in memory and in storage.
        voxels = Voxels.of(self.image)
        return voxels.digest() if voxels is not None else ""


def _keyed(value: object) -> object:
    """Replace images by values with a key, in containers too."""
    if isinstance(value, Image):
        return _Keyed(value)
    if type(value) in (list, tuple):
        return type(value)(_keyed(item) for item in value)  # type: ignore[call-arg, attr-defined]
    if isinstance(value, Mapping) and type(value) is dict:
        return {name: _keyed(item) for name, item in value.items()}
    return value
