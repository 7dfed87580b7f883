"""What the manifest of a result at a URL says: which attempt has won, and what belongs to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from scutoid.errors import DamagedResult, StoreError
from scutoid.paths import is_inner_name
from scutoid.texts import parse_json

MANIFEST = "manifest.json"
BEGUN = "begun.json"
"""What an attempt begins with: its recipe, and the metadata of its images."""
TOKEN = re.compile(r"[0-9a-f]{12}-[0-9a-f]{8}")
"""Of an attempt, or of a writer: when it began, and at random."""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """A result that is complete."""

    token: str
    """Of the attempt that has won."""
    recipe: str
    """The text of its recipe."""
    files: Mapping[str, Mapping[str, Any]]
    """By name in the result's folder: `object`, where it lies below the result's URL, `bytes` and
    `sha256`."""

    def to_bytes(self) -> bytes:
        """Return it as it is stored."""
        content = {
            "scutoid_manifest": _VERSION,
            "token": self.token,
            "recipe": self.recipe,
            "files": self.files,
        }
        return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def of_bytes(cls, content: bytes, place: str) -> Self:
        """Read it.

        Raises
        ------
        DamagedResult
            If it is none.
        StoreError
            If a later version of scutoid wrote it.
        """
        fields = fields_of(content, place, "scutoid_manifest", _VERSION)
        try:
            made = cls(fields["token"], fields["recipe"], fields["files"])
            is_right = TOKEN.fullmatch(made.token) and isinstance(made.recipe, str)
            names = [name for n, file in made.files.items() for name in (n, file["object"])]
            sizes = [file["bytes"] for file in made.files.values()]
            digests = [file["sha256"] for file in made.files.values()]
        except (KeyError, TypeError, AttributeError) as error:
            raise _damaged(place, repr(error)) from error
        is_right = is_right and all(map(is_inner_name, names)) and all(map(_is_digest, digests))
        if not is_right or not all(type(size) is int for size in sizes):
            raise _damaged(place, "a wrong field")
        return made


def fields_of(content: bytes, place: str, mark: str, version: int) -> dict[str, Any]:
    """Return the fields of a small object of a version that is known.

    Raises
    ------
    DamagedResult
        If it is none.
    StoreError
        If it is of a later version.
    """
    try:
        fields: dict[str, Any] = parse_json(content)
        found = fields[mark]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(place, repr(error)) from error
    if found != version:
        raise StoreError(
            f"this version of scutoid reads stores of objects of version {version}",
            value=found,
            place=place,
            remedy="update scutoid, or choose another store",
        )
    return fields


def _is_digest(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _damaged(place: str, value: str) -> DamagedResult:
    return DamagedResult(
        "a manifest is what scutoid wrote",
        value=value,
        place=place,
        remedy="make its result again, by a run with force= and the name of its step",
    )
