"""What counts as a change of code, and what does not."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import linecache
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import skimage.filters

import scutoid as sc
from scutoid.errors import ParameterError
from scutoid.store import CodeFingerprint, fingerprint

BASE = '''
import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

LEVEL = 3
TABLE = {"a": 1.5}
WEIGHTS = np.arange(4)


def inner(x):
    return x - 1


def normalise(x):
    """Scale."""
    return inner(x) / LEVEL


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


class Base:
    gain = 2

    def scale(self, x):
        return x * self.gain


@dataclass
class Filter(Base):
    sigma: float = 1.0

    @property
    def radius(self):
        return math.ceil(4 * self.sigma)

    @staticmethod
    def smooth(x):
        return inner(x)

    def apply(self, x, times=2):
        return self.scale(x) + self.radius


def outer(k):
    def added(x):
        return x + k

    return added


plus = outer(5)
half, double = lambda x: x / 2, lambda x: x * 2


@logged
def decorated(x):
    return x * 3


def own(x, *, sigma=2.0):
    # a comment
    y = normalise(x)
    return y + sigma + Filter().apply(x) + plus(x) + half(x) + decorated(x) + TABLE["a"] + even(4)


def unrelated(x):
    return x
'''

_NUMBER = itertools.count()


def load(tmp_path: Path, text: str, name: str | None = None):
    """Import a text as a module of its own."""
    name = name or f"module_{next(_NUMBER)}"
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def forget_modules(tmp_path):
    """Take the modules of a test out of `sys.modules` again."""
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def own(tmp_path):
    """Fingerprint of `own` in a text, after replacing a part of the text."""

    def of(old: str = "", new: str = "", function: str = "own") -> CodeFingerprint:
        assert old in BASE
        module = load(tmp_path, BASE.replace(old, new, 1) if old else BASE)
        return fingerprint(getattr(module, function))

    return of


SAME = {
    "comment": ("# a comment", "# another comment"),
    "docstring": ('"""Scale."""', '"""Scale it\n    well."""'),
    "docstring that is new": ("    # a comment", '    """New."""\n    # a comment'),
    "formatting": ("y = normalise(x)", "y = (\n        normalise( x )\n    )"),
    "quotes": ('TABLE["a"]', "TABLE['a']"),
    "annotation of an argument": (
        "def own(x, *, sigma=2.0)",
        "def own(x: int, *, sigma: float = 2.0)",
    ),
    "annotation of the result": ("def inner(x):", "def inner(x) -> float:"),
    "annotation of a variable": ("y = normalise(x)", "y: float = normalise(x)"),
    "lines above": ("LEVEL = 3", "OTHER = 7\n\n\nLEVEL = 3"),
    "a function that is not reached": ("    return x\n", "    return x + 100\n"),
    "a lambda beside the one that is reached": ("lambda x: x * 2", "lambda x: x * 3"),
    "a constant written otherwise": ("LEVEL = 3", "LEVEL = 1 + 2"),
    "pass": ("    y = normalise(x)", "    pass\n    y = normalise(x)"),
}

CHANGED = {
    "own code": ("y + sigma", "y - sigma", "own"),
    "a constant in the code": ("x - 1", "x - 2", "helper `inner`"),
    "helper": ("inner(x) / LEVEL", "inner(x) * LEVEL", "helper `normalise`"),
    "helper of a helper": ("return x - 1", "return 1 - x", "helper `inner`"),
    "global constant": ("LEVEL = 3", "LEVEL = 4", "constant `LEVEL`"),
    "type of a global constant": ("LEVEL = 3", "LEVEL = 3.0", "constant `LEVEL`"),
    "value within a constant": ('{"a": 1.5}', '{"a": 1.6}', "constant `TABLE`"),
    "default": ("sigma=2.0", "sigma=3.0", "default of `sigma`"),
    "closure value": ("outer(5)", "outer(6)", "closure `k`"),
    "closure code": ("x + k", "x - k", "helper `added`"),
    "body of a lambda, two on a line": ("lambda x: x / 2", "lambda x: x / 3", "helper `half`"),
    "class method": ("self.scale(x) + self.radius", "self.scale(x)", "class `Filter`"),
    "static method's helper": ("x - 1", "x - 1.5", "helper `inner`"),
    "property": ("4 * self.sigma", "3 * self.sigma", "class `Filter`"),
    "class attribute": ("gain = 2", "gain = 3", "class `Base`"),
    "default of a field": ("sigma: float = 1.0", "sigma: float = 2.0", "class `Filter`"),
    "default of a method": ("times=2", "times=3", "class `Filter`"),
    "base class": ("x * self.gain", "x / self.gain", "class `Base`"),
    "which base class": ("class Filter(Base)", "class Filter(Base, dict)", "class `Filter`"),
    "decorator's code": (
        "function(*args, **kwargs)\n",
        "-function(*args, **kwargs)\n",
        "helper `wrapper`",
    ),
    "decorated code": ("x * 3", "x * 4", "helper `decorated`"),
    "mutual recursion": ("n != 0 and", "n > 0 and", "helper `odd`"),
}


@pytest.mark.parametrize("event", SAME)
def test_keeps_the_fingerprint(own, event):
    assert own(*SAME[event]).digest == own().digest


@pytest.mark.parametrize("event", CHANGED)
def test_changes_the_fingerprint_and_names_the_part(own, event):
    old, new, part = CHANGED[event]
    before, after = own(), own(old, new)
    assert after.digest != before.digest
    changed = {name for name in after.parts if after.parts[name] != before.parts.get(name)}
    assert part in changed


def test_the_function_itself_is_the_first_part(own):
    assert next(iter(own().parts)) == "own"


def test_one_change_names_one_part(own):
    before, after = own(), own("x - 1", "x - 2")
    assert {n for n in before.parts if before.parts[n] != after.parts[n]} == {"helper `inner`"}


def test_everything_reached_could_be_followed(own):
    found = own()
    assert found.opaque == ()
    assert found.stale == ()


def test_the_module_name_does_not_count(own, tmp_path):
    first = load(tmp_path, BASE, "first_name")
    second = load(tmp_path, BASE, "second_name")
    assert fingerprint(first.own).digest == fingerprint(second.own).digest


def test_what_a_name_is_bound_to_counts(tmp_path):
    text = "from scipy.ndimage import {} as smooth\ndef own(x):\n    return smooth(x, 3)\n"
    one, two = (load(tmp_path, text.format(name)) for name in ("gaussian_filter", "uniform_filter"))
    assert fingerprint(one.own).digest != fingerprint(two.own).digest


def test_helpers_in_other_modules_are_followed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lab_tools").mkdir()
    (tmp_path / "lab_tools" / "__init__.py").write_text("")

    def digests(value, use):
        for name in [n for n in sys.modules if n.startswith("lab_tools")]:
            del sys.modules[name]
        code = f"def helper(x):\n    return x + {value}\ndef other(x):\n    return {value}\n"
        (tmp_path / "lab_tools" / "deep.py").write_text(code)
        importlib.invalidate_caches()
        found = fingerprint(load(tmp_path, use).own)
        assert not found.opaque
        return found.digest

    def call(line):
        return f"def own(x):\n    return {line}(x)\n"

    uses = [
        "import lab_tools.deep\n" + call("lab_tools.deep.helper"),
        "import lab_tools.deep as t\n" + call("t.helper"),
        "from lab_tools.deep import helper\n" + call("helper"),
        "def own(x):\n    from lab_tools.deep import helper\n    return helper(x)\n",
        "def own(x):\n    import lab_tools.deep as t\n    return t.helper(x)\n",
        "def own(x):\n    import lab_tools.deep\n    return lab_tools.deep.helper(x)\n",
        "import lab_tools.deep as t\n" + call("getattr(t, 'helper')"),
    ]
    for use in uses:
        assert digests(1, use) == digests(1, use)
        assert digests(1, use) != digests(22, use)


def test_a_module_attribute_that_is_not_used_does_not_count(tmp_path):
    use = "import {0} as t\ndef own(x):\n    return t.helper(x)\n"
    found = []
    for value in (1, 2):
        name = f"tools_{next(_NUMBER)}"
        load(tmp_path, f"def helper(x):\n    return x\ndef other(x):\n    return {value}\n", name)
        found.append(fingerprint(load(tmp_path, use.format(name)).own).digest)
    assert found[0] == found[1]


def test_a_constant_set_again_in_a_running_session_is_seen(tmp_path):
    module = load(tmp_path, BASE)
    before = fingerprint(module.own).digest
    module.LEVEL = 4
    assert fingerprint(module.own).digest != before


def test_partials_and_methods_and_callables(tmp_path):
    model = "class Model:\n    def __call__(self, x):\n        return x + self.w\n"
    module = load(tmp_path, f"{BASE}\n\n{model}")
    one, two = functools.partial(module.inner, x=1), functools.partial(module.inner, x=2)
    assert fingerprint(one).digest != fingerprint(two).digest
    assert fingerprint(one).digest == fingerprint(functools.partial(module.inner, x=1)).digest
    small, large = module.Filter(sigma=1.0), module.Filter(sigma=2.0)
    assert fingerprint(small.apply).digest != fingerprint(large.apply).digest
    models = [module.Model(), module.Model()]
    for model, weight in zip(models, (1, 2), strict=True):
        model.w = np.full(3, weight)
    assert fingerprint(models[0]).digest != fingerprint(models[1]).digest


def test_functions_in_a_table_are_followed_even_round_a_circle(tmp_path):
    text = (
        "def a(x):\n    return {}\nTABLE = {{}}\n"
        "def own(x, n):\n    return TABLE[n](x)\nTABLE.update(a=a, own=own)\n"
    )
    one, two = (load(tmp_path, text.format(body)) for body in ("x", "-x"))
    assert fingerprint(one.own).digest != fingerprint(two.own).digest
    assert fingerprint(one.own).digest == fingerprint(load(tmp_path, text.format("x")).own).digest


def test_an_enum_counts_by_its_members(tmp_path):
    text = (
        "import enum\nclass Mode(enum.Enum):\n    A = {}\n    B = 2\n"
        "def own(x):\n    return Mode.A.value\n"
    )
    one, two, three = (load(tmp_path, text.format(v)) for v in (1, 7, 1))
    assert fingerprint(one.own).digest != fingerprint(two.own).digest
    assert fingerprint(one.own).digest == fingerprint(three.own).digest


def test_decorators_of_scutoid_do_not_count_and_steps_are_their_functions(tmp_path):
    text = "import scutoid as sc\n{}\ndef own(image, *, level=1):\n    return image > level\n"
    plain = load(tmp_path, text.format(""))
    steps = [
        load(tmp_path, text.format(line))
        for line in ("@sc.blockwise", "@sc.blockwise(retries=5, halo=3)")
    ]
    for module in steps:
        assert isinstance(module.own, type(sc.blockwise(lambda image: image)))
        assert fingerprint(module.own).digest == fingerprint(plain.own).digest


def test_a_step_that_is_called_by_another_is_followed(tmp_path):
    text = (
        "import scutoid as sc\n@sc.blockwise\ndef helper(image):\n    return image + {}\n"
        "def own(x):\n    return helper(x)\n"
    )
    one, two = (load(tmp_path, text.format(v)) for v in (1, 2))
    assert fingerprint(one.own).digest != fingerprint(two.own).digest


def test_installed_packages_are_named_with_their_version():
    found = fingerprint(lambda x: sc.um(float(np.mean(x))))
    assert found.packages["numpy"] == np.__version__
    assert "scutoid" not in found.packages
    assert "scikit-image" in fingerprint(lambda x: skimage.filters.gaussian(x, 2)).packages
    text = fingerprint(lambda x: np.mean(x) + 1, environment=["scipy"])
    assert "scipy" in text.packages


def test_environment_and_version_enter_the_digest():
    function = sys.intern
    assert fingerprint(len).digest != fingerprint(len, environment=["numpy"]).digest
    one, two = fingerprint(function, version="1"), fingerprint(function, version="2")
    assert one.digest != two.digest
    assert one.digest == fingerprint(len, version="1").digest
    with pytest.raises(ParameterError, match="installed packages"):
        fingerprint(len, environment=["no-such-package-at-all"])
    with pytest.raises(ParameterError, match="write 'scikit-image'"):
        fingerprint(len, environment=["skimage"])


def test_what_cannot_be_followed_is_named(tmp_path):
    text = "import itertools\nCOUNT = itertools.count()\n"
    module = load(tmp_path, text + "def own(x):\n    return eval('x') if COUNT else 0\n")
    said = " ".join(fingerprint(module.own).opaque)
    assert "COUNT" in said
    assert "eval" in said


def test_code_without_source_counts_by_its_byte_code():
    def made(text):
        names = {"__name__": "__main__"}
        exec(text, names)  # noqa: S102
        return fingerprint(names["own"])

    one, two = made("def own(x):\n    return x + 1\n"), made("def own(x):\n    return x + 2\n")
    assert one.digest != two.digest
    assert one.digest == made("def own(x):\n\n    return x + 1\n").digest
    assert "no source" in one.opaque[0]


def test_notebook_cells_are_read_from_linecache():
    def cell(text, name):
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        names = {"__name__": "__main__"}
        exec(compile(text, name, "exec"), names)  # noqa: S102
        found = fingerprint(names["own"])
        del linecache.cache[name]
        return found

    one = cell("def own(x):\n    return x + 1\n", "<ipython-input-1-abc>")
    two = cell("# again\ndef own(x):\n    return (x + 1)\n", "<ipython-input-2-abc>")
    three = cell("def own(x):\n    return x + 3\n", "<ipython-input-3-abc>")
    assert one.opaque == ()
    assert one.digest == two.digest != three.digest


def test_an_edit_after_loading_is_noticed(tmp_path):
    module = load(tmp_path, BASE)
    before = fingerprint(module.own)
    path = Path(module.__file__)
    path.write_text("# moved down\n\n\n" + BASE)
    assert fingerprint(module.own).digest == before.digest
    path.write_text(BASE.replace("y + sigma", "y * sigma"))
    after = fingerprint(module.own)
    assert after.stale == ("own",)
    assert after.digest not in (
        before.digest,
        fingerprint(load(tmp_path, path.read_text()).own).digest,
    )


def test_a_script_has_the_same_fingerprint_in_every_run_and_as_a_module(tmp_path):
    script = tmp_path / "script_of_mine.py"
    body = BASE + textwrap.dedent(
        """
        if __name__ == "__main__":
            from scutoid.store import fingerprint
            print(fingerprint(own).digest, fingerprint(lambda x: x + LEVEL).digest)
        """
    )
    script.write_text(body)
    runs = {
        subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    assert runs.pop().split()[0] == fingerprint(load(tmp_path, body).own).digest


def test_lambdas_on_one_line_are_told_apart(tmp_path):
    text = "own = [lambda x: x + 1, lambda x: x + 2, lambda x: (lambda y: y + 2)(x)]\n"
    digests = {fingerprint(one).digest for one in load(tmp_path, text).own}
    assert len(digests) == 3
    other = load(tmp_path, "# more\n\na = lambda x: x + 2\n")
    assert fingerprint(other.a).digest in digests


SHADOWS = {
    "a local variable": "def own(x):\n    LEVEL = x\n    return LEVEL\n",
    "a loop": "def own(x):\n    for LEVEL in x:\n        pass\n    return LEVEL\n",
    "a comprehension": "def own(x):\n    return [LEVEL for LEVEL in x]\n",
    "an argument": "own = lambda LEVEL: LEVEL\n",
    "an argument of an inner function": "def own(x):\n    return (lambda LEVEL: LEVEL)(x)\n",
    "a comprehension in a class": (
        "class C:\n    a = [LEVEL for LEVEL in (1, 2)]\ndef own(x):\n    return C().a\n"
    ),
    "a lambda in a class": (
        "class C:\n    f = staticmethod(lambda LEVEL: LEVEL)\ndef own(x):\n    return C.f(x)\n"
    ),
    "a variable of a class": (
        "class C:\n    LEVEL = 5\n    a = LEVEL + 1\ndef own(x):\n    return C().a\n"
    ),
    "an attribute": "def own(x):\n    return x.LEVEL\n",
}


@pytest.mark.parametrize("what", SHADOWS)
def test_a_name_that_is_bound_inside_does_not_reach_the_global_of_that_name(tmp_path, what):
    one, two = (load(tmp_path, f"LEVEL = {n}\n{SHADOWS[what]}") for n in (1, 2))
    assert fingerprint(one.own).digest == fingerprint(two.own).digest


# Each text has a place for a number that the result depends on; all end in the same call.
CALL = "def own(x):\n    return helper(x)\n"
REACHED = {
    "a global in the body of a class": (
        "LEVEL = {}\nclass helper:\n    a = [LEVEL for _ in (1, 2)]\n"
        "    def __init__(self, x):\n        self.x = x\n"
    ),
    "a global statement": ("V = {}\ndef helper(x):\n    global V\n    V = V + 1\n    return V\n"),
    "a function in a foreign object": (
        "import numpy as np\n@np.vectorize\ndef helper(x):\n    return x + {}\n"
    ),
    "a partial": (
        "import functools\ndef f(x, k):\n    return x + k\nhelper = functools.partial(f, k={})\n"
    ),
    "a cached helper": (
        "import functools\n@functools.lru_cache(maxsize=3)\ndef helper(x):\n    return x + {}\n"
    ),
    "an overload of a single dispatch": (
        "import functools\n@functools.singledispatch\ndef helper(x):\n    return x\n"
        "@helper.register\ndef _(x: int):\n    return x + {}\n"
    ),
    "a decorator's argument": (
        "def plus(k):\n    def deco(f):\n        def w(x):\n            return f(x) + k\n"
        "        return w\n    return deco\n@plus({})\ndef helper(x):\n    return x\n"
    ),
    "the factory of a defaultdict": (
        "from collections import defaultdict\nD = defaultdict(lambda: {})\n"
        "def helper(x):\n    return D[x]\n"
    ),
    "a namespace": (
        "from types import SimpleNamespace\nconfig = SimpleNamespace(level={})\n"
        "def helper(x):\n    return config.level\n"
    ),
    "an operator": "import operator\nhelper = operator.itemgetter({})\n",
    "a metaclass": (
        "class M(type):\n    k = {}\nclass C(metaclass=M):\n    pass\n"
        "def helper(x):\n    return C.k\n"
    ),
    "the next class in the order of bases": (
        "class A:\n    def f(self):\n        return super().f()\n"
        "class Z:\n    def f(self):\n        return {}\n"
        "class C(A, Z):\n    pass\ndef helper(x):\n    return C().f()\n"
    ),
    "the code of a step that is called": (
        "import scutoid as sc\n@sc.reduction(merge=max)\ndef helper(x):\n    return x + {}\n"
    ),
    "the merge of a reduction that is called": (
        "import scutoid as sc\n@sc.reduction(merge=lambda a, b: a + b + {})\n"
        "def helper(x):\n    return x\n"
    ),
    "the finish of a reduction that is called": (
        "import scutoid as sc\n@sc.reduction(merge=max, finish=lambda a: a + {})\n"
        "def helper(x):\n    return x\n"
    ),
    "the set-up of a step that is called": (
        "import scutoid as sc\ndef model():\n    return {}\n@sc.step(setup=dict(m=model))\n"
        "def helper(x, *, m):\n    return x + m\n"
    ),
    "the version of a step that is called": (
        "import scutoid as sc\n@sc.step(version='{}')\ndef helper(x):\n    return x\n"
    ),
}


@pytest.mark.parametrize("what", REACHED)
def test_reaches(tmp_path, what):
    one, two, again = (load(tmp_path, REACHED[what].format(n) + CALL) for n in (1, 2, 1))
    assert fingerprint(one.own).digest != fingerprint(two.own).digest
    assert fingerprint(one.own).digest == fingerprint(again.own).digest
    assert fingerprint(one.own).opaque == ()


def test_the_code_of_a_called_step_that_has_a_version_does_not_count(tmp_path):
    text = "import scutoid as sc\n@sc.step(version='1')\ndef helper(x):\n    return x + {}\n" + CALL
    one, two = (load(tmp_path, text.format(n)) for n in (1, 2))
    assert fingerprint(one.own).digest == fingerprint(two.own).digest


def test_a_foreign_object_whose_state_does_not_count_is_named(tmp_path):
    text = "import itertools\nCOUNT = itertools.count(3)\ndef own(x):\n    return next(COUNT)\n"
    assert fingerprint(load(tmp_path, text).own).opaque == ("COUNT (itertools.count)",)


def test_a_path_in_the_code_counts_by_its_file_but_a_folder_by_its_name(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    weights = data / "weights.npy"

    def found(path):
        text = f"from pathlib import Path\nP = Path({str(path)!r})\ndef own(x):\n    return P\n"
        return fingerprint(load(tmp_path, text).own)

    weights.write_bytes(b"one")
    file, folder = found(weights), found(data)
    weights.write_bytes(b"two")
    assert found(weights).digest != file.digest
    assert found(data).digest == folder.digest != found(tmp_path).digest
    assert file.opaque == ()
    assert "what lies there does not count" in folder.opaque[0]


def test_where_code_was_loaded_from_does_not_count(tmp_path):
    text = "def own(x):\n    return __name__, __file__\n"
    one, two = (load(tmp_path, text) for _ in range(2))
    assert fingerprint(one.own).digest == fingerprint(two.own).digest
    assert fingerprint(one.own).opaque == ("own (uses __file__)",)


def test_constants_of_one_name_in_several_modules_are_told_apart(tmp_path):
    names = [f"tools_{next(_NUMBER)}" for _ in range(2)]
    for number, name in enumerate(names):
        text = f"LEVEL = {number}\ndef f{number}():\n    return LEVEL\n"
        load(tmp_path, f"{text}def g{number}():\n    return -LEVEL\n", name)
    first, second = names
    text = f"import {first} as a, {second} as b\n"
    text += "def own(x):\n    return a.f0() + a.g0() + b.f1() + b.g1()\n"
    parts = fingerprint(load(tmp_path, text).own).parts
    constants = [name for name in parts if name.startswith("constant")]
    assert constants == ["constant `LEVEL`", "constant `LEVEL` (2)"]


def test_a_version_is_the_one_part():
    assert list(fingerprint(len, version="2").parts) == ["version"]


def test_a_script_that_was_edited_has_another_fingerprint(tmp_path):
    script = tmp_path / "script_of_mine.py"
    text = (
        "from scutoid.store import fingerprint\n"
        "def helper(x):\n    return x + {}\ndef own(x):\n    return helper(x)\n"
        "print(fingerprint(own).digest)\n"
    )
    found = []
    for value in (1, 2, 1):
        script.write_text(text.format(value))
        command = [sys.executable, str(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(done.stdout)
    assert found[0] == found[2] != found[1]
