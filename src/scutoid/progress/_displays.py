"""Where progress is drawn: lines of a log, bars on a terminal, a table in a notebook."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Protocol

from scutoid.printable import html_text, printable, printable_lines
from scutoid.progress._counts import Count, RunCounts
from scutoid.progress._words import facts, time_left

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_EVERY = 5.0
"""Seconds between two lines of a step."""
_REDRAWN = 0.3
"""Seconds between two pictures of the whole run."""
_ALL = "the run"


class Display(Protocol):
    """Draws how far a run is."""

    def begin(self, counts: RunCounts) -> None:
        """Draw a run that begins."""
        ...

    def update(self, counts: RunCounts, row: str, now: float, *, is_end: bool) -> None:
        """Draw that blocks of a row are done, or all of them."""
        ...

    def say(self, text: str) -> None:
        """Show a line that stays."""
        ...

    def close(self, counts: RunCounts) -> None:
        """End drawing."""
        ...


class Lines:
    """Plain lines: one a step at its end, and in between one every few seconds."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._last: dict[str, float] = {}

    def begin(self, counts: RunCounts) -> None:
        """Write nothing yet."""

    def update(self, counts: RunCounts, row: str, now: float, *, is_end: bool) -> None:
        """Write a line of a step, if it is due."""
        count = counts.row(row)
        last = self._last.setdefault(row, count.first or now)
        if not is_end and now - last <= _EVERY:
            return
        self._last[row] = now
        parts = [f"{count.done} of {count.total} blocks done", *facts(count, now)]
        rest = [] if is_end or len(counts.rows) < 2 else time_left(counts.left(now))
        self.say(
            f"{printable(row)}: {', '.join(parts)}{''.join(f'; {_ALL}: {text}' for text in rest)}"
        )

    def say(self, text: str) -> None:
        """Write a line."""
        print(printable_lines(text), file=self._stream, flush=True)

    def close(self, counts: RunCounts) -> None:
        """Write nothing more."""


class TerminalBars:
    """A bar a step on a terminal, and one of the run."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._bars: Bars | None = None
        self._rows: dict[str, TaskID] = {}
        self._drawn = 0.0

    def begin(self, counts: RunCounts) -> None:
        """Draw all bars."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars
        from rich.table import Column

        self._rows = {}
        console = Console(file=self._stream)
        # counts have the room that they need, names and words what is left
        digits = len(str(counts.total().total))
        name = Column(no_wrap=True, max_width=max(console.width // 3, 8), overflow="ellipsis")
        done = Column(no_wrap=True, min_width=2 * digits + 1)
        self.close(counts)  # those of a part of the run that did not come to its end
        self._bars = Bars(
            TextColumn("{task.description}", markup=False, table_column=name),
            BarColumn(bar_width=min(28, console.width // 4)),
            MofNCompleteColumn(table_column=done),
            TextColumn("{task.fields[words]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=False,
        )
        for row in counts.rows:
            self._add(row, counts.row(row), "waiting")
        if len(counts.rows) > 1:
            self._add(_ALL, counts.total(), "")
            self._bars.start_task(self._rows[_ALL])
        self._bars.start()

    def update(self, counts: RunCounts, row: str, now: float, *, is_end: bool) -> None:
        """Draw how far a step is, and the run."""
        if self._bars is None or row not in self._rows:
            return
        count = counts.row(row)
        if count.first and self._bars.tasks[self._rows[row]].start_time is None:
            self._bars.start_task(self._rows[row])
        self._set(row, count, facts(count, now))
        if count.open == 0:
            self._bars.stop_task(self._rows[row])
        if _ALL in self._rows and (is_end or now - self._drawn >= _REDRAWN):
            self._drawn = now
            self._set(_ALL, counts.total(), time_left(counts.left(now)))

    def say(self, text: str) -> None:
        """Show a line above the bars."""
        if self._bars is None:
            print(printable_lines(text), file=self._stream, flush=True)
        else:
            self._bars.console.print(printable_lines(text), markup=False, highlight=False)

    def close(self, counts: RunCounts) -> None:
        """Leave the bars as they are."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _add(self, row: str, count: Count, words: str) -> None:
        if self._bars is not None:
            self._rows[row] = self._bars.add_task(
                printable(row), total=count.total, completed=count.done, words=words, start=False
            )

    def _set(self, row: str, count: Count, words: list[str]) -> None:
        if self._bars is not None:
            self._bars.update(
                self._rows[row], completed=count.done, total=count.total, words=", ".join(words)
            )


class NotebookTable:
    """A table with a bar a step below the cell of a notebook; a saved notebook keeps the last."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn = 0.0
        self._has_table = False
        self._said: list[str] = []
        self._words: dict[str, str] = {}

    def begin(self, counts: RunCounts) -> None:
        """Show the table."""
        self._has_table = True
        self._show(self._html(counts))

    def update(self, counts: RunCounts, row: str, now: float, *, is_end: bool) -> None:
        """Draw the table again, if it is due."""
        self._words[row] = ", ".join(facts(counts.row(row), now))
        if now - self._drawn >= _REDRAWN:
            self._drawn = now
            self._words[_ALL] = ", ".join(time_left(counts.left(now)))
            self._draw(counts)

    def say(self, text: str) -> None:
        """Show a line below the table, or before there is one."""
        self._said.append(text)
        if not self._has_table:
            self._show(self._lines())

    def close(self, counts: RunCounts) -> None:
        """Draw the end."""
        self._words[_ALL] = ""
        self._draw(counts)

    def _draw(self, counts: RunCounts) -> None:
        if self._handle is not None:
            self._show(self._html(counts))

    def _show(self, content: str) -> None:
        """Show something, in the place of what was shown before."""
        from IPython import display

        shown = display.HTML(content)  # type: ignore[no-untyped-call]
        if self._handle is None:
            self._handle = display.display(shown, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(shown)

    def _lines(self) -> str:
        return "".join(f"<div>{html_text(text)}</div>" for text in self._said)

    def _html(self, counts: RunCounts) -> str:
        rows = [(row, counts.row(row)) for row in counts.rows]
        if len(rows) > 1:
            rows.append((_ALL, counts.total()))
        cell = '<td style="padding:1px 8px;text-align:left">'
        lines = "".join(
            f"<tr>{cell}{html_text(row)}</td>{cell}"
            f'<progress value="{count.done}" max="{max(count.total, 1)}"></progress></td>'
            f"{cell}{count.done}/{count.total}</td>{cell}{html_text(self._words.get(row, ''))}"
            "</td></tr>"
            for row, count in rows
        )
        return f"<table><tbody>{lines}</tbody></table>{self._lines()}"
