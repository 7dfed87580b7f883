"""The recipe of a stored result: what it was made of, to explain, find and compare it."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from scutoid._version import __version__
from scutoid.errors import DamagedResult, StoreError
from scutoid.paths import is_inner_name
from scutoid.store import keys
from scutoid.texts import json_text, parse_json

VERSION = 1
"""Version of the layout of `recipe.json`."""
KEY_RULE = 2
"""Version of the rule by which keys, and the digests that they are made of, are worked out."""
_KEPT = 128
"""Recipes that a process keeps as they were parsed, by their text."""
_UNSAID_RULE = 1
"""Of recipes that do not name one: of results from before rules had versions."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A parameter or an input: what enters the key, and what people read."""

    digest: str
    """Digest of the parameter's value, or the key of the input."""
    text: str
    """The same in a few words."""

    @classmethod
    def of(cls, value: object, where: str = "value") -> Fact:
        """Digest and description of a parameter's value; `where` is its name in errors.

        Examples
        --------
        >>> Fact.of(2.5).text
        '2.5'
        """
        return cls(keys.canonical_digest(value, where), keys.describe(value))


def _facts(facts: Mapping[str, Fact | Mapping[str, str]], digest: str) -> dict[str, Fact]:
    return {
        str(name): fact if isinstance(fact, Fact) else Fact(str(fact[digest]), str(fact["text"]))
        for name, fact in facts.items()
    }


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a stored result was made of.

    Notes
    -----
    `parameters` and `inputs` also take mappings ``{"digest": ..., "text": ...}`` and
    ``{"key": ..., "text": ...}``, as they stand in the file.

    Examples
    --------
    >>> recipe = Recipe(step="denoise", key="3f9a", parameters={"sigma": Fact.of(2.0)})
    >>> Recipe.from_json(recipe.to_json()) == recipe
    True
    """

    step: str
    """Name of the step."""
    key: str
    """Key of the result, hexadecimal."""
    rule: int = KEY_RULE
    """Version of the rule by which the key was made."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Digest of each piece of the user's code that was reached, by what it is called."""
    parameters: Mapping[str, Fact] = field(default_factory=dict)
    """Bound parameters, defaults included."""
    inputs: Mapping[str, Fact] = field(default_factory=dict)
    """Inputs."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions of packages that entered the key."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of packages that were reached, and did not."""
    opaque: tuple[str, ...] = ()
    """What the code fingerprint could not follow."""
    kind: str = "value"
    """What the result is: image, table, value, parts or files."""
    format: str | None = None
    """Name of the format it is stored in."""
    block: tuple[int, ...] | None = None
    """Block shape in voxels; None if the step was not cut into blocks."""
    output: Mapping[str, object] = field(default_factory=dict)
    """What is needed to open the result again, such as its axes (plain JSON)."""
    within: tuple[str, ...] = ()
    """Names of the steps under which it is shown, outermost first; none where a user made it."""
    host: str = ""
    """Name of the machine that made it."""
    created: float = 0.0
    """When it was finished, or else last begun or gone on with, in seconds since 1970."""
    seconds: float | None = None
    """How long it took, once it is complete."""
    files: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Size in bytes and sha256 of each file that has no checksums of its own."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What was added when it was completed (plain JSON)."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "parameters", _facts(self.parameters, "digest"))
        put(self, "inputs", _facts(self.inputs, "key"))
        put(self, "block", None if self.block is None else tuple(int(size) for size in self.block))
        put(self, "opaque", tuple(self.opaque))
        put(self, "within", tuple(self.within))

    @property
    def stands_for(self) -> str | None:
        """Key of the result that was accepted for this one; None if this is a result itself."""
        accepted = self.extra.get("accepted")
        return str(accepted["key"]) if isinstance(accepted, Mapping) and "key" in accepted else None

    def stamped(self) -> Self:
        """The same with this machine's name, the time, and the versions of Python and scutoid."""
        ours = {"python": platform.python_version(), "scutoid": __version__}
        return replace(
            self,
            host=self.host or platform.node(),
            created=self.created or time.time(),
            versions={**ours, **self.versions},
        )

    def to_json(self) -> str:
        """The text of `recipe.json`: indented, with the fields in the order above."""
        content: dict[str, object] = {"scutoid_recipe": VERSION}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in ("parameters", "inputs"):
                digest = "key" if item.name == "inputs" else "digest"
                value = {name: {digest: f.digest, "text": f.text} for name, f in value.items()}
            if item.name != "within" or value:  # said of few
                content[item.name] = value
        content = json.loads(json.dumps(content, ensure_ascii=False, default=_plain))
        content["digest"] = _digest(content)
        return json_text(content, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str | bytes, *, place: Path | str = "recipe.json") -> Recipe:
        """Read the text of a `recipe.json`, checking every field.

        Raises
        ------
        DamagedResult
            If it is damaged.
        StoreError
            If a later version of scutoid wrote it.
        """
        try:
            version, recipe = _parsed(text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedResult(
                "a recipe is what scutoid wrote",
                value=str(error),
                place=str(place),
                remedy="its result is computed again; nothing needs to be done",
            ) from error
        if version != VERSION:
            raise StoreError(
                f"this version of scutoid reads recipes of version {VERSION}",
                value=version,
                place=str(place),
                remedy="update scutoid, or choose another store",
            )
        return recipe


@lru_cache(maxsize=_KEPT)
def _parsed(text: str | bytes) -> tuple[object, Recipe]:
    """Return the version of a recipe and what it says: a plan asks a dozen times for each."""
    content = parse_json(text)
    written, digest = content.pop("digest", None), _digest(content)
    version = content.pop("scutoid_recipe")
    if version == VERSION and written != digest:
        raise ValueError("its digest differs")
    known = {name: content[name] for name in _CHECKS if name in content}
    known.setdefault("rule", _UNSAID_RULE)
    wrong = [name for name, value in known.items() if not _CHECKS[name](value)]
    if wrong or not {"step", "key"} <= known.keys():
        raise ValueError(f"wrong or missing: {', '.join(wrong) or 'step, key'}")
    return version, Recipe(**known)


def _digest(content: Mapping[str, object]) -> str:
    """Digest what the result is, whatever its order and its spaces; not when it was made."""
    told = ("digest", "host", "created", "seconds")
    kept = {name: value for name, value in content.items() if name not in told}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> object:
    """Convert what JSON does not know: numpy numbers, tuples of them, types, paths."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return item()
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and "/" not in value and is_inner_name(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _is_files(value: object) -> bool:
    return isinstance(value, dict) and all(
        is_inner_name(name)
        and isinstance(item, dict)
        and type(item.get("bytes")) is int
        and isinstance(item.get("sha256"), str)
        for name, item in value.items()
    )


def _is_extra(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    accepted, shards, sizes = (value.get(name, {}) for name in ("accepted", "shards", "sizes"))
    return (
        (not isinstance(accepted, dict) or _is_name(accepted.get("key", "none")))
        and isinstance(shards, dict)
        and isinstance(sizes, dict)
        and all(map(is_inner_name, (*shards, *sizes)))
        and all(isinstance(count, list) for count in shards.values())
        and all(type(number) is int for number in (*sizes.values(), value.get("journalled", 0)))
    )


def _is_facts(digest: str) -> Callable[[object], bool]:
    names = {digest, "text"}
    return lambda value: (
        isinstance(value, dict)
        and all(_is_texts(fact) and names <= fact.keys() for fact in value.values())
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_block(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(n, int) for n in value))


def _is_name_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_CHECKS = {
    "step": _is_text,
    "key": _is_name,
    "rule": _is_count,
    "code": _is_texts,
    "parameters": _is_facts("digest"),
    "inputs": _is_facts("key"),
    "environment": _is_texts,
    "versions": _is_texts,
    "opaque": _is_name_list,
    "kind": _is_text,
    "format": lambda value: value is None or _is_text(value),
    "block": _is_block,
    "output": _is_mapping,
    "within": _is_name_list,
    "host": _is_text,
    "created": _is_number,
    "seconds": lambda value: value is None or _is_number(value),
    "files": _is_files,
    "extra": _is_extra,
}
