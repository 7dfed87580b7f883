// Keeps the view in the address of the page, so that a reload or a copied link restores it.
//
// Neuroglancer's own way to do so may write the address while layers are still being made, and lose
// one of them then; so this takes what follows the #, before the client looks for it.
"use strict";
(() => {
  const DELAY = 200; // ms after the last change
  const start = location.hash;
  history.replaceState(null, "", location.pathname);
  let written = "";
  let timer = 0;

  const escaped = (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase();

  function write() {
    const state = JSON.stringify(viewer.state.toJSON(), (_, value) =>
      typeof value === "bigint" ? value.toString() : value,
    );
    written = "#!" + encodeURI(state).replace(/[!'()*;,]/g, escaped);
    history.replaceState(null, "", written);
  }

  function show(state) {
    viewer.state.reset();
    viewer.state.restoreState(state);
  }

  async function begin() {
    const here = location.pathname.match(/^(.*)\/v\/([^/]+)/);
    const given = start.startsWith("#!") ? JSON.parse(decodeURIComponent(start.slice(2))) : null;
    show(given ?? (await (await fetch(`${here[1]}/data/${here[2]}/state`)).json()));
    viewer.state.changed.add(() => {
      clearTimeout(timer);
      timer = setTimeout(write, DELAY);
    });
    write();
    addEventListener("hashchange", () => {
      if (location.hash !== written && location.hash.startsWith("#!")) {
        show(JSON.parse(decodeURIComponent(location.hash.slice(2))));
      }
    });
  }

  addEventListener("DOMContentLoaded", begin);
})();
