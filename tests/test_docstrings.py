"""Public objects say what they take and what they return."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

import scutoid
from scutoid import errors

LAYERS = (
    "scutoid", "scutoid.errors", "scutoid.geometry", "scutoid.kernels", "scutoid.executors",
    "scutoid.arrays", "scutoid.blocks", "scutoid.store", "scutoid.steps", "scutoid.ops",
    "scutoid.views", "scutoid.cli", "scutoid.testing",
)  # fmt: skip


def public_objects(module):
    for name in module.__all__:
        found = getattr(module, name)
        if callable(found) and not name.startswith("__") and type(found).__module__ != "typing":
            yield name, found


def sections(text):
    """Return the text of each numpydoc section by its title."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def unnamed_parameters(function, text):
    """List the parameters that no section Parameters names."""
    described = sections(text).get("Parameters", "")
    heads = re.findall(r"^\S.*", described, flags=re.MULTILINE)
    named = {n.strip(" *") for head in heads for n in head.partition(":")[0].split(",")}
    return [name for name in inspect.signature(function).parameters if name not in {*named, "self"}]


@pytest.mark.parametrize("layer", LAYERS)
def test_every_public_object_has_a_docstring(layer):
    module = importlib.import_module(layer)
    assert module.__doc__
    bare = [name for name, found in public_objects(module) if not inspect.getdoc(found)]
    assert not bare


def test_the_functions_that_users_call_name_their_parameters_and_what_they_return():
    wanting = []
    for name, found in public_objects(scutoid):
        if inspect.isclass(found):
            continue
        text = inspect.getdoc(found)
        if unnamed := unnamed_parameters(found, text):
            wanting.append(f"{name} does not name {', '.join(unnamed)}")
        if "Returns" not in sections(text):
            wanting.append(f"{name} does not say what it returns")
    assert not wanting, "\n".join(wanting)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_section_of_parameters_names_all_of_them(layer):
    wanting = []
    for name, found in public_objects(importlib.import_module(layer)):
        text = inspect.getdoc(found)
        if inspect.isclass(found) or "Parameters" not in sections(text):
            continue
        if unnamed := unnamed_parameters(found, text):
            wanting.append(f"{name}: {', '.join(unnamed)}")
    assert not wanting, "\n".join(wanting)


def test_the_tree_of_errors_is_drawn_as_it_stands():
    drawn = {}
    for line in errors.__doc__.splitlines():
        if match := re.match(r"\s+[├└]── (\w+)\s+\((\w+)\)", line):
            drawn[match[1]] = match[2]
    others = ("ScutoidError", "ScutoidWarning", "RunStopped")
    classes = {name: getattr(errors, name) for name in errors.__all__ if name not in others}
    assert list(drawn) == [name for name in vars(errors) if name in classes]
    for name, found in classes.items():
        assert issubclass(found, errors.ScutoidError)
        assert drawn[name] in {base.__name__ for base in found.__bases__}
