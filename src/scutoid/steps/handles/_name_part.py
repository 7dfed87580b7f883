"""One part of a pattern of paths: text, globs and placeholders between two slashes."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from scutoid.cached import cached_property

Texts: TypeAlias = Mapping[str, str]
"""The text that stands in each placeholder."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself."""

    text: str
    """The text."""

    @property
    def expression(self) -> str:
        """As a regular expression."""
        return re.escape(self.text)


@dataclass(frozen=True, slots=True)
class Glob:
    """One of the globs ``*``, ``?`` and ``[...]``."""

    text: str
    """As it is written."""
    expression: str
    """As a regular expression."""

    @property
    def is_variable(self) -> bool:
        """Whether it matches texts of several lengths."""
        return self.text == "*"


@dataclass(frozen=True)
class Placeholder:
    """A placeholder: text of at least one character, or a whole number."""

    name: str
    """Its name."""
    expression: str
    """What it matches, as a regular expression without groups."""
    is_whole: bool = False
    """Whether it is a whole number."""
    width: int = 0
    """Of a whole number, how many digits there are at least, with zeros in front."""

    @classmethod
    def whole(cls, name: str, width: int) -> Placeholder:
        """Return the placeholder of a whole number."""
        digits = f"(?:[0-9]{{{width}}}|[1-9][0-9]{{{width},}})" if width else "[0-9]+"
        return cls(name, digits, is_whole=True, width=width)

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The regular expression."""
        return re.compile(self.expression, re.DOTALL)

    def text(self, value: object) -> str:
        """Return the text in which a value stands in a name."""
        return f"{value:0{self.width}d}" if self.is_whole and self.width else str(value)

    def fitting_text(self, value: object) -> str:
        """Return that text, which a name of one part can hold.

        Raises
        ------
        ValueError
            If there is none; its text is the rule.
        """
        if value is None or value != value:  # noqa: PLR0124  # NaN
            raise ValueError("a placeholder of a template has a value for each member")
        if self.is_whole:
            try:
                whole = int(value)  # type: ignore[call-overload]
            except ValueError:
                whole = None
            if whole is None or (not isinstance(value, str) and whole != value):
                raise ValueError("a placeholder with :d is a whole number")
            return self.text(whole)
        text = self.text(value)
        if "/" in text or not text:
            raise ValueError("a placeholder of a template stands within one part of a path")
        if not self.compiled.fullmatch(text):
            raise ValueError("the value of a placeholder is what its expression matches")
        return text


Token: TypeAlias = Literal | Glob | Placeholder


def glob_token(text: str, at: int) -> tuple[Token, int]:
    """Return the glob or the letter at a place of a pattern, and where the next one begins."""
    letter = text[at]
    if letter == "*":
        return Glob("*", ".*?"), at + 1
    if letter == "?":
        return Glob("?", "."), at + 1
    if letter != "[":
        return Literal(letter), at + 1
    is_negated = text[at + 1 : at + 2] == "!"
    first = at + 1 + is_negated
    end = text.find("]", first + 1)
    if end < 0 or "/" in text[at:end]:
        return Literal(letter), at + 1
    inside = text[first:end].replace("\\", "\\\\").replace("[", r"\[").replace("^", r"\^")
    inside = inside.replace("]", r"\]").replace("&&", r"&\&").replace("||", r"|\|")
    expression = f"[{'^' if is_negated else ''}{inside.replace('~~', '~' + chr(92) + '~')}]"
    return Glob(text[at : end + 1], expression), end + 1


@dataclass(frozen=True, eq=False)
class NamePart:
    """What stands between two slashes of a pattern."""

    tokens: tuple[Token, ...]
    """In order; no two literals one after the other."""

    @cached_property
    def is_fixed(self) -> bool:
        """Whether it is one text."""
        return all(isinstance(token, Literal) for token in self.tokens)

    @property
    def fixed(self) -> str:
        """That text."""
        return "".join(token.text for token in self.tokens if isinstance(token, Literal))

    @cached_property
    def is_deep(self) -> bool:
        """Whether it is ``**``, which stands for any number of folders."""
        texts = [token.text for token in self.tokens if isinstance(token, Glob)]
        return texts == ["*", "*"] and len(self.tokens) == 2

    @cached_property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The placeholders in it, in order."""
        return tuple(token for token in self.tokens if isinstance(token, Placeholder))

    @cached_property
    def glob(self) -> str:
        """The glob that finds what may match."""
        if self.is_deep:
            return "**"
        text = ""
        for token in self.tokens:
            is_star = isinstance(token, Placeholder) or token.text == "*"
            if isinstance(token, Literal):
                text += glob.escape(token.text)
            elif not is_star:
                text += token.text  # type: ignore[operator]
            elif not text.endswith("*"):  # two of them would mean folders in folders
                text += "*"
        return text

    def format(self, values: Mapping[str, object]) -> str:
        """Return the text in which values stand; globs stay as they are."""
        return "".join(
            token.text(values[token.name]) if isinstance(token, Placeholder) else token.text
            for token in self.tokens
        )

    @property
    def written(self) -> str:
        """It as a text; what a placeholder matches is left out."""
        return "".join(
            f"{{{token.name}}}"
            if isinstance(token, Placeholder)
            else token.text.replace("{", "{{").replace("}", "}}")
            for token in self.tokens
        )

    def joined(self, texts: Texts) -> str:
        """Return what it is with these texts in the placeholders."""
        return "".join(
            texts[token.name] if isinstance(token, Placeholder) else token.text
            for token in self.tokens
        )

    def ways(self, text: str, known: Texts) -> Iterator[Texts]:
        """Yield each way in which a text matches: what stands in the placeholders.

        Parameters
        ----------
        text : str
            The text.
        known : mapping
            What stands in placeholders of earlier parts; these, too, are among what is yielded.
        """
        if self._is_settled(text):
            match = self._expression.fullmatch(text)
            if match is not None:
                found = match.groupdict()
                if not known:
                    yield found
                elif all(known.get(name, value) == value for name, value in found.items()):
                    yield {**known, **found}
        else:
            yield from self._all_ways(text, known)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        text = "" if isinstance(self.tokens[0], Literal) else r"(?!\.)"
        seen: set[str] = set()
        for token in self.tokens:
            if not isinstance(token, Placeholder):
                text += token.expression
            elif token.name in seen:
                text += f"(?P={token.name})"
            else:
                text += f"(?P<{token.name}>{token.expression})"
                seen.add(token.name)
        return re.compile(text, re.DOTALL)

    @cached_property
    def _separators(self) -> tuple[int, int, dict[str, int]] | None:
        """Lengths of the fixed ends, and how often each literal between them stands in literals.

        None where literals cannot tell where each placeholder ends: two of them side by side.
        """
        literals = [token.text if isinstance(token, Literal) else "" for token in self.tokens]
        n_variable = 0
        for token in self.tokens:
            is_fixed = isinstance(token, Glob) and not token.is_variable
            n_variable = 0 if isinstance(token, Literal) else n_variable + (not is_fixed)
            if n_variable > 1:
                return None
        within = [text for text in literals[1:-1] if text]
        if any(_overlaps_itself(text) for text in within):
            return None
        uses = {text: sum(other.count(text) for other in within) for text in within}
        return len(literals[0]), len(literals[-1]), uses

    def _is_settled(self, text: str) -> bool:
        """Whether there is one way at most, told without trying.

        Where a text has each literal as often as the pattern has it, there is no choice which of
        them ends a placeholder.
        """
        if not self.placeholders or len(self.tokens) == 1:
            return True
        separators = self._separators
        if separators is None:
            return False
        begin, end, uses = separators
        for literal, n_uses in uses.items():  # no generator: there may be 100,000 names
            if text.count(literal, begin, len(text) - end) != n_uses:
                return False
        return True

    def _all_ways(self, text: str, known: Texts) -> Iterator[Texts]:
        """Try each place at which each token may end, of those from where there is a way on."""
        if isinstance(self.tokens[0], Placeholder | Glob) and text.startswith("."):
            return
        alive = self._alive(text)
        tried: set[tuple[object, ...]] = set()
        waiting: list[tuple[int, int, dict[str, str]]] = [(0, 0, dict(known))]
        while waiting:
            n, at, found = waiting.pop()
            state = (n, at, *found.items())
            if at not in alive[n] or state in tried:
                continue
            tried.add(state)
            if n == len(self.tokens):
                yield found
                continue
            token = self.tokens[n]
            for end in _ends(token, text, at, sorted(alive[n + 1], reverse=True), found):
                more = {token.name: text[at:end]} if isinstance(token, Placeholder) else {}
                waiting.append((n + 1, end, {**found, **more}))  # the shortest comes first

    def _alive(self, text: str) -> list[set[int]]:
        """Return for each token, and the end, where it may begin so that the rest matches.

        It takes a time that goes with the square of the length, whatever matches: trying all ways
        takes one that goes with a power of the number of tokens.  That a placeholder stands for the
        same text each time is not looked at.
        """
        alive = [{len(text)}]
        for token in reversed(self.tokens):
            ends = sorted(alive[-1], reverse=True)
            begins = range(len(text) + 1) if ends else ()
            alive.append(
                {at for at in begins if next(_ends(token, text, at, ends, {}), None) is not None}
            )
        return alive[::-1]


def _ends(token: Token, text: str, at: int, ends: Iterable[int], known: Texts) -> Iterator[int]:
    """Yield where a token may end that begins at a place of a text, of some places."""
    fixed = token.text if isinstance(token, Literal) else None
    if isinstance(token, Placeholder):
        fixed = known.get(token.name)
    if fixed is not None:
        end = at + len(fixed)
        if end in ends and text.startswith(fixed, at):
            yield end
        return
    for end in ends:
        if isinstance(token, Placeholder):
            is_fit = end > at and token.compiled.fullmatch(text[at:end]) is not None
        elif isinstance(token, Glob) and not token.is_variable:
            is_fit = end == at + 1 and bool(re.fullmatch(token.expression, text[at:end], re.DOTALL))
        else:
            is_fit = end >= at
        if is_fit:
            yield end


def _overlaps_itself(text: str) -> bool:
    """Whether a text can begin within itself, as ``__`` does in ``___``."""
    return any(text.endswith(text[:n]) for n in range(1, len(text)))
