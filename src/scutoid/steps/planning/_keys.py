"""Keys: what each result depends on, as one digest.

A key is made of the step's code and declaration, its parameters, and its inputs' keys; so keys are
known before anything runs.  In a collection the step has a base key, and each member one of its
own, made of the base and of the member's inputs.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from scutoid.errors import PipelineError, SourceError, StoreError
from scutoid.paths import normal
from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph import (
    BlockCall,
    Call,
    CollectionFromStore,
    CollectionRef,
    Constant,
    ConstantCollection,
    FromStore,
    Gathered,
    ImageRef,
    Layouts,
    MappedCall,
    Member,
    Node,
    Opened,
    OpenedFolder,
    Ref,
    planned_node,
)
from scutoid.steps.planning._folder_files import FolderFiles
from scutoid.steps.planning._step_code import Code, code_of, declaration_of, digest_of
from scutoid.steps.results import AcceptedRecord, read_file
from scutoid.store import (
    KEY_RULE,
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
    locations_of,
)

ACCEPTED = "accepted.json"
"""In the entry of a collection: keys of members, and those that were accepted for them."""


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
    unseen: tuple[str, ...] = ()
    """What of the parameters, of given inputs and of readers does not count."""
    rule: int = KEY_RULE
    """Version of the rule by which it was made."""

    @property
    def opaque(self) -> tuple[str, ...]:
        """All of which a change is not noticed."""
        return tuple(dict.fromkeys((*self.code.opaque, *self.unseen)))


class Keys:
    """Works out keys, each once.

    Parameters
    ----------
    memo : HashMemo, optional
        Remembers the hashes of files by size, time and inode.
    store : EntryStore, optional
        Inputs inside it are refused.
    layouts : Layouts, optional
        How calls are cut, where that counts; default: as they are cut by themselves.
    """

    rule = KEY_RULE
    """Version of the rule."""

    def __init__(
        self,
        memo: HashMemo | None = None,
        store: EntryStore | None = None,
        layouts: Layouts | None = None,
    ) -> None:
        self.memo = memo
        self._store = store
        self._layouts = layouts or Layouts()
        self._calls: dict[Call, CallKey] = {}
        self._members: dict[tuple[Node, str], str] = {}
        self._readings: dict[OpenedFolder, tuple[str, str]] = {}
        self._accepted: dict[Node, Mapping[str, str]] = {}
        self._files = FolderFiles(self._file, memo)
        self._outside: set[str] = set()
        self._paths: dict[str, dict[str, None]] = {}
        self._unseen: dict[Node, set[str]] = {}
        self._unreadable: dict[str, SourceError] = {}

    def of(self, ref: Ref) -> str:
        """Return the key of a single result."""
        key = self.node(ref.node)
        if isinstance(ref, ImageRef) and ref.view is not None:
            key = digest_of("view", key, repr(ref.view.picks))
        return digest_of("output", key, str(ref.output)) if ref.output else key

    def node(self, node: Node) -> str:
        """Return the key of a node that makes single results, or the base key of a collection."""
        match node:
            case Call():
                return self.call(node).key
            case Opened():
                return self._opened(node)
            case Constant():
                return self._given(node, node.value, node.name)
            case Member():
                return self.member(node.collection, node.key)
            case FromStore() | CollectionFromStore():
                return node.stored_key
        raise PipelineError("this result has no key", value=node.name)

    def call(self, call: Call) -> CallKey:
        """Return the key of a call and what it is made of."""
        if call not in self._calls:
            self._calls[call] = self._make(call)
        return self._calls[call]

    def member(self, node: Node, key: str) -> str:
        """Return the key of one member of a collection."""
        memo = (node, key)
        known = self._members.get(memo)
        if known is None:
            made = self._make_member(node, key)
            known = self._members[memo] = self._accepted_members(node).get(made, made)
        return known

    def stand_in(self, call: Call, key: str) -> None:
        """Take another key for a call from now on, and for all that depends on it."""
        self._calls[call] = replace(self.call(call), key=key)
        self._accepted.pop(call, None)
        for memo in [memo for memo in self._members if memo[0] is call]:
            del self._members[memo]

    def set_apart(self, call: Call, members: Sequence[str]) -> None:
        """Take a key for a collection that counts its members, from now on."""
        self.stand_in(call, digest_of("apart", self.call(call).key, *members))

    def stand_in_member(self, call: Call, key: str, member: str) -> None:
        """Take another key for a member from now on."""
        self._members[call, key] = member

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

    def _accepted_members(self, node: Node) -> Mapping[str, str]:
        if not isinstance(node, Call) or self._store is None:
            return {}
        if node not in self._accepted:
            entry = self._store.entry(node.spec.label, self.call(node).key)
            self._accepted[node] = accepted_members(entry)
        return self._accepted[node]

    def _make(self, call: Call) -> CallKey:
        spec = call.spec
        n_given = self._n_given
        code, declaration = self.code(spec), self.declaration(spec)
        self._note_given(code.digest, n_given)
        unseen: set[str] = set()
        parameters = {name: self._fact(value, name, unseen) for name, value in call.params.items()}
        inputs = {
            name: self._input(call, value, name, unseen)
            for name, value in zip(_input_names(call), call.inputs, strict=True)
        }
        block = None
        if isinstance(call, BlockCall):
            block = tuple(self._layouts.of(call).grid.block_shape)
        digest = digest_of(
            *self.begin(call),
            spec.kind,
            code.digest,
            declaration,
            *(f"{name}={fact.digest}" for name, fact in sorted(parameters.items())),
            *(f"{name}:{fact.digest}" for name, fact in inputs.items()),
            "collection" if isinstance(call, MappedCall) else "single",
            "any" if block is None or call.is_block_invariant else repr(block),
        )
        key = self._stands_for(spec.label, digest)
        unseen |= self._unseen_in(call)
        return CallKey(key, code, parameters, inputs, block, tuple(sorted(unseen)), self.rule)

    def begin(self, call: Call) -> tuple[str, ...]:
        """Return what the digest of a call begins with: the rule, and what it adds of the call."""
        named = call.spec.parameters.defaults
        more = [name for name in call.params if name not in named]  # of **parameters, in order
        return "call", f"rule {self.rule}", *more

    def declaration(self, spec: StepSpec) -> str:
        """Digest what a decorator was told that counts."""
        told = {**declaration_of(spec), **({"index": "columns"} if _joins_tables(spec) else {})}
        return self.value(told, "declaration", set())

    def code(self, spec: StepSpec) -> Code:
        """Return the fingerprint of all functions of a step."""
        return code_of(spec, partial(fingerprint, memo=self.memo))

    def reader(self, function: object) -> CodeFingerprint:
        """Fingerprint the code of what reads the files of a folder."""
        n_before = self._n_given
        found = fingerprint(function, memo=self.memo)
        self._note_given(found.digest, n_before)
        return found

    def value(self, value: object, where: str, unseen: set[str]) -> str:
        """Digest a value, and say what of it does not count."""
        n_before = self._n_given
        digest = canonical_digest(value, where, memo=self.memo, unseen=unseen)
        self._note_given(digest, n_before)
        return digest

    @property
    def _n_given(self) -> int:
        return 0 if self.memo is None else len(self.memo.seen.given)

    def _note_given(self, digest: str, n_before: int) -> None:
        """Take note of the paths that entered a digest, all that were given since `n_before`."""
        if self.memo is not None and self._n_given > n_before:
            paths = self._paths.setdefault(digest, {})
            paths.update(dict.fromkeys(self.memo.seen.given[n_before:]))

    def given_paths(self, digest: str) -> tuple[str, ...]:
        """Return the paths within a value, or reached by code, that count by what lies there."""
        return tuple(self._paths.get(digest, ()))

    def locations(self, node: Node, member: str = "") -> tuple[str, ...]:
        """Return the paths and URLs whose content enters the key of an input, or of a member."""
        match node:
            case Opened():
                return locations_of(node.source.identity)
            case OpenedFolder():
                return (*self._files.paths(node, member), *self.reached_by_reader(node))
            case Constant():
                return self.given_paths(self.node(node))
            case ConstantCollection():
                return self.given_paths(self.member(node, member)) if self._paths else ()
        return ()

    def reached_by_reader(self, folder: OpenedFolder) -> tuple[str, ...]:
        """Return the paths that the code of what reads a folder's files has as constants."""
        return self.given_paths(self._reading(folder)[1])

    def changed(self, locations: Sequence[str]) -> str | None:
        """Return the first of these that is not as it was when its key was made; None: none."""
        return None if self.memo is None else self.memo.changed(locations)

    def unreadable(self, folder: OpenedFolder, key: str) -> SourceError | None:
        """Return why a file of a member could not be read when its key was made; None: all were."""
        if not self._unreadable:
            return None
        found = map(self._unreadable.get, self._files.paths(folder, key))
        return next(filter(None, found), None)

    def files_of(self, call: MappedCall, key: str) -> tuple[tuple[str, str], ...]:
        """Return the files that the inputs of a member are stacked of, with their digests."""
        nodes = dict.fromkeys(item.node for item in call.collections)
        folders = (node for node in nodes if isinstance(node, OpenedFolder))
        return tuple(named for folder in folders for named in self._files.named(folder, key))

    def _given(self, node: Node, value: object, where: str) -> str:
        """Digest what a user gave as an input."""
        return self.value(value, where, self._unseen.setdefault(node, set()))

    def _unseen_in(self, call: Call) -> set[str]:
        """Return what does not count of what a call was given and of how its files are read."""
        found: set[str] = set()
        for ref in call.dependencies:
            node = planned_node(ref)
            if isinstance(node, OpenedFolder):
                self._reading(node)
            elif isinstance(node, ConstantCollection) and isinstance(ref, CollectionRef):
                for key in node.by_key:
                    self.member(node, key)
            found |= self._unseen.get(node, set())
        return found

    def _make_member(self, node: Node, key: str) -> str:
        match node:
            case OpenedFolder():
                digests = self._files.digests(node, key)
                readings = node.readings(key)
                if changed := self._files.readings(node):  # of few folders
                    readings += changed.get(key, ())
                return digest_of("file", digests[0], *self._reading(node), *digests[1:], *readings)
            case ConstantCollection():
                return self._given(node, node.by_key[key], f"{node.name}[{key!r}]")
            case MappedCall():
                parts = [self.call(node).key]
                parts.extend(self._part(c, key) for c in node.collections)
                asks_key = "key" in node.spec.parameters.injected
                return digest_of("member", *parts, key if asks_key else "")
            case CollectionFromStore():
                node.check_finished(key)
                return node.member_key(key)
        raise PipelineError("this collection has no keys for its members", value=node.name)

    def _part(self, collection: CollectionRef, key: str) -> str:
        """Return the key of a member of a collection: its output, and what is taken of it."""
        own = f"{self.member(collection.node, key)}.{collection.output}"
        return "".join((own, *map(repr, collection.parts))) if collection.parts else own

    def _reading(self, folder: OpenedFolder) -> tuple[str, str]:
        """Digests of how the files of a folder are opened; worked out once for all of them."""
        if folder not in self._readings:
            unseen = self._unseen.setdefault(folder, set())
            opening, reader = folder.opening, ""
            if opening.reader is not None:
                code = self.reader(opening.reader)
                unseen.update(self._unseen_of_reader(folder, code))
                reader = code.digest
            # What rides on these options does not reach a step: they only say how to read.
            options = self.value(opening.options, "options of open_folder", set())
            self._readings[folder] = (options, reader)
        return self._readings[folder]

    def _unseen_of_reader(self, folder: OpenedFolder, code: CodeFingerprint) -> Iterable[str]:
        """Return what does not count of a reader's code, but for files that count by `reads=`."""
        declared = self._files.beside_all(folder) if code.files else frozenset()
        known = (text for text, place in code.files.items() if normal(place) in declared)
        return set(code.opaque).difference(known)

    def _input(self, call: Call, value: object, name: str, unseen: set[str]) -> Fact:
        """An input; one that is computed in this call's blocks may depend on where these lie."""
        fact = self._fact(value, name, unseen)
        node = value.node if isinstance(value, Ref) else None
        if any(fused is node and not fused.is_block_invariant for fused in call.fused_inputs):
            return Fact(digest_of("inside", fact.digest), fact.text)
        return fact

    def _fact(self, value: object, name: str, unseen: set[str]) -> Fact:
        match value:
            case CollectionRef(node=node, kind=kind, output=output):
                base = self.call(node).key if isinstance(node, Call) else ""
                digest = digest_of("collection", kind, base, str(output), *_taken_of(value))
                return Fact(digest, f"members of {value.name}")
            case Gathered(collection=collection):
                missing = value.missing
                members = [f"{key}={self._part(collection, key)}" for key in value.keys]
                text = f"all {len(members)} of {collection.name}"
                if value.may_lack:  # a key of its own, for the step may be run without some
                    members += ["may lack", *missing]
                if missing:
                    text = f"{text}, without {', '.join(missing)}"
                return Fact(digest_of("gathered", *members), text)
            case Ref():
                return Fact(self.of(value), value.name)
        return Fact(self.value(value, name, unseen), describe(value))

    def _opened(self, opened: Opened) -> str:
        identity = opened.source.identity
        self._refuse_inside(identity.locations)
        return key_of_source(identity, opened.source.spec, self.memo)

    def _file(self, path: str) -> str:
        """Return the key of a file of a folder; one that cannot be read has a new one each time.

        So its member is never found in a store, and fails in the run, which goes on without it.
        """
        self._refuse_inside((path,))
        try:
            return key_of_path(path, self.memo)
        except SourceError as error:
            self._unreadable[normal(path)] = error
            return digest_of("unreadable", uuid.uuid4().hex)

    def _refuse_inside(self, locations: tuple[str, ...]) -> None:
        if self._store is None:
            return
        for location in locations:
            folder = location.rpartition("/")[0] or "/"  # quick, for there may be 100,000 members
            if folder in self._outside and not os.path.islink(location):  # noqa: PTH114
                continue
            if self._store.contains(location):
                raise StoreError(
                    "an input does not lie inside the store",
                    value=location,
                    place=self._store.place,
                    remedy='read a stored result by its name, sc.Store(...)["step"], '
                    "or move the input",
                )
            if not self._store.contains(folder):
                self._outside.add(folder)


def accepted_members(entry: Entry) -> dict[str, str]:
    """Keys of members that others stand for, as the entry of a collection says.

    Raises
    ------
    StoreError
        If its list of them is of a later version.
    """
    record = read_file(entry.path / ACCEPTED, AcceptedRecord.from_json)
    return {} if record is None else dict(record.members)


def _taken_of(collection: CollectionRef) -> tuple[str, ...]:
    """Return what tells collections apart of which one step may take several in one plan.

    What is taken of each image, and of images that are stacked of files which channels they have.
    """
    parts, node = collection.parts, collection.node
    stacking = node.opening.stacking if isinstance(node, OpenedFolder) else None
    stacked = () if stacking is None else (repr((stacking.axes, stacking.channels)),)
    return (*map(repr, parts), *stacked)


def _input_names(call: Call) -> list[str]:
    names = list(call.spec.parameters.inputs)[: len(call.inputs)]
    return names + [f"input {number}" for number in range(len(names), len(call.inputs))]


def _joins_tables(spec: StepSpec) -> bool:
    """Whether tables of blocks are joined by code that a version does not stand for."""
    return spec.kind == "blockwise" and "table" in spec.outputs and spec.version is None
