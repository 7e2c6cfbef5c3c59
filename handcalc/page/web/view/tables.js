// Tables of a tensor: labels on both axes, in each cell its number as a link to its line, and on request colours.

import { element } from "./elements.js";
import { cellLabel } from "../arithmetic/writing.js";
import { largestSize, shareColour } from "./colours.js";
import { address } from "./places.js";
import { placeLabel } from "./words.js";

/** Return the tables of a tensor: one for each head if it has three axes. `caption` names the tensor. */
export function tensorTables(session, name, axes, caption) {
  const shape = session.shape(name);
  if (shape.length < 3) return [tensorTable(session, { name, before: [], axes, shape, caption })];
  const rest = { axes: axes.slice(1), shape: shape.slice(1) };
  const heads = [...Array(shape[0]).keys()];
  return heads.map((head) =>
    tensorTable(session, { name, before: [head], ...rest, caption: `${caption}, head ${head}` }),
  );
}

/** Return a scrollable table; vectors are one column, a single number is one cell. */
function tensorTable(session, { name, before, axes, shape, caption }) {
  const [rows, columns] = [shape[0] ?? 1, shape[1] ?? 1].map((length) => [...Array(length).keys()]);
  const indexOf = (row, column) => [...before, row, column].slice(0, before.length + shape.length);
  const columnTitle = (column) => (axes[1] ? placeLabel(session, axes[1], column) : "value");
  const rowTitle = (row) => (axes[0] ? placeLabel(session, axes[0], row) : caption);
  const header = columns.map((column) => element("th", { scope: "col" }, columnTitle(column)));
  const body = rows.map((row) => {
    const title = element("th", { scope: "row" }, rowTitle(row));
    return element("tr", {}, title, ...columns.map((column) => tableCell(session, name, indexOf(row, column))));
  });
  return scrollable(caption, [element("td", { class: "corner" }, corner(session, axes)), ...header], body);
}

/** Return a table of numbers with a header and rows, in a box that scrolls. */
export function scrollable(caption, header, rows) {
  const head = element("thead", {}, element("tr", {}, ...header));
  const table = element(
    "table",
    { class: "tensor" },
    element("caption", {}, caption),
    head,
    element("tbody", {}, ...rows),
  );
  table.querySelector("td[data-cell] a")?.setAttribute("tabindex", "0");
  return element("div", { class: "scroll" }, table);
}

function corner(session, axes) {
  const names = [...axes].map((letter) => session.data.axes[letter].counts);
  return names.length > 1 ? `${names[0]} ↓  ${names[1]} →` : (names[0] ?? "");
}

/** Return the cell of a table: a link to the number's line. Only one link of a table is reached by the Tab key. */
export function tableCell(session, name, index) {
  const link = element("a", { href: address(name, index), tabindex: "-1" });
  const cell = element("td", { "data-cell": cellLabel(name, index) }, link);
  fillCell(session, cell, name, index);
  return cell;
}

/** Write a cell's number, and whether it is masked or has changed since the page was opened. */
export function fillCell(session, cell, name, index) {
  const masked = session.isMasked(name, index);
  cell.firstChild.textContent = masked ? "masked" : session.text(name, index);
  cell.classList.toggle("masked", masked);
  cell.classList.toggle("changed", session.isChanged(name, index));
}

/** Colour the cells of a table by their numbers' share of its largest, or remove the colours. */
export function setHeatMap(table, on) {
  const cells = [...table.querySelectorAll("td[data-cell]")];
  const values = cells.map((cell) => (cell.classList.contains("masked") ? NaN : Number(cell.textContent)));
  const largest = largestSize(values);
  cells.forEach((cell, place) => {
    cell.style.backgroundColor = on && Number.isFinite(values[place]) ? shareColour(values[place] / largest) : "";
  });
}

/** Move from cell to cell of a table by the arrow keys, Home and End; return whether the key was one of these. */
export function moveInTable(event) {
  const cell = event.target.closest("td");
  const [row, column] = [cell.parentElement.rowIndex, cell.cellIndex];
  const rows = cell.closest("table").rows;
  const moves = {
    ArrowDown: [1, 0],
    ArrowUp: [-1, 0],
    ArrowRight: [0, 1],
    ArrowLeft: [0, -1],
    Home: [0, 1 - column],
    End: [0, rows[row].cells.length - 1 - column],
  };
  if (!(event.key in moves)) return false;
  const [down, across] = moves[event.key];
  rows[row + down]?.cells[column + across]?.querySelector("a")?.focus();
  return true;
}

/** Let the Tab key return to the link of a table that has the focus. */
export function rememberPlace(link) {
  const table = link.closest("table");
  table.querySelectorAll('td[data-cell] a[tabindex="0"]').forEach((other) => other.setAttribute("tabindex", "-1"));
  link.setAttribute("tabindex", "0");
}
