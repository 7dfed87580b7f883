"""What the page is told of a store, and that nothing outside of it is."""

from __future__ import annotations

import base64
import json
import shutil
from urllib.parse import quote

import numpy as np
import pytest

import scutoid as sc
from scutoid.serving._store_view import StoreView
from scutoid.store import EntryStore

from .conftest import asked


def test_runs_and_results_are_listed(site, run_name):
    (run,) = site.get("/api/runs").json()["runs"]
    assert (run["name"], run["state"], run["failed"]) == (run_name, "failed", ["picky"])
    steps = {one["step"] for one in site.get("/api/results").json()["results"]}
    assert {"doubled", "picky", "many_ids", "threshold", "label"} == steps
    everything = {one["step"] for one in site.get("/api/results", all="1").json()["results"]}
    assert {"label_pieces", "label_merge"} <= everything
    found = site.get("/api/results", name="MANY").json()
    assert (found["n"], found["results"][0]["step"]) == (1, "many_ids")


def test_a_run_has_its_steps_with_states_counts_and_folds(site, run_name):
    told = site.get("/api/run", run=run_name).json()
    steps = {step["name"]: step for step in told["steps"]}
    assert told["state"] == "failed"
    assert (steps["picky"]["n_done"], steps["picky"]["n_failed"]) == (3, 1)
    assert steps["doubled"]["state"] == "done"
    assert steps["label_pieces"]["within"] == ["label"]
    assert all(step["reason"] for step in told["steps"])


def test_a_failure_comes_with_its_traceback(site, run_name):
    (failure,) = site.get("/api/step", run=run_name, step="picky").json()["failures"]
    assert "block 3" in failure["where"]
    assert failure["error"] == "ValueError: too <b>bright</b> & 'bold'"
    assert "raise ValueError" in failure["traceback"]
    told = site.get("/api/step", run=run_name, step="picky").json()
    assert told["debug"].startswith("scutoid debug FILE.py --step picky --at 3 --store /")


def test_the_map_of_blocks_shows_the_one_that_failed(site, run_name):
    drawn = site.get("/api/blocks", run=run_name, step="picky").json()
    cells = np.frombuffer(base64.b64decode(drawn["cells"]), np.uint8)
    assert (drawn["rows"], drawn["columns"], cells.tolist()) == (2, 2, [2, 2, 2, 5])


def test_the_graph_is_folded_until_it_is_opened(site, run_name):
    folded = site.get("/api/graph", run=run_name)
    assert folded.headers["content-type"] == "image/svg+xml"
    assert "label_pieces" not in folded.text.replace("label_pieces,", "").split("<title>")[0]
    opened = site.get("/api/graph", run=run_name, open=["label"]).text
    assert 'data-step="label_pieces"' in opened
    assert 'data-step="label_pieces"' not in folded.text
    assert "style=" not in opened
    assert "<style" not in opened


def test_pictures_are_drawn_of_images_alone(site, run_name):
    image = site.get("/api/picture", run=run_name, step="doubled")
    assert (image.status, image.body[:4]) == (200, b"\x89PNG")
    assert site.get("/api/picture", run=run_name, step="many_ids").status == 204


def test_tables_are_sorted_and_filtered_where_they_lie(site, run_name):
    query = {
        "run": run_name, "step": "many_ids", "output": 0, "sort": "label", "limit": 2,
        "filter": [json.dumps(["name", "=", "cell 0"]), json.dumps(["area", "filled", ""])],
    }  # fmt: skip
    page = site.get("/api/table", **query).json()
    ids = [2**60 + 999 - n for n in range(1000) if n % 7 == 0 and n % 2 == 0]
    assert page["n_found"] == len(ids)
    assert [row[0] for row in page["rows"]] == [str(n) for n in sorted(ids)[:2]]
    page = site.get("/api/table", run=run_name, step="many_ids", offset=999).json()
    assert page["rows"] == [[str(2**60), None, "cell 5"]]


def test_a_result_is_shown_by_its_place(site):
    found = site.get("/api/results", name="many_ids").json()["results"]
    place = found[0]["place"]
    told = site.get("/api/result", place=place).json()
    assert (told["name"], told["outputs"][0]["table"]) == ("many_ids", True)
    assert site.get("/api/table", place=place, limit=1).json()["n_rows"] == 1000


def test_the_report_of_a_run_is_shut_off_from_the_page(site, finished, run_name):
    (finished / "runs" / run_name / "report.html").write_text("<p>a report</p>")
    answer = site.get(f"/report/{run_name}")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy
    assert site.get("/api/run", run=run_name).json()["has_report"]
    assert site.get("/report/..").status == 404


def test_commands_name_the_store_and_quote_names(site, run_name):
    commands = dict(site.get("/api/step", run=run_name, step="doubled").json()["commands"])
    assert commands["in napari"].startswith("scutoid view doubled --store ")


