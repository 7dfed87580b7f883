import { ask, element, problem, setText } from "./dom.js";
import { showResult } from "./detail.js";
import { showRun } from "./run_page.js";
import { showStore } from "./store_page.js";

const content = document.getElementById("content");

async function begin() {
  const about = await ask("/api/store");
  setText(document.getElementById("store"), about.path);
  const [kind, name] = location.pathname.split("/").slice(1);
  if (kind === "run") showRun(content, decodeURIComponent(name));
  else if (kind === "result") await showResult(content, new URLSearchParams(location.search).get("place"));
  else showStore(content);
}

begin().catch((error) => content.replaceChildren(problem(error), element("p", {}, element("a", { href: "/" }, "To the store"))));
