"""What a function reads besides its arguments is named, and what it does not read is not."""

from __future__ import annotations

import importlib.util
import itertools
import sys

import pytest

from scutoid.store import fingerprint

_NUMBER = itertools.count()
HEAD = """
import glob, io, os, random, sys, tempfile
from dataclasses import dataclass
from os import environ, getenv
from os import environ as settings
from pathlib import Path
import numpy as np
import pandas as pd
from numpy.random import rand
from random import shuffle
from sys import modules
from sys import modules as loaded

NAME = "k.txt"
NAMES = ["k.txt", "other"]
CONFIG = {"flat": "k.txt"}
COUNTED = Path("k.txt")
LEVEL = 3
class Base: pass
"""

SEEN = {
    "environ": ("return os.environ['K']", "environment variable `K` (read by `own`)"),
    "environ.get": ("return os.environ.get('K', 1)", "environment variable `K`"),
    "getenv": ("return os.getenv('K')", "environment variable `K`"),
    "environ by its name": ("return environ['K']", "environment variable `K`"),
    "getenv by its name": ("return getenv('K')", "environment variable `K`"),
    "whether a variable is set": ("return x if 'K' in os.environ else 0", "variable `K`"),
    "a name in a constant": ("return os.environ[NAME]", "environment variable `k.txt`"),
    "all variables": ("return dict(os.environ)", "environment variables (read by `own`)"),
    "environ by another name": ("return settings['K']", "settings (environment variables)"),
    "files of a package": (
        "from importlib import resources\n    return resources.files('own') / 'k'",
        "files of a package (read by `own` with importlib.resources.files)",
    ),
    "data of a package": ("import pkgutil\n    return pkgutil.get_data('own', 'k')", "package"),
    "a module by its name": (
        "import importlib\n    return importlib.import_module('lab_not_loaded').g(x)",
        "own (calls importlib.import_module)",
    ),
    "a module that is loaded, by its name": (
        "return sys.modules['lab'].g(x)",
        "own (looks up modules in sys.modules)",
    ),
    "loaded modules by their name": ("return modules['lab'].g(x)", "own (looks up modules"),
    "a module that is loaded, asked for": ("return sys.modules.get('lab')", "own (looks up"),
    "a module of any name": ("return sys.modules[x]", "own (looks up"),
    "all modules": ("return [m.g(x) for m in sys.modules.values()]", "own (looks up"),
    "modules by another name": ("return loaded['lab'].g(x)", "own (looks up"),
    "modules by another name, inside": (
        "from sys import modules as m\n    return m[x]",
        "own (looks up",
    ),
    "modules, imported inside": (
        "from sys import modules as m, modules\n    return modules['lab'].g(x)",
        "own (looks up",
    ),
    "classes by their base": (
        "return Base.__subclasses__()[0]().m(x)",
        "Base.__subclasses__ (classes looked up by their base)",
    ),
    "an import inside": ("import os as o\n    return o.environ['K']", "variable `K`"),
    "an inner function": ("return (lambda: os.environ['K'])()", "environment variable `K`"),
    "open": ("return open('k.txt').read()", "file 'k.txt' (opened by `own`)"),
    "open of no file yet": ("return open('later.txt').read()", "file 'later.txt'"),
    "with": ("with open('k.txt') as f:\n        return f.read()", "file 'k.txt'"),
    "a constant": ("return open(NAME).read()", "file 'k.txt'"),
    "a constant in a list": ("return open(NAMES[0]).read()", "file 'k.txt'"),
    "a constant in a dict": ("return open(CONFIG['flat']).read()", "file 'k.txt'"),
    "a loop": ("for name in NAMES:\n        x += np.load(name)\n    return x", "file 'k.txt'"),
    "a variable": ("p = Path('k.txt')\n    return p.read_text()", "file 'k.txt'"),
    "a joined path": ("return (Path('a') / 'b.txt').read_bytes()", "file 'a/b.txt'"),
    "os.path.join": ("return np.load(os.path.join('a', 'b.npy'))", "file 'a/b.npy'"),
    "a formatted name": ("return np.load(f'a{LEVEL}.npy')", "file 'a3.npy'"),
    "pandas": ("return pd.read_csv('k.csv')", "file 'k.csv'"),
    "an import inside of a reader": (
        "from tifffile import imread\n    return imread('a.tif')",
        "file 'a.tif'",
    ),
    "a keyword": ("return np.loadtxt(fname='a.txt')", "file 'a.txt'"),
    "Path.open": ("with Path('k.txt').open() as f:\n        return f.read()", "file 'k.txt'"),
    "a listing": ("return len(glob.glob('*.tif'))", "file '*.tif'"),
    "a helper": ("return helper('k.txt')", "file 'k.txt' (named in `own`)"),
    "a helper that gets a dict": ("return helper(CONFIG)", "file 'k.txt' (named in `own`)"),
    "np.random": ("return x + np.random.rand()", "without a seed (numpy.random.rand in `own`)"),
    "rand": ("return x + rand()", "without a seed (numpy.random.rand"),
    "random": ("return x + random.random()", "without a seed (random.random"),
    "shuffle": ("shuffle(x)\n    return x", "without a seed (random.shuffle"),
    "default_rng": ("return np.random.default_rng().random()", "numpy.random.default_rng"),
    "default_rng of None": ("return np.random.default_rng(None).random()", "default_rng"),
    "RandomState": ("return np.random.RandomState().rand()", "numpy.random.RandomState"),
    "Random": ("return random.Random().random()", "random.Random"),
    "a seed that is none": ("np.random.seed()\n    return np.random.rand()", "numpy.random"),
    "the seed of another": ("random.seed(1)\n    return np.random.rand()", "numpy.random.rand"),
    "import_module": (
        "import importlib\n    return importlib.import_module(x)",
        "own (calls importlib.import_module)",
    ),
}

