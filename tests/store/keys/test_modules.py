"""Modules of the user's that a function uses otherwise than as `module.name`."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys

import pytest

from scutoid.store import fingerprint

_NUMBER = itertools.count()

LAB = """
from lab_below import deeper
from lab_levels import LEVELS
LEVEL = int(LEVELS[0])
def g(x):
    return deeper(x) + LEVEL
def other(x):
    return -x
"""

USES = {
    "a name inside": "import lab\ndef own(x):\n    b = lab\n    return b.g(x)\n",
    "getattr": "import lab\ndef own(x):\n    return getattr(lab, 'g')(x)\n",
    "getattr of a name that is made": (
        "import lab\ndef own(x, name='g'):\n    return getattr(lab, name)(x)\n"
    ),
    "a dict inside": "import lab\ndef own(x):\n    return {'a': lab}['a'].g(x)\n",
    "a dict outside": "import lab\nB = {'a': lab}\ndef own(x):\n    return B['a'].g(x)\n",
    "a list in an object": (
        "import lab\nclass C:\n    def __init__(self):\n        self.b = [lab]\n"
        "C1 = C()\ndef own(x):\n    return C1.b[0].g(x)\n"
    ),
    "a default": "import lab\ndef own(x, b=lab):\n    return b.g(x)\n",
    "a closure": (
        "import lab\ndef made(b):\n    def own(x):\n        c = b\n        return c.g(x)\n"
        "    return own\nown = made(lab)\n"
    ),
    "a partial": (
        "import functools, lab\ndef f(b, x):\n    return b.g(x)\nown = functools.partial(f, lab)\n"
    ),
    "an argument of a helper": (
        "import lab\ndef f(b, x):\n    return b.g(x)\ndef own(x):\n    return f(lab, x)\n"
    ),
    "vars": "import lab\ndef own(x):\n    return vars(lab)['g'](x)\n",
    "its dict": "import lab\ndef own(x):\n    return lab.__dict__['g'](x)\n",
    "an attribute of a class": (
        "import lab\nclass C:\n    b = lab\n    def f(self, x):\n        return self.b.g(x)\n"
        "def own(x):\n    return C().f(x)\n"
    ),
    "an import inside": "def own(x):\n    import lab\n    b = lab\n    return b.g(x)\n",
    "an import inside, getattr": "def own(x):\n    import lab\n    return getattr(lab, 'g')(x)\n",
    "an import inside under another name": (
        "def own(x):\n    import lab as b\n    return {'a': b}['a'].g(x)\n"
    ),
    "an import inside, used by an inner function": (
        "def own(x):\n    import lab\n    def f():\n        b = lab\n        return b.g(x)\n"
        "    return f()\n"
    ),
    "an import inside of a module of a package": (
        "def own(x):\n    from lab_package import within as b\n    c = b\n    return c.g(x)\n"
    ),
    "an import inside of a package": (
        "def own(x):\n    import lab_package.within\n    b = lab_package\n"
        "    return b.within.g(x)\n"
    ),
    "a package": (
        "import lab_package.within\ndef own(x):\n    b = lab_package\n    return b.within.g(x)\n"
    ),
    "a module of a package": (
        "from lab_package import within\ndef own(x):\n    b = within\n    return b.g(x)\n"
    ),
}


class Lab:
    """Modules in a folder, loaded anew at each fingerprint."""

    def __init__(self, folder):
        self.folder = folder
        self.write(below=1, level=2)

    def write(self, *, below, level):
        (self.folder / "lab_package").mkdir(exist_ok=True)
        texts = {
            "lab.py": LAB,
            "lab_below.py": f"def deeper(x):\n    return x * {below}\n",
            "lab_levels.py": f"LEVELS = ['{level}']\n",
            "lab_package/__init__.py": "",
            "lab_package/within.py": LAB,
        }
        for name, text in texts.items():
            (self.folder / name).write_text(text)

    def fingerprint(self, use):
        for name in [name for name in sys.modules if name.startswith("lab")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        name = f"lab_user_{next(_NUMBER)}"
        path = self.folder / f"{name}.py"
        path.write_text(use)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return fingerprint(module.own)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Lab(tmp_path)
    for name in [name for name in sys.modules if name.startswith("lab")]:
        del sys.modules[name]


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_module_that_is_used_as_a_value_counts_as_a_whole(lab, use):
    before = lab.fingerprint(use)
    assert before.opaque == ()
    assert lab.fingerprint(use).digest == before.digest
    lab.write(below=11, level=2)
    assert lab.fingerprint(use).digest != before.digest, "what it imports has changed"
    lab.write(below=1, level=22)
    assert lab.fingerprint(use).digest != before.digest, "a constant that it makes has changed"


PRECISE = {
    "an import outside": "import lab\ndef own(x):\n    return lab.other(x)\n",
    "an import inside": "def own(x):\n    import lab\n    return lab.other(x)\n",
    "under another name": "def own(x):\n    import lab as b\n    return b.other(x) + b.other(1)\n",
    "a function": "def own(x):\n    from lab import other as f\n    return f(x)\n",
    "in an inner function": (
        "def own(x):\n    import lab\n    return (lambda y: lab.other(y))(x)\n"
    ),
    "a module of a package": (
        "def own(x):\n    from lab_package import within\n    return within.other(x)\n"
    ),
    "a package": (
        "def own(x):\n    import lab_package.within\n    return lab_package.within.other(x)\n"
    ),
    "two imports of one name": (
        "def own(x):\n    try:\n        import lab as b\n    except ImportError:\n"
        "        import lab_package.within as b\n    return b.other(x)\n"
    ),
}


@pytest.mark.parametrize("use", PRECISE.values(), ids=PRECISE)
def test_of_a_module_whose_attributes_are_taken_no_others_count(lab, use):
    before = lab.fingerprint(use)
    assert any("`other`" in part for part in before.parts)
    lab.write(below=11, level=22)
    assert lab.fingerprint(use).digest == before.digest
    assert before.opaque == ()


def test_the_constant_of_a_module_is_named_when_it_changes(lab):
    use = USES["getattr"]
    before = lab.fingerprint(use).parts
    lab.write(below=1, level=22)
    after = lab.fingerprint(use).parts
    changed = {name for name in before if before[name] != after.get(name)}
    assert "constant `lab.LEVEL`" in changed


def test_what_a_module_holds_and_cannot_be_followed_is_named(lab):
    (lab.folder / "lab_lock.py").write_text("import itertools\nCOUNT = itertools.count()\n")
    use = "import lab_lock\ndef own(x):\n    return getattr(lab_lock, 'COUNT')\n"
    assert lab.fingerprint(use).opaque == ("lab_lock.COUNT (itertools.count)",)


@pytest.mark.parametrize("place", ["colorsys", "os.path"])
def test_own_code_in_the_place_of_an_installed_function_is_followed(lab, monkeypatch, place):
    module = importlib.import_module(place)
    monkeypatch.setattr(module, "added", None, raising=False)
    text = (
        f"import {place}\ndef patch(x):\n    return x + NUMBER\n{place}.added = patch\n"
        f"def own(x):\n    return {place}.added(x)\n"
    )
    one, two = (lab.fingerprint(text.replace("NUMBER", number)) for number in "12")
    assert "helper `patch`" in one.parts
    assert one.digest != two.digest


def test_of_an_own_class_all_counts_whatever_is_called_of_it(lab):
    head = "class Outer:\n    class Inner: pass\n    def method(self):\n        return 1\n"
    for used in ("Outer.method(x)", "Outer.Inner()"):
        found = lab.fingerprint(f"{head}def own(x):\n    return {used}\n")
        assert list(found.parts)[:2] == ["own", "class `Outer`"]


def test_compiled_classes_of_no_known_module_stay_installed_ones(lab, monkeypatch):
    made = type("Compiled", (), {"__module__": "colorsys._core"})
    monkeypatch.setattr("colorsys.added", made, raising=False)
    found = lab.fingerprint("import colorsys\ndef own(x):\n    return colorsys.added.level\n")
    assert list(found.parts) == ["own"]
    assert found.opaque == ()


def test_own_code_in_the_place_of_a_method_of_an_installed_class_is_followed(lab, monkeypatch):
    monkeypatch.setattr("fractions.Fraction.added", None, raising=False)
    text = (
        "import fractions\ndef patch(x):\n    return x + NUMBER\nfractions.Fraction.added = patch\n"
        "def own(x):\n    return fractions.Fraction.added(x)\n"
    )
    one, two = (lab.fingerprint(text.replace("NUMBER", number)) for number in "12")
    assert one.digest != two.digest


def test_environment_variables_under_another_name_do_not_enter_the_key(lab, monkeypatch):
    use = "from os import environ as settings\ndef own(x):\n    return settings['K']\n"
    before = lab.fingerprint(use)
    monkeypatch.setenv("SOME_OTHER_VARIABLE", "1")
    assert lab.fingerprint(use).digest == before.digest
