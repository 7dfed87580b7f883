"""Keys by the first rule: to find results that were stored by it.

What does not count of a key is, here, all that the rule could take for something else.
"""

from __future__ import annotations

from collections.abc import Iterator

from scutoid.errors import ParameterError
from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph import Call, planned_node
from scutoid.steps.planning._keys import Keys
from scutoid.steps.planning._step_code import Code, code_of, declaration_of
from scutoid.store import CodeFingerprint, Recipe
from scutoid.store.keys import first_digest, first_fingerprint

_LONGEST = 60
"""Characters of a value's text that a recipe has; of longer texts it has the beginning."""


class FirstKeys(Keys):
    """Works out keys by the first rule."""

    rule = 1

    def begin(self, call: Call) -> tuple[str, ...]:
        """Return what the digest of a call begins with: nothing but that it is one."""
        return ("call",)

    def declaration(self, spec: StepSpec) -> str:
        """Digest what a decorator was told that counts."""
        return self.value(declaration_of(spec), "declaration", set())

    def code(self, spec: StepSpec) -> Code:
        """Return the fingerprint of all functions of a step."""
        return code_of(spec, first_fingerprint)

    def reader(self, function: object) -> CodeFingerprint:
        """Fingerprint the code of what reads the files of a folder."""
        return first_fingerprint(function)

    def value(self, value: object, where: str, unseen: set[str]) -> str:
        """Digest a value, and say what of it could be something else."""
        try:
            return first_digest(value, where, memo=self.memo, confused=unseen)
        except ParameterError:  # the rule had no digest for it, so no result has it either
            return "none"

    def confused(self, call: Call, old: Recipe) -> list[str]:
        """Return what of a call, and of all that it depends on, the rule could confuse.

        Parameters
        ----------
        call : Call
            What is wanted.
        old : Recipe
            That of a result with the key of the call; its texts tell some values apart.
        """
        told: set[str] = set()
        for name, value in call.params.items():
            there = old.parameters.get(name)
            if _is_told_by_text(value) and there is not None and there.text == repr(value):
                self.value(value, name, told)
        own = (what for what in self._confused_in(call) if what not in told)
        above = (
            f"step {each.spec.label!r}: {what}"
            for each in _calls_above(call)
            for what in self._confused_in(each)
        )
        return list(dict.fromkeys((*own, *above)))

    def _confused_in(self, call: Call) -> list[str]:
        named = call.spec.parameters.defaults
        extra = [name for name in call.params if name not in named]
        order = [f"{', '.join(extra)}: the order of parameters"] if len(extra) > 1 else []
        return [*self.call(call).opaque, *order]


def _calls_above(call: Call) -> Iterator[Call]:
    """Yield each call that a call depends on, once."""
    found: dict[Call, None] = {}
    waiting = [call]
    while waiting:
        for node in map(planned_node, waiting.pop().dependencies):
            if isinstance(node, Call) and node not in found:
                found[node] = None
                waiting.append(node)
    yield from found


def _is_told_by_text(value: object) -> bool:
    """Whether the text of a value says all of it: its classes, its order and its signs."""
    return _is_builtin(value) and len(repr(value)) <= _LONGEST


def _is_builtin(value: object) -> bool:
    if type(value) in (list, tuple):
        return all(map(_is_builtin, value))  # type: ignore[call-overload]
    if type(value) is dict:
        return all(map(_is_builtin, (*value, *value.values())))
    return value is None or type(value) in (bool, int, float, str, bytes)