def test_commands_are_those_that_can_show_the_result(site):
    view = site.get("/api/results").json()["results"]
    by_name = {one["step"]: site.get("/api/result", place=one["place"]).json() for one in view}
    for told in by_name.values():
        has_image = any(output["kind"] == "image" for output in told["outputs"])
        assert ("in napari" in dict(told["commands"])) == has_image
        assert "in the terminal" in dict(told["commands"])
    assert "in napari" not in dict(by_name["many_ids"]["commands"])


def test_commands_for_members_say_which(finished):
    commands = dict(StoreView(EntryStore(finished)).commands("cells", ["image"], of_members=True))
    assert commands["in napari"].startswith("scutoid view cells --member KEY --store ")


OUTSIDE = [
    "..", "../..", "/etc", ".", "", "runs/..", "doubled/../../..", "%2e%2e", "..%2f..", "\x00",
    "doubled", "runs",
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_path_outside_is_answered(site, run_name, name):
    for path, query in [
        ("/api/result", {"place": name}),
        ("/api/table", {"place": name}),
        ("/api/picture", {"place": name}),
        ("/api/run", {"run": name}),
        ("/api/step", {"run": name, "step": "doubled"}),
        ("/api/graph", {"run": f"{run_name}/{name}"}),
        ("/api/stream", {"run": name}),
    ]:
        assert site.get(path, **query).status == 404
    assert site.get(f"/static/{name}").status == 404
    assert site.get(f"/static/{quote(name, safe='')}").status == 404


def test_a_run_that_names_a_result_elsewhere_shows_nothing_of_it(tmp_path):
    store, other = tmp_path / "results", tmp_path / "other"
    for place in (store, other):
        sc.run(sc.gaussian(sc.open(np.eye(8)), sigma=1), store=place, executor="serial")
    (run,) = (path for path in (store / "runs").iterdir() if path.is_dir())
    (result,) = (store / "gaussian").glob("*[0-9a-f]")
    (secret,) = (other / "gaussian").glob("*[0-9a-f]")
    (secret / "value.json").write_text('"secret"')
    shutil.rmtree(result)
    result.symlink_to(secret)
    site = asked(store)
    told = site.get("/api/step", run=run.name, step="gaussian").json()
    assert "secret" not in json.dumps(told)
    assert told["outputs"] == []
    place = str(result.relative_to(store))
    assert site.get("/api/result", place=place).status == 404
    assert site.get("/api/picture", run=run.name, step="gaussian").status == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"run": "RUN"}, 400),
        ({"run": "RUN", "step": "nobody"}, 404),
        ({"run": "RUN", "step": "many_ids", "offset": "-1"}, 400),
        ({"run": "RUN", "step": "many_ids", "offset": "1e3"}, 400),
        ({"run": "RUN", "step": "many_ids", "output": "7"}, 404),
        ({"run": "RUN", "step": "many_ids", "sort": "width"}, 200),
        ({"run": "RUN", "step": "many_ids", "filter": "{"}, 200),
        ({"run": "RUN", "step": "many_ids", "filter": '["label", "like", "a"]'}, 200),
        ({"run": "RUN", "step": "many_ids", "filter": '["label", ">", "a"]'}, 200),
        ({"run": "RUN", "step": "doubled"}, 404),
    ],
)
def test_what_cannot_be_asked_is_said(site, run_name, query, status):
    answer = site.get("/api/table", **{k: v.replace("RUN", run_name) for k, v in query.items()})
    assert answer.status == status
    assert answer.json()["problem" if status == 200 else "error"]


def test_showing_a_store_writes_nothing_into_it(finished, run_name):
    def state():
        paths = sorted(finished.rglob("*"))
        return [(str(p), p.lstat().st_mtime_ns, p.lstat().st_size) for p in paths]

    before = state()
    site = asked(finished)
    for step in ("doubled", "picky", "many_ids", "label"):
        for path in ("/api/step", "/api/blocks", "/api/picture", "/api/table"):
            site.get(path, run=run_name, step=step)
    site.get("/api/runs")
    site.get("/api/results", all="1")
    assert state() == before


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "\ud800", "a\0b"])
@pytest.mark.parametrize("place", ["slowest", "entry", "created"])
def test_damaged_records_are_told_as_browsers_can_read_them(finished, tmp_path, place, value):
    store = tmp_path / "results"
    shutil.copytree(finished, store)
    name = "recipe.json" if place == "created" else "run.json"
    for path in store.rglob(name):
        record = json.loads(path.read_text())
        if place == "created":
            record["created"] = value
        for step in record.get("steps", ()):
            if place == "entry":
                step["entry"] = value
            for block in step["slowest"] if place == "slowest" else ():
                block["seconds" if isinstance(value, float) else "block"] = value
        path.write_text(json.dumps(record))
    site = asked(store)
    (run,) = site.get("/api/runs").json()["runs"]
    asks = [
        site.get("/api/results", all="1"),
        site.get("/api/run", run=run["name"]),
        site.get("/api/step", run=run["name"], step="doubled"),
    ]
    for answer in asks:
        assert answer.status in (200, 404)
        json.loads(answer.text, parse_constant=pytest.fail)  # no browser reads NaN and Infinity
