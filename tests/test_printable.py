"""Names and words from outside, wherever they are shown: nothing in them acts."""

from __future__ import annotations

import contextlib
import io
import re
import unicodedata
from importlib import resources

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid import printable as module
from scutoid.cli import main
from scutoid.errors import ScutoidError, ScutoidWarning
from scutoid.printable import html_text, printable, printable_lines
from scutoid.progress import Progress

TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
NAME = "a\x1b[31m\u202egnp\x07\x9b\r\tz"


def acts(character):
    is_control = unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
    return is_control or unicodedata.bidirectional(character) in TURNING


def acting(text):
    return sorted({hex(ord(each)) for each in text if acts(each) and each not in "\n\t"})


characters = st.one_of(
    st.characters(),
    st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]),
    st.sampled_from("\n\t\u200d\u200c"),
)


@given(st.text(characters))
def test_nothing_acts_and_the_rest_stays(text):
    line, lines = printable(text), printable_lines(text)
    assert not any(acts(each) for each in line)
    assert acting(lines) == []
    assert line.encode() or not text  # halves of characters can be printed too
    assert lines.count("\n") == text.count("\n")
    if not any(acts(each) or unicodedata.category(each) == "Cf" for each in text):
        assert line == lines == text
    assert not re.search("[<>\"']", html_text(text))


@pytest.mark.parametrize(
    "text",
    [
        "Zürich 細胞 😀",
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
    ],
)
def test_words_of_all_languages_stay_as_they_are(text):
    assert printable(text) == text


def test_every_control_character_is_shown():
    for code in range(0x110000):
        if acts(chr(code)):
            assert printable(chr(code)).isascii(), hex(code)


def test_the_page_of_a_store_shows_the_same_characters():
    script = (resources.files("scutoid.serving") / "static" / "dom.js").read_text("utf-8")
    (found,) = re.findall(r"const ACTING =\s*/\[(.*)\]/g;", script)
    there, here = re.compile(f"[{found}]"), module._IN_LINES
    for code in range(0x10000):
        if not 0xD800 <= code < 0xE000:  # a page gets none
            assert bool(there.match(chr(code))) == bool(here.match(chr(code))), hex(code)


def test_errors_and_warnings_show_what_is_in_their_texts():
    error = ScutoidError(f"rule {NAME}", value=NAME, place=f"{NAME}\n  remedy: ", remedy=NAME)
    assert acting(str(error)) == []
    assert len(str(error).splitlines()) == 4
    assert acting(str(ScutoidWarning(NAME))) == []


@sc.step(out="table")
def rows(image):
    return pd.DataFrame({NAME: [image.max()], "name": [NAME]})


@sc.blockwise
def brighter(image):
    if image.max() == 0:
        message = f"words {NAME}"
        raise ValueError(message)
    return image + 1


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store whose members, columns, steps and errors have such names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).mkdir()
    for number in range(2):
        image = np.full((8, 9), number, np.uint8)
        tifffile.imwrite(tmp_path / NAME / f"{number}{NAME}.tif", image)
    return f"results{NAME}"


def test_nothing_acts_in_what_is_shown_of_plans_runs_and_results(store):
    images = sc.open_folder(f"{NAME}/*.tif")
    handles = [images, brighter(images), rows(images), sc.open(f"{NAME}/1{NAME}.tif")]
    handles[2] = rows.options(name=f"{NAME}\nfalse")(images)
    plan = sc.plan(*handles[1:3], store=store)
    assert "\nfalse" not in str(plan)
    shown = [repr(each) for each in handles] + [each._repr_html_() for each in handles]
    shown += [str(plan), plan._repr_html_(), *(step.why() for step in plan)]
    progress = io.StringIO()
    options = {"store": store, "executor": "serial", "progress": False}
    run = sc.run(
        *handles[1:3], **options, on_failure="return", listeners=[Progress(stream=progress)]
    )
    page = sc.report(store)
    shown += [progress.getvalue(), run.summary(), run._repr_html_(), page.read_text("utf-8")]
    opened = sc.Store(store)
    shown += [repr(opened), opened._repr_html_(), handles[2]._repr_html_()]
    for wrong in (
        lambda: sc.run(handles[1], **options),
        lambda: sc.open(f"{NAME}.tiff"),
        lambda: opened[NAME],
        lambda: handles[2].member(NAME),
    ):
        with pytest.raises(ScutoidError) as caught:
            wrong()
        shown.append(str(caught.value))
    assert [acting(text) for text in shown] == [[]] * len(shown)
    assert "\\x1b[31m" in run.summary()
    assert "\\u202e" in page.read_text("utf-8")


def test_nothing_acts_in_what_the_command_line_prints(store):
    images = sc.open_folder(f"{NAME}/*.tif")
    step = f"{NAME}\nfalse"
    sc.run(rows.options(name=step)(images), store=store, executor="serial", progress=False)
    commands = [
        ("ls",),
        ("show", step),
        ("show", NAME),
        ("du",),
        ("verify",),
        ("gc", "--dry-run"),
        ("report",),
        ("report", NAME),
        ("export", NAME, "out.csv"),
        ("run", f"{NAME}.py"),
    ]
    printed = {}
    for command in commands:
        out = io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
            pytest.raises(SystemExit),
        ):
            main([*command, "--store", store])
        printed[command] = out.getvalue()
        assert acting(out.getvalue()) == [], command
    for command in ("ls",), ("show", step):
        assert "\nfalse" not in printed[command]
        assert "\\x1b[31m" in printed[command]
