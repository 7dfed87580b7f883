"""Patterns of paths with placeholders: which names match, and what stands in each placeholder.

::

    plate/{well:[A-P][0-9][0-9]}_s{site:d}_w{channel}.tif
    │     │                      │         └── any text of at least one character
    │     │                      └── a whole number; {site:03d}: with zeros up to three digits
    │     └── text that a regular expression matches
    └── no placeholder and no glob: the folder in which is searched

A placeholder matches within one part of the path.  ``{{`` and ``}}`` are braces.  ``*``, ``?``,
``[...]`` and the part ``**`` are globs.  A placeholder that stands in a pattern twice has the same
text in both places.  A name that could be matched in two ways is refused, never guessed.

A template is a pattern that names are made by: its ``*``, ``?`` and ``[`` stand for themselves, and
``{key}`` may be among its placeholders.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeAlias

from scutoid.cached import cached_property
from scutoid.errors import ParameterError
from scutoid.steps.handles._name_part import (
    Glob,
    Literal,
    NamePart,
    Placeholder,
    Texts,
    Token,
    glob_token,
)

Value: TypeAlias = str | int
"""What stands in a placeholder."""
_PLACE = "open_folder"
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")
_WHOLE = re.compile(r"(?:0([1-9][0-9]*))?d", re.ASCII)
_REMEDY = "write {name}, {name:d} for a whole number, or {name:[A-P][0-9]+}; {{ for a brace"
KEY = "key"
"""The column of keys; in a template the placeholder of a member's key."""


