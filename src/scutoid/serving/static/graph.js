// The graph of the steps: drawn by the server, brought up to date here, walked by keys.

import { address, element, problem, setText } from "./dom.js";
import { fold, joined } from "./folding.js";

const TAGS = new Set(["svg", "g", "path", "rect", "text", "title"]);
const KEPT = /^(xmlns|class|role|aria-label|width|height|viewBox|d|x|y|rx|text-anchor|data-step)$/;

export function graphBox(run, choose) {
  const body = element("div", { class: "graph" });
  let shape = "";
  let chosen = null;
  let shown = [];
  let asked = 0;

  const load = async (opened) => {
    const number = (asked += 1);
    const response = await fetch(address("/api/graph", { run, open: [...opened] }), { credentials: "same-origin" });
    const text = await response.text();
    if (number !== asked) return;
    if (!response.ok) {
      body.replaceChildren(problem(new Error("the graph cannot be drawn")));
      return;
    }
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset.step : undefined;
    body.replaceChildren(copied(parsed));
    const nodes = [...body.querySelectorAll(".node")].filter((node) => node.dataset.step);
    for (const node of nodes) prepare(node, nodes, choose);
    mark();
    update();
    if (focused !== undefined) nodes.find((node) => node.dataset.step === focused)?.focus();
  };

  const mark = () => {
    const nodes = [...body.querySelectorAll(".node[role]")];
    for (const node of nodes) {
      const is = node.dataset.step === chosen;
      node.classList.toggle("chosen", is);
      node.setAttribute("aria-pressed", String(is));
      node.setAttribute("tabindex", is ? "0" : "-1");
    }
    if (!nodes.some((node) => node.getAttribute("tabindex") === "0")) nodes[0]?.setAttribute("tabindex", "0");
  };

  const update = () => {
    for (const node of body.querySelectorAll(".node[role]")) {
      const step = shown.find((one) => one.name === node.dataset.step && one.isFolded === node.classList.contains("folded"))
        ?? shown.find((one) => one.name === node.dataset.step);
      if (step !== undefined) bring(node, step);
    }
  };

  body.show = (steps, opened, name) => {
    const groups = fold(steps);
    shown = [
      ...steps.map((step) => ({ ...step, isFolded: false })),
      ...groups.filter((group) => group.steps.length).map((group) => ({ ...joined(group), isFolded: true })),
    ];
    const wanted = JSON.stringify([steps.map((step) => [step.name, step.within]), [...opened]]);
    if (name !== chosen) {
      chosen = name;
      mark();
    }
    if (wanted === shape) update();
    else {
      shape = wanted;
      load(opened).catch((error) => body.replaceChildren(problem(error)));
    }
  };
  return body;
}

// What is known of SVG, and nothing else: no links, no scripts, no styles.
function copied(node) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", node.localName);
  for (const { name, value } of node.attributes) {
    if (KEPT.test(name) && name !== "xmlns") made.setAttribute(name, value);
  }
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) made.append(child.data);
    else if (child.nodeType === Node.ELEMENT_NODE && TAGS.has(child.localName)) made.append(copied(child));
    else if (child.localName === "a") made.append(...[...copied_children(child)]);
  }
  return made;
}

function* copied_children(node) {
  for (const child of node.children) if (TAGS.has(child.localName)) yield copied(child);
}

function prepare(node, nodes, choose) {
  node.setAttribute("role", "button");
  node.addEventListener("click", () => choose(node.dataset.step));
  node.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(node.dataset.step);
      return;
    }
    const next = nearest(node, nodes, event.key);
    if (next === null) return;
    event.preventDefault();
    for (const other of nodes) other.setAttribute("tabindex", other === next ? "0" : "-1");
    next.focus();
  });
}

function center(node) {
  const box = node.querySelector(".box");
  const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(box.getAttribute(name)));
  return [x + width / 2, y + height / 2];
}

// The node that lies nearest in the direction of an arrow key; null for other keys, and at the end.
function nearest(node, nodes, key) {
  const way = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[key];
  if (!way) return null;
  const from = center(node);
  let best = null;
  let least = Infinity;
  for (const other of nodes) {
    const [dx, dy] = center(other).map((at, axis) => at - from[axis]);
    const along = dx * way[0] + dy * way[1];
    const across = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
    if (along <= 1) continue;
    const far = along + 2 * across;
    if (far < least) [best, least] = [other, far];
  }
  return best;
}

function bring(node, step) {
  for (const name of [...node.classList]) if (name.startsWith("state-") && name !== `state-${step.state}`) node.classList.remove(name);
  node.classList.add(`state-${step.state}`);
  const rest = node.querySelector(".rest");
  const bar = node.querySelector(".bar");
  if (rest && bar && step.n_blocks) {
    bar.setAttribute("width", String(Number(rest.getAttribute("width")) * Math.min(step.n_done / step.n_blocks, 1)));
  }
  const said = `${step.name}: ${step.state}, ${step.n_done} of ${step.n_blocks} blocks`;
  if (node.getAttribute("aria-label") !== said) node.setAttribute("aria-label", said);
  const small = node.querySelector(".small");
  if (small && step.state === "running") setText(small, `running · ${step.n_done}/${step.n_blocks}`);
  else if (small && step.state === "failed") setText(small, `failed · ${step.n_done}/${step.n_blocks}`);
  else if (small && step.state === "done") setText(small, [step.kind, `${step.n_done}/${step.n_blocks}`, "done"].filter(Boolean).join(" · "));
}
