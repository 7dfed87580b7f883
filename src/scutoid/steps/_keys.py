"""Keys: what each result depends on, as one digest.

A key is made of the step's code and declaration, its parameters, and its inputs' keys; so keys are
known before anything runs.  In a collection the step has a base key, and each member one of its
own, made of the base and of the member's inputs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from scutoid.errors import PipelineError, StoreError
from scutoid.steps._collections import Collection, Gathered
from scutoid.steps._lazy import Image, Lazy
from scutoid.steps._producers import (
    Call,
    Constant,
    ConstantCollection,
    Member,
    Opened,
    OpenedFolder,
    Producer,
)
from scutoid.steps._spec import StepSpec
from scutoid.store import (
    CodeFingerprint,
    Entry,
    EntryStore,
    Fact,
    HashMemo,
    canonical_digest,
    describe,
    fingerprint,
    key_of_path,
    key_of_source,
)

ACCEPTED = "accepted.json"
"""In the entry of a collection: keys of members, and those that were accepted for them."""


_THREADS = 4
_PIECES = 16
_LARGE = 2**16


@dataclass(frozen=True, slots=True)
class Code:
    """What is known of a step's code."""

    digest: str
    """Digest of all of it."""
    parts: Mapping[str, str]
    """Digest of each function, class and constant that was reached."""
    opaque: tuple[str, ...]
    """What could not be followed."""
    packages: Mapping[str, str]
    """Third-party packages that were reached, and their versions."""
    environment: Mapping[str, str]
    """Those whose versions enter the key."""


@dataclass(frozen=True, slots=True)
class CallKey:
    """The key of a call, and what it is made of."""

    key: str
    """The key; the base key of a collection."""
    code: Code
    """The step's code."""
    parameters: Mapping[str, Fact]
    """Digest and text of each parameter."""
    inputs: Mapping[str, Fact]
    """Key and text of each input."""
    block: tuple[int, ...] | None = field(default=None)
    """Block shape, where there are blocks."""


