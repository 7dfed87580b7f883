"""The graph of a run: boxes that do not cover one another, states, folds, and escaped text."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.reports import InputFacts, RunFacts, SourceFacts, StepFacts, graph_svg
from scutoid.reports._layout import place

SVG = "{http://www.w3.org/2000/svg}"


def step(name, *inputs, state="done", **more):
    edges = tuple(
        InputFacts("image", i, None, i) if i.startswith("source") else InputFacts("image", i, i)
        for i in inputs
    )
    counts = {"n_blocks": 4, "n_done": 2} | more
    return StepFacts(name, "3f9a", f"{name}/3f9a", state, "run", "why", inputs=edges, **counts)


def run(*steps, sources=()):
    return RunFacts("a", "s", "s/runs/a", "done", True, 0.0, 1.0, 1.0, steps, sources)


@st.composite
def graphs(draw):
    n_nodes = draw(st.integers(2, 60))
    pairs = st.tuples(st.integers(0, n_nodes - 1), st.integers(0, n_nodes - 1))
    drawn = draw(st.lists(pairs, max_size=2 * n_nodes))
    widths = draw(st.lists(st.integers(40, 250), min_size=n_nodes, max_size=n_nodes))
    return widths, [(min(p), max(p)) for p in drawn if p[0] != p[1]]


@given(graphs())
def test_no_box_covers_another_and_edges_lead_down(graph) -> None:
    widths, edges = graph
    placed = place(dict(enumerate(widths)), edges, height=46)
    boxes = [(*placed.centers[n], width) for n, width in enumerate(widths)]
    for n, (x, y, width) in enumerate(boxes):
        assert x - width / 2 >= 0
        assert x + width / 2 <= placed.size[0]
        assert 23 <= y <= placed.size[1] - 23
        for other_x, other_y, other in boxes[:n]:
            assert y != other_y or abs(x - other_x) >= (width + other) / 2
    for (above, below), way in placed.ways.items():
        assert placed.centers[above][1] < placed.centers[below][1]
        heights = [point[1] for point in way]
        assert heights == sorted(heights)
        for x, y in way[1:-1]:  # where an edge passes a layer it passes no box
            row = [b for b in boxes if abs(b[1] - y) < 1]
            assert all(abs(x - other) >= width / 2 for other, _, width in row)


def drawn(facts, **options):
    return ET.fromstring(graph_svg(facts, **options))  # noqa: S314 - our own


def boxes(tree):
    return [group for group in tree.iter(f"{SVG}g") if "node" in group.get("class").split()]


def names(tree):
    texts = (text for text in tree.iter(f"{SVG}text") if text.get("class") == "name")
    return [text.text for text in texts]


def test_steps_sources_and_edges_are_drawn() -> None:
    sources = (SourceFacts("source-1", "raw.tif", "/data/raw.tif"),)
    tree = drawn(run(step("a", "source-1"), step("b", "a", "source-1"), sources=sources))
    assert sorted(names(tree)) == ["a", "b", "raw.tif"]
    assert sum(path.get("class") == "edge" for path in tree.iter(f"{SVG}path")) == 3


@pytest.mark.parametrize(
    "state", ["cached", "waiting", "running", "done", "failed", "stopped", "inside"]
)
def test_a_state_is_a_class(state) -> None:
    (box,) = boxes(drawn(run(step("a", state=state))))
    assert f"state-{state}" in box.get("class").split()
    assert box.get("data-step") == "a"


def test_the_part_that_is_done_is_a_bar() -> None:
    tree = drawn(run(step("a", n_done=1)))
    widths = {r.get("class"): float(r.get("width")) for r in tree.iter(f"{SVG}rect")}
    assert widths["bar"] == pytest.approx(widths["rest"] / 4, abs=0.1)


def test_steps_within_another_are_drawn_as_one() -> None:
    facts = run(
        step("a"),
        step("pieces", "a", within=("label",)),
        step("merge", "pieces", within=("label",), state="failed"),
        step("label", "merge", "a"),
        step("b", "label"),
    )
    tree = drawn(facts)
    assert names(tree) == ["a", "label (3 steps)", "b"]
    assert "state-failed" in boxes(tree)[1].get("class")
    assert sum(path.get("class") == "edge" for path in tree.iter(f"{SVG}path")) == 2
    for opened in (True, {"label"}):
        assert names(drawn(facts, unfolded=opened)) == ["a", "pieces", "merge", "label", "b"]


def test_folds_in_folds_open_one_by_one() -> None:
    facts = run(
        step("pieces", within=("split", "label")),
        step("label", "pieces", within=("split",)),
        step("split", "label"),
        step("odd", "split", within=("none",)),
    )
    assert names(drawn(facts)) == ["split (3 steps)", "odd"]
    assert names(drawn(facts, unfolded={"split"})) == ["label (2 steps)", "split", "odd"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=60))
def test_text_of_names_is_text(name) -> None:
    odd = f"<b onclick='x'>&\"{name}"
    tree = drawn(run(step(odd)), link=lambda step: f"#{step}")
    assert not list(tree.iter(f"{SVG}b"))
    assert boxes(tree)[0].get("data-step").split() == odd.split()
    assert next(tree.iter(f"{SVG}title")).text.split()[0] == "<b"


def test_a_circle_of_a_damaged_record_is_drawn() -> None:
    tree = drawn(run(step("a", "b"), step("b", "a")))
    assert sorted(names(tree)) == ["a", "b"]


def test_a_run_without_steps_is_drawn() -> None:
    assert not boxes(drawn(run()))
