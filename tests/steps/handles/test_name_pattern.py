"""Patterns with placeholders: what matches, in one way, and what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scutoid.errors import ParameterError
from scutoid.steps.handles._name_pattern import NamePattern

MATCHES = {
    "text, a number": ("{well}_s{site:d}.tif", "B03_s12.tif", {"well": "B03", "site": 12}),
    "zeros before a number": ("s{site:d}.tif", "s007.tif", {"site": 7}),
    "no number": ("s{site:d}.tif", "sx.tif", None),
    "digits of other scripts are text": ("s{site:d}.tif", "s٣.tif", None),
    "three digits or more": ("t{t:03d}.tif", "t007.tif", {"t": 7}),
    "more digits": ("t{t:03d}.tif", "t1234.tif", {"t": 1234}),
    "fewer digits": ("t{t:03d}.tif", "t07.tif", None),
    "more digits, with zeros": ("t{t:03d}.tif", "t0012.tif", None),
    "a regular expression": (r"{well:[A-P]\d{2}}x", "B03x", {"well": "B03"}),
    "it does not match": (r"{well:[A-P]\d{2}}x", "Q03x", None),
    "alternatives": ("{c:DAPI|GFP}_1", "GFP_1", {"c": "GFP"}),
    "a class with braces in it": ("{a:[{}]}_", "{_", {"a": "{"}),
    "a class that begins with ]": ("{a:[]}]+}_", "]}_", {"a": "]}"}),
    "braces": ("{{{a}}}.tif", "{x}.tif", {"a": "x"}),
    "text in braces": ("{{a}}*.tif", "{a}.tif", {}),
    "side by side": ("{row:[A-P]}{column:d}.tif", "B03.tif", {"row": "B", "column": 3}),
    "the number after it decides": (
        "{name}_s{site:d}.tif",
        "my_set_s1_B_s2.tif",
        {"name": "my_set_s1_B", "site": 2},
    ),
    "in a folder": ("{plate}/{well}.tif", "p_1/B03.tif", {"plate": "p_1", "well": "B03"}),
    "not over a slash": ("{well}.tif", "p/B03.tif", None),
    "twice the same": ("{a}/{a}_{b}.tif", "x_y/x_y_z.tif", {"a": "x_y", "b": "z"}),
    "twice, not the same": ("{a}/{a}_{b}.tif", "x/y_z.tif", None),
    "twice in a name": ("{a}-{a}.tif", "xy-xy.tif", {"a": "xy"}),
    "twice in a name, not the same": ("{a}-{a}.tif", "xy-yx.tif", None),
    "a number twice, written in two ways": ("{a:d}-{a}.tif", "1-01.tif", None),
    "a star": ("*_s{site:d}.*", "B03_s1.tif", {"site": 1}),
    "one letter": ("?{a:d}.tif", "s12.tif", {"a": 12}),
    "letters of a class": ("[st]{a:d}[!0-9]", "s12x", {"a": 12}),
    "none of a class": ("[!st]{a:d}", "s12", None),
    "a class with signs": (r"[\^]{a:d}", "^1", {"a": 1}),
    "no class": ("a[{a:d}", "a[1", {"a": 1}),
    "folders of any depth": ("**/{a}/*.tif", "x/y/z.tif", {"a": "y"}),
    "no folder between": ("{a}/**/{b:d}.tif", "x/1.tif", {"a": "x", "b": 1}),
    "two folders between": ("{a}/**/{b:d}.tif", "x/y/z/1.tif", {"a": "x", "b": 1}),
    "files of any depth": ("{a}/**", "x/y/z.tif", {"a": "x"}),
    "a hidden file": ("{a}.tif", ".x.tif", None),
    "a hidden folder": ("{a}/x.tif", ".b/x.tif", None),
    "a dot that is written": (".{a}", ".x", {"a": "x"}),
    "a line break": ("{a}.tif", "x\ny.tif", {"a": "x\ny"}),
    "nothing": ("s{a}.tif", "s.tif", None),
}


@pytest.mark.parametrize(("pattern", "name", "found"), MATCHES.values(), ids=MATCHES)
def test_what_stands_in_placeholders(pattern, name, found):
    assert NamePattern.parse(pattern).match(name) == found


TWO_WAYS = {
    "a separator too many": ("{a}_{b}.tif", "x_y_z.tif", "a='x', b='y_z'; or a='x_y', b='z'"),
    "side by side": ("{a}{b}.tif", "xyz.tif", "a='x', b='yz'; or a='xy', b='z'"),
    "numbers side by side": ("{a:d}{b:d}", "123", "a='1', b='23'; or a='12', b='3'"),
    "beside a star": ("{a}*.tif", "xy.tif", "a='x'; or a='xy'"),
    "a star on both sides": ("*{a:[ab]}*", "ab", "a='a'; or a='b'"),
    "regular expressions": ("{a:x|xy}{b:y?z}", "xyz", "a='x', b='yz'; or a='xy', b='z'"),
    "in a folder": ("{a}_{b}/c.tif", "x_y_z/c.tif", "a='x', b='y_z'; or a='x_y', b='z'"),
    "a separator within itself": ("{a}--{b}", "x---y", "a='x', b='-y'; or a='x-', b='y'"),
    "folders of any depth": ("**/{a}/**/x.tif", "u/v/x.tif", "a='u'; or a='v'"),
}


@pytest.mark.parametrize(("pattern", "name", "ways"), TWO_WAYS.values(), ids=TWO_WAYS)
def test_two_ways_are_refused_and_both_are_shown(pattern, name, ways):
    with pytest.raises(ParameterError, match="in one way") as raised:
        NamePattern.parse(pattern).match(name)
    assert ways in str(raised.value)
    assert repr(name) in str(raised.value)
    assert raised.value.place == pattern


BAD = {
    "no end": ("{a.tif", "ends with a brace"),
    "no beginning": ("a}.tif", "written twice"),
    "no name": ("{}.tif", "has a name"),
    "no name, a type": ("{:d}.tif", "has a name"),
    "a name that is none": ("{well name}", "has a name"),
    "the name of the keys": ("{key}.tif", "column of its own"),
    "an unknown type": ("{a:f}", "is d, or a regular expression"),
    "a width without a type": ("{a:03}", "is d, or a regular expression"),
    "no type": ("{a:}", "at least one character"),
    "a group in it": ("{a:(x|y)}", "has none in it"),
    "it may match nothing": ("{a:x*}", "at least one character"),
    "no regular expression": ("{a:x)}", "is a regular expression"),
    "twice, in two ways": ("{a:d}/{a:03d}", "says what it matches once"),
    "up, after a placeholder": ("{a}/../b.tif", "leads up"),
}


@pytest.mark.parametrize(("pattern", "rule"), BAD.values(), ids=BAD)
def test_what_is_no_pattern_is_refused(pattern, rule):
    with pytest.raises(ParameterError, match=re.escape(rule)) as raised:
        NamePattern.parse(pattern)
    assert pattern in str(raised.value)


def test_a_pattern_begins_in_its_fixed_folders():
    pattern = NamePattern.parse("../a{{1}}/./b/{c}/d*.tif")
    assert (str(pattern.root), pattern.glob) == ("../a{1}/b", "*/d*.tif")
    assert str(NamePattern.parse("/x/{c}.tif").root) == "/x"
    assert str(NamePattern.parse("{c}.tif").root) == "."


LETTERS = "ab_s1-."
TEXTS = st.text(LETTERS, min_size=1, max_size=3)
NAMES = ("p", "q", "r")
SPECS = {
    "": TEXTS,
    ":d": st.integers(0, 120),
    ":03d": st.integers(0, 1200),
    ":[ab]+": st.text("ab", min_size=1, max_size=2),
}


@st.composite
def patterns(draw):
    """Draw a pattern, and what stands in its placeholders."""
    text, values = "x", {}
    for name in NAMES[: draw(st.integers(1, len(NAMES)))]:
        spec = draw(st.sampled_from(sorted(SPECS)))
        values[name] = draw(SPECS[spec])
        text += draw(st.sampled_from(["", "_", "_s", "/x", "--"])) + f"{{{name}{spec}}}"
    return text + draw(st.sampled_from(["", ".tif"])), values


def every_way(pattern, name):
    """Match by trying each length of each piece of a name, one after the other."""
    tokens = [token for part in pattern.parts for token in (*part.tokens, "/")][:-1]

    def rest_of(text, left, values):
        if not left:
            return [] if text else [values]
        token, *others = left
        if not hasattr(token, "name"):
            begin = getattr(token, "text", token)
            found = text.removeprefix(begin)
            return rest_of(found, others, values) if text.startswith(begin) else []
        return [
            way
            for end in range(1, len(text.partition("/")[0]) + 1)
            if re.fullmatch(token.expression, text[:end])
            for value in [int(text[:end]) if token.is_whole else text[:end]]
            for way in rest_of(text[end:], others, {**values, token.name: value})
        ]

    ways = []
    for values in rest_of(name, tokens, {}):
        if values not in ways:
            ways.append(values)
    return ways


@given(patterns())
def test_what_is_formatted_is_matched_again_or_two_ways_are_told(drawn):
    text, values = drawn
    pattern = NamePattern.parse(text)
    name = pattern.format(values)
    ways = every_way(pattern, name)
    assert values in ways
    if len(ways) == 1:
        assert pattern.match(name) == values
    else:
        with pytest.raises(ParameterError, match="in one way"):
            pattern.match(name)


@given(patterns(), st.text("ab_s1-./x", max_size=9))
def test_a_name_matches_as_it_does_when_all_cuts_are_tried(drawn, name):
    pattern = NamePattern.parse(drawn[0])
    assume(not any(part.startswith(".") for part in name.split("/")))
    ways = every_way(pattern, name)
    if len(ways) > 1:
        with pytest.raises(ParameterError, match="in one way"):
            pattern.match(name)
    else:
        assert pattern.match(name) == (ways[0] if ways else None)


def test_a_name_that_cannot_match_is_told_without_trying_all_ways():
    pattern = NamePattern.parse("{a}*{b}*{c:[a-z]+}*{d:d}{e:d}.tif")
    assert pattern.match("x" * 400 + ".tif") is None  # trying them takes days


@pytest.mark.parametrize(
    ("pattern", "remedy", "instead", "name"),
    [
        ("*.{tif,tiff}", "{name:tif|tiff}", "*.{name:tif|tiff}", "a.tiff"),
        ("{well:A01}_{s:d}", "{well:(?:A01)}", "{well:(?:A01)}_{s:d}", "A01_2"),
        ("{s:3}", "{s:(?:3)}", "{s:(?:3)}", "3"),
    ],
)
def test_what_is_meant_otherwise_is_told_how_it_is_written(pattern, remedy, instead, name):
    with pytest.raises(ParameterError) as caught:
        NamePattern.parse(pattern)
    assert remedy in str(caught.value)
    assert NamePattern.parse(instead).match(name) is not None
