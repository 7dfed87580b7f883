"""The serializer: Prefect keeps references to data in open files."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from prefect.context import FlowRunContext, TaskRunContext  # type: ignore[import-not-found, unused-ignore]
from prefect.serializers import JSONSerializer, Serializer  # type: ignore[import-not-found, unused-ignore]
from pydantic import Field, field_validator

from scutoid.errors import DamagedResult, ScutoidError
from scutoid.integrations.prefect._files import Shelf
from scutoid.integrations.prefect._references import Reference, References
from scutoid.paths import absolute
from scutoid.texts import parse_json

_log = logging.getLogger(__name__)
_VERSION = 1
_MARK = "scutoid_result"


class StoreSerializer(Serializer):  # type: ignore[misc, unused-ignore]
    """Stores what tasks return as open files, and verifies them when they are read.

    Images and arrays of two and more axes become TIFF or OME-Zarr, other arrays npy, tables
    Parquet, and values JSON.  A returned `pathlib.Path` stands for the content of its file, which
    stays where it is.  No pickle is written or read.

    If a file is damaged or missing, `loads` raises; then Prefect counts the result as missing, and
    runs the task.  This holds as long as the cache policy has no ``key_storage``.

    Parameters
    ----------
    folder : path
        Where the files go: a folder for each task, created when it is needed.  A relative one is
        resolved against the current directory.
    zarr_above : int
        Bytes above which an image becomes an OME-Zarr.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     serializer = StoreSerializer(folder=folder)
    ...     reference = serializer.dumps({"count": 3})
    ...     serializer.loads(reference)
    {'count': 3}
    """

    type: str = Field(default="scutoid-store", frozen=True)
    folder: str = Field(default="results", validate_default=True)
    zarr_above: int = 2**28

    @field_validator("folder", mode="before")
    @classmethod
    def _absolute(cls, value: str | os.PathLike[str]) -> str:
        return str(absolute(value))

    def dumps(self, obj: object) -> bytes:
        """Store a result; return a reference to it."""
        if isinstance(obj, BaseException):
            reference: Reference = {"kind": "error", "said": JSONSerializer().dumps(obj).decode()}
        else:
            try:
                reference = self._references().make(obj)
            except ScutoidError as error:
                # Prefect goes on, and does not say why.
                _log.warning("a result is not stored: %s", error)
                raise
        return json.dumps({_MARK: _VERSION, **reference}).encode()

    def loads(self, blob: bytes) -> object:
        """Return the result that a reference stands for.

        Raises
        ------
        DamagedResult
            If a file is missing or has changed.
        """
        try:
            reference = _parse(blob)
            if reference["kind"] == "error":
                return JSONSerializer().loads(reference["said"].encode())
            return self._references().follow(reference)
        except ScutoidError as error:
            # Prefect does not say why it finds no result.
            _log.warning("a stored result is not used, and its task runs again: %s", error)
            raise

    def _references(self) -> References:
        return References(Shelf(Path(self.folder), *_names()), self.zarr_above)


def _parse(blob: bytes) -> dict[str, Any]:
    try:
        reference = parse_json(blob)
        if reference[_MARK] != _VERSION:
            raise ValueError(f"version {reference[_MARK]}")  # noqa: TRY301
        return dict(reference)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedResult(
            "Prefect's record of a result is what scutoid wrote",
            value=f"{type(error).__name__}: {error}",
            remedy="run the flow again: the task makes it again",
        ) from error


def _names() -> tuple[str, str]:
    """Names of the running task, and of its run if the user named it."""
    task_run = TaskRunContext.get()
    if task_run is not None:
        named = task_run.task.task_run_name is not None
        return task_run.task.name, task_run.task_run.name if named else ""
    flow_run = FlowRunContext.get()
    return (flow_run.flow.name if flow_run is not None and flow_run.flow else ""), ""
