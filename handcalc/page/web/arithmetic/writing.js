// Write cells and trees the way the page shows them: as arithmetic in Python's syntax.
// As handcalc/arithmetic/writing.py; each piece of a line knows the cell that it came from.

import { compareDecimals, formatNumber } from "./decimal.js";
import { Constant, Difference, Func, Masked, Maximum, Positive, Product, Quotient, Ref, Sum } from "./expression.js";
import { ZERO } from "./expression.js";

const SUM = 1;
const PRODUCT = 2;
const ATOM = 3;

/** Return how a cell is written: `scores[2,0]`, or `loss` for a single number. */
export function cellLabel(name, index) {
  return index.length ? `${name}[${index.join(",")}]` : name;
}

/** Return the tree's arithmetic with its numbers, with the fewest parentheses; null for a masked cell. */
export function arithmetic(expression, numbers) {
  const segments = arithmeticSegments(expression, numbers);
  return segments && segments.map(({ text }) => text).join("");
}

/**
 * Return the same as a list of segments in order: `{text}`, or `{text, name, index}` for an operand that is a cell.
 *
 * The 1 or 0 of a ReLU's slope belongs to the cell that decides it. Null for a masked cell.
 */
export function arithmeticSegments(expression, numbers) {
  if (expression instanceof Masked) return null;
  return mergeTexts(writeNode(expression, numbers).segments);
}

/** Return the list with neighbouring segments that are only text joined. */
function mergeTexts(segments) {
  const joined = [];
  for (const segment of segments) {
    const last = joined.at(-1);
    if (last && !("name" in last) && !("name" in segment)) last.text += segment.text;
    else joined.push({ ...segment });
  }
  return joined;
}

/** Return the node's segments, and how tightly its outermost operator binds. */
function writeNode(node, numbers) {
  if (node instanceof Ref) return writeCell(node, formatNumber(numbers.get(node.name, node.index)));
  if (node instanceof Constant) return { segments: [{ text: formatNumber(node.value) }], tightness: ATOM };
  if (node instanceof Positive) {
    const [ref] = node.parts;
    return writeCell(ref, compareDecimals(numbers.get(ref.name, ref.index), ZERO.value) > 0 ? "1" : "0");
  }
  const parts = node.parts.map((part) => writeNode(part, numbers));
  if (node instanceof Sum) return joinParts(parts, " + ", parts.map(() => SUM), SUM);
  if (node instanceof Difference) return joinParts(parts, " - ", [SUM, PRODUCT], SUM);
  if (node instanceof Product) {
    // A quotient after the first factor would otherwise be divided after the product.
    const least = node.parts.map((factor, place) => (place && factor instanceof Quotient ? ATOM : PRODUCT));
    return joinParts(parts, "*", least, PRODUCT);
  }
  if (node instanceof Quotient) return joinParts(parts, "/", [PRODUCT, ATOM], PRODUCT);
  if (node instanceof Func) return writeCall(node.name, parts);
  if (node instanceof Maximum) return writeCall("max", parts);
  throw new TypeError(`${node.constructor.name} is not a node that can be written`);
}

function writeCell({ name, index }, text) {
  return { segments: [{ text, name, index }], tightness: ATOM };
}

/** Return the parts with an operator between them, those in parentheses that bind less tightly than `least` says. */
function joinParts(parts, operator, least, tightness) {
  const segments = [];
  parts.forEach((part, place) => {
    const enclosed = part.tightness < least[place];
    segments.push({ text: (place ? operator : "") + (enclosed ? "(" : "") }, ...part.segments);
    if (enclosed) segments.push({ text: ")" });
  });
  return { segments: segments.filter(({ text }) => text), tightness };
}

function writeCall(name, parts) {
  const { segments } = joinParts(parts, ", ", parts.map(() => 0), ATOM);
  return { segments: [{ text: `${name}(` }, ...segments, { text: ")" }], tightness: ATOM };
}
