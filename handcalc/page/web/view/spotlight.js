// The cells of a number, wherever they are on the page: the chosen ones, and those that light up.

import { cellLabel } from "../arithmetic/writing.js";
import { readAddress } from "./places.js";
import { openStep } from "./steps.js";

/** Return the cells of a number that are not folded away. */
export function cellsOf(label) {
  return [...document.querySelectorAll(`[data-cell="${CSS.escape(label)}"]`)].filter((cell) => !isFolded(cell));
}

/** Return whether an element is inside of something that is folded: quicker than to ask whether it is visible. */
function isFolded(cell) {
  return cell.closest("details:not([open])") !== null;
}

/** Mark the cells of a number as the chosen ones, and no others; null marks none. */
export function markCell(label) {
  document.querySelectorAll(".chosen").forEach((cell) => cell.classList.remove("chosen"));
  if (label !== null) cellsOf(label).forEach((cell) => cell.classList.add("chosen"));
}

/** Bring a number into view, unless one of its cells is there already: its step is opened where that is needed. */
export function reveal(name, index) {
  const label = cellLabel(name, index);
  if (cellsOf(label).some(isOnScreen)) return;
  openStep(name);
  const cell = document.getElementById(`step:${name}`)?.querySelector(`[data-cell="${CSS.escape(label)}"]`);
  cell?.scrollIntoView({ block: "center", inline: "nearest" });
  markCell(label);
}

/** Return whether a cell can be seen: the bar may cover the top of the window, and on a phone the panel its end. */
function isOnScreen(cell) {
  const { top, bottom, left, right } = cell.getBoundingClientRect();
  const box = (cell.closest(".scroll") ?? document.documentElement).getBoundingClientRect();
  const { scrollPaddingTop, scrollPaddingBottom } = getComputedStyle(document.documentElement);
  const end = innerHeight - (parseFloat(scrollPaddingBottom) || 0);
  return top >= (parseFloat(scrollPaddingTop) || 0) && bottom <= end && left >= box.left && right <= box.right;
}

/** Light up the source of an operand: its cells, and where it is folded away, the title under which it is. */
export function lightUp(operand, on) {
  if (!operand) return;
  const label = operand.dataset.source;
  document.querySelectorAll(".source").forEach((cell) => cell.classList.remove("source"));
  if (!on) return;
  const cells = cellsOf(label);
  (cells.length ? cells : foldedPlace(label)).forEach((cell) => cell.classList.add("source"));
}

function foldedPlace(label) {
  const step = document.getElementById(`step:${readAddress(label).name}`);
  if (step === null) return [];
  const part = step.closest("details.part");
  return [(part.open ? step : part).querySelector("summary")];
}
