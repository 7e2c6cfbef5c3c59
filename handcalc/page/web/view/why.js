// Why this word: the logit split by the parts of the model that wrote it, beside that of another word.

import { Calculator } from "../arithmetic/calculator.js";
import { Constant, exp } from "../arithmetic/expression.js";
import { choice } from "./choices.js";
import { element, show } from "./elements.js";
import { formatNumber } from "../arithmetic/decimal.js";
import { cellLabel } from "../arithmetic/writing.js";
import { derivationLink } from "./line.js";
import { address } from "./places.js";
import { textUpTo, visibleWord } from "./words.js";

const RATIO_DIGITS = 3;
const LARGEST_LEAD = 100; // above it, the number of times would be long, and say no more

const HOW =
  "Each part of the model adds a vector to the residual stream; this is what each vector adds to the logit of a " +
  "word. The final norm divides by the spread of all parts together, and that factor is taken as it is here. So the " +
  "table says where these logits come from, and not what they would be without a part: to see that, set its weights " +
  "to 0. ";

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

/** Say which of the two words is ahead, what that makes of their probabilities, and which parts matter most. */
function whySentence(session, position, words, rows) {
  const name = (word) => element("strong", {}, visibleWord(session.vocabulary[word]));
  const score = (word) => contributionLink(session, "logits", [position, word]);
  const chance = (word) => contributionLink(session, "probabilities", [position, word]);
  const [first, second] = words;
  const lead = session.difference(...words.map((word) => session.text("logits", [position, word])));
  const [ahead, behind] = lead.coefficient < 0n ? [second, first] : [first, second];
  return element(
    "p",
    {},
    "After ",
    element("em", {}, textUpTo(session.vocabulary, session.tokens, position + 1)),
    [", ", name(first), " gets a score (logit) of ", score(first), ", ", name(second), " of ", score(second), ". "],
    leadSentence(lead, name(ahead), name(behind)),
    [": ", chance(ahead), " against ", chance(behind), ". "],
    mostParts(session, words, rows),
  );
}

function leadSentence(lead, ahead, behind) {
  const size = formatNumber(lead).replace("-", "");
  if (lead.coefficient === 0n) return ["Equal scores make ", ahead, " and ", behind, " equally likely"];
  const isShort = Number(size) < LARGEST_LEAD;
  const times = isShort ? ` e^${size} ≈ ${exponential(size)} times as likely as ` : " far likelier than ";
  return [`A lead of ${size} makes `, ahead, times, behind];
}

function exponential(size) {
  return formatNumber(new Calculator(RATIO_DIGITS).evaluate(exp(new Constant(size)), null));
}

function mostParts(session, words, rows) {
  const chosen = visibleWord(session.vocabulary[words[0]]);
  const sorted = rows.toSorted((a, b) => Number(b.difference) - Number(a.difference));
  const read = element("bdi", {}, visibleWord(session.vocabulary[session.tokens[session.explainedPosition]]));
  const whose = ({ cells }) => (cells[0].name === "attribution.token" ? [", the vector of ", read, " itself"] : "");
  const size = ({ difference }) => element("span", { class: "whole" }, signed(difference));
  const named = (row) => [` ${row.title}`, whose(row), " (", size(row), ")"];
  const [most, least] = [sorted[0], sorted.at(-1)];
  const parts = [];
  if (Number(most.difference) > 0) parts.push(["Most for ", element("bdi", {}, chosen), ":", named(most)]);
  if (Number(least.difference) < 0) {
    parts.push(parts.length ? "; most against it:" : ["Most against ", element("bdi", {}, chosen), ":"], named(least));
  }
  return parts.length ? [...parts, "."] : null;
}

function comparedChoice(session, words, actions) {
  const names = session.vocabulary.map(visibleWord);
  const choices = words.map((word, place) => {
    const id = `compared-${place}`;
    const label = element("label", { for: id }, ["Explain", "against"][place]);
    const without = place === 1 && word !== words[0] ? words[0] : null; // no word is compared with itself
    return [label, choice(id, names, word, (chosen) => actions.compare(place, chosen), without)];
  });
  return element("p", { class: "controls" }, ...choices);
}

function whyTable(session, position, words, rows) {
  const names = words.map((word) => visibleWord(session.vocabulary[word]));
  const header = [
    element("th", { scope: "col" }, "part"),
    ...["difference", ...names].map((text) => element("th", { scope: "col" }, text)),
  ];
  const largest = Math.max(1e-300, ...rows.map(({ difference }) => Math.abs(Number(difference))));
  const body = rows.map((row) => tableRow(session, row, differenceBar(Number(row.difference) / largest)));
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
    element("tfoot", {}, tableRow(session, sum), tableRow(session, logit)),
  );
}

function tableRow(session, { title, cells, difference }, bar = null) {
  const numbers = cells.map((cell) => element("td", {}, contributionLink(session, cell.name, cell.index)));
  const second = element("td", { class: "difference" }, element("span", { class: "number" }, signed(difference)), bar);
  return element("tr", {}, element("th", { scope: "row" }, title), second, ...numbers);
}

function contributionLink(session, name, index) {
  return element("a", { href: address(name, index), "data-cell": cellLabel(name, index) }, session.text(name, index));
}

function differenceBar(share) {
  const side = share < 0 ? "against" : "for";
  const style = { "--share": Math.abs(share).toFixed(4) };
  const contribution = element("span", { class: `contribution ${side}`, style });
  return element("span", { class: "zero", "aria-hidden": "true" }, contribution);
}

function signed(number) {
  return number.startsWith("-") ? number : `+${number}`;
}
