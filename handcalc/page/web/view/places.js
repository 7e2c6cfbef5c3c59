// Where a number is: its name and index, as the address bar and the lines write them.

import { cellLabel } from "../arithmetic/writing.js";

/** Return the `{name, index}` that an address such as `#h.0.attn.scores[0,1,0]` points to, or null. */
export function readAddress(hash) {
  let text;
  try {
    text = decodeURIComponent(hash.replace(/^#/, ""));
  } catch {
    return null;
  }
  const match = /^([A-Za-z_][\w.]*)(?:\[(\d{1,6}(?:,\d{1,6})*)\])?$/.exec(text);
  return match && { name: match[1], index: match[2] ? match[2].split(",").map(Number) : [] };
}

/** Return the address of a cell for a link. */
export function address(name, index) {
  return `#${cellLabel(name, index)}`;
}
