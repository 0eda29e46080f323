"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
for (const bar of all(".filters")) bar.hidden = !bar.querySelector("select");
const chosen = id => document.getElementById(id)?.value ?? "";
for (const id of ["kind", "prompt"]) document.getElementById(id)?.addEventListener("change", () => {
  if (id === "kind") {
    document.getElementById("prompt").value = "";
    for (const option of all("#prompt [data-kind]")) option.hidden = option.disabled = !suits(option);
  }
  for (const line of all("[data-prompt]")) line.hidden = !suits(line) || !["", line.dataset.prompt].includes(chosen("prompt"));
});
function suits(element) { return ["", element.dataset.kind].includes(chosen("kind")); }

for (const view of all(".question")) {
  const board = view.querySelector(".board"), rows = all("tbody tr", board), original = new Map();
  view.querySelector(".tier")?.addEventListener("change", ({ target: { value } }) =>
    rows.forEach(row => row.hidden = value !== "" && !row.dataset.tiers.split("|").includes(value)));
  view.querySelector(".over")?.addEventListener("change", ({ target: { value } }) => {
    const parts = new Map(all(".parts tbody tr", view).map(row => [row.dataset.model, row.cells]));
    for (const row of rows) {
      if (!original.has(row)) original.set(row, [row.cells[1].cloneNode(true), row.cells[2].cloneNode(true)]);
      const cells = value ? [0, 1].map(i => parts.get(row.dataset.model)[2 * value - 1 + i]) : original.get(row);
      cells.forEach((cell, i) => row.cells[1 + i].replaceWith(cell.cloneNode(true)));
    }
  });
  sortable(board);
}

function sortable(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button"), arrow = document.createElement("span");
    button.append(...head.childNodes);
    arrow.className = "arrow";
    button.insertBefore(arrow, button.querySelector("small"));
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => {
        const cell = row.cells[column], value = cell.dataset.value;
        return value === undefined ? cell.textContent.trim() : value === "" ? null : Number(value);
      };
      [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === null || y === null) return (x === null) - (y === null);
        return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
      }).forEach(row => body.append(row));
    });
  });
}
