// Tables of a tensor: labels on both axes, numbers in the cells, and on request their colours.

import { element } from "./elements.js";
import { cellLabel } from "../arithmetic/writing.js";
import { largestSize, shareColour } from "./colours.js";
import { placeLabel } from "./words.js";

/** Return the tables of a tensor: one for each head if it has three axes. `caption` names the tensor. */
export function tensorTables(session, name, axes, caption) {
  const shape = session.shape(name);
  if (shape.length === 3) {
    return [...Array(shape[0]).keys()].map((head) =>
      matrix(session, {
        name,
        before: [head],
        axes: axes.slice(1),
        shape: shape.slice(1),
        caption: `${caption}, head ${head}`,
      }),
    );
  }
  return [matrix(session, { name, before: [], axes, shape, caption })];
}

/** Return a scrollable table; vectors are one column, a single number is one cell. */
function matrix(session, { name, before, axes, shape, caption }) {
  const [rows, columns] = [shape[0] ?? 1, shape[1] ?? 1];
  const head = element("tr", {}, element("th", { scope: "col" }, corner(axes)));
  for (let column = 0; column < columns; column++) {
    head.append(element("th", { scope: "col" }, axes[1] ? placeLabel(session, axes[1], column) : lastTitle(caption)));
  }
  const body = element("tbody");
  for (let row = 0; row < rows; row++) {
    const line = element("tr", {}, element("th", { scope: "row" }, axes[0] ? placeLabel(session, axes[0], row) : ""));
    for (let column = 0; column < columns; column++) {
      line.append(tableCell(session, name, [...before, row, column].slice(0, before.length + shape.length)));
    }
    body.append(line);
  }
  const table = element(
    "table",
    { class: "tensor", role: "grid" },
    element("caption", {}, caption),
    element("thead", {}, head),
    body,
  );
  table.querySelector("td")?.setAttribute("tabindex", "0");
  return element("div", { class: "scroll" }, table);
}

function corner(axes) {
  return axes.length > 1 ? `${axes[0]} \\ ${axes[1]}` : axes;
}

function lastTitle(caption) {
  return caption.slice(caption.lastIndexOf(" ") + 1);
}

function tableCell(session, name, index) {
  const cell = element("td", { "data-cell": cellLabel(name, index), tabindex: "-1" });
  fillCell(session, cell, name, index);
  return cell;
}

/** Write a cell's number, and whether it is masked or has changed since the page was opened. */
export function fillCell(session, cell, name, index) {
  const masked = session.isMasked(name, index);
  cell.textContent = masked ? "masked" : session.text(name, index);
  cell.classList.toggle("masked", masked);
  cell.classList.toggle("changed", session.isChanged(name, index));
}

/** Colour the cells of a table by their numbers' share of its largest, or remove the colours. */
export function setHeatMap(session, table, on) {
  const cells = [...table.querySelectorAll("td[data-cell]")];
  const values = cells.map((cell) => (cell.classList.contains("masked") ? NaN : Number(cell.textContent)));
  const largest = largestSize(values);
  cells.forEach((cell, place) => {
    cell.style.backgroundColor = on && !Number.isNaN(values[place]) ? shareColour(values[place] / largest) : "";
  });
}

/** Move from cell to cell of a table by the arrow keys, Home and End; return whether the key was one of these. */
export function moveInTable(event) {
  const cell = event.target;
  const [row, column] = [cell.parentElement.rowIndex, cell.cellIndex];
  const rows = cell.closest("table").rows;
  const [down, across] =
    {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      Home: [0, 1 - column],
      End: [0, rows[row].cells.length - 1 - column],
    }[event.key] ?? [];
  if (down === undefined) return false;
  const next = rows[row + down]?.cells[column + across];
  if (next?.matches("td")) {
    cell.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  }
  return true;
}