SILENT = {
    "files of an installed package": (
        "from importlib import resources\n    return resources.files('numpy').name"
    ),
    "an installed module by its name": (
        "import importlib\n    return importlib.import_module('colorsys').hls_to_rgb(x, x, x)"
    ),
    "whether a module is loaded": "return 'torch' in sys.modules",
    "whether a module is not loaded": "return x if 'lab' not in modules else 0",
    "an installed module that is loaded": "return sys.modules['numpy'].sum(x)",
    "a module that is put in": "sys.modules['lab'] = x\n    return x",
    "modules of another kind": "return x.modules['lab'], x.modules",
    "a seeded generator": "return x + np.random.default_rng(0).random(3)",
    "a seed from an argument": "return x + np.random.default_rng(x).random(3)",
    "a seeded state": "return np.random.RandomState(3).rand()",
    "a seed": "np.random.seed(0)\n    return np.random.rand()",
    "another seed": "random.seed(0)\n    return random.random()",
    "a generator that is given": "return x.random(3)",
    "a path that is built": "p = Path('k.txt')\n    return p.stem, str(p.with_suffix('.b'))",
    "a path that an argument names": "return np.load(x)",
    "an argument, opened": "with open(x) as f:\n        return f.read()",
    "a path in an argument": "return np.load(x / 'k.txt')",
    "an item of an argument": "return pd.read_csv(x['k.txt'])",
    "a path that counts": "return COUNTED.read_text()",
    "a path that counts, opened": "return open(COUNTED).read(), open(str(COUNTED)).read()",
    "a file that is written": "open('k.txt', 'w').close()\n    return x",
    "a table that is written": "x.to_csv('k.txt')\n    return x",
    "an array that is written": "np.save('k.txt', x)\n    return x",
    "a buffer": "b = io.BytesIO()\n    np.save(b, x)\n    b.seek(0)\n    return np.load(b)",
    "a scratch file": (
        "with tempfile.TemporaryDirectory() as d:\n"
        "        p = Path(d) / 'k.txt'\n        p.write_text('')\n        return p.read_text()"
    ),
    "a variable that is set": "os.environ['OMP_NUM_THREADS'] = '1'\n    return x",
    "text": "return x.endswith('k.txt'), x == 'k.txt', {'k.txt': 1}, len(NAMES), 'k.txt'.upper()",
    "a word": "return np.pad(x, 3, 'reflect'), pd.concat([x], keys=['linear'])",
    "a message": "print('k.txt')\n    raise ValueError('k.txt')",
    "a module by its name": "import importlib\n    return importlib.import_module('numpy')",
    "a helper that opens its argument": "return helper(x)",
    "a local open": "open = len\n    return open('later.txt')",
}


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Return what the fingerprint of a function with a body names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k.txt").write_text("3")

    def of(body):
        name = f"outside_{next(_NUMBER)}"
        path = tmp_path / f"{name}.py"
        helper = "\ndef helper(p):\n    with open(p) as f:\n        return f.read()\n"
        path.write_text(f"{HEAD}{helper}\ndef own(x):\n    {body}\n")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return fingerprint(module.own).opaque

    return of


@pytest.mark.parametrize(("body", "said"), SEEN.values(), ids=SEEN)
def test_what_a_function_reads_besides_its_arguments_is_named(found, body, said):
    names = found(body)
    assert len([name for name in names if "__self__" not in name]) == 1
    assert any(said in name for name in names)


@pytest.mark.parametrize("body", SILENT.values(), ids=SILENT)
def test_what_only_looks_like_that_is_not_named(found, body):
    assert found(body) == ()


def test_a_helper_and_a_method_are_looked_at_too(found):
    (said,) = found("return C().f()\nclass C:\n    def f(self):\n        return os.getenv('K')")
    assert said == "environment variable `K` (read by `C.f`)"


def test_a_seed_in_one_function_is_a_seed_of_the_others(found):
    body = "start()\n    return np.random.rand()\ndef start():\n    np.random.seed(3)"
    assert found(body) == ()


def test_what_a_function_reads_does_not_enter_its_key(found, tmp_path):
    module = tmp_path / "reads.py"
    module.write_text("def own(x):\n    return open('k.txt').read()\n")
    spec = importlib.util.spec_from_file_location("reads", module)
    reads = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reads)
    before = fingerprint(reads.own)
    (tmp_path / "k.txt").write_text("another")
    assert fingerprint(reads.own).digest == before.digest
    assert before.opaque


@pytest.mark.parametrize(
    "state",
    [
        "def helper2(x, name='k.txt'):\n    return open(name).read()",
        "@dataclass\nclass C:\n    flat: str\nC1 = C('k.txt')\ndef helper2(x):\n    return C1",
        (
            "class C:\n    def __init__(self):\n        self.flat = ['k.txt']\n"
            "C1 = C()\ndef helper2(x):\n    return C1"
        ),
    ],
    ids=["a default", "a dataclass", "an object"],
)
def test_text_in_what_a_function_holds_is_named_where_it_names_a_file(found, state):
    (said,) = found(f"return helper2(x)\n{state}")
    assert "file 'k.txt'" in said
