// The panel of one number: its worked line, where it is used, its gradient, and for a weight a field to change it.

import { button, element, show } from "./elements.js";
import { cellLabel } from "../arithmetic/writing.js";
import { weightEditor } from "./editor.js";
import { address } from "./places.js";
import { labelWithWord, whereabouts } from "./whereabouts.js";

const FIRST_USES = 24;
const WAY_TO_UPDATE = [
  ["Clipped", "clipped"],
  ["Mean of gradients", "m"],
  ["Corrected", "corrected_m"],
  ["Step", "step"],
  ["New value", "updated"],
];

/** Show the number `name[index]` in the panel, with everything that leads to it and away from it. */
export function showLine(panel, session, name, index, actions) {
  const step = session.step(name);
  show(
    panel,
    panelHead(cellLabel(name, index), actions),
    whereaboutsOf(session, name, index),
    step ? element("p", { class: "meaning" }, step.meaning) : null,
    workedLine(session, name, index),
    step ? equationOf(session, step) : null,
    session.isWeight(name) ? weightEditor(session, name, index, actions) : null,
    changeOf(session, name, index),
    relatedOf(session, name, index),
    usesOf(session, name, index),
    explanationOf(session, name),
    element("p", {}, element("a", { href: `#step:${name}`, class: "to-step" }, "Show the whole table")),
  );
}

function whereaboutsOf(session, name, index) {
  const places = whereabouts(session, name, index).map((place) => element("bdi", {}, place));
  if (!places.length) return null;
  return element("p", { class: "whereabouts" }, places.flatMap((place, axis) => (axis ? [" · ", place] : [place])));
}

/** Show that the page has no such number. */
export function showMissing(panel, label, actions) {
  show(
    panel,
    panelHead(label, actions),
    element("p", {}, "This page has no such number; its address may be mistyped."),
  );
}

function panelHead(title, actions) {
  return element(
    "div",
    { class: "panel-head" },
    element("h2", { id: "line-title", tabindex: "-1" }, title),
    button("Close", actions.close, { class: "close", id: "close-line" }),
  );
}

function workedLine(session, name, index) {
  if (session.isMasked(name, index)) {
    const words = "Masked: no position may look at a later one, so this cell is not worked out. It counts as ";
    return element("p", { class: "note" }, words, element("code", {}, session.text(name, index)), ".");
  }
  const line = session.line(name, index);
  const arithmetic = (line ?? []).map((segment) => (segment.name ? operand(segment) : segment.text));
  const text = session.text(name, index);
  const isCopy = line?.map((segment) => segment.text).join("") === text; // its number need not be seen twice
  const result = [line ? " = " : "", element("strong", {}, text)];
  const code = element(
    "code",
    { class: line ? "worked" : "given" },
    [element("span", { class: "name" }, cellLabel(name, index)), " = "],
    arithmetic,
    isCopy ? element("span", { hidden: true }, result) : result,
  );
  return element("p", { class: "line" }, code);
}

function operand({ text, name, index }) {
  const label = cellLabel(name, index);
  return element("a", { href: address(name, index), class: "operand", "data-source": label, title: label }, text);
}

/** Return the equation of a step, with its number in the derivations. */
export function equationOf(session, step) {
  const number = step.section ? [" (", derivationLink(session, step.section), ")"] : null;
  return element("p", { class: "equation" }, element("code", {}, step.equation), number);
}

/** Return the number of an equation, as a link to its chapter of the derivations if the page knows where they are. */
export function derivationLink(session, section) {
  const href = session.data.derivations[section.split(".")[0]];
  if (!href) return element("span", { title: `equation ${section} in docs/derivations.md` }, section);
  return element("a", { href, class: "derivation" }, `derivation ${section} ↗`);
}

function changeOf(session, name, index) {
  if (!session.isChanged(name, index)) return null;
  const before = session.originalText(name, index);
  const words =
    before === null ? "It was not on the page before your changes." : `Before your changes it was ${before}.`;
  return element("p", { class: "change" }, words);
}

function relatedOf(session, name, index) {
  const gradient = session.gradientName(name);
  if (session.isWeight(name) && session.has(`updated.${name}`)) return wayToUpdate(session, name, gradient, index);
  return gradient ? element("p", { class: "related" }, "Its gradient: ", namedLink(session, gradient, index)) : null;
}

/** Return the way from the loss to the new value of a weight, number by number. */
function wayToUpdate(session, name, gradient, index) {
  const steps = WAY_TO_UPDATE.map(([title, prefix]) => [title, `${prefix}.${name}`, index]);
  const way = [["The loss", "loss", []], ["Its gradient", gradient, index], ...steps];
  const item = ([title, other, place]) => element("li", {}, `${title}: `, namedLink(session, other, place));
  const items = way.filter(([, other]) => other !== null && session.has(other)).map(item);
  return element("div", {}, element("h3", {}, "How its new value comes about"), element("ol", { class: "way" }, items));
}

/** Return a link to a cell, which lights the cell up. */
export function cellLink(session, name, index, text) {
  return element("a", { href: address(name, index), "data-source": cellLabel(name, index) }, text);
}

/** Return a link to a cell with its name, its word and its number. */
function namedLink(session, name, index) {
  const number = element("span", { class: "whole" }, session.text(name, index));
  return cellLink(session, name, index, [`${labelWithWord(session, name, index)} = `, number]);
}

/** Say that a number leads nowhere: the loss is not computed from the probabilities, although one expects that. */
function noUses(session, name, index) {
  const losses = name.replace(/probabilities$/, "losses");
  if (losses === name || !session.has(losses)) return "Nothing else is computed from it.";
  const link = (other, place) => cellLink(session, other, place, cellLabel(other, place));
  return [
    "Nothing else is computed from it: the loss uses the logits directly, which is more exact (",
    link(losses, index.slice(0, 1)),
    ").",
    name === "probabilities" ? [" The gradient is in ", link("dlogits", index), "."] : "",
  ];
}

function usesOf(session, name, index) {
  const uses = session.usedBy(name, index);
  if (!uses.length) return element("p", { class: "related" }, noUses(session, name, index));
  const item = (use) => element("li", {}, namedLink(session, use.name, use.index));
  const list = element("ul", { class: "uses" }, ...uses.slice(0, FIRST_USES).map(item));
  const rest = uses.slice(FIRST_USES);
  const showRest = () => {
    list.append(...rest.map(item));
    list.children[FIRST_USES].querySelector("a").focus();
    more.remove();
  };
  const more = rest.length ? button(`Show ${rest.length} more`, showRest) : null;
  const count = uses.length === 1 ? "one number" : `${uses.length.toLocaleString("en")} numbers`;
  return element("div", {}, element("h3", {}, `Used by ${count}`), list, more);
}

/** Return the paragraph that says what a step or a weight is, folded. */
export function explanationOf(session, name) {
  const text = session.explanation(name);
  if (!text) return null;
  return element(
    "details",
    { class: "explanation" },
    element("summary", {}, "What is this?"),
    element("p", {}, text),
  );
}
