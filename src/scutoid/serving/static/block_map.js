// A map of the blocks of a step: one cell a block, or a cell for several where there are many.

import { ask, element, setText } from "./dom.js";

const GAP = 255;
const PARTLY = 16;
const NAMES = ["waiting", "with a worker", "done", "done before", "failed, to be tried again", "failed", "left out", "not run"];
const COLORS = ["--soft", "--running", "--done", "--cached", "--retrying", "--failed", "--left-out", "--not-run"];

export function blockMap() {
  const canvas = element("canvas", { class: "map", tabindex: "0", role: "img", "aria-label": "Map of blocks; arrow keys move over it" });
  const said = element("p", { class: "faint", role: "status" });
  const legend = element("ul", { class: "legend" });
  const box = element("div", {}, canvas, said, legend);
  let map = null;
  let cursor = null;
  let size = 1;
  let noun = "block";

  const draw = () => {
    if (map === null || !box.isConnected) return;
    const style = getComputedStyle(document.documentElement);
    const color = COLORS.map((name) => style.getPropertyValue(name).trim());
    const room = Math.max(box.clientWidth, 200);
    size = Math.max(Math.min(Math.floor(room / map.columns), Math.floor(460 / map.rows), 22), 1);
    const ratio = window.devicePixelRatio || 1;
    canvas.width = map.columns * size * ratio;
    canvas.height = map.rows * size * ratio;
    canvas.style.width = `${map.columns * size}px`;
    canvas.style.height = `${map.rows * size}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const inner = size >= 5 ? size - 1 : size;
    for (let row = 0; row < map.rows; row += 1) {
      for (let column = 0; column < map.columns; column += 1) {
        const state = map.cells[row * map.columns + column];
        if (state === GAP) continue;
        pen.fillStyle = color[state < PARTLY ? state : 0];
        pen.fillRect(column * size, row * size, inner, inner);
        if (state >= PARTLY) {  // partly done: filled from below, as far as it is
          const high = Math.max(Math.round((inner * (state - PARTLY + 1)) / 16), 1);
          pen.fillStyle = color[2];
          pen.fillRect(column * size, row * size + inner - high, inner, high);
        }
        if (state === 5 && size >= 6) cross(pen, column * size, row * size, inner, color[0]);
      }
    }
    if (cursor !== null) {
      pen.strokeStyle = style.getPropertyValue("--focus").trim();
      pen.lineWidth = 2;
      pen.strokeRect(cursor[1] * size - 1, cursor[0] * size - 1, inner + 2, inner + 2);
    }
  };

  const point = (row, column) => {
    if (map === null) return;
    const text = words(map, row, column, noun);
    if (text === null) return;
    cursor = [row, column];
    setText(said, text);
    draw();
  };
  canvas.addEventListener("pointermove", (event) => {
    const at = canvas.getBoundingClientRect();
    point(Math.floor((event.clientY - at.top) / size), Math.floor((event.clientX - at.left) / size));
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || map === null) return;
    event.preventDefault();
    let [row, column] = cursor ?? [0, -1];
    do {
      row += step[0];
      column += step[1];
    } while (map.cells[row * map.columns + column] === GAP && row >= 0 && column >= 0 && row < map.rows && column < map.columns);
    if (row >= 0 && column >= 0 && row < map.rows && column < map.columns) point(row, column);
  });
  canvas.addEventListener("focus", () => { if (cursor === null) point(0, 0); });
  window.addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  box.noun = (word) => { noun = word; };

  box.load = async (run, step) => {
    const told = await ask("/api/blocks", { run, step });
    if (told.cells === null) {
      map = null;
      canvas.hidden = true;
      setText(said, "No map: which blocks are done is not known, or there are too many.");
      legend.replaceChildren();
      return;
    }
    const raw = atob(told.cells);
    const cells = Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
    if (map !== null && (map.rows !== told.rows || map.columns !== told.columns)) cursor = null;
    map = { ...told, cells };
    canvas.hidden = false;
    const states = [...new Set(cells)].filter((state) => state < PARTLY).sort((a, b) => a - b);
    legend.replaceChildren(...states.map((state) => element("li", { class: `cell-${state}` }, NAMES[state])));
    if (cursor === null) setText(said, size_of(map, noun));
    else setText(said, words(map, ...cursor, noun) ?? "");
    draw();
  };
  return box;
}

function cross(pen, x, y, size, color) {
  pen.strokeStyle = color;
  pen.lineWidth = Math.max(size / 8, 1);
  pen.beginPath();
  pen.moveTo(x + size * 0.25, y + size * 0.25);
  pen.lineTo(x + size * 0.75, y + size * 0.75);
  pen.moveTo(x + size * 0.75, y + size * 0.25);
  pen.lineTo(x + size * 0.25, y + size * 0.75);
  pen.stroke();
}

function size_of(map, noun) {
  const many = map.factors.some((factor) => factor > 1);
  const grid = map.blocks.join(" × ");
  const all = map.blocks.reduce((product, size) => product * size, 1).toLocaleString();
  const said = map.blocks.length > 1 ? `${grid} ${noun}s (${all})` : `${all} ${noun}${all === "1" ? "" : "s"}`;
  return many ? `${said}; a cell stands for ${map.factors.join(" × ")}` : said;
}

// Which blocks a cell is, and their state; null between planes.
function words(map, row, column, noun) {
  const state = map.cells[row * map.columns + column];
  if (state === undefined || state === GAP || column >= map.columns || column < 0) return null;
  const cell = place(map, row, column);
  const first = cell.map((at, axis) => at * map.factors[axis]);
  const last = first.map((at, axis) => Math.min(at + map.factors[axis], map.blocks[axis]) - 1);
  const text = first.map((at, axis) => (at === last[axis] ? `${at}` : `${at} to ${last[axis]}`)).join(", ");
  const name = state < PARTLY ? NAMES[state] : "partly done";
  const many = first.some((at, axis) => at !== last[axis]);
  if (map.blocks.length === 1) return `${noun}${many ? "s" : ""} ${text}: ${name}`;
  const number = first.reduce((sum, at, axis) => sum * map.blocks[axis] + at, 0);
  return many ? `${noun}s at (${text}): ${name}` : `${noun} ${number} at (${text}): ${name}`;
}

function place(map, row, column) {
  if (map.blocks.length === 1) return [row * map.across + column];
  const high = Math.ceil(map.blocks.at(-2) / map.factors.at(-2));
  const wide = Math.ceil(map.blocks.at(-1) / map.factors.at(-1));
  const plane = Math.floor(row / (high + 1)) * map.across + Math.floor(column / (wide + 1));
  const inside = [row % (high + 1), column % (wide + 1)];
  return map.blocks.length > 2 ? [plane, ...inside] : inside;
}
