"""The page in Chromium: live runs, failures, tables, folds, keys, light and dark, narrow."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.steps.results import RUNS

from .conftest import ended

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def address(serving, finished):
    """The address of a server of the store, which only reads it."""
    return serving(finished)[1]


@pytest.fixture
def run_page(address, run_name, open_page):
    def begin(step="", **options):
        return open_page(address, path=f"/run/{run_name}#{step}", **options)

    return begin


def detail(page):
    return page.get_by_role("region", name="Step", exact=True)


def test_a_live_run_goes_from_running_to_done_on_the_page(live, served, open_page, wait_for):
    store, gates, process = live
    wait_for(lambda: list((store / RUNS).glob("2*/events.jsonl")))
    _, address = served(store)
    page = open_page(address)
    page.get_by_role("row").filter(has_text="running").get_by_role("link").click()
    head = page.get_by_role("region", name="Run", exact=True)
    head.get_by_text("running", exact=True).wait_for()
    detail(page).get_by_text("0 of 8 done").wait_for()
    for number in (0, 1, 2):
        (gates / str(number)).touch()
    detail(page).get_by_text("3 of 8 done").wait_for()
    head.get_by_text(re.compile("about .* s")).wait_for()
    canvas = detail(page).locator("canvas")
    canvas.focus()
    detail(page).get_by_text("block 0 at (0, 0): done").wait_for()
    for number in range(3, 8):
        (gates / str(number)).touch()
    head.get_by_text("done", exact=True).wait_for()
    process.wait()
    assert page.locator(".run-graph .state-done").count() == 2
    assert (
        page.get_by_role("progressbar", name="Blocks done of the run").get_attribute(
            "aria-valuenow"
        )
        == "100"
    )


def test_a_run_that_is_killed_is_said_to_be(live, served, open_page, wait_for):
    store, gates, process = live
    wait_for(lambda: list((store / RUNS).glob("2*/events.jsonl")))
    (gates / "0").touch()
    _, address = served(store)
    page = open_page(address)
    page.get_by_role("row").filter(has_text="running").get_by_role("link").click()
    detail(page).get_by_text("1 of 8 done").wait_for()
    process.kill()
    process.wait()
    page.get_by_role("region", name="Run", exact=True).get_by_text("killed", exact=True).wait_for()
    detail(page).get_by_text("not run", exact=True).wait_for()


def test_a_failure_is_shown_with_its_traceback_as_text(run_page):
    page = run_page()
    detail(page).get_by_role("heading", name="picky").wait_for()
    detail(page).get_by_text("too <b>bright</b> & 'bold'").first.wait_for()
    assert "raise ValueError" in detail(page).locator("pre").inner_text()
    assert page.locator("main b").count() == 0


def test_a_table_is_sorted_and_filtered_and_has_all_digits(run_page):
    page = run_page("many_ids")
    table = page.locator(".cells")
    table.get_by_role("cell", name=str(2**60 + 999)).wait_for()
    label = table.get_by_role("button", name="label")
    label.click()
    table.get_by_role("columnheader", name="label").and_(
        page.locator("[aria-sort=ascending]")
    ).wait_for()
    cells = table.locator("tbody tr td:first-child")
    assert cells.first.inner_text() == str(2**60)
    label.click()
    page.locator("[aria-sort=descending]").wait_for()
    table.get_by_role("button", name="Later rows").click()
    table.get_by_text("51 to 100 of 1,000 rows").wait_for()
    assert cells.first.inner_text() == str(2**60 + 949)
    table.get_by_role("button", name="Add a filter").click()
    table.get_by_label("Column").select_option("name")
    table.get_by_label("Comparison").select_option("=")
    table.get_by_label("Value").fill("cell 3")
    table.get_by_text("1 to 50 of 143 rows, found among 1,000").wait_for()
    assert set(table.locator("tbody tr td:nth-child(3)").all_inner_texts()) == {"cell 3"}
    table.get_by_label("Column").select_option("area")
    table.get_by_role("alert").get_by_text("compared with a number").wait_for()
    table.get_by_label("Value").fill("3.5")
    table.get_by_text("1 to 50 of 500 rows").wait_for()


def names_in_graph(page):
    return page.locator(".run-graph .node[role]").evaluate_all(
        "nodes => nodes.map(node => node.dataset.step)"
    )


def test_steps_of_operations_are_folded_until_they_are_opened(run_page):
    page = run_page()
    steps = page.get_by_role("region", name="Steps", exact=True)
    steps.get_by_role("button", name="Show the steps of label").wait_for()
    page.wait_for_selector(".run-graph .node[role]")
    assert "label_pieces" not in names_in_graph(page)
    assert steps.get_by_role("button", name="label_pieces").count() == 0
    steps.get_by_role("button", name="Show the steps of label").press("Enter")
    steps.get_by_role("button", name="label_pieces").wait_for()
    page.wait_for_selector(".run-graph .node[data-step=label_pieces]")
    steps.get_by_role("button", name="Fold the steps of label").press("Enter")
    page.wait_for_selector(".run-graph .node[data-step=label_pieces]", state="detached")
    page.get_by_role("button", name="Show all steps").click()
    page.wait_for_selector(".run-graph .node[data-step=label_merge]")


def test_all_can_be_reached_and_done_by_keys(run_page):
    page = run_page()
    page.wait_for_selector(".run-graph .chosen")
    page.wait_for_selector(".command, pre")
    wanted = page.evaluate(
        """() => [...document.querySelectorAll(
            "a[href], button:not(:disabled), input, select, summary, [tabindex='0']")]
            .filter(node => node.getClientRects().length).length"""
    )
    reached, hidden = [], []
    for _ in range(wanted + 3):
        page.keyboard.press("Tab")
        state = page.evaluate(
            """() => {
                const node = document.activeElement;
                const style = getComputedStyle(node);
                const box = node.querySelector?.(".box");
                const shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
                    || (box && getComputedStyle(box).strokeWidth === "4px");
                return [node.tagName + (node.dataset.step ?? ""), !!shown];
            }"""
        )
        if state[0].startswith("BODY"):
            break
        reached.append(state[0])
        hidden += [] if state[1] else [state[0]]
    assert len(reached) == wanted
    assert not hidden, "focus cannot be seen"
    node = page.locator(".run-graph .chosen")
    node.focus()
    page.keyboard.press("ArrowUp")
    above = page.evaluate("document.activeElement.dataset.step")
    assert above == "doubled"
    page.keyboard.press("Enter")
    detail(page).get_by_role("heading", name="doubled", exact=True).wait_for()
    assert page.evaluate("document.activeElement.dataset.step") == "doubled"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.step") != "doubled"


CONTRAST = """() => {
    const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((one) => one / 255)
        .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
        .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (node) => {
        for (let one = node; one; one = one.parentElement) {
            const color = rgb(getComputedStyle(one).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const bad = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const node = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !node.getClientRects().length) continue;
        if (node.closest(":disabled, .skip, noscript")) continue;
        const style = getComputedStyle(node);
        const ink = rgb(node.closest("svg") ? style.fill : style.color);
        const [a, b] = [light(ink), light(behind(node))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) bad.push([texts.currentNode.data, style.color]);
    }
    return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("step", ["picky", "many_ids", "label"])
def test_text_can_be_read_in_light_and_dark(run_page, scheme, step):
    page = run_page(step, scheme=scheme)
    page.wait_for_selector(".run-graph .chosen")
    page.get_by_text("Versions", exact=True).wait_for()
    assert page.evaluate(CONTRAST) == []
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", color)[:3])) / 3
    assert (brightness < 60) == (scheme == "dark")


@pytest.mark.parametrize("width", [360, 700, 1600])
def test_nothing_sticks_out_of_a_window(run_page, width):
    page = run_page("many_ids", width=width)
    page.locator(".cells tbody tr").first.wait_for()
    page.wait_for_selector(".run-graph .chosen")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_names_of_members_columns_and_warnings_are_text(tmp_path, served, open_page):
    store = tmp_path / "results"

    @sc.step(out="table")
    def hostile(image):
        return pd.DataFrame({HOSTILE: [HOSTILE, "&amp;"]})

    raw = sc.open(np.eye(4), axes="yx", voxel_size=(1, 1))
    sc.run(hostile(raw), store=store, executor="serial")
    (folder,) = (store / RUNS).glob("2*")
    record = json.loads((folder / "run.json").read_text())
    record["warnings"] = [HOSTILE]
    record["steps"][0]["reason"] = HOSTILE
    (folder / "run.json").write_text(json.dumps(record))
    _, address = served(store)
    page = open_page(address, path=f"/run/{folder.name}")
    page.locator(".cells").get_by_role("cell", name=HOSTILE).wait_for()
    page.locator(".notes").get_by_text(HOSTILE).wait_for()
    assert page.locator("main img[src=x]").count() == 0


def test_a_million_blocks_are_drawn(tmp_path, served, open_page):
    store = tmp_path / "results"
    sc.run(
        sc.gaussian(sc.open(np.eye(4), axes="yx", voxel_size=(1, 1)), sigma=1), store=store,
        executor="serial",
    )  # fmt: skip
    (folder,) = (store / RUNS).glob("2*")
    record = json.loads((folder / "run.json").read_text())
    record["steps"][0] |= {"n_blocks": 10**6, "n_done": 600_000, "entry": "gaussian/none"}
    (folder / "run.json").write_text(json.dumps(record))
    info = {"name": "gaussian", "n_blocks": 10**6, "n_cached": 0, "n_skipped": 0}
    events = [
        {"event": "RunStarted", "time": 1.0, "tasks": [info], "workers": 1},
        {"event": "BatchDone", "time": 2.0, "task": "gaussian", "n_done": 600_000, "n_empty": 0,
         "seconds": 1.0, "worker": 0, "blocks": [[0, 600_000]]},
    ]  # fmt: skip
    (folder / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    _, address = served(store)
    page = open_page(address, path=f"/run/{folder.name}")
    detail(page).get_by_text("1,000,000 blocks; a cell stands for 34").wait_for()
    colors = (
        detail(page)
        .locator("canvas")
        .evaluate(
            """canvas => { const { width, height } = canvas;
            const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
            const seen = new Set();
            for (let at = 0; at < data.length; at += 4) seen.add(data.slice(at, at + 3).join());
            return seen.size; }"""
        )
    )
    assert colors >= 2


def test_the_store_has_its_runs_and_results(served, finished, run_name, open_page):
    _, address = served(finished)
    page = open_page(address)
    page.get_by_role("region", name="Runs").get_by_text("failed", exact=True).wait_for()
    results = page.get_by_role("region", name="Results")
    results.get_by_role("link", name="many_ids").wait_for()
    assert results.get_by_role("link", name="label_pieces").count() == 0
    results.get_by_label("with those of steps of operations").check()
    results.get_by_role("link", name="label_pieces").wait_for()
    results.get_by_label("Part of the name of a step").fill("MANY")
    results.get_by_role("link", name="label_pieces").wait_for(state="detached")
    results.get_by_role("link", name="many_ids").click()
    page.locator(".cells").get_by_role("cell", name=str(2**60 + 999)).wait_for()


def test_a_server_that_has_ended_is_said(served, finished, browser):
    process, address = served(finished)
    page = browser.new_page()
    page.goto(address)
    page.get_by_text("live", exact=True).wait_for()
    ended(process)
    page.get_by_text("no connection").wait_for()
    page.close()
