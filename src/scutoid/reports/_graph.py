"""Draw the graph of a run as SVG: steps from top to bottom, with what came of each.

The picture has no script.  Its colours are those of CSS variables that a page may set, with
defaults that fit light and dark pages; each node has classes ``node`` and ``state-done`` and the
like, and the name of its step in ``data-step``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from scutoid.folding import folded_name
from scutoid.printable import html_text as safe
from scutoid.reports._facts import RunFacts, SourceFacts, StepFacts, StepState
from scutoid.reports._layout import place

_HEIGHT = 46.0
_LETTER = 7.6
"""Pixels of a letter of a name, at most on average."""
_SMALL = 6.4
"""The same of the line below it."""
_PAD = 26.0
_LEAST, _MOST = 110.0, 250.0
WORDS: dict[StepState, str] = {
    "cached": "up to date",
    "waiting": "waiting",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "stopped": "not finished",
    "inside": "in blocks of others",
}
_WORST: tuple[StepState, ...] = (
    "failed",
    "running",
    "stopped",
    "waiting",
    "done",
    "cached",
    "inside",
)
"""Of steps that are drawn as one, the first of these that any is in."""
STYLE = """
.run-graph{font:13px/1.3 system-ui,sans-serif;max-width:100%;height:auto}
.run-graph text{fill:var(--ink,#1d2430)}
.run-graph .name{font-weight:600}
.run-graph .small{font-size:11px;fill:var(--faint,#5b6675)}
.run-graph .edge{fill:none;stroke:var(--line,#9aa5b4);stroke-width:1.4}
.run-graph .tip{fill:var(--line,#9aa5b4)}
.run-graph .box{fill:var(--card,#fff);stroke:var(--state);stroke-width:1.6}
.run-graph .bar{fill:var(--state)}
.run-graph .rest{fill:var(--state);opacity:.22}
.run-graph .source .box{fill:none;stroke:var(--line,#9aa5b4);stroke-dasharray:4 3}
.run-graph .folded .box{stroke-width:3}
.run-graph a:hover .box,.run-graph a:focus .box{stroke-width:3}
.state-done{--state:var(--done,#2e8b57)}
.state-cached{--state:var(--cached,#4a7fb5)}
.state-running{--state:var(--running,#c98a00)}
.state-waiting{--state:var(--waiting,#8b95a3)}
.state-failed{--state:var(--failed,#c8372d)}
.state-stopped{--state:var(--stopped,#b0662a)}
.state-inside{--state:var(--waiting,#8b95a3)}
.state-inside .box{stroke-dasharray:2 2}
""".strip()
"""Colours of the graph; on dark pages `--ink`, `--card` and the others are set by the page."""
_DARK = (
    "@media (prefers-color-scheme:dark){.run-graph{--ink:#e6e9ee;--faint:#9aa5b4;--line:#5b6675;"
    "--card:#1c222b;--done:#4fbf80;--cached:#6aa5e0;--running:#e0a93a;--failed:#f0695f;"
    "--stopped:#d99252}}"
)


@dataclass(frozen=True, slots=True)
class _Node:
    """What is drawn as one box."""

    id: str
    name: str
    below: str
    """The line under the name."""
    title: str
    """What is shown where the pointer rests."""
    kind: str
    """Classes."""
    share: float | None = None
    """Which part of it is done."""
    step: str = ""
    """Name of the step."""

    @property
    def width(self) -> float:
        """Width of the box, in pixels."""
        letters = max(len(self.name) * _LETTER, len(self.below) * _SMALL)
        return min(max(letters + _PAD, _LEAST), _MOST)


def graph_svg(
    facts: RunFacts,
    *,
    unfolded: Collection[str] | bool = (),
    link: Callable[[str], str] | None = None,
    style: bool = True,
) -> str:
    """Draw the steps of a run and what they got, as an SVG.

    Parameters
    ----------
    facts : RunFacts
        The run.
    unfolded : collection of str or bool
        Names of steps of which those within them are drawn each; True: all.  Others are one box.
    link : callable, optional
        Returns where the box of a step leads, by its name.
    style : bool
        Whether the picture has its colours with it; a page with several sets `STYLE` itself.

    Returns
    -------
    str

    Examples
    --------
    >>> from scutoid.reports import RunFacts, StepFacts
    >>> step = StepFacts("denoise", "3f9a", "denoise/3f9a", "done", "run", "first run")
    >>> facts = RunFacts("a", "results", "results/runs/a", "done", True, 0.0, 1.0, 1.0, (step,))
    >>> graph_svg(facts).startswith("<svg ")
    True
    """
    folds = _folds(facts, unfolded)
    nodes = {node.id: node for node in _nodes(facts, folds)}
    edges = [(a, b) for a, b in _edges(facts, folds) if a in nodes and b in nodes]
    ordered = _in_order(list(nodes), edges)
    rank = {one: n for n, one in enumerate(ordered)}
    edges = [(a, b) for a, b in edges if rank[a] < rank[b]]  # a damaged record may have circles
    placed = place({one: nodes[one].width for one in ordered}, edges, height=_HEIGHT)
    width, height = placed.size
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="run-graph" role="img" '
        f'aria-label="steps of the run" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">'
    )
    pieces = [opening]
    if style:
        pieces.append(f"<style>{STYLE}{_DARK}</style>")
    pieces += [_edge(way) for way in placed.ways.values()]
    for one in ordered:
        box = _box(nodes[one], placed.centers[one])
        target = link(nodes[one].step) if link is not None and nodes[one].step else None
        pieces.append(box if target is None else f'<a href="{safe(target)}">{box}</a>')
    return "".join([*pieces, "</svg>"])


def _folds(facts: RunFacts, unfolded: Collection[str] | bool) -> dict[str, str]:
    """Return for each step the one as which it is drawn: itself, or one that it is within."""
    names = {step.name for step in facts.steps}
    opened = names if unfolded is True else unfolded or ()
    return {
        step.name: next(
            (one for one in step.within if one in names and one not in opened), step.name
        )
        for step in facts.steps
    }


def _nodes(facts: RunFacts, folds: dict[str, str]) -> Iterator[_Node]:
    groups: dict[str, list[StepFacts]] = {}
    for step in facts.steps:
        groups.setdefault(folds[step.name], []).append(step)
    for source in facts.sources:
        yield _of_source(source)
    for name, steps in groups.items():
        yield _of_step(steps[0]) if len(steps) == 1 else _folded(facts.step(name), steps)


def _of_source(source: SourceFacts) -> _Node:
    said = source.place or source.text
    return _Node(source.id, source.text, _short_place(source.place), said, "source")


def _short_place(place: str) -> str:
    """Return the end of a path, which tells more than its beginning."""
    return place if len(place) <= _letters(_SMALL) else f"…{place[-_letters(_SMALL) + 1 :]}"


def _of_step(step: StepFacts) -> _Node:
    counts = f"{step.n_done}/{step.n_blocks}" if step.n_blocks else ""
    took = f"{step.seconds:.3g} s" if step.seconds else ""
    said = [step.kind, counts, took or WORDS[step.state]]
    share = step.n_done / step.n_blocks if step.n_blocks else None
    return _Node(
        f"step:{step.name}",
        step.name,
        " · ".join(word for word in said if word),
        f"{step.name}: {WORDS[step.state]}; {step.reason}",
        f"state-{step.state}",
        share,
        step.name,
    )


def _folded(head: StepFacts, steps: Sequence[StepFacts]) -> _Node:
    """Draw a step and those within it as one: in the worst of their states."""
    kept = [step for step in steps if step.state != "inside"]
    joined = replace(
        head,
        state=next(word for word in _WORST if any(step.state == word for step in steps)),
        n_blocks=sum(step.n_blocks for step in kept),
        n_done=sum(step.n_done for step in kept),
        seconds=sum(step.seconds for step in steps),
        reason=f"{len(steps)} steps: {', '.join(step.name for step in steps)}",
    )
    node = _of_step(joined)
    return replace(node, kind=f"{node.kind} folded", name=folded_name(head.name, len(steps) - 1))


def _edges(facts: RunFacts, folds: dict[str, str]) -> Iterator[tuple[str, str]]:
    for step in facts.steps:
        own = f"step:{folds[step.name]}"
        for one in step.inputs:
            maker = None if one.step is None else folds.get(one.step)
            other = one.source if maker is None else f"step:{maker}"
            if other is not None and other != own:
                yield other, own


def _in_order(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[str]:
    """Order nodes so that each follows those that it depends on, but in circles."""
    above: dict[str, list[str]] = {name: [] for name in names}
    for upper, lower in edges:
        above[lower].append(upper)
    found: dict[str, None] = {}
    begun: set[str] = set()
    for start in names:
        waiting = [start]
        while waiting:
            name = waiting[-1]
            if name not in begun:
                begun.add(name)
                waiting += [one for one in reversed(above[name]) if one not in begun]
                continue
            waiting.pop()
            found.setdefault(name)
    return list(found)


def _box(node: _Node, center: tuple[float, float]) -> str:
    x, y = center[0] - node.width / 2, center[1] - _HEIGHT / 2
    corner = _HEIGHT / 2 if node.kind == "source" else 7
    box = (
        f'<g class="node {node.kind}" data-step="{safe(node.step)}">'
        f"<title>{safe(node.title)}</title>"
        f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{node.width:.1f}" '
        f'height="{_HEIGHT:.0f}" rx="{corner}"/>'
    )
    pieces = [box]
    lines = [(node.name, "name", _LETTER)]
    if node.below:
        lines.append((node.below, "small", _SMALL))
    first = center[1] + (4.5 if len(lines) == 1 else -3.5)
    for number, (text, kind, letter) in enumerate(lines):
        pieces.append(
            f'<text class="{kind}" text-anchor="middle" x="{center[0]:.1f}" '
            f'y="{first + 16 * number:.1f}">{safe(_short(text, letter))}</text>'
        )
    if node.share is not None:
        long = node.width - 16
        for kind, part in (("rest", 1.0), ("bar", min(node.share, 1.0))):
            pieces.append(
                f'<rect class="{kind}" x="{x + 8:.1f}" y="{y + _HEIGHT - 7:.1f}" '
                f'width="{long * part:.1f}" height="3" rx="1.5"/>'
            )
    return "".join([*pieces, "</g>"])


def _letters(letter: float) -> int:
    return int((_MOST - _PAD) / letter)


def _short(text: str, letter: float) -> str:
    most = _letters(letter)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _edge(way: Sequence[tuple[float, float]]) -> str:
    (x0, y0), *rest = way
    path = [f"M{x0:.1f} {y0:.1f}"]
    before = (x0, y0)
    for x, y in rest:
        is_last = (x, y) == rest[-1]
        end = y - 5 if is_last else y
        middle = (before[1] + end) / 2
        path.append(f"C{before[0]:.1f} {middle:.1f} {x:.1f} {middle:.1f} {x:.1f} {end:.1f}")
        before = (x, end)
    x, y = rest[-1]
    tip = f"M{x - 3.5:.1f} {y - 7:.1f}L{x:.1f} {y:.1f}L{x + 3.5:.1f} {y - 7:.1f}Z"
    return f'<path class="edge" d="{"".join(path)}"/><path class="tip" d="{tip}"/>'
