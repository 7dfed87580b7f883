// Sorts and filters the members of a gallery. Cards have the place of each of their values in
// order as data-rank-N, so numbers of any size are sorted exactly.
"use strict";
(() => {
  const gallery = document.querySelector(".gallery");
  if (!gallery) return;
  const cards = [...gallery.children];
  const column = document.querySelector("#sort-by");
  const turn = document.querySelector("#sort-turn");
  const find = document.querySelector("#find");
  const count = document.querySelector("#n-shown");
  let isDown = true;

  function rank(card) {
    const text = card.getAttribute(`data-rank-${column.value}`);
    return text === null ? null : Number(text);
  }

  function order(one, other) {
    if (column.value === "") return one.dataset.place - other.dataset.place;
    const [a, b] = [rank(one), rank(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return (isDown ? b - a : a - b) || one.dataset.place - other.dataset.place;
  }

  function show() {
    const wanted = find.value.toLowerCase();
    let n = 0;
    for (const card of cards) {
      card.hidden = !card.textContent.toLowerCase().includes(wanted);
      n += !card.hidden;
    }
    count.textContent = `${n} of ${cards.length}`;
    gallery.append(...[...cards].sort(order));
    turn.textContent = isDown ? "largest first" : "smallest first";
    turn.setAttribute("aria-pressed", String(!isDown));
    turn.disabled = column.value === "";
  }

  column.addEventListener("change", show);
  find.addEventListener("input", show);
  turn.addEventListener("click", () => {
    isDown = !isDown;
    show();
  });
  show();
})();
