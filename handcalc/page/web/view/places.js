// Where a number is: its name and index, as the address bar and the lines write them.

import { cellLabel } from "../arithmetic/writing.js";

const CELL = /^([A-Za-z_][\w.]*)(?:\[(\d{1,6}(?:,\d{1,6})*)\])?$/;

/** Return the `{name, index, label}` that an address such as `#h.0.attn.scores[0,1,0]` points to, or null. */
export function readAddress(hash) {
  const match = CELL.exec(decode(hash.replace(/^#/, "")));
  return match && { name: match[1], index: match[2] ? match[2].split(",").map(Number) : [], label: match[0] };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // a stray % sign
  }
}

/** Return the address of a cell for a link. */
export function address(name, index) {
  return `#${cellLabel(name, index)}`;
}
