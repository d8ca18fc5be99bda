"use strict";
// Sorting: a heading's button sorts its column; what is missing stays below.
const key = (row, column) => {
  const text = row.cells[column].dataset.value;
  const number = Number(text);
  return text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
};
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const body = table.tBodies[0];
    const numeric = column > 0;
    const before = head.getAttribute("aria-sort");
    const down = before ? before === "ascending" : numeric;
    const rows = [...body.rows].sort((one, other) => {
      const a = key(one, column), b = key(other, column);
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === typeof b ? compare(a, b) : compare(String(a), String(b));
      return down ? -order : order;
    });
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
    first(table);
  }));
}
// Walking: each table is one stop of the Tab key, the arrow keys move within it.
const first = (table) => {
  for (const cell of table.querySelectorAll("td")) cell.tabIndex = -1;
  const cell = table.querySelector("tr:not([hidden]) > td[data-seeds]");
  if (cell) cell.tabIndex = 0;
};
for (const table of document.querySelectorAll("table")) {
  first(table);
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!cell || !step) return;
    const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
    const row = rows[rows.indexOf(cell.parentElement) + step[0]];
    const next = row && row.cells[cell.cellIndex + step[1]];
    if (!next || next.tagName !== "TD") return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  });
}
// The values of each seed, beside the cell that is pointed at or focused.
const tip = document.getElementById("tip");
const show = (event) => {
  const cell = event.target.closest("td[data-seeds]");
  tip.hidden = !cell;
  if (!cell) return;
  tip.textContent = cell.dataset.seeds;
  const box = cell.getBoundingClientRect();
  const below = box.bottom + 4 + tip.offsetHeight <= innerHeight;
  tip.style.left = `${Math.max(4, Math.min(box.left, innerWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${below ? box.bottom + 4 : box.top - tip.offsetHeight - 4}px`;
};
for (const name of ["mouseover", "focusin"]) document.addEventListener(name, show);
document.addEventListener("scroll", () => { tip.hidden = true; }, true);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
// Light or dark: the system's choice until the button is used.
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
// One domain at a time, where a page has several.
const domain = document.getElementById("domain");
if (domain) {
  const choose = () => {
    for (const part of document.querySelectorAll("[data-domain]")) part.hidden = part.dataset.domain !== domain.value;
  };
  domain.parentElement.hidden = false;
  domain.addEventListener("change", choose);
  choose();
}
// Filtering: the rows that hold a text, and the chosen values of columns.
for (const form of document.querySelectorAll(".filter")) {
  const table = form.nextElementSibling.querySelector("table");
  const rows = [...table.tBodies[0].rows], said = form.querySelector("output");
  const text = form.querySelector("input"), selects = [...form.querySelectorAll("select")];
  for (const select of selects) {
    const values = new Set(rows.map((row) => row.cells[select.dataset.column].textContent.trim()));
    for (const value of [...values].filter((one) => one && one !== "—").sort()) select.add(new Option(value, value));
    select.parentElement.hidden = select.length < 3;
  }
  const choose = () => {
    const words = text.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const own = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => own.includes(word))
        || selects.some((one) => one.value && row.cells[one.dataset.column].textContent.trim() !== one.value);
    }
    const shown = rows.filter((row) => !row.hidden).length;
    said.textContent = shown === rows.length ? "" : `${shown} of ${rows.length}`;
    first(table);
  };
  form.hidden = false;
  for (const name of ["input", "change"]) form.addEventListener(name, choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  choose();
}
// A pair: the rows that are of nothing else than the chosen ones, kept in the page's address.
const pair = document.getElementById("pair");
if (pair) {
  const selects = [...pair.querySelectorAll("select")];
  const choose = () => {
    const chosen = selects.map((select) => select.value).filter(Boolean);
    let shown = 0;
    for (const row of document.querySelectorAll("tr[data-of]")) {
      const of = row.dataset.of.split("\n");
      row.hidden = chosen.length > 1 ? !of.every((name) => chosen.includes(name))
        : chosen.length > 0 && !of.includes(chosen[0]);
      shown += !row.hidden;
    }
    document.querySelectorAll("table").forEach(first);
    pair.querySelector("output").textContent = shown ? "" : "No row is of these two.";
    history.replaceState(null, "", chosen.length ? `#${chosen.map(encodeURIComponent).join("&")}` : location.pathname);
  };
  // What asks for no method that there is, such as the address of a section, chooses none.
  const asked = location.hash.slice(1).split("&");
  selects.forEach((select, i) => {
    const found = [...select.options].find((one) => one.value && encodeURIComponent(one.value) === asked[i]);
    if (found) found.selected = true;
  });
  pair.hidden = false;
  pair.addEventListener("change", choose);
  pair.addEventListener("submit", (event) => event.preventDefault());
  if (selects.some((select) => select.value)) choose();
}
