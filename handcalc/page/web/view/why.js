// Why this word: the logit split by the parts of the model that wrote it, beside that of another word.

import { element, show } from "./elements.js";
import { cellLabel } from "../arithmetic/writing.js";
import { address } from "./places.js";
import { textUpTo, visibleWord } from "./words.js";

/** Show the table of contributions to two words' logits after the explained position. */
export function showWhy(section, session, actions) {
  const position = session.explainedPosition;
  const words = session.comparedWords();
  const rows = session.data.parts.map((part) => contribution(session, part, position, words));
  const largest = Math.max(1e-300, ...rows.map((row) => Math.abs(row.difference)));
  show(
    section,
    element("h2", {}, "Why?"),
    whySentence(session, position, words, rows),
    comparedChoice(session, words, actions),
    element("div", { class: "scroll" }, whyTable(session, position, words, rows, largest)),
    element(
      "p",
      { class: "hint" },
      "Each part of the model adds a vector to the residual stream; this is what each vector adds to the logit of a word. The final norm divides by the " +
        "spread of all parts together: that factor is taken as it is here. So the table says where this logit comes from, and not what it would be without a part: " +
        "to see that, set the part's weights to 0.",
    ),
  );
}

function contribution(session, part, position, words) {
  const cells = words.map((word) => ({ name: part.name, index: partIndex(part, position, word) }));
  const values = cells.map(({ name, index }) => session.text(name, index));
  return { part, cells, values, difference: Number(values[0]) - Number(values[1]) };
}

function partIndex(part, position, word) {
  if (part.axes === "v") return [word];
  return part.head === null ? [position, word] : [part.head, position, word];
}

function whySentence(session, position, words, rows) {
  const best = rows.reduce((most, row) => (row.difference > most.difference ? row : most), rows[0]);
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
    ` is: ${best.part.title}.`,
  );
}

function comparedChoice(session, words, actions) {
  const labels = ["Explain", "against"];
  return element(
    "p",
    { class: "controls" },
    ...words.flatMap((word, place) => {
      const id = `compared-${place}`;
      const select = element("select", { id, onchange: (event) => actions.compare(place, Number(event.target.value)) });
      session.vocabulary.forEach((text, token) =>
        select.append(element("option", { value: token, selected: token === word }, visibleWord(text))),
      );
      return [element("label", { for: id }, labels[place]), select];
    }),
  );
}

function whyTable(session, position, words, rows, largest) {
  const names = words.map((word) => visibleWord(session.vocabulary[word]));
  const header = ["part of the model", ...names, "difference"].map((text) => element("th", { scope: "col" }, text));
  const body = rows.map(({ part, cells, values, difference }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, part.title),
      ...cells.map(({ name, index }, place) => element("td", {}, contributionLink(name, index, values[place]))),
      element(
        "td",
        { class: "difference" },
        element("span", { class: "number" }, signed(difference)),
        differenceBar(difference / largest),
      ),
    ),
  );
  const total = sumRow(session, "sum of the parts", "attribution.logits", position, words);
  const logit = sumRow(session, "logit, computed in one piece", "logits", position, words);
  const caption = `What each part adds to the logits of ${names[0]} and ${names[1]}`;
  return element(
    "table",
    { class: "why" },
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...header)),
    element("tbody", {}, ...body),
    element("tfoot", {}, total, logit),
  );
}

function sumRow(session, title, name, position, words) {
  const values = words.map((word) => session.text(name, [position, word]));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, title),
    ...words.map((word, place) => element("td", {}, contributionLink(name, [position, word], values[place]))),
    element("td", { class: "difference" }, signed(Number(values[0]) - Number(values[1]))),
  );
}

function contributionLink(name, index, text) {
  return element("a", { href: address(name, index), "data-cell": cellLabel(name, index) }, text);
}

function differenceBar(share) {
  const side = share < 0 ? "against" : "for";
  return element("span", {
    class: `contribution ${side}`,
    "aria-hidden": "true",
    style: { "--share": Math.abs(share).toFixed(4) },
  });
}

function signed(value) {
  return `${value < 0 ? "" : "+"}${value.toFixed(2)}`;
}
