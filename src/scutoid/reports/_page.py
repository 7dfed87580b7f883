"""The page of a run: one file of HTML with all that it shows, and a folder of many thumbnails.

All text that comes from outside is escaped; the page fetches nothing, and says so to the browser.
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from scutoid.folding import fold, folded_name
from scutoid.printable import html_text as safe
from scutoid.reports._charts import number_text
from scutoid.reports._facts import FailureFacts, RunFacts, StepFacts
from scutoid.reports._gallery import Gallery, ranks
from scutoid.reports._graph import STYLE, WORDS, graph_svg
from scutoid.reports._tables import TableFacts

_STATES = {"running": "running", "done": "done", "failed": "failed", "killed": "stopped"}
_POLICY = "default-src 'none'; img-src data: file: 'self'; style-src 'unsafe-inline'; script-src "
_NAMED = 12
_LEAST_SCALE = 0.7
"""How much smaller the graph is shown at most; what is wider is scrolled."""
_NARROW = 640
"""Pixels of a graph that other things have room beside."""
_LONG = 4000
"""Characters of a value, a traceback, a text that are shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the page."""

    name: str
    """The step, or the member."""
    source: str
    """Address: of data, or of a file beside the page."""
    size: tuple[int, int]
    """Width and height, in pixels."""
    caption: str
    """What it shows."""


@dataclass(frozen=True, slots=True)
class Page:
    """All that a page shows."""

    facts: RunFacts
    """The run."""
    pictures: Sequence[Shown] = ()
    """Of its steps."""
    tables: Sequence[TableFacts] = ()
    """Its tables."""
    gallery: Gallery | None = None
    """The members of its collections."""
    members: Mapping[str, Shown] = field(default_factory=dict)
    """Their pictures, by key."""
    left_out: Sequence[str] = ()
    """What the page does not show, and why."""

    def html(self) -> str:
        """Write the page."""
        facts = self.facts
        pieces = [
            _head(facts),
            _notes(facts, self.left_out),
            _failures(facts),
            self._beside_graph(self._pictures() + self._tables()),
            self._gallery(),
            _timings(facts),
            _steps(facts),
            _reproduce(facts),
        ]
        body = "".join(piece for piece in pieces if piece)
        script = _file("page.js")
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{safe(_POLICY)}'
            f"'sha256-{_digest(script)}'\">"
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>Run {safe(facts.name)}</title>"
            f"<style>{_file('page.css')}{STYLE}</style></head>"
            f"<body><main>{body}</main><script>{script}</script></body></html>\n"
        )

    def _beside_graph(self, others: str) -> str:
        """Put the graph beside other sections, or above them where it is wide."""
        if not self.facts.steps:
            return others
        drawn = graph_svg(
            self.facts, link=lambda name: f"#{_anchor(self.facts, name)}", style=False
        )
        least = f'<svg style="min-width:{_LEAST_SCALE * _width(drawn):.0f}px" '
        content = f'<div class="graph">{drawn.replace("<svg ", least, 1)}</div>'
        graph = _section("Steps", content)
        kind = "two narrow" if others and _width(drawn) <= _NARROW else "two"
        return f'<div class="{kind}">{graph}<div class="aside">{others}</div></div>'

    def _pictures(self) -> str:
        return _section(
            "Pictures",
            f'<div class="pictures">{"".join(map(_figure, self.pictures))}</div>'
            '<p class="note">Maxima over z of what is stored; objects are outlined over the image '
            "that they were found in.</p>"
            if self.pictures
            else "",
        )

    def _tables(self) -> str:
        pieces = []
        for table in self.tables:
            charts = [one.svg() for one in table.histograms]
            charts += [] if table.regions is None else [table.regions.svg()]
            said = f"{table.n_rows} rows, {len(table.columns)} columns"
            note = f'<p class="note">{safe(table.note)}</p>' if table.note else ""
            pieces.append(
                f'<h3>{safe(table.step)} <span class="faint">{said}</span></h3>'
                f'<div class="charts">{"".join(charts)}</div>{note}'
            )
        return _section("Tables", "".join(pieces))

    def _gallery(self) -> str:
        gallery = self.gallery
        if gallery is None:
            return ""
        places = {name: ranks(cells) for name, cells in gallery.columns.items()}
        options = "".join(
            f'<option value="{n}">{safe(name)}</option>' for n, name in enumerate(places)
        )
        cards = "".join(
            self._card(gallery, n, key, [place[n] for place in places.values()])
            for n, key in enumerate(gallery.keys)
        )
        more = gallery.n_all - len(gallery.keys)
        note = f'<p class="note">{more} further members are not shown.</p>' if more else ""
        return _section(
            f"{gallery.n_all} members",
            '<div class="controls"><label>sort by <select id="sort-by">'
            f'<option value="">name</option>{options}</select></label>'
            '<button id="sort-turn" type="button">largest first</button>'
            '<label>find <input id="find" type="search"></label>'
            f'<span id="n-shown" class="faint" role="status"></span></div>'
            f'<div class="gallery">{cards}</div>{note}',
        )

    def _card(self, gallery: Gallery, n: int, key: str, places: Sequence[int | None]) -> str:
        order = "".join(
            f' data-rank-{column}="{place}"'
            for column, place in enumerate(places)
            if place is not None
        )
        shown = self.members.get(key)
        picture = '<div class="empty">no picture</div>'
        if shown is not None:
            picture = (
                f'<a href="{safe(shown.source)}">{_image(shown)}</a>'
                if not shown.source.startswith("data:")
                else _image(shown)
            )
        lacks = gallery.lacking.get(key, ())
        said = f'<br><span class="lacks">lacks {safe(", ".join(lacks))}</span>' if lacks else ""
        cells = "".join(
            f"<br>{safe(name)}: {safe(_cell(column[n]))}"
            for name, column in gallery.columns.items()
            if column[n] is not None
        )
        return (
            f'<figure data-place="{n}"{order}>{picture}'
            f"<figcaption><b>{safe(key)}</b>{said}{cells}</figcaption></figure>"
        )


def _width(svg: str) -> float:
    return float(svg.partition(' width="')[2].partition('"')[0])


def _cell(value: object) -> str:
    return number_text(value) if isinstance(value, float) and value == value else str(value)  # noqa: PLR0124


def _file(name: str) -> str:
    return (resources.files("scutoid.reports") / name).read_text(encoding="utf-8").strip()


def _digest(script: str) -> str:
    import base64
    import hashlib

    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _section(title: str, content: str, kind: str = "") -> str:
    if not content:
        return ""
    return f'<section class="{kind}"><h2>{safe(title)}</h2>{content}</section>'


def _rows(pairs: Iterable[tuple[str, object]]) -> str:
    rows = "".join(
        f"<tr><th>{safe(name)}</th><td>{safe(_cut(str(value)))}</td></tr>"
        for name, value in pairs
        if value not in (None, "")
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>' if rows else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text)} characters)"


def _image(shown: Shown) -> str:
    width, height = shown.size
    lazy = "" if shown.source.startswith("data:") else 'loading="lazy" '
    return (
        f'<img alt="{safe(shown.name)}: {safe(shown.caption)}" width="{width}" '
        f'height="{height}" {lazy}src="{safe(shown.source)}">'
    )


def _figure(shown: Shown) -> str:
    return (
        f"<figure>{_image(shown)}<figcaption><b>{safe(shown.name)}</b><br>"
        f"{safe(shown.caption)}</figcaption></figure>"
    )


def when(seconds: float) -> str:
    """Write a time since 1970, in the time zone of this machine."""
    return dt.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def took(seconds: float | None) -> str:
    """Write a duration.

    Examples
    --------
    >>> took(0.0123), took(75.2), took(7322.0), took(None)
    ('0.012 s', '1 min 15 s', '2 h 2 min', '')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _head(facts: RunFacts) -> str:
    counts: dict[str, int] = {}
    for step in facts.steps:
        counts[WORDS[step.state]] = counts.get(WORDS[step.state], 0) + 1
    said = ", ".join(f"{n} {word}" for word, n in counts.items())
    state = _STATES[facts.state]
    memory = "" if facts.memory is None else f"{facts.memory / 2**20:.0f} MiB at most in a process"
    most = facts.most_of_the_time(took(facts.seconds))
    return (
        f'<h1>Run {safe(facts.name)}<span class="badge state-{state}">{safe(facts.state)}</span>'
        "</h1>"
        + _rows(
            [
                ("store", facts.store),
                ("began", when(facts.started)),
                ("took", took(facts.seconds)),
                ("steps", f"{len(facts.steps)}: {said}" if said else "0"),
                ("workers", facts.workers),
                ("memory", memory),
                ("most of the time", most.removeprefix("most of the time: ")),
            ]
        )
    )


