// The store: its runs, those that go on first to be seen, and its results.

import { address, ask, badge, duration, element, listen, moment, problem } from "./dom.js";

const PAGE = 50;

export function showStore(content) {
  const runs = element("section", { class: "card", "aria-label": "Runs" });
  const results = element("section", { class: "card", "aria-label": "Results" });
  document.title = "scutoid";
  content.replaceChildren(element("div", { class: "columns" }, runs, results));
  let known = "";
  let offset = 0;
  const turn = (at) => { offset = at; ask("/api/runs", { offset, limit: PAGE }).then(take, fail); };
  const fail = (error) => runs.replaceChildren(problem(error));
  const take = (told) => {
    if (told.error) return fail(new Error(told.error));
    const text = JSON.stringify(told);
    if (text === known) return undefined;
    known = text;
    const focused = document.activeElement?.dataset?.run;
    runs.replaceChildren(element("h2", {}, `Runs (${told.n})`), runTable(told.runs), ...pager(told, turn));
    if (focused) runs.querySelector(`[data-run="${CSS.escape(focused)}"]`)?.focus();
    return undefined;
  };
  listen({}, (told) => { if (offset === 0) take(told); });
  showResults(results);
}

function runTable(runs) {
  if (!runs.length) {
    return element("p", { class: "faint" }, "Nothing was run into this store yet. A run appears here when it begins.");
  }
  const rows = runs.map((run) => element("tr", {},
    element("td", {}, element("a", { href: `/run/${encodeURIComponent(run.name)}`, "data-run": run.name },
      run.started === null ? run.name : moment(run.started)),
    run.part_of === null ? null : element("span", { class: "faint" }, " goes on with an earlier one")),
    element("td", {}, badge(run.state)),
    element("td", { class: "number" }, run.n_cached === run.n_steps ? `${run.n_steps}, all up to date` : `${run.n_steps}`),
    element("td", { class: "number" }, duration(run.seconds)),
    element("td", {}, run.failed.join(", "))));
  const head = ["Begun", "State", "Steps", "Time", "Failed"];
  return element("div", { class: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, head.map((name, at) =>
      element("th", { scope: "col", class: at === 2 || at === 3 ? "number" : null }, name)))),
    element("tbody", {}, rows)));
}

function pager(told, turn) {
  if (told.n <= PAGE) return [];
  const last = Math.min(told.offset + PAGE, told.n);
  return [element("div", { class: "row" },
    element("button", { type: "button", disabled: told.offset === 0,
      onclick: () => turn(Math.max(told.offset - PAGE, 0)) }, "Newer"),
    element("span", {}, `${told.offset + 1} to ${last} of ${told.n}`),
    element("button", { type: "button", disabled: last >= told.n, onclick: () => turn(told.offset + PAGE) }, "Older"))];
}

function showResults(box) {
  const body = element("div");
  const search = element("input", { type: "search", "aria-label": "Part of the name of a step", placeholder: "part of a name" });
  const all = element("input", { type: "checkbox", id: "all-results" });
  let wait = 0;
  const load = async (offset = 0) => {
    try {
      const told = await ask("/api/results", { offset, limit: PAGE, name: search.value, all: all.checked ? "1" : null });
      body.replaceChildren(resultTable(told.results), ...pager(told, load));
    } catch (error) {
      body.replaceChildren(problem(error));
    }
  };
  search.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => load(), 250); });
  all.addEventListener("change", () => load());
  box.replaceChildren(element("h2", {}, "Results"), element("div", { class: "row" }, search,
    element("label", { for: "all-results" }, all, " with those of steps of operations")), body);
  load();
}

function resultTable(results) {
  if (!results.length) return element("p", { class: "faint" }, "No results.");
  const rows = results.map((one) => element("tr", {},
    element("td", {}, element("a", { href: address("/result", { place: one.place }) }, one.step)),
    element("td", {}, one.kind), element("td", {}, badge(one.state)),
    element("td", {}, moment(one.created)), element("td", {}, element("code", {}, one.key))));
  const head = ["Step", "Kind", "State", "Finished", "Key"];
  return element("div", { class: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, head.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, rows)));
}
