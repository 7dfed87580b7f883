// A stored table, a page at a time; the server sorts and filters it.

import { ask, element, problem, setText } from "./dom.js";

const LIMIT = 50;
const NUMBER = /^(u?int|float|double|halffloat)/;
const COMPARISONS = [["contains", "contains"], ["=", "="], ["!=", "≠"], ["<", "<"], ["<=", "≤"], [">", ">"], [">=", "≥"], ["empty", "has no value"], ["filled", "has a value"]];

export function tableBox(names) {
  const filters = element("div");
  const said = element("span", { role: "status" });
  const before = element("button", { type: "button" }, "Earlier rows");
  const after = element("button", { type: "button" }, "Later rows");
  const head = element("tr");
  const body = element("tbody");
  const trouble = element("div");
  const add = element("button", { type: "button" }, "Add a filter");
  const grid = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" },
    element("table", {}, element("thead", {}, head), body));
  const box = element("div", { class: "cells" }, filters, element("div", { class: "row" }, add), trouble, grid,
    element("div", { class: "row" }, before, after, said));
  let offset = 0;
  let sort = null;
  let descending = false;
  let columns = [];
  let wait = 0;
  let asked = 0;

  const load = async () => {
    const number = (asked += 1);
    try {
      const told = await ask("/api/table", { ...names, offset, limit: LIMIT, sort, descending: descending ? "1" : null,
        filter: [...filters.children].map((one) => one.read()).filter(isMeant).map((one) => JSON.stringify(one)) });
      if (number !== asked) return;
      trouble.replaceChildren(...(told.problem ? [problem(told.problem)] : []));
      if (!told.problem) show(told);
    } catch (error) {
      if (number === asked) trouble.replaceChildren(problem(error));
    }
  };
  const again = () => { offset = 0; clearTimeout(wait); wait = setTimeout(load, 200); };
  const show = (told) => {
    offset = told.offset;
    if (JSON.stringify(columns) !== JSON.stringify(told.columns)) {
      columns = told.columns;
      head.replaceChildren(...columns.map(([name, kind]) => columnHead(name, kind)));
    }
    for (const cell of head.children) cell.bring();
    const isNumber = columns.map(([, kind]) => NUMBER.test(kind));
    body.replaceChildren(...told.rows.map((row) => element("tr", {}, row.map((text, at) =>
      element("td", { class: isNumber[at] ? "number" : null, title: text !== null && text.length > 40 ? text : null }, text ?? "")))));
    const last = told.offset + told.rows.length;
    const found = told.n_found === told.n_rows ? "" : `, found among ${told.n_rows.toLocaleString()}`;
    setText(said, told.n_found ? `${(told.offset + 1).toLocaleString()} to ${last.toLocaleString()} of ${told.n_found.toLocaleString()} rows${found}` : `no rows${found}`);
    before.disabled = told.offset === 0;
    after.disabled = last >= told.n_found;
  };
  const columnHead = (name, kind) => {
    const button = element("button", { type: "button", title: kind });
    const cell = element("th", { scope: "col", class: NUMBER.test(kind) ? "number" : null }, button);
    button.addEventListener("click", () => {
      if (sort !== name) [sort, descending] = [name, false];
      else if (!descending) descending = true;
      else [sort, descending] = [null, false];
      offset = 0;
      load();
    });
    cell.bring = () => {
      const is = sort === name;
      setText(button, is ? `${name} ${descending ? "▼" : "▲"}` : name);
      cell.setAttribute("aria-sort", is ? (descending ? "descending" : "ascending") : "none");
    };
    return cell;
  };
  add.addEventListener("click", () => {
    const row = filterRow(columns, again);
    filters.append(row);
    row.querySelector("select").focus();
  });
  before.addEventListener("click", () => { offset = Math.max(offset - LIMIT, 0); load(); });
  after.addEventListener("click", () => { offset += LIMIT; load(); });
  load();
  return box;
}

function isMeant([, comparison, value]) {
  return value !== "" || comparison === "empty" || comparison === "filled";
}

function filterRow(columns, again) {
  const column = element("select", { "aria-label": "Column" }, columns.map(([name]) => element("option", { value: name }, name)));
  const comparison = element("select", { "aria-label": "Comparison" }, COMPARISONS.map(([value, text]) => element("option", { value }, text)));
  const value = element("input", { type: "text", "aria-label": "Value" });
  const remove = element("button", { type: "button", "aria-label": "Remove the filter" }, "Remove");
  const row = element("div", { class: "row" }, column, comparison, value, remove);
  row.read = () => [column.value, comparison.value, value.value];
  const change = () => {
    value.hidden = ["empty", "filled"].includes(comparison.value);
    again();
  };
  for (const one of [column, comparison]) one.addEventListener("change", change);
  value.addEventListener("input", again);
  remove.addEventListener("click", () => { row.remove(); again(); });
  return row;
}
