// Every step, folded: its sentence, its equation, the weights it uses, its tensor, and beside it the gradient.

import { element, show } from "./elements.js";
import { derivationLink } from "./line.js";
import { fillCell, setHeatMap, tensorTables } from "./tables.js";
import { readAddress } from "./places.js";

const PHASES = new Map([
  ["forward", "Forward: from words to probabilities"],
  ["backward", "Backward: from the loss to every gradient"],
  ["update", "Update: every weight moves a little"],
  ["forward again", "Forward again, with the new weights"],
  ["attribution", "Why: where each logit comes from"],
]);

/** Show all steps, folded, by phase and part; a step's tables are made when it is opened. */
export function showSteps(section, session) {
  const open = new Set([...section.querySelectorAll("details[open]")].map((details) => details.id));
  const phases = new Map();
  session.stepList.forEach((step, place) => {
    const parts = phases.get(phaseOf(step)) ?? phases.set(phaseOf(step), new Map()).get(phaseOf(step));
    if (!parts.has(step.part)) parts.set(step.part, []);
    parts.get(step.part).push(stepElement(session, step, place + 1));
  });
  show(
    section,
    element("h2", {}, "Every step"),
    element(
      "p",
      {},
      "A click on a number opens its arithmetic. Arrow keys move from number to number, Enter opens one.",
    ),
    ...[...phases].flatMap(([phase, parts]) => [element("h3", {}, PHASES.get(phase)), ...[...parts].map(partElement)]),
  );
  for (const details of section.querySelectorAll("details[id]")) details.open = open.has(details.id);
}

function phaseOf(step) {
  return step.name.startsWith("attribution.") ? "attribution" : step.phase;
}

function partElement([title, steps]) {
  const count = steps.length === 1 ? "1 step" : `${steps.length} steps`;
  const summary = element("summary", {}, title, " ", element("span", { class: "shape" }, count));
  return element(
    "details",
    { class: "part", id: `part:${title}` },
    summary,
    element("div", { class: "part-body" }, ...steps),
  );
}

function stepElement(session, step, number) {
  const body = element("div", { class: "step-body" });
  const details = element(
    "details",
    { class: "step", id: `step:${step.name}`, "data-step": step.name },
    element(
      "summary",
      {},
      element("span", { class: "step-number" }, `${number}. `),
      element("span", { class: "name" }, step.name),
      " ",
      element("span", { class: "shape" }, shapeText(session, step)),
    ),
    body,
  );
  details.addEventListener("toggle", () => {
    if (details.open && !body.childElementCount) fillStep(body, session, step);
  });
  return details;
}

function shapeText(session, step) {
  const shape = session.shape(step.name);
  return shape.length ? shape.join(" × ") : "a single number";
}

/** Fill the body of a step: called when it is opened, and again after a change of the text. */
export function fillStep(body, session, step) {
  const gradient = session.gradientName(step.name);
  show(
    body,
    element("p", { class: "meaning" }, step.meaning),
    element(
      "p",
      { class: "equation" },
      element("code", {}, step.equation),
      " (",
      derivationLink(session, step.section),
      ")",
    ),
    element(
      "details",
      { class: "explanation" },
      element("summary", {}, "What is this?"),
      element("p", {}, step.explanation ?? step.meaning),
    ),
    heatMapSwitch(session, body),
    ...step.weights.map((weights) => weightTables(session, weights)),
    element(
      "div",
      { class: "pair" },
      ...tensorTables(session, step.name, step.axes, step.name),
      ...(gradient ? tensorTables(session, gradient, step.axes, `gradient ${gradient}`) : []),
    ),
  );
}

function heatMapSwitch(session, body) {
  const box = element("input", {
    type: "checkbox",
    onchange: () => body.querySelectorAll("table.tensor").forEach((table) => setHeatMap(session, table, box.checked)),
  });
  return element("label", { class: "switch" }, box, "colour the numbers");
}

function weightTables(session, weights) {
  return element(
    "details",
    { class: "weights", ontoggle: (event) => fillWeights(event.currentTarget, session, weights) },
    element("summary", {}, `uses ${weights.name} (${session.shape(weights.name).join(" × ")})`),
  );
}

function fillWeights(details, session, weights) {
  if (details.open && !details.querySelector("table")) {
    details.append(...tensorTables(session, weights.name, session.weightAxes(weights.name), weights.name));
  }
}

/** Write all numbers of all tables again, in place, so that what is open stays open. */
export function refreshTables(root, session) {
  for (const cell of root.querySelectorAll("td[data-cell]")) {
    const { name, index } = readAddress(cell.dataset.cell);
    fillCell(session, cell, name, index);
  }
  for (const box of root.querySelectorAll(".switch input")) box.dispatchEvent(new Event("change"));
}

/** Open a step and move to it. */
export function openStep(name) {
  const details = document.getElementById(`step:${name}`);
  if (!details) return null;
  details.closest("details.part").open = true;
  details.open = true;
  details.dispatchEvent(new Event("toggle"));
  return details;
}
