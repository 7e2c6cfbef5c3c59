// Attention as heat maps: for each head, how much each position (row) looks at itself and each earlier one (column).

import { element, show } from "./elements.js";
import { cellLabel } from "../arithmetic/writing.js";
import { shareColour } from "./colours.js";
import { visibleWord } from "./words.js";

/** Show a heat map for every head of every layer; a click on a cell opens its worked line. */
export function showAttention(section, session) {
  const { n_layer, n_head } = session.config;
  const layers = [...Array(n_layer).keys()];
  const heads = [...Array(n_head).keys()];
  show(
    section,
    element("h2", {}, "Where does it look?"),
    element(
      "p",
      {},
      "Each row is a position that asks, and its numbers are the shares of its attention; they add up to 1, except for rounding. No position may look at a later one: those cells are masked.",
    ),
    ...layers.map((layer) =>
      element(
        "div",
        { class: "layer" },
        element("h3", {}, `Layer ${layer}`),
        element("div", { class: "heads" }, ...heads.map((head) => heatMap(session, layer, head))),
      ),
    ),
    n_layer ? null : element("p", {}, "This model has no layers, and so no attention."),
  );
}

function heatMap(session, layer, head) {
  const name = `h.${layer}.attn.weights`;
  const words = session.tokens.map((token) => visibleWord(session.vocabulary[token]));
  const header = element(
    "tr",
    {},
    element("th", { scope: "col" }, "looks at"),
    ...words.map((word) => element("th", { scope: "col" }, word)),
  );
  const rows = words.map((word, t) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, word),
      ...words.map((_, s) => mapCell(session, name, [head, t, s])),
    ),
  );
  const table = element(
    "table",
    { class: "tensor attention", role: "grid" },
    element("caption", {}, `Layer ${layer}, head ${head}: ${mostAttended(session, name, head, words)}`),
    element("thead", {}, header),
    element("tbody", {}, ...rows),
  );
  table.querySelector("td").setAttribute("tabindex", "0");
  return element("div", { class: "scroll" }, table);
}

function mapCell(session, name, index) {
  const masked = session.isMasked(name, index);
  const text = masked ? "masked" : session.text(name, index);
  const cell = element(
    "td",
    { "data-cell": cellLabel(name, index), tabindex: "-1", class: masked ? "masked" : "" },
    text,
  );
  if (!masked) cell.style.backgroundColor = shareColour(Number(text));
  cell.classList.toggle("changed", session.isChanged(name, index));
  return cell;
}

function mostAttended(session, name, head, words) {
  const last = words.length - 1;
  const shares = words.map((_, s) => Number(session.text(name, [head, last, s])));
  const place = shares.indexOf(Math.max(...shares));
  const where = place === last ? "itself" : words[place];
  return `the last word, ${words[last]}, looks most at ${where}`;
}
