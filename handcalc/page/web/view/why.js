// Why this word: the logit split by the parts of the model that wrote it, beside that of another word.

import { choice } from "./choices.js";
import { element, show } from "./elements.js";
import { formatNumber } from "../arithmetic/decimal.js";
import { cellLabel } from "../arithmetic/writing.js";
import { derivationLink } from "./line.js";
import { address } from "./places.js";
import { textUpTo, visibleWord } from "./words.js";

const HOW =
  "Each part of the model adds a vector to the residual stream; this is what each vector adds to the logit, the " +
  "score, of a word. The final norm divides by the spread of all parts together, and that factor is taken as it is " +
  "here. So the table says where these logits come from, and not what they would be without a part: to see that, " +
  "set its weights to 0. ";

/** Show the table of contributions to two words' logits after the explained position. */
export function showWhy(section, session, actions) {
  const position = session.explainedPosition;
  const words = session.comparedWords();
  const rows = session.data.parts.map((part) =>
    whyRow(session, part.title, words, contributionCells(part, position)),
  );
  show(
    section,
    element("h2", {}, "Why?"),
    whySentence(session, position, words, rows),
    comparedChoice(session, words, actions),
    element("div", { class: "scroll" }, whyTable(session, position, words, rows)),
    element("p", { class: "hint" }, HOW, "(", derivationLink(session, "17.5"), ")"),
  );
}

function contributionCells(part, position) {
  return (word) => {
    if (part.axes === "v") return { name: part.name, index: [word] };
    return { name: part.name, index: part.head === null ? [position, word] : [part.head, position, word] };
  };
}

function whyRow(session, title, words, cellOf) {
  const cells = words.map(cellOf).map(({ name, index }) => ({ name, index, text: session.text(name, index) }));
  return { title, cells, difference: formatNumber(session.difference(cells[0].text, cells[1].text)) };
}

function whySentence(session, position, words, rows) {
  const best = rows.reduce((most, row) => (Number(row.difference) > Number(most.difference) ? row : most));
  const [chosen, other] = words.map((word) => visibleWord(session.vocabulary[word]));
  return element(
    "p",
    {},
    "After ",
    element("em", {}, textUpTo(session.vocabulary, session.tokens, position + 1)),
    ", what speaks most for ",
    element("strong", {}, chosen),
    " against ",
    element("strong", {}, other),
    `: ${best.title} (${signed(best.difference)}).`,
  );
}

function comparedChoice(session, words, actions) {
  const names = session.vocabulary.map(visibleWord);
  const choices = words.map((word, place) => {
    const id = `compared-${place}`;
    const label = element("label", { for: id }, ["Explain", "against"][place]);
    return [label, choice(id, names, word, (chosen) => actions.compare(place, chosen))];
  });
  return element("p", { class: "controls" }, ...choices);
}

function whyTable(session, position, words, rows) {
  const names = words.map((word) => visibleWord(session.vocabulary[word]));
  const header = [
    element("th", { scope: "col" }, "part"),
    ...[...names, "difference"].map((text) => element("th", { scope: "col" }, text)),
  ];
  const largest = Math.max(1e-300, ...rows.map(({ difference }) => Math.abs(Number(difference))));
  const body = rows.map((row) => tableRow(row, differenceBar(Number(row.difference) / largest)));
  const sum = whyRow(session, "sum of the parts", words, (word) => ({
    name: "attribution.logits",
    index: [position, word],
  }));
  const logit = whyRow(session, "logit, in one piece", words, (word) => ({
    name: "logits",
    index: [position, word],
  }));
  return element(
    "table",
    { class: "why" },
    element(
      "caption",
      {},
      "What each part adds to the logits of ",
      element("bdi", {}, names[0]),
      " and ",
      element("bdi", {}, names[1]),
    ),
    element("thead", {}, element("tr", {}, ...header)),
    element("tbody", {}, ...body),
    element("tfoot", {}, tableRow(sum), tableRow(logit)),
  );
}

function tableRow({ title, cells, difference }, bar = null) {
  const numbers = cells.map((cell) => element("td", {}, contributionLink(cell)));
  const last = element("td", { class: "difference" }, element("span", { class: "number" }, signed(difference)), bar);
  return element("tr", {}, element("th", { scope: "row" }, title), ...numbers, last);
}

function contributionLink({ name, index, text }) {
  return element("a", { href: address(name, index), "data-cell": cellLabel(name, index) }, text);
}

function differenceBar(share) {
  const side = share < 0 ? "against" : "for";
  const style = { "--share": Math.abs(share).toFixed(4) };
  return element("span", { class: `contribution ${side}`, "aria-hidden": "true", style });
}

function signed(number) {
  return number.startsWith("-") ? number : `+${number}`;
}
