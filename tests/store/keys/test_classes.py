"""What a function takes from own classes, wherever these have it from, enters its key."""

from __future__ import annotations

import fractions

import pytest

from scutoid.store import fingerprint

PARTS = "import enum, functools, operator\nfrom dataclasses import field, make_dataclass\n"
PARTS += "L = [{}]\n"
CALL = "\ndef own(x):\n    return helper(x)\n"

# Each has `L[0]`, the number that the result depends on, outside of what a class says in its text.
REACHED = {
    "an own descriptor that is set later": (
        "class D:\n    def __init__(self, v): self.v = v\n"
        "    def __get__(self, o, kind=None): return self.v\n    def __set__(self, o, v): pass\n"
        "class C: pass\nC.a = D(L[0])\ndef helper(x): return C().a\n"
    ),
    "a property of a partial": (
        "def get(self, v): return v\nclass C: pass\n"
        "C.a = property(functools.partial(get, v=L[0]))\ndef helper(x): return C().a\n"
    ),
    "a property of an operator": (
        "class C:\n    def __getitem__(self, k): return k\n"
        "C.a = property(operator.itemgetter(L[0]))\ndef helper(x): return C().a\n"
    ),
    "a setter that is a partial": (
        "def put(self, v, k): self.v = v + k\nclass C:\n    @property\n    def a(self): return 0\n"
        "C.a = C.a.setter(functools.partial(put, k=L[0]))\ndef helper(x):\n    C().a = x\n"
    ),
    "an overload of a method, set later": (
        "class C:\n    @functools.singledispatchmethod\n    def f(self, x): return x\n"
        "def g(self, x): return x + L[0]\nC.f.register(int, g)\ndef helper(x): return C().f(x)\n"
    ),
    "an overload of a method, of a name that is taken again": (
        "def g(x): return L[0]\nclass C:\n    @functools.singledispatchmethod\n"
        "    def f(self, x): return x\n    @f.register\n    def _(self, x: int): return g(x)\n"
        "    @f.register\n    def _(self, x: str): return x\ndef helper(x): return C().f(x)\n"
    ),
    "a private method of an enumeration": (
        "def g(): return L[0]\nclass E(enum.Enum):\n    A = 1\n    def _f(self): return g()\n"
        "    def f(self): return self._f()\ndef helper(x): return E.A.f()\n"
    ),
    "a special method of an enumeration": (
        "def g(): return L[0]\nclass E(enum.Enum):\n    A = 1\n    def __call__(self): return g()\n"
        "def helper(x): return E.A()\n"
    ),
    "what members of an enumeration set": (
        "class E(enum.Enum):\n    A = 1\n    def __init__(self, v): self.w = L[0]\n"
        "def helper(x): return E.A.w\n"
    ),
    "a special method that is a partial": (
        "def f(x, k): return k\nclass C: pass\nC.__call__ = functools.partial(f, k=L[0])\n"
        "def helper(x): return C()(x)\n"
    ),
    "an attribute that is a partial": (
        "def f(x, k): return k\nclass C: pass\nC.a = functools.partial(f, k=L[0])\n"
        "def helper(x): return C.a(x)\n"
    ),
    "an object in the place of a method": (
        "class D:\n    def __init__(self, f, k):\n        functools.update_wrapper(self, f)\n"
        "        self.k = k\n    def __call__(self, x): return self.__wrapped__(x) * self.k\n"
        "def f(x): return x\nclass C: pass\nC.a = D(f, L[0])\ndef helper(x): return C.a(x)\n"
    ),
    "a class that is made of fields": (
        "C = make_dataclass('C', [('a', int, field(default=L[0]))])\ndef helper(x): return C().a\n"
    ),
    "a class that is made of its parts": (
        "import types\nC = types.new_class('C', (), {}, lambda names: names.update(k=L[0]))\n"
        "def helper(x): return C.k\n"
    ),
    "an enumeration that is made of its parts": (
        "E = enum.Enum('E', {'A': L[0]})\ndef helper(x): return E.A.value\n"
    ),
    "the default of a named tuple": (
        "from collections import namedtuple\nR = namedtuple('R', 'a', defaults=L)\n"
        "def helper(x): return R().a\n"
    ),
}


@pytest.mark.parametrize("text", REACHED.values(), ids=REACHED)
def test_what_a_class_has_is_seen_and_nothing_is_warned_of(loaded, text):
    one, two, again = (fingerprint(loaded(PARTS.format(n) + text + CALL).own) for n in (1, 2, 1))
    assert one.digest != two.digest
    assert one.digest == again.digest
    assert one.opaque == ()


def test_the_class_that_an_overload_is_for_counts(loaded):
    text = (
        "import functools\n@functools.singledispatch\ndef helper(x): return x\n"
        "@helper.register\ndef _(x: {0}): return 1\n"
        "class C:\n    @functools.singledispatchmethod\n    def f(self, x): return x\n"
        "    @f.register\n    def _(self, x: {0}): return 1\n"
        "def method(x): return C().f(x)\ndef own(x): return helper(x)\n"
    )
    one, two = (loaded(text.format(kind)) for kind in ("int", "float"))
    assert fingerprint(one.own).digest != fingerprint(two.own).digest
    assert fingerprint(one.method).digest != fingerprint(two.method).digest


def test_own_functions_put_into_an_installed_base_are_followed(loaded, monkeypatch):
    monkeypatch.setattr(fractions.Fraction, "added", None, raising=False)
    text = (
        "import fractions\nclass F(fractions.Fraction): pass\ndef added(self): return {}\n"
        "fractions.Fraction.added = added\ndef own(x): return F(1).added()\n"
    )
    one, two = (fingerprint(loaded(text.format(n)).own) for n in (1, 2))
    assert one.digest != two.digest


def test_what_a_descriptor_keeps_of_its_use_does_not_count_and_is_named(loaded):
    text = (
        "class D:\n    def __init__(self): self.values = {}\n"
        "    def __get__(self, o, kind=None): return self.values.get(id(o))\n"
        "    def __set__(self, o, v): self.values[id(o)] = v\n"
        "class C:\n    a = D()\nc = C()\nc.a = 1\ndef own(x): return c.a\n"
    )
    one, two = (fingerprint(loaded(text).own) for _ in range(2))
    assert one.digest == two.digest
    assert one.opaque == ("class `C`.a.values (may be a cache)",)


def test_methods_without_source_count_by_their_byte_code(loaded):
    text = "names = {{'__name__': __name__}}\nexec({!r}, names)\nC = names['C']\n"
    text += "def own(x): return C().f(x)\n"
    made = "class C:\n    def f(self, x): return x in {{'a', 'b', 'c'}}, {}"
    one, two = (fingerprint(loaded(text.format(made.format(n))).own) for n in (1, 2))
    assert one.digest != two.digest
    assert one.opaque == ("what class `C`.f reads besides its arguments (no source)",)
