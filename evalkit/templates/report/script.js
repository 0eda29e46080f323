"use strict";
for (const bar of document.querySelectorAll(".filters")) bar.hidden = !bar.querySelector("select");
const rows = [...document.querySelectorAll("#board tbody tr")], original = new Map();
const choose = (id, act) => document.getElementById(id)?.addEventListener("change", e => act(e.target.value));
choose("tier", tier => rows.forEach(r => r.hidden = tier !== "" && !r.dataset.tiers.split("|").includes(tier)));
choose("prompt", which => document.querySelectorAll("[data-prompt]").forEach(a => a.hidden = which !== "" && a.dataset.prompt !== which));
choose("over", over => {
  const part = over && [...document.querySelectorAll("template[data-over]")].find(t => t.dataset.over === over).content;
  for (const row of rows) {
    if (!original.has(row)) original.set(row, [row.cells[1].cloneNode(true), row.cells[2].cloneNode(true)]);
    const found = over && [...part.querySelectorAll("tr")].find(r => r.dataset.model === row.dataset.model);
    const cells = found ? [...found.cells] : original.get(row);
    [1, 2].forEach((place, i) => row.cells[place].replaceWith(cells[i].cloneNode(true)));
  }
});
for (const table of document.querySelectorAll("#board")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes); head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => { const c = row.cells[column], v = c.dataset.value;
        return v === undefined ? c.textContent.trim() : v === "" ? null : Number(v) };
      [...body.rows].sort((a, b) => { const x = key(a), y = key(b);
        if (x === null || y === null) return (x === null) - (y === null);
        return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1) }).forEach(r => body.append(r));
    });
  });
}
