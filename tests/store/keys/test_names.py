"""Code that a function reaches by other ways than a plain name is followed, or named."""

from __future__ import annotations

import builtins

import pytest

from scutoid.store import fingerprint

PACKAGE = {
    "lab_pack/__init__.py": "from .a import f\n",
    "lab_pack/b.py": "def g(x):\n    return {}\n",
    "lab_pack/deep/__init__.py": "",
    "lab_pack/deep/c.py": "def g(x):\n    return {}\n",
}
RELATIVE = {
    "from .": "def f(x):\n    from . import b\n    return b.g(x)\n",
    "from . under another name": "def f(x):\n    from . import b as c\n    return c.g(x)\n",
    "from . two": "def f(x):\n    from . import deep, b\n    return b.g(x)\n",
    "from a module": "def f(x):\n    from .b import g\n    return g(x)\n",
    "from a package below": "def f(x):\n    from .deep import c\n    return c.g(x)\n",
    "in an inner function": (
        "def f(x):\n    def inner():\n        from . import b\n        return b.g(x)\n"
        "    return inner()\n"
    ),
    "in a method": (
        "class C:\n    def m(self, x):\n        from . import b\n        return b.g(x)\n"
        "def f(x):\n    return C().m(x)\n"
    ),
}


@pytest.mark.parametrize("text", RELATIVE.values(), ids=RELATIVE)
def test_relative_imports_inside_functions_are_followed(loaded, text):
    def found(number):
        files = {name: content.format(number) for name, content in PACKAGE.items()}
        files["lab_pack/a.py"] = text
        use = "from lab_pack import f\ndef own(x):\n    return f(x)\n"
        return fingerprint(loaded(use, files).own)

    one, two, again = map(found, (1, 2, 1))
    assert one.digest != two.digest
    assert one.digest == again.digest
    assert one.opaque == ()


NAMED = {
    "a builtin of the module": ("import builtins\n", "builtins.eval('f(x)')", "calls eval"),
    "a builtin under another name": ("ev = eval\n", "ev('f(x)')", "calls eval"),
    "a builtin in a table": ("T = {'run': exec}\n", "T['run']('f(x)')", "calls exec"),
    "a builtin as a default": (
        "def g(x, ev=eval): return ev('f(x)')\n",
        "g(x)",
        "calls eval",
    ),
    "globals of the module builtins": (
        "import builtins\n",
        "builtins.globals()['f'](x)",
        "calls globals",
    ),
    "an import by the builtin": ("import builtins\n", "builtins.__import__('lab')", "__import__"),
    "the globals of a function": ("", "own.__globals__['f'](x)", "globals looked up"),
    "pydoc": ("import pydoc\n", "pydoc.locate('lab.f')(x)", "calls pydoc.locate"),
    "pkgutil": ("import pkgutil\n", "pkgutil.resolve_name('lab:f')(x)", "pkgutil.resolve_name"),
    "runpy": ("import runpy\n", "runpy.run_module('lab')['f'](x)", "calls runpy.run_module"),
    "a loader": (
        "import importlib.util\n",
        "importlib.util.spec_from_file_location('lab', x).loader.load_module().f(x)",
        "spec_from_file_location",
    ),
    "classes by the class of an object": (
        "class B: pass\n",
        "type(B()).__subclasses__()",
        "type(B()).__subclasses__ (classes looked up by their base)",
    ),
    "a name that is not there": ("", "later(x)", "later (not defined)"),
    "a name that is imported as a global": (
        "def g():\n    global lab\n    import lab\n",
        "lab.f(x)",
        "lab (not defined)",
    ),
}


@pytest.mark.parametrize(("head", "body", "said"), NAMED.values(), ids=NAMED)
def test_ways_to_code_that_no_name_shows_are_named(loaded, head, body, said):
    text = f"{head}def f(x): return 1\ndef own(x):\n    return {body}\n"
    assert said in " ".join(fingerprint(loaded(text).own).opaque)