def _list(texts: Iterable[str]) -> str:
    items = "".join(f"<li>{safe(_cut(text))}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def _notes(facts: RunFacts, left_out: Sequence[str]) -> str:
    return (
        _section("Warnings", _list(facts.warnings), "odd")
        + _section("Not read", _list(facts.problems), "bad")
        + _section("Not shown", _list(left_out))
    )


def _failures(facts: RunFacts) -> str:
    pieces = []
    for step in facts.steps:
        for failure in step.failures[:_NAMED]:
            trace = f"<pre>{safe(_cut(failure.traceback))}</pre>" if failure.traceback else ""
            trace += _debugging(facts, step, failure)
            pieces.append(
                f"<details><summary><b>{safe(step.name)}</b>, {safe(failure.where)}: "
                f"{safe(_cut(failure.error))}</summary>{trace}</details>"
            )
        more = step.n_failed - min(len(step.failures), _NAMED)
        if more > 0:
            pieces.append(f'<p class="note">{safe(step.name)}: {more} further failures</p>')
    return _section("Failures", "".join(pieces), "bad")


def _debugging(facts: RunFacts, step: StepFacts, failure: FailureFacts) -> str:
    """Say how the block is run by itself; a set-up and an input that changed are none."""
    if failure.block is None or failure.block < 0:
        return ""
    member = failure.where.removeprefix("member ")
    at = repr(failure.block) if member == failure.where else member
    call = f"sc.debug(..., store={facts.store!r}, step={step.name!r}, at={at})"
    return f'<p class="note">to debug it: <code>{safe(call)}</code></p>'


def _timings(facts: RunFacts) -> str:
    most = max((step.seconds for step in facts.steps), default=0.0) or 1.0
    rows = []
    for head, under in fold(facts.steps):
        for step in (head, *under):
            counts = "".join(
                f'<td class="n">{n or ""}</td>'
                for n in (step.n_cached, step.n_taken, step.n_failed, step.n_orphaned)
            )
            slow = ", ".join(f"{block} ({took(seconds)})" for block, seconds in step.slowest[:3])
            name = step.name if step is head else f"— {step.name}"
            wide = 140 * step.seconds / most
            rows.append(
                f'<tr class="state-{step.state}"><td>{safe(name)}</td>'
                f"<td>{safe(WORDS[step.state])}</td>"
                f'<td class="n">{step.n_done} of {step.n_blocks}</td>{counts}'
                f'<td class="n">{took(step.seconds)}</td>'
                f'<td><span class="meter" style="width:{wide:.0f}px"></span></td>'
                f'<td class="faint">{safe(slow)}</td></tr>'
            )
    if not rows:
        return ""
    return _section(
        "Counts and times",
        '<table class="counts"><thead><tr><th>step</th><th>state</th><th class="n">blocks done</th>'
        '<th class="n">cached</th><th class="n">taken</th><th class="n">failed</th>'
        '<th class="n">not run</th>'
        '<th class="n">took</th><th></th><th>slowest blocks</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>",
    )


def _anchor(facts: RunFacts, name: str) -> str:
    number = next((n for n, step in enumerate(facts.steps) if step.name == name), 0)
    return f"step-{number}"


def _steps(facts: RunFacts) -> str:
    pieces = []
    for head, under in fold(facts.steps):
        for step in (head, *under):
            inside = f"within {' · '.join(step.within)}" if step.within else ""
            said = ", ".join(word for word in (step.kind, WORDS[step.state], inside) if word)
            title = folded_name(step.name, len(under)) if step is head else step.name
            pieces.append(
                f"<details><summary><b>{safe(title)}</b> "
                f'<span class="faint">{safe(said)}</span></summary>'
                f'<div id="{_anchor(facts, step.name)}">{_of_step(facts, step)}</div></details>'
            )
    return _section("What each step was made of", "".join(pieces))


def _of_step(facts: RunFacts, step: StepFacts) -> str:
    places = {source.id: source for source in facts.sources}
    grid = step.grid
    blocks = ""
    if grid is not None:
        blocks = f"{grid.axes}: {_by(grid.blocks)} blocks of {_by(grid.block)} voxels"
    known = [
        ("why", step.reason),
        ("blocks", blocks),
        ("outputs", "; ".join(_outputs(step))),
        ("key", step.key),
        ("result", f"{step.entry} ({step.stored})" if step.stored != "nowhere" else "not kept"),
    ]
    inputs = []
    for one in step.inputs:
        source = places.get(one.source or "")
        place = "" if source is None else source.place
        inputs.append((one.name, f"{one.text} {place}" if place else one.text))
    parts = [
        _rows(known),
        _titled("inputs", inputs),
        _titled("parameters", step.parameters),
        _titled("code", [(name, digest[:16]) for name, digest in step.code]),
        _titled("versions", step.versions),
    ]
    return "".join(parts)


def _outputs(step: StepFacts) -> Iterator[str]:
    for output in step.outputs:
        word = "labels" if output.labels else output.kind
        size = f" {output.axes} {_by(output.shape)} {output.dtype}" if output.shape else ""
        yield f"{word}{size}"


def _by(numbers: Sequence[int]) -> str:
    return " x ".join(map(str, numbers))


def _titled(title: str, pairs: Sequence[tuple[str, object]]) -> str:
    return f"<h3>{safe(title)}</h3>{_rows(pairs)}" if pairs else ""


def _reproduce(facts: RunFacts) -> str:
    first = next((s for s in reversed(facts.steps) if s.stored == "complete"), None)
    lines = ["import scutoid as sc", "", f"store = sc.Store({facts.store!r})"]
    if first is not None:
        lines.append(f"store[{first.label!r}]  # key {first.key[:12]}")
    lines += ["print(store.verify(heal=False))  # whether all is as it was written"]
    command = ""
    if facts.command:
        command = f"<h3>command</h3><pre>{safe(shlex.join(facts.command))}</pre>"
    sources = [(source.text, source.place or "given, not a file") for source in facts.sources]
    keys = [(step.name, step.key) for step in facts.steps]
    return _section(
        "How to make it again",
        f"{command}<h3>read the results</h3><pre>{safe(chr(10).join(lines))}</pre>"
        f"{_titled('inputs', sources)}{_titled('keys', keys)}"
        '<p class="note">Equal code, parameters and inputs have equal keys; a run computes only '
        "what has none.</p>",
    )
