// Every step, folded: its sentence, its equation, the weights it uses, its tensor, and beside it the gradient.

import { element, show } from "./elements.js";
import { doWhenSeen, watchSight } from "./later.js";
import { equationOf, explanationOf } from "./line.js";
import { refreshTable, setHeatMap, tensorTables } from "./tables.js";

const WEIGHTS = "The weights: what training found";
const WHY = "Why: where each logit comes from";
const PHASES = {
  forward: "Forward: from words to probabilities",
  backward: "Backward: from the loss to every gradient",
  update: "Update: every weight moves a little",
  "forward again": "Forward again, with the new weights",
};

/** What Python says about the steps that a section shows, and about the step of a body, to know what differs later. */
const SHOWN_STEPS = new WeakMap();

/** Show all weights and steps, folded, by phase and part; their tables are made when they are opened. */
export function showSteps(section, session) {
  SHOWN_STEPS.set(section, session.stepList);
  const weights = session.data.weights.map(({ name }) => stepElement(session, name, name));
  const phases = new Map([[WEIGHTS, new Map([["All weights: click one to change it", weights]])]]);
  session.stepList.forEach((step, place) => {
    const phase = step.name.startsWith("attribution.") ? WHY : PHASES[step.phase];
    if (!phases.has(phase)) phases.set(phase, new Map());
    const parts = phases.get(phase);
    const part = phase === WHY ? "The parts of each logit" : step.part;
    if (!parts.has(part)) parts.set(part, []);
    parts.get(part).push(stepElement(session, step.name, `${place + 1}. ${step.name}`));
  });
  show(
    section,
    element("h2", {}, "Every step"),
    element(
      "p",
      { class: "hint" },
      "A click on a number opens its arithmetic. Arrow keys move from number to number, Enter opens one, " +
        "Escape goes back to the table.",
    ),
    element("p", { class: "print-only" }, "Open a step to print it."),
    ...[...phases].map(phaseElement),
  );
}

function phaseElement([phase, parts]) {
  return element("div", { class: "phase" }, element("h3", {}, phase), ...[...parts].map(partElement));
}

function partElement([title, steps]) {
  const count =
    steps.length === 1
      ? "1 step"
      : `${steps.length} ${title.startsWith("All weights") ? "matrices and vectors" : "steps"}`;
  const summary = element("summary", {}, title, " ", element("span", { class: "shape" }, count));
  const body = element("div", { class: "part-body" }, ...steps);
  const id = `part:${title}`;
  return element("details", { class: "part", id, open: document.getElementById(id)?.open }, summary, body);
}

/** Return the element of a step or of weights: the one that is there already, or else a new one, folded. */
function stepElement(session, name, title) {
  const id = `step:${name}`;
  const known = document.getElementById(id);
  if (known !== null) {
    known.querySelector(".name").textContent = title;
    return known;
  }
  const body = element("div", { class: "step-body" });
  watchSight(body);
  const fill = () => details.open && !body.childElementCount && fillStep(body, session, name);
  const summary = element("summary", {}, element("span", { class: "name" }, title), " ", shapeOfStep(session, name));
  const details = element("details", { class: "step", id, "data-step": name, ontoggle: fill }, summary, body);
  return details;
}

function shapeOfStep(session, name) {
  const shape = session.shape(name);
  return element("span", { class: "shape" }, shape.length ? shape.join(" × ") : "a single number");
}

function fillStep(body, session, name) {
  const step = session.step(name);
  SHOWN_STEPS.set(body, step);
  const axes = session.axes(name);
  const gradient = session.gradientName(name);
  show(
    body,
    step ? [element("p", { class: "meaning" }, step.meaning), equationOf(session, step)] : null,
    explanationOf(session, name),
    heatMapSwitch(body),
    (step?.weights ?? []).map((weights) => weightTables(session, weights)),
    element(
      "div",
      { class: "pair" },
      element("div", {}, ...tensorTables(session, name, axes, name)),
      gradient ? element("div", {}, ...tensorTables(session, gradient, axes, `its gradient: ${gradient}`)) : null,
    ),
  );
  colourTables(body);
}

function heatMapSwitch(body) {
  const box = element("input", { type: "checkbox", checked: true, onchange: () => colourTables(body) });
  return element("label", { class: "switch" }, box, "heat map: blue above 0, orange below");
}

function colourTables(body) {
  const on = body.querySelector(".switch input").checked;
  body.querySelectorAll("table.tensor").forEach((table) => setHeatMap(table, on));
}

function weightTables(session, weights) {
  const { name } = weights;
  const fill = ({ currentTarget: details }) => {
    if (!details.open || details.querySelector("table")) return;
    details.append(...tensorTables(session, name, weights.axes, name));
    colourTables(details.closest(".step-body"));
  };
  const summary = element("summary", {}, `uses ${name} (${session.shape(name).join(" × ")})`);
  return element("details", { class: "weights", ontoggle: fill }, summary);
}

/** Show the numbers as they are now, those in sight first; closed tables are made again when they are opened. */
export function refreshSteps(section, session) {
  const [shown, steps] = [SHOWN_STEPS.get(section), session.stepList];
  if (steps.length !== shown.length || steps.some((step, place) => step !== shown[place])) showSteps(section, session);
  for (const body of section.querySelectorAll(".step-body:not(:empty)")) {
    if (body.parentElement.open) doWhenSeen(body, () => refreshBody(body, session));
    else body.replaceChildren();
  }
}

function refreshBody(body, session) {
  if (!body.isConnected || !body.childElementCount) return; // it was removed or folded while this waited
  const name = body.parentElement.dataset.step;
  if (SHOWN_STEPS.get(body) !== session.step(name)) {
    fillStep(body, session, name);
    return;
  }
  body.querySelectorAll("table.tensor").forEach((table) => refreshTable(session, table));
  colourTables(body);
}

/** Open the step or the weights of this name, and return its element; null if there is none. */
export function openStep(name) {
  const details = document.getElementById(`step:${name}`);
  if (details === null) return null;
  details.closest("details.part").open = true;
  openDetails(details);
  layOutNow(details.querySelector(".step-body"));
  return details;
}

/** Lay a body out although it is not in sight yet: until it is, its height is only a guess, and a jump would miss. */
function layOutNow(body) {
  body.style.contentVisibility = "visible";
  requestAnimationFrame(() => requestAnimationFrame(() => body.style.removeProperty("content-visibility")));
}

/** Open at once, and do not wait for the browser to say so. */
function openDetails(details) {
  details.open = true;
  details.dispatchEvent(new Event("toggle"));
}
