// Elements, texts and requests.  Data of a store becomes text nodes and values, never markup.

// Attributes that people read or hear.
const READ = new Set(["title", "aria-label", "alt", "placeholder"]);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined)
      made.setAttribute(name, READ.has(name) ? printable(value) : value);
  }
  const kept = children.flat().filter((child) => child !== null && child !== undefined);
  made.append(...kept.map((child) => (child instanceof Node ? child : printable(child))));
  return made;
}

export function setText(node, text) {
  const shown = printable(text);
  if (node.textContent !== shown) node.textContent = shown;
}

// Characters that turn the direction of writing, or act elsewhere, are shown as their numbers: a
// name in a store looks like no other.  The same as in scutoid/printable.py.
const ACTING =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb]/g;

export function printable(text) {
  return String(text).replace(ACTING, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function address(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) query.append(name, one);
    }
  }
  return `${path}?${query}`;
}

export async function ask(path, parameters = {}, options = {}) {
  const response = await fetch(address(path, parameters), { credentials: "same-origin", ...options });
  if (response.status === 403) throw new Error(await response.text());
  const content = await response.json();
  if (!response.ok) throw new Error(content.error ?? `the server answered ${response.status}`);
  return content;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

export function moment(seconds) {
  if (seconds === null || seconds === undefined) return "";
  return new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

export function rate(perSecond) {
  if (!perSecond) return "";
  if (perSecond >= 10) return `${Math.round(perSecond).toLocaleString()} /s`;
  if (perSecond >= 1) return `${perSecond.toFixed(1)} /s`;
  return perSecond * 60 >= 1 ? `${(perSecond * 60).toFixed(1)} /min` : `${(perSecond * 3600).toFixed(1)} /h`;
}

const WORDS = {
  cached: "up to date", waiting: "waiting", running: "running", done: "done", failed: "failed",
  stopped: "not finished", inside: "in other blocks", killed: "killed", complete: "complete",
  partial: "partial", gone: "gone",
};

export function badge(state) {
  const made = element("span");
  setBadge(made, state);
  return made;
}

export function setBadge(node, state) {
  const kind = `badge state-${/^[a-z]+$/.test(state) ? state : "waiting"}`;
  if (node.className !== kind) node.className = kind;
  setText(node, WORDS[state] ?? state);
  const said = state === "killed" ? "It was killed, or stopped by Ctrl-C: it did not write down its end" : "";
  if (node.title !== said) node.title = said;
}

export function meter(label) {
  const space = "http://www.w3.org/2000/svg";
  const bar = document.createElementNS(space, "rect");
  bar.setAttribute("height", "100%");
  bar.setAttribute("fill", "var(--state, var(--done))");
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("aria-hidden", "true");
  picture.append(bar);
  const box = element("div", { class: "meter", role: "progressbar", "aria-label": label,
    "aria-valuemin": "0", "aria-valuemax": "100" }, picture);
  box.show = (share) => {
    const text = String(Math.floor(100 * share));
    bar.setAttribute("width", `${100 * share}%`);
    box.setAttribute("aria-valuenow", text);
  };
  return box;
}

export function fact(name) {
  const value = element("dd");
  const box = element("div", {}, element("dt", {}, name), value);
  box.show = (text) => { setText(value, text); box.hidden = text === ""; };
  return box;
}

export function command(purpose, text) {
  const button = element("button", { type: "button", "aria-label": `Copy the command: ${purpose}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      setText(button, "Copied");
    } catch {
      setText(button, "Select it");
    }
    setTimeout(() => setText(button, "Copy"), 1500);
  });
  const code = element("code", { tabindex: "0" }, text);
  return element("div", { class: "command" }, element("span", {}, purpose), code, button);
}

export function problem(error) {
  return element("p", { class: "notes bad", role: "alert" }, error.message ?? String(error));
}

const status = document.getElementById("link");

export function linkState(text, isLost = false) {
  setText(status, text);
  status.classList.toggle("lost", isLost);
}

// What is told of a run or of the store, as it changes; a page that is not seen does not ask.
export function listen(parameters, take) {
  let source = null;
  const open = () => {
    if (source !== null || document.hidden) return;
    source = new EventSource(address("/api/stream", parameters));
    source.onopen = () => linkState("live");
    source.onmessage = (message) => { linkState("live"); take(JSON.parse(message.data)); };
    source.onerror = () => linkState("no connection: is scutoid serve still running?", true);
  };
  const close = () => { source?.close(); source = null; };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  open();
}
