"""Every operation says what it is, shows how it is called, and is held to it by a case."""

from __future__ import annotations

import inspect
import re

import scutoid as sc

KINDS = r"\*\*(Exact|Exact within halo|Approximate)\*\*"


def declared(name):
    return re.findall(KINDS, inspect.getdoc(getattr(sc, name)))


def test_an_operation_declares_once_what_it_is(op_name) -> None:
    kinds = declared(op_name)
    assert kinds, "says none of Exact, Exact within halo, Approximate"
    assert len(kinds) == len(set(kinds))


def test_each_declaration_is_held_by_a_case(op_name, op_cases) -> None:
    held = {case.kind for case in op_cases if case.op == op_name}
    assert held == set(declared(op_name)), "give it a line in CASES of conftest.py"


def test_an_operation_has_an_example(op_name) -> None:
    text = inspect.getdoc(getattr(sc, op_name))
    assert ">>> " in text.partition("Examples\n--------")[2]


def test_cases_are_of_operations(op_cases) -> None:
    assert {case.op for case in op_cases} <= {*sc.__all__} & {*sc.ops.__all__}
    assert len({case.name for case in op_cases}) == len(op_cases)