SILENT = {
    "a name that another function sets": ("def own(x):\n    global M\n    M = x\n    return M\n"),
    "names of a class inside": (
        "def own(x):\n    class A:\n        a = 1\n        b = a + 1\n    return A.b\n"
    ),
    "the package of an installed function": (
        "import pkgutil\ndef own(x):\n    return pkgutil.resolve_name('colorsys:rgb_to_hls')\n"
    ),
    "subclasses of an installed class": (
        "import fractions\ndef own(x):\n    return fractions.Fraction.__subclasses__()\n"
    ),
    "a compiled pattern": "import re\ndef own(x):\n    return re.compile('a').match(x)\n",
    "whether a module is loaded, under another name": (
        "from sys import modules as loaded\ndef own(x):\n    return x if 'torch' in loaded else 0\n"
    ),
    "whether a module is loaded, imported inside": (
        "def own(x):\n    from sys import modules as loaded\n    return 'torch' in loaded\n"
    ),
    "an installed module that is loaded, under another name": (
        "import sys\nloaded = sys.modules\ndef own(x):\n    return loaded['numpy'].sum(x)\n"
    ),
    "a folder that is not there yet": (
        "from pathlib import Path\nOUT = Path('no/such/folder')\n"
        "def own(x):\n    OUT.mkdir(parents=True)\n    return x\n"
    ),
    "locks and marks": (
        "import threading\n_LOCK, _MISSING = threading.Lock(), object()\n"
        "class C:\n    def __init__(self): self.lock = threading.RLock()\nc = C()\n"
        "def own(x, y=_MISSING):\n    with _LOCK, c.lock:\n        return x\n"
    ),
    "named tuples and enumerations that are made": (
        "import collections, enum\nR = collections.namedtuple('R', 'a b')\n"
        "E = enum.Enum('E', ['A', 'B'])\ndef own(x):\n    return R(1, E.A)\n"
    ),
    "classes that are told apart": (
        "NUMBER = int | float\ndef own(x):\n    return isinstance(x, NUMBER)\n"
    ),
    "a dict whose keys are attributes": (
        "class Config(dict):\n    __getattr__ = dict.__getitem__\nCFG = Config(a=1)\n"
        "def own(x):\n    return CFG.a\n"
    ),
    "an object that answers to every name": (
        "class Any:\n    def __getattr__(self, name): return len\nANY = Any()\n"
        "def own(x):\n    return ANY.f(x)\n"
    ),
    "a tree whose nodes know their parents": (
        "class N:\n    def __init__(self, name, above=None):\n"
        "        self.name, self.above, self.below = name, above, []\n"
        "        if above: above.below.append(self)\n"
        "ROOT = N('brain')\nN('cortex', ROOT)\ndef own(x):\n    return ROOT.below[0].name\n"
    ),
    "options of a file of settings": (
        "import configparser\nCFG = configparser.ConfigParser()\nCFG.read_string('[a]\\nb=1')\n"
        "def own(x):\n    return CFG.getint('a', 'b')\n"
    ),
    "nothing of the sort": "import numpy.ma\ndef own(x, m=numpy.ma.masked):\n    return x is m\n",
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_ordinary_code_is_not_warned_of(loaded, text):
    one, two = (fingerprint(loaded(text).own) for _ in range(2))
    assert one.opaque == ()
    assert one.digest == two.digest


CIRCLES = {
    "a list": "V = [{0}]\nV.append(V)\n",
    "two objects": (
        "class C: pass\nV, other = C(), C()\nV.other, other.other, other.k = other, V, {0}\n"
    ),
    "how far above": "V = [[]]\nV[0].append(V if {0} == 1 else V[0])\n",
    "a bound method on its object": (
        "import types\nclass C: pass\nV = C()\nV.f = types.MethodType(lambda self: {0}, V)\n"
    ),
}


@pytest.mark.parametrize("text", CIRCLES.values(), ids=CIRCLES)
def test_values_that_contain_themselves_are_told_apart(loaded, text):
    use = "def own(x):\n    return V\n"
    one, two, again = (fingerprint(loaded(text.format(n) + use).own) for n in (1, 2, 1))
    assert one.digest != two.digest
    assert one.digest == again.digest
    assert one.opaque == ()


def test_a_value_that_is_nested_too_deep_is_named(loaded):
    text = "V = []\nfor _ in range(5000):\n    V = [V]\ndef own(x):\n    return V\n"
    assert "nested too deep" in " ".join(fingerprint(loaded(text).own).opaque)


def test_own_code_put_among_the_builtins_is_followed(loaded, monkeypatch):
    monkeypatch.setattr(builtins, "added", None, raising=False)
    text = "import builtins\nbuiltins.added = lambda x: {}\ndef own(x):\n    return added(x)\n"
    one, two = (fingerprint(loaded(text.format(n)).own) for n in (1, 2))
    assert one.digest != two.digest


def test_functions_of_one_line_whose_sets_differ_in_type_are_told_apart(loaded):
    text = "own = [lambda x: list({1, 2}), lambda x: list({True, 2})]\n"
    one, two = map(fingerprint, loaded(text).own)
    assert one.digest != two.digest
