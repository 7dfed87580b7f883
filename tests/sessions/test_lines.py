"""What a terminal shows in the end, as lines."""

from __future__ import annotations

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.sessions._lines import Lines

plain = st.text(st.characters(exclude_characters="\x1b\r\n"), max_size=9)


def lines_of(pieces):
    lines = Lines()
    return "".join([*map(lines.add, pieces), lines.rest()])


@given(texts=st.lists(plain), cuts=st.lists(st.integers(0, 99)))
def test_plain_lines_come_back_however_they_are_cut(texts, cuts):
    text = "".join(f"{line}\n" for line in texts)  # blank ones too
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[low:high] for low, high in itertools.pairwise(edges)]
    assert lines_of(pieces) == text


@given(frames=st.lists(st.lists(plain.filter(bool), min_size=3, max_size=3), min_size=1))
def test_of_frames_drawn_over_each_other_the_last_stays(frames):
    up = "\r\x1b[2K" + "\x1b[1A\x1b[2K" * 2
    pieces = [(up if n else "") + "\n".join(frame) for n, frame in enumerate(frames)]
    found = lines_of([*pieces, "\nafter\n"]).split("\n")
    first = [] if len(frames) == 1 else frames[0][:2]  # given out before it was known to change
    assert found == [*first, *frames[-1], "after", ""]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["10 %\r", "20 %\r", "done\n"], "done\n"),
        (["done\r", "no\n"], "none\n"),
        (["done\r\x1b[Kno\n"], "no\n"),
        (["\x1b[31mred\x1b[0m\n"], "red\n"),
        (["no end"], "no end\n"),
        (["a\r\nb\r\n"], "a\nb\n"),
        (["\x1b[9Aa\n"], "a\n"),
        (["\x1b"], ""),
    ],
)
def test_text_of_a_terminal(pieces, expected):
    assert lines_of(pieces) == expected


def test_bars_of_a_run_leave_their_end_and_what_was_printed_above_them():
    progress = pytest.importorskip("rich.progress")
    console = pytest.importorskip("rich.console")
    written = []

    class Shown(io.StringIO):
        def write(self, text):
            written.append(text)
            return len(text)

    terminal = console.Console(file=Shown(), force_terminal=True, width=80)
    with progress.Progress(console=terminal, auto_refresh=False) as bars:
        tasks = [bars.add_task(name, total=50) for name in ("smooth", "label")]
        for number in range(50):
            for task in tasks:
                bars.advance(task)
            bars.refresh()
            terminal.print(f"block {number}")
    said = lines_of(written).splitlines()
    expected = [f"block {number}" for number in range(50)]
    assert [line for line in said if line.startswith("block")] == expected
    assert sum("100%" in line for line in said) == 2
    assert len(said) < 60