@dataclass(frozen=True, eq=False)
class NamePattern:
    """A pattern of paths.

    Raises
    ------
    ParameterError
        If the text is none.

    Examples
    --------
    >>> pattern = NamePattern.parse("plate/{well}_s{site:d}.tif")
    >>> pattern.match("B03_s12.tif")
    {'well': 'B03', 'site': 12}
    >>> str(pattern.root), pattern.glob, pattern.names
    ('plate', '*_s*.tif', ('well', 'site'))
    """

    text: str
    """As it was written."""
    root: Path
    """The folder in which is searched."""
    parts: tuple[NamePart, ...]
    """What stands below it."""

    @property
    def below_root(self) -> str:
        """The parts below the root, as they are written."""
        return "/".join(part.written for part in self.parts)

    @classmethod
    def parse(cls, text: str) -> NamePattern:
        """Read the text of a pattern."""
        return cls._read(text, _Parser(text), _PLACE)

    @classmethod
    def template(cls, text: str) -> NamePattern:
        """Read the text of a template.

        Examples
        --------
        >>> template = NamePattern.template("qc[1]/{well}_{site:02d}.png")
        >>> str(template.root), template.format({"well": "B03", "site": 1})
        ('qc[1]', 'B03_01.png')
        """
        return cls._read(text, _Parser(text, is_template=True), "export")

    @classmethod
    def _read(cls, text: str, parser: _Parser, place: str) -> NamePattern:
        listed = [NamePart(tuple(tokens)) for tokens in parser.parts()]
        n_fixed = next((n for n, part in enumerate(listed) if not part.is_fixed), len(listed))
        if listed and listed[-1].is_deep:  # files in folders of any depth
            listed.append(NamePart((Glob("*", ".*?"),)))
        pattern = cls(
            text,
            Path(*([part.fixed or os.sep for part in listed[:n_fixed]] or [os.curdir])),
            tuple(listed[n_fixed:]),
        )
        if any(part.is_fixed and part.fixed == os.pardir for part in pattern.parts):
            raise ParameterError(
                "a pattern leads up, by .., before its first * or placeholder only",
                value=text,
                place=place,
                remedy="name the folder that holds all the files, and go down from there",
            )
        return pattern

    @cached_property
    def placeholders(self) -> Mapping[str, Placeholder]:
        """The placeholders by name, in the order of the text."""
        found: dict[str, Placeholder] = {}
        for part in self.parts:
            for token in part.placeholders:
                found.setdefault(token.name, token)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the placeholders, in the order of the text."""
        return tuple(self.placeholders)

    @property
    def glob(self) -> str:
        """The glob, below the root, that finds all that may match."""
        return "/".join(part.glob for part in self.parts)

    def match(self, name: str) -> dict[str, Value] | None:
        """Return what stands in the placeholders of a path below the root; None: no match.

        Raises
        ------
        ParameterError
            If there are two ways.
        """
        return next(found for _, found in self.match_all([name]))

    def match_all(self, names: Iterable[str]) -> Iterator[tuple[str, dict[str, Value] | None]]:
        """Do as `match` does for each of many paths, of which many lie in the same folders."""
        folders: dict[str, list[Texts]] = {}
        *above, last = self.parts
        for name in names:
            folder, _, own = name.rpartition("/")
            if folder not in folders:
                parts = folder.split("/") if folder else []
                folders[folder] = list(_ways(above, parts, {}))
            found: Texts | None = None
            for known in folders[folder]:
                for way in last.ways(own, known):
                    if found is not None and self._values(found) != self._values(way):
                        self._refuse_two(name, found, way)
                    found = way if found is None else found
            yield name, None if found is None else self._values(found)

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        """Which of the placeholders are whole numbers."""
        return tuple(name for name, token in self.placeholders.items() if token.is_whole)

    def _values(self, texts: Texts) -> dict[str, Value]:
        values: dict[str, Value] = dict(texts)
        for name in self._numbers:
            values[name] = int(texts[name])
        return values

    def format(self, values: Mapping[str, object]) -> str:
        """Return the path below the root in which values stand; globs stay as they are.

        Examples
        --------
        >>> NamePattern.parse("{well}_s{site:02d}*.tif").format({"well": "B03", "site": 1})
        'B03_s01*.tif'
        """
        return "/".join(part.format(values) for part in self.parts)

    def joined(self, texts: Texts) -> str:
        """Return the path below the root with these texts in the placeholders."""
        return "/".join(part.joined(texts) for part in self.parts)

    def _refuse_two(self, name: str, first: Texts, second: Texts) -> NoReturn:
        raise ParameterError(
            "a pattern matches a name in one way",
            value=f"{name!r}: {said(first)}; or {said(second)}",
            place=self.text,
            remedy="say more of a placeholder, such as {site:d} for a whole number or "
            "{well:[A-P][0-9]+}, or leave the file out by select=",
        )


def said(values: Mapping[str, object]) -> str:
    """Say what stands in placeholders.

    Examples
    --------
    >>> said({"well": "B03", "site": 2})
    "well='B03', site=2"
    """
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _ways(patterns: Sequence[NamePart], parts: Sequence[str], known: Texts) -> Iterator[Texts]:
    """Yield each way in which the parts of a path match patterns."""
    if not patterns:
        if not parts:
            yield known
        return
    first, *others = patterns
    if first.is_deep:
        for n in range(len(parts) + 1):
            yield from _ways(others, parts[n:], known)
    elif parts:
        for way in first.ways(parts[0], known):
            yield from _ways(others, parts[1:], way)


class _Parser:
    """Reads the text of a pattern from left to right."""

    def __init__(self, text: str, *, is_template: bool = False) -> None:
        self.text = text
        self._is_template = is_template
        self._at = 0
        self._known: dict[str, Placeholder] = {}

    def parts(self) -> Iterator[list[Token]]:
        """Yield the tokens of each part of the path."""
        tokens: list[Token] = []
        n_parts = 0
        while self._at < len(self.text):
            if self.text[self._at] == "/":
                self._at += 1
                if tokens or not n_parts:  # the first is empty where the path is absolute
                    yield tokens
                    n_parts += 1
                tokens = []
                continue
            token = self._token()
            before = tokens[-1] if tokens else None
            if isinstance(token, Literal) and isinstance(before, Literal):
                tokens[-1] = Literal(before.text + token.text)
            else:
                tokens.append(token)
        if tokens:
            yield tokens

    def _token(self) -> Token:
        two = self.text[self._at : self._at + 2]
        if two in ("{{", "}}"):
            self._at += 2
            return Literal(two[0])
        if two[0] == "{":
            return self._placeholder()
        if two[0] == "}":
            raise self._error(
                f"a }} of a {self._kind} ends a placeholder, or is written twice", two[0]
            )
        if self._is_template:
            self._at += 1
            return Literal(two[0])
        token, self._at = glob_token(self.text, self._at)
        return token

    def _placeholder(self) -> Placeholder:
        end = self._end_of_placeholder()
        inner = self.text[self._at + 1 : end]
        self._at = end + 1
        name, colon, spec = inner.partition(":")
        is_key = name == KEY and not self._is_template
        if not name.isidentifier() or is_key:
            what = "key is a column of its own" if is_key else "letters, digits and _"
            rule, remedy = f"a placeholder has a name ({what})", _REMEDY
            if "," in inner:
                remedy = f"one of several is written {{name:{inner.replace(',', '|')}}}"
            raise self._error(rule, f"{{{inner}}}", remedy)
        known = self._known.get(name)
        if known is not None and not colon:
            return known
        made = self._made(name, spec if colon else None)
        if known is not None and known != made:
            raise self._error(
                "a placeholder that stands in a pattern twice says what it matches once",
                f"{{{inner}}}",
            )
        self._known[name] = made
        return made

    def _end_of_placeholder(self) -> int:
        """Return where the brace is that ends a placeholder, within which there may be some."""
        depth, in_class = 0, False
        n = self._at
        while n < len(self.text):
            letter = self.text[n]
            if letter == "\\":
                n += 1
            elif in_class:
                in_class = letter != "]"
            elif letter == "[":
                in_class = True
                n += 1 if self.text[n + 1 : n + 2] != "^" else 2  # a ] there does not end it
            elif letter in "{}":
                depth += 1 if letter == "{" else -1
                if not depth:
                    return n
            n += 1
        raise self._error("a placeholder ends with a brace", self.text[self._at :])

    def _made(self, name: str, spec: str | None) -> Placeholder:
        if spec is None:
            return Placeholder(name, ".+?")
        whole = _WHOLE.fullmatch(spec)
        if whole is not None:
            return Placeholder.whole(name, int(whole[1] or 0))
        try:
            compiled = re.compile(spec, re.DOTALL)
        except re.error as error:
            rule = "what a placeholder matches is a regular expression"
            raise self._error(rule, f"{spec} ({error})") from error
        if compiled.groups:
            raise self._error("a placeholder is a group itself, and has none in it: (?:...)", spec)
        if compiled.fullmatch("") is not None:
            raise self._error("a placeholder matches at least one character", spec)
        if spec.isalnum():  # such as {site:D} or {site:3}: a type that there is not
            rule = "the type of a placeholder is d, or a regular expression"
            alone = f"{{{name}:(?:{spec})}}, or write it without a placeholder"
            raise self._error(
                rule, spec, f"write {{{name}:d}} for a whole number; one value, {alone}"
            )
        return Placeholder(name, f"(?:{spec})")

    @property
    def _kind(self) -> str:
        return "template" if self._is_template else "pattern"

    def _error(self, rule: str, value: str, remedy: str = _REMEDY) -> ParameterError:
        place = f"{self._kind} {self.text!r}"
        return ParameterError(rule, value=value, place=place, remedy=remedy)


def is_zarr(path: str) -> bool:
    """Whether a folder is a group or an array of a zarr."""
    return any(os.path.isfile(f"{path}{os.sep}{name}") for name in _ZARR_FILES)  # noqa: PTH113
