// Tables of a tensor: labels on both axes, in each cell its number as a link to its line, and on request colours.

import { element } from "./elements.js";
import { cellLabel } from "../arithmetic/writing.js";
import { largestSize, shareColour } from "./colours.js";
import { address } from "./places.js";
import { isWordAxis, placeLabel } from "./words.js";

const MOST_COLUMNS = 8;

/** What each table of a tensor shows: its cells with their indices, numbers and colours, and the labels with words. */
const TABLES = new WeakMap();

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

/** Return a scrollable table; vectors are one column, a single number is one cell, and a wide matrix is turned. */
function tensorTable(session, { name, before, axes, shape, caption }) {
  const [first, second] = [shape[0] ?? 1, shape[1] ?? 1].map((length) => [...Array(length).keys()]);
  const turned = second.length > MOST_COLUMNS && second.length > first.length;
  const [rows, columns] = turned ? [second, first] : [first, second];
  const [down, across] = turned ? [axes[1], axes[0]] : [axes[0], axes[1]];
  const indexOf = (row, column) => [...before, ...(turned ? [column, row] : [row, column]).slice(0, shape.length)];
  const title = turned ? `${caption} (shown turned: rows and columns exchanged)` : caption;
  const header = columns.map((column) => axisLabel(session, "col", across, column, "value"));
  const titles = rows.map((row) => axisLabel(session, "row", down, row, caption));
  const indices = rows.flatMap((row) => columns.map((column) => indexOf(row, column)));
  const cells = indices.map((index) => tableCell(session, name, index));
  const width = columns.length;
  const body = titles.map((title, row) => element("tr", {}, title, cells.slice(row * width, (row + 1) * width)));
  const start = element("td", { class: "corner" }, corner(session, [down, across]));
  const box = scrollable(title, [start, ...header], body);
  TABLES.set(box.querySelector("table"), {
    name,
    indices,
    cells,
    values: indices.map((index) => session.value(name, index)),
    numbers: indices.map((index) => Number(session.text(name, index))),
    colours: [],
    labels: [...wordLabels(titles, down), ...wordLabels(header, across)],
  });
  return box;
}

/** Return the labels of an axis if they contain words of the text, `{node, letter, place}`. */
function wordLabels(nodes, letter) {
  return isWordAxis(letter) ? nodes.map((node, place) => ({ node, letter, place })) : [];
}

function axisLabel(session, scope, letter, place, otherwise) {
  return element("th", { scope }, letter ? placeLabel(session, letter, place) : otherwise);
}

/** Write again what a table of a tensor shows, but only where it differs: that is much quicker than all of it. */
export function refreshTable(session, table) {
  const { name, indices, cells, values, numbers, labels } = TABLES.get(table);
  indices.forEach((index, place) => {
    const value = session.value(name, index);
    if (isSameNumber(value, values[place])) return;
    values[place] = value;
    numbers[place] = Number(session.text(name, index));
    fillCell(session, cells[place], name, index);
  });
  for (const { node, letter, place } of labels) node.textContent = placeLabel(session, letter, place);
}

function isSameNumber(a, b) {
  return a.exponent === b.exponent && a.coefficient === b.coefficient;
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
  const names = axes.filter(Boolean).map((letter) => session.data.axes[letter].counts);
  return names.length > 1 ? `${names[0]} ↓  ${names[1]} →` : (names[0] ?? "");
}

/** Return the cell of a table: a link to the number's line. Only one link of a table is reached by the Tab key. */
export function tableCell(session, name, index) {
  const link = element("a", { href: address(name, index), tabindex: "-1" }, "");
  const cell = element("td", { "data-cell": cellLabel(name, index) }, link);
  fillCell(session, cell, name, index);
  return cell;
}

/** Write a cell's number, and whether it is masked or differs from that of the unchanged model. */
export function fillCell(session, cell, name, index) {
  const masked = session.isMasked(name, index);
  cell.firstChild.firstChild.data = masked ? "masked" : session.text(name, index);
  cell.classList.toggle("masked", masked);
  cell.classList.toggle("changed", session.isChanged(name, index));
}

/** Colour the cells of a tensor's table by their numbers' share of its largest, or remove the colours. */
export function setHeatMap(table, on) {
  const { cells, numbers, colours } = TABLES.get(table);
  const largest = largestSize(numbers);
  numbers.forEach((number, place) => {
    const colour = on && Number.isFinite(number) ? shareColour(number / largest) : "";
    if (colour !== (colours[place] ?? "")) cells[place].style.backgroundColor = colour;
    colours[place] = colour;
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
