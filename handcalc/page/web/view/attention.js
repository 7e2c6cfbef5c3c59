// Attention as heat maps: for each head, how much each position (row) looks at itself and each earlier one (column).

import { element, show } from "./elements.js";
import { shareColour } from "./colours.js";
import { scrollable, tableCell } from "./tables.js";
import { visibleWord } from "./words.js";

/** Show a heat map for every head of every layer; a click on a cell opens its worked line. */
export function showAttention(section, session) {
  const { n_layer, n_head } = session.config;
  const layers = [...Array(n_layer).keys()];
  const heads = [...Array(n_head).keys()];
  const how =
    "Each row is a word that looks, and its numbers are the shares of its attention; they add up to 1, except for " +
    "rounding. The stronger the colour of a cell, the larger its share. No word may look at a later one: those cells " +
    "are masked.";
  const none = "This model has no layers, and so no attention.";
  show(
    section,
    element("h2", {}, "Where does it look?"),
    element("p", {}, n_layer ? how : none),
    ...layers.map((layer) => layerMaps(session, layer, heads)),
  );
}

function layerMaps(session, layer, heads) {
  const maps = element("div", { class: "heads" }, ...heads.map((head) => heatMap(session, layer, head)));
  return element("div", { class: "layer" }, element("h3", {}, `Layer ${layer}`), maps);
}

function heatMap(session, layer, head) {
  const name = `h.${layer}.attn.weights`;
  const words = session.tokens.map((token) => visibleWord(session.vocabulary[token]));
  const header = words.map((word) => element("th", { scope: "col" }, word));
  const rows = words.map((word, t) => {
    const cells = words.map((_, s) => mapCell(session, name, [head, t, s]));
    return element("tr", {}, element("th", { scope: "row" }, word), ...cells);
  });
  const caption = [`Layer ${layer}, head ${head}: `, ...mostAttended(session, name, head, words)];
  return scrollable(caption, [element("td", { class: "corner" }, "looks at →"), ...header], rows);
}

function mapCell(session, name, index) {
  const cell = tableCell(session, name, index);
  if (!session.isMasked(name, index)) cell.style.backgroundColor = shareColour(Number(cell.textContent));
  return cell;
}

function mostAttended(session, name, head, words) {
  const last = session.explainedPosition;
  const shares = words.slice(0, last + 1).map((_, s) => Number(session.text(name, [head, last, s])));
  const place = shares.indexOf(Math.max(...shares));
  const where = place === last ? "itself" : element("bdi", {}, words[place]);
  return [element("bdi", {}, words[last]), " looks most at ", where];
}
