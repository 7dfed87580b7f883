"""Modules of text, as a user would write them, for tests of keys."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys

import pytest

_NUMBER = itertools.count()


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Load a text as a module, beside other files of text that it may import."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names: set[str] = set()

    def of(text: str, files=()):
        for name in names:
            sys.modules.pop(name, None)
        for place, content in dict(files).items():
            path = tmp_path / place
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(content)
            module = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            names.update((module, module.partition(".")[0]))
        importlib.invalidate_caches()
        name = f"loaded_{next(_NUMBER)}"
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        names.add(name)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    yield of
    for name in names:
        sys.modules.pop(name, None)