class Keys:
    """Works out keys, each once.

    Parameters
    ----------
    memo : HashMemo, optional
        Remembers the hashes of files by size, time and inode.
    store : EntryStore, optional
        Inputs inside it are refused.
    """

    def __init__(self, memo: HashMemo | None = None, store: EntryStore | None = None) -> None:
        self._memo = memo
        self._store = store
        self._calls: dict[int, CallKey] = {}
        self._members: dict[tuple[int, str], str] = {}
        self._readings: dict[int, tuple[str, str]] = {}
        self._accepted: dict[int, Mapping[str, str]] = {}
        self._folders: dict[int, Mapping[str, str]] = {}
        self._outside: set[str] = set()
        self._alive: list[object] = []

    def of(self, lazy: Lazy) -> str:
        """Return the key of a single result."""
        key = self.producer(lazy.producer)
        if isinstance(lazy, Image) and lazy.view is not None:
            key = _digest("view", key, repr(lazy.view.picks))
        return _digest("output", key, str(lazy.output)) if lazy.output else key

    def producer(self, producer: Producer) -> str:
        """Return the key of a single producer, or the base key of a collection."""
        if isinstance(producer, Call):
            return self.call(producer).key
        if isinstance(producer, Opened):
            return self._opened(producer)
        if isinstance(producer, Constant):
            return canonical_digest(producer.value)
        if isinstance(producer, Member):
            return self.member(producer.collection, producer.key)
        stored = getattr(producer, "stored_key", None)
        if stored is None:
            raise PipelineError("this result has no key", value=producer.name)
        return str(stored)

    def call(self, call: Call) -> CallKey:
        """Return the key of a call and what it is made of."""
        if id(call) not in self._calls:
            self._alive.append(call)  # its id() must stay its own
            self._calls[id(call)] = self._make(call)
        return self._calls[id(call)]

    def member(self, producer: Producer, key: str) -> str:
        """Return the key of one member of a collection."""
        memo = (id(producer), key)
        if memo not in self._members:
            self._alive.append(producer)
            made = self._make_member(producer, key)
            self._members[memo] = self._accepted_members(producer).get(made, made)
        return self._members[memo]

    def stand_in(self, call: Call, key: str) -> None:
        """Take another key for a call from now on, and for all that depends on it."""
        self._calls[id(call)] = replace(self.call(call), key=key)
        self._accepted.pop(id(call), None)
        for memo in [memo for memo in self._members if memo[0] == id(call)]:
            del self._members[memo]

    def stand_in_member(self, call: Call, key: str, member: str) -> None:
        """Take another key for a member from now on."""
        self._members[id(call), key] = member

    def _stands_for(self, name: str, key: str) -> str:
        """Return the key that was accepted for a result, if one was and is there."""
        if self._store is None:
            return key
        entry = self._store.entry(name, key)
        recipe = entry.recipe
        other = None if recipe is None else recipe.stands_for
        if other is None or entry.status != "complete":
            return key
        return key if self._store.entry(name, other).recipe is None else other

    def _accepted_members(self, producer: Producer) -> Mapping[str, str]:
        if not isinstance(producer, Call) or self._store is None:
            return {}
        if id(producer) not in self._accepted:
            self._alive.append(producer)
            entry = self._store.entry(producer.spec.label, self.call(producer).key)
            self._accepted[id(producer)] = accepted_members(entry)
        return self._accepted[id(producer)]

    def _make(self, call: Call) -> CallKey:
        spec = call.spec
        code = code_of(spec)
        parameters = {name: self._fact(value, name) for name, value in call.params.items()}
        inputs = {
            name: self._input(call, value, name)
            for name, value in zip(_input_names(call), call.inputs, strict=True)
        }
        block = None
        if call.keys is None and spec.kind != "step":
            block = tuple(call.layout().grid.block_shape)
        digest = _digest(
            "call",
            spec.kind,
            code.digest,
            _declaration(spec),
            *(f"{name}={fact.digest}" for name, fact in sorted(parameters.items())),
            *(f"{name}:{fact.digest}" for name, fact in inputs.items()),
            "collection" if call.keys is not None else "single",
            "any" if block is None or call.is_block_invariant else repr(block),
        )
        key = self._stands_for(spec.label, digest)
        return CallKey(key, code, parameters, inputs, block)

    def _make_member(self, producer: Producer, key: str) -> str:
        if isinstance(producer, OpenedFolder):
            return _digest("file", self._files(producer)[key], *self._reading(producer))
        if isinstance(producer, ConstantCollection):
            return canonical_digest(producer.by_key[key])
        if isinstance(producer, Call):
            parts = [self.call(producer).key]
            parts.extend(
                f"{self.member(item.producer, key)}.{item.output}"
                for item in (*producer.inputs, *producer.params.values())
                if isinstance(item, Collection)
            )
            asks_key = "key" in producer.spec.parameters.injected
            return _digest("member", *parts, key if asks_key else "")
        return str(producer.member_key(key))  # type: ignore[attr-defined]

    def _reading(self, producer: OpenedFolder) -> tuple[str, str]:
        """Digests of how the files of a folder are opened; worked out once for all of them."""
        if id(producer) not in self._readings:
            self._alive.append(producer)
            reader = "" if producer.reader is None else fingerprint(producer.reader).digest
            self._readings[id(producer)] = (canonical_digest(producer.options), reader)
        return self._readings[id(producer)]

    def _input(self, call: Call, value: object, name: str) -> Fact:
        """An input; one that is computed in this call's blocks may depend on where these lie."""
        fact = self._fact(value, name)
        producer = value.producer if isinstance(value, Lazy) else None
        if any(c is producer and not c.is_block_invariant for c in call.fused_inputs):
            return Fact(_digest("inside", fact.digest), fact.text)
        return fact

    def _fact(self, value: object, name: str) -> Fact:
        if isinstance(value, Collection):
            base = self.call(value.producer).key if isinstance(value.producer, Call) else ""
            digest = _digest("collection", value.kind, base, str(value.output))
            return Fact(digest, f"members of {value.name}")
        if isinstance(value, Gathered):
            members = [
                f"{key}={self.member(value.collection.producer, key)}.{value.collection.output}"
                for key in value.collection.keys
            ]
            return Fact(
                _digest("gathered", *members), f"all {len(members)} of {value.collection.name}"
            )
        if isinstance(value, Lazy):
            return Fact(self.of(value), value.name)
        return Fact(canonical_digest(value, name, memo=self._memo), describe(value))

    def _opened(self, producer: Opened) -> str:
        identity = producer.source.identity
        self._refuse_inside(identity.locations)
        return key_of_source(identity, producer.source.spec, self._memo)

    def _file(self, path: str) -> str:
        self._refuse_inside((path,))
        return key_of_path(path, self._memo)

    def _files(self, producer: OpenedFolder) -> Mapping[str, str]:
        """Keys of all files of a folder; of large files in threads, for hashing holds no lock."""
        if id(producer) not in self._folders:
            self._alive.append(producer)
            paths = list(producer.paths.values())
            threads = _THREADS if _are_large(paths) else 1
            step = -(-len(paths) // (_PIECES * threads)) or 1
            pieces = [paths[n : n + step] for n in range(0, len(paths), step)]
            with ThreadPoolExecutor(threads) as pool:
                found = pool.map(lambda piece: [self._file(path) for path in piece], pieces)
                digests = [digest for piece in found for digest in piece]
            self._folders[id(producer)] = dict(zip(producer.paths, digests, strict=True))
        return self._folders[id(producer)]

    def _refuse_inside(self, locations: tuple[str, ...]) -> None:
        if self._store is None:
            return
        for location in locations:
            folder = os.path.dirname(location)  # noqa: PTH120  # once for each of 100,000 members
            if folder in self._outside and not os.path.islink(location):  # noqa: PTH114
                continue
            if self._store.contains(location):
                raise StoreError(
                    "an input does not lie inside the store",
                    value=location,
                    place=str(self._store.path),
                    remedy='read a stored result by its name, sc.Store(...)["step"], '
                    "or move the input",
                )
            if not self._store.contains(folder):
                self._outside.add(folder)


def _are_large(paths: Sequence[str]) -> bool:
    """Whether hashing files takes longer than turning to the next, by a few of them."""
    sample = paths[:: len(paths) // _PIECES or 1]
    sizes = [os.stat(path).st_size for path in sample if os.path.isfile(path)]  # noqa: PTH113, PTH116
    return bool(sizes) and sum(sizes) > _LARGE * len(sizes)


def accepted_members(entry: Entry) -> dict[str, str]:
    """Keys of members that others stand for, as the entry of a collection says."""
    with suppress(OSError, ValueError):
        return dict(json.loads((entry.path / ACCEPTED).read_bytes()))
    return {}


def _input_names(call: Call) -> list[str]:
    names = list(call.spec.parameters.inputs)[: len(call.inputs)]
    return names + [f"input {number}" for number in range(len(names), len(call.inputs))]


def _declaration(spec: StepSpec) -> str:
    return canonical_digest(
        {
            "outputs": spec.outputs,
            "packed": spec.packed,
            "halo": spec.halo,
            "axes": spec.axes,
            "out_axes": spec.out_axes,
            "border": spec.border,
            "dtype": None if spec.dtype is None else [str(item) for item in spec.dtypes],
            "position": spec.position,
            "where": spec.options.where,
            # only where it is so: keys of all other steps stay as they are
            **({"sees_neighbours": True} if spec.sees_neighbours else {}),
            **({"out_sizes": dict(spec.out_sizes)} if spec.out_sizes else {}),
            **({"scale": str(spec.scale)} if spec.scale != 1 else {}),
            **({"grid": spec.grid} if spec.grid is not None and spec.version is None else {}),
        }
    )


def code_of(spec: StepSpec) -> Code:
    """Return the fingerprint of all functions of a step."""
    functions: dict[str, Any] = {"function": spec.function}
    if spec.version is None:
        functions |= {f"setup {name}": load for name, load in spec.setup.items()}
        functions |= {
            role: given
            for role, given in (("merge", spec.merge), ("finish", spec.finish))
            if given is not None
        }
    found: dict[str, CodeFingerprint] = {
        role: fingerprint(given, version=spec.version, environment=spec.environment)
        for role, given in functions.items()
    }
    stale = [name for one in found.values() for name in one.stale]
    if stale:
        raise PipelineError(
            "the code that runs is what its file says",
            value=f"edited since it was loaded: {', '.join(stale)}",
            place=f"step {spec.label!r}",
            remedy="start Python again, or reload the module, so that workers run the same code",
        )
    parts: dict[str, str] = {}
    packages: dict[str, str] = {}
    for role, one in found.items():
        own, *reached = one.parts.items()
        # By their roles, for the names of the others, often "<lambda>", do not tell them apart.
        parts[own[0] if role == "function" else role] = own[1]
        parts.update(reached)
        packages.update(one.packages)
    digests = [f"{role}={one.digest}" for role, one in sorted(found.items())]
    if spec.version is not None:  # it says which version, but not of what
        digests.append(_full_name(spec.function))
    return Code(
        digest=_digest("code", *digests),
        parts=parts,
        opaque=tuple(dict.fromkeys(name for one in found.values() for name in one.opaque)),
        packages=packages,
        environment={name: packages.get(name, "") for name in spec.environment},
    )


def _full_name(function: Any) -> str:
    """Name a function, the same in a script, a notebook and on the command line."""
    module = str(getattr(function, "__module__", ""))
    name = str(getattr(function, "__qualname__", type(function).__qualname__))
    return name if module.startswith("__") else f"{module}.{name}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
