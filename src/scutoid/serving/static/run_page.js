// The page of a run: what it is at, its steps as a graph and as a table, one of them in detail.

import { address, badge, duration, element, fact, linkState, listen, meter, moment, printable, problem, rate, setBadge, setText } from "./dom.js";
import { detailBox } from "./detail.js";
import { fold, joined } from "./folding.js";
import { graphBox } from "./graph.js";

export function showRun(content, run) {
  const head = headBox(run);
  const opened = new Set();
  let steps = [];
  let chosen = nameInHash();
  const choose = (name) => {
    chosen = name;
    history.replaceState(null, "", `#${encodeURIComponent(name)}`);
    show();
  };
  const toggle = (name) => {
    if (opened.has(name)) opened.delete(name);
    else opened.add(name);
    show();
  };
  const graph = graphBox(run, choose);
  const table = stepTable(run, choose, toggle);
  const detail = detailBox(run);
  const all = element("button", { type: "button", "aria-pressed": "false" }, "Show all steps");
  all.addEventListener("click", () => {
    const groups = fold(steps).filter((group) => group.steps.length);
    const open = opened.size < groups.length;
    opened.clear();
    if (open) for (const group of groups) opened.add(group.name);
    show();
  });
  const show = () => {
    const groups = fold(steps).filter((group) => group.steps.length);
    all.hidden = !groups.length;
    const isOpen = groups.length > 0 && opened.size >= groups.length;
    setText(all, isOpen ? "Fold steps of operations" : "Show all steps");
    all.setAttribute("aria-pressed", String(isOpen));
    if (!find(steps, chosen)) chosen = first(steps);
    graph.show(steps, opened, chosen);
    table.show(steps, opened, chosen);
    const step = find(steps, chosen);
    if (step) detail.show(step);
  };
  document.title = printable(`${run} · scutoid`);
  content.replaceChildren(head,
    element("div", { class: "columns" },
      element("div", {},
        element("section", { class: "card", "aria-label": "Graph of steps" },
          element("div", { class: "head" }, element("h2", {}, "Pipeline"), all), graph),
        element("section", { class: "card", "aria-label": "Steps" }, element("h2", {}, "Steps"), table)),
      detail));
  window.addEventListener("hashchange", () => { chosen = nameInHash() ?? chosen; show(); });
  listen({ run }, (told) => {
    if (told.error) {
      linkState("this run cannot be read", true);
      head.replaceChildren(problem(new Error(told.error)));
      return;
    }
    steps = told.steps;
    head.show(told);
    show();
  });
}

function nameInHash() {
  try {
    return location.hash.length > 1 ? decodeURIComponent(location.hash.slice(1)) : null;
  } catch {
    return null;
  }
}

function find(steps, name) {
  return steps.find((step) => step.name === name);
}

// What should be looked at first: what failed, then what runs, then the last result.
function first(steps) {
  const by = (state) => steps.find((step) => step.state === state);
  return (by("failed") ?? by("running") ?? steps.at(-1))?.name ?? null;
}

function headBox(run) {
  const state = badge("waiting");
  const report = element("a", { href: `/report/${encodeURIComponent(run)}`, hidden: true }, "Report");
  const facts = { begun: fact("Begun"), took: fact("Time"), left: fact("Time left"), workers: fact("Workers"),
    blocks: fact("Blocks"), sign: fact("Last sign") };
  const bar = meter("Blocks done of the run");
  const notes = element("div");
  const box = element("section", { class: "card", "aria-label": "Run" },
    element("div", { class: "head" }, element("h1", {}, `Run ${run}`), state, report),
    element("dl", { class: "facts" }, Object.values(facts)), element("p", {}, bar), notes);
  let said = "";
  box.show = (told) => {
    setBadge(state, told.state);
    report.hidden = !told.has_report;
    const live = told.state === "running";
    const kept = told.steps.filter((step) => step.state !== "inside");
    const sum = (name) => kept.reduce((total, step) => total + step[name], 0);
    const [done, all] = [sum("n_done"), sum("n_blocks")];
    facts.begun.show(moment(told.started));
    facts.took.show(duration(live ? told.now - told.started : told.seconds));
    facts.left.show(live ? leftText(told.left) : "");
    facts.workers.show(live && told.workers ? `${told.alive} of ${told.workers}` : told.workers ? String(told.workers) : "");
    facts.blocks.show(`${done.toLocaleString()} of ${all.toLocaleString()}`);
    facts.sign.show(told.state === "killed" ? moment(told.last_sign) : "");
    bar.className = `meter state-${told.state}`;
    bar.show(all ? done / all : 1);
    const texts = JSON.stringify([told.warnings, told.notes, told.problems, told.parts]);
    if (texts === said) return;
    said = texts;
    notes.replaceChildren(
      ...told.warnings.map((text) => element("p", { class: "notes" }, text)),
      ...told.notes.map((text) => element("p", { class: "notes" }, text)),
      ...told.problems.map((text) => element("p", { class: "notes bad" }, text)),
      ...(told.parts.length > 1 ? [element("p", { class: "faint" }, `It went on in ${told.parts.length} parts: ${told.parts.join(", ")}`)] : []));
  };
  return box;
}

