// One step, or one result by itself: why, its blocks, failures, picture, tables, and how to see more.

import { address, ask, badge, command, duration, element, moment, printable, problem, rate, setBadge, setText } from "./dom.js";
import { blockMap } from "./block_map.js";
import { tableBox } from "./table.js";

const MAP_MS = 1000;

export function detailBox(run) {
  const title = element("h2");
  const state = badge("waiting");
  const why = element("p");
  const counts = element("p", { class: "faint" });
  const map = blockMap();
  const mapTitle = element("h3", {}, "Blocks");
  const mapBox = element("div", {}, mapTitle, map);
  const rest = element("div");
  const box = element("section", { class: "card", "aria-label": "Step" },
    element("div", { class: "head" }, title, state), why, counts, mapBox, rest);
  let name = null;
  let known = "";
  let drawn = "";
  let waiting = 0;
  let asked = 0;

  const drawMap = () => {
    waiting = 0;
    map.load(run, name).catch(() => {});
  };
  box.show = (step) => {
    const isOther = step.name !== name;
    name = step.name;
    setText(title, step.name);
    setBadge(state, step.state);
    setText(why, step.reason);
    setText(counts, countText(step));
    const blocks = JSON.stringify([name, step.state, step.n_done, step.n_failed, step.n_blocks]);
    setText(mapTitle, step.kind === "collection" ? "Members" : "Blocks");
    map.noun(step.kind === "collection" ? "member" : "block");
    mapBox.hidden = step.n_blocks === 0 && step.state !== "cached";
    if (blocks !== drawn && !mapBox.hidden) {
      drawn = blocks;
      if (isOther) drawMap();
      else if (waiting === 0) waiting = setTimeout(drawMap, MAP_MS);
    }
    const wanted = JSON.stringify([name, step.state, step.n_failed]);
    if (wanted === known) return;
    known = wanted;
    const number = (asked += 1);
    if (isOther) rest.replaceChildren(element("p", { class: "faint" }, "Reading…"));
    ask("/api/step", { run, step: name }).then(
      (told) => { if (number === asked) rest.replaceChildren(...sections(told, { run, step: name }, step.state)); },
      (error) => { if (number === asked) rest.replaceChildren(problem(error)); });
  };
  return box;
}

export async function showResult(content, place) {
  const told = await ask("/api/result", { place });
  document.title = printable(`${told.name} · scutoid`);
  content.replaceChildren(element("section", { class: "card", "aria-label": "Result" },
    element("div", { class: "head" }, element("h1", {}, told.name), badge(told.stored)),
    element("p", { class: "faint" }, `${told.kind}, finished ${moment(told.created)}${told.seconds ? `, took ${duration(told.seconds)}` : ""}`),
    ...sections(told, { place }, told.stored === "complete" ? "done" : told.stored)));
}

function countText(step) {
  const parts = [];
  if (step.n_blocks) parts.push(`${step.n_done.toLocaleString()} of ${step.n_blocks.toLocaleString()} done`);
  if (step.n_cached && step.state !== "cached") parts.push(`${step.n_cached.toLocaleString()} of them before this run`);
  if (step.n_failed) parts.push(`${step.n_failed.toLocaleString()} failed`);
  if (step.n_orphaned) parts.push(`${step.n_orphaned.toLocaleString()} not run, for what they need failed`);
  if (step.rate) parts.push(rate(step.rate));
  if (step.left) parts.push(`${duration(step.left)} left`);
  return parts.join(", ");
}

function sections(told, names, state) {
  const found = [];
  if (told.problem) found.push(problem(new Error(told.problem)));
  if (told.failures.length) found.push(failures(told.failures, told.debug ?? null));
  const isSeen = state === "done" || state === "cached";
  if (isSeen && told.outputs.some((one) => one.kind === "image")) found.push(...picture(told, names));
  if (told.value !== null) found.push(element("h3", {}, "Value"), element("pre", { tabindex: "0" }, told.value));
  told.outputs.forEach((one, output) => {
    if (one.table) found.push(element("h3", {}, one.name === "table" ? "Table" : `Table ${one.name}`), tableBox({ ...names, output }));
  });
  if (isSeen) {
    found.push(element("h3", {}, "Look at it"), ...told.commands.map(([purpose, text]) => command(purpose, text)));
  }
  found.push(...facts(told));
  return found;
}

function failures(list, debug) {
  const shown = list.map((one, at) => element("details", { open: at === 0 },
    element("summary", {}, element("strong", {}, `${one.where}: `), one.error),
    one.traceback ? element("pre", { tabindex: "0" }, one.traceback) : element("p", { class: "faint" }, "No traceback was written down.")));
  const again = debug === null ? [] : [command("the first, in the debugger", debug),
    element("p", { class: "faint" }, "FILE.py is the file of your pipeline; add the parameters that it was run with.")];
  return element("div", {}, element("h3", {}, list.length === 1 ? "Failure" : `Failures (the first ${list.length})`), ...shown, ...again);
}

function picture(told, names) {
  const image = element("img", { class: "picture", src: address("/api/picture", names), alt: `Maximum projection of ${told.name}` });
  const heading = element("h3", {}, "Picture");
  image.addEventListener("error", () => { image.remove(); heading.remove(); });
  return [heading, image];
}

function facts(told) {
  const outputs = told.outputs.map((one) => [one.name,
    [one.labels ? "labels" : one.kind, one.axes, one.shape?.join(" × "), one.dtype].filter(Boolean).join(", ")]);
  const grid = told.grid === null ? [] : [["axes", told.grid.axes], ["shape", told.grid.shape.join(" × ")], ["a block", told.grid.block.join(" × ")], ["blocks", told.grid.blocks.join(" × ")]];
  const lists = [["Parameters", told.parameters], ["Made from", told.inputs], ["Outputs", outputs], ["Blocks are cut as", grid],
    ["Slowest blocks", told.slowest.map(([block, seconds]) => [block, duration(seconds)])],
    ["Versions", told.versions], ["Result", [["folder", told.place], ["key", told.key]]]];
  return lists.filter(([, rows]) => rows.length).map(([name, rows]) => element("details", { open: name === "Parameters" },
    element("summary", {}, name),
    element("div", { class: "scroll" }, element("table", {}, element("tbody", {}, rows.map(([key, value]) =>
      element("tr", {}, element("th", { scope: "row" }, key), element("td", {}, value))))))));
}