function leftText(left) {
  if (left === null) return "not known yet";
  const [seconds, unknown] = left;
  if (!unknown) return `about ${duration(seconds)}`;
  return `about ${duration(seconds)}, if ${unknown === 1 ? "the step" : `the ${unknown} steps`} not begun are like the others`;
}

function stepTable(run, choose, toggle) {
  const body = element("tbody");
  const head = ["", "Step", "State", "Blocks", "Rate", "Time"];
  const box = element("div", { class: "scroll steps" }, element("table", {},
    element("thead", {}, element("tr", {}, head.map((name, at) =>
      element("th", { scope: "col", class: at > 3 ? "number" : null }, name === "" ? element("span", { "aria-hidden": "true" }, "") : name)))), body));
  const rows = new Map();
  box.show = (steps, opened, chosen) => {
    const lines = [];
    for (const group of fold(steps)) {
      const isOpen = opened.has(group.name);
      const line = isOpen && group.head ? group.head : joined(group);
      lines.push({ id: `head ${group.name}`, step: line, group, isOpen });
      if (isOpen) lines.push(...group.steps.map((step) => ({ id: `step ${step.name}`, step, under: true })));
    }
    const wanted = lines.map((line) => line.id);
    for (const line of lines) {
      if (!rows.has(line.id)) rows.set(line.id, stepRow(run, line, choose, toggle));
      rows.get(line.id).bring(line, chosen);
    }
    const present = [...body.children].map((row) => row.dataset.id);
    if (JSON.stringify(present) !== JSON.stringify(wanted)) {
      const focused = document.activeElement;
      body.replaceChildren(...wanted.map((id) => rows.get(id)));
      if (body.contains(focused)) focused.focus();
    }
  };
  return box;
}

function stepRow(run, line, choose, toggle) {
  const name = line.step.name;
  const hasMore = line.group?.steps.length > 0;
  const sign = element("button", { type: "button", class: "fold" });
  sign.addEventListener("click", () => toggle(line.group.name));
  const pick = element("button", { type: "button", class: "plain" }, name);
  pick.addEventListener("click", () => choose(name));
  const more = element("span", { class: "faint" }, hasMore ? ` ${line.group.steps.length + (line.group.head ? 1 : 0)} steps` : "");
  const state = badge(line.step.state);
  const bar = meter(`Blocks done of ${name}`);
  const [count, speed, took, left] = [element("span"), element("td", { class: "number" }), element("span"), element("div", { class: "faint" })];
  const thumb = element("td");
  const row = element("tr", { class: line.under ? "under" : null, "data-id": line.id },
    thumb, element("td", {}, hasMore ? sign : null, pick, more), element("td", {}, state),
    element("td", {}, count, bar), speed, element("td", { class: "number" }, took, left));
  let pictured = "";
  row.bring = ({ step, isOpen }, chosen) => {
    row.classList.toggle("chosen", step.name === chosen);
    if (hasMore) {
      setText(sign, isOpen ? "▾" : "▸");
      sign.setAttribute("aria-expanded", String(isOpen));
      sign.setAttribute("aria-label", `${isOpen ? "Fold" : "Show"} the steps of ${line.group.name}`);
    }
    setBadge(state, step.state);
    const failed = step.n_failed ? `, ${step.n_failed} failed` : "";
    setText(count, step.n_blocks ? `${step.n_done.toLocaleString()} / ${step.n_blocks.toLocaleString()}${failed}` : "");
    bar.className = `meter state-${step.state}`;
    bar.show(step.n_blocks ? step.n_done / step.n_blocks : step.state === "done" ? 1 : 0);
    setText(speed, rate(step.rate));
    setText(left, step.state === "running" && step.left ? `${duration(step.left)} left` : "");
    setText(took, step.seconds ? duration(step.seconds) : "");
    const isSeen = ["done", "cached"].includes(step.state) && ["image", "collection"].includes(step.kind);
    const wanted = isSeen ? address("/api/picture", { run, step: step.name }) : "";
    if (wanted !== pictured) {
      pictured = wanted;
      const picture = element("img", { class: "thumb", alt: "", loading: "lazy", src: wanted });
      picture.addEventListener("error", () => picture.remove());
      thumb.replaceChildren(...(wanted ? [picture] : []));
    }
  };
  return row;
}
