// The page: its parts, what a click, a key and the address bar do, and what happens after a change.

import { button, element, show } from "./elements.js";
import { cellLabel } from "../arithmetic/writing.js";
import { address, readAddress } from "./places.js";
import { moveInTable } from "./tables.js";
import { showAnswer } from "./answer.js";
import { showAttention } from "./attention.js";
import { showLearning } from "./learning.js";
import { showLine } from "./line.js";
import { markOnMap, showMap } from "./map.js";
import { openStep, refreshTables, showSteps } from "./steps.js";
import { showWhy } from "./why.js";

/** Build the page of a session and connect it to the reader's hands. */
export function startPage(session) {
  const section = (id) => document.getElementById(id);
  const sections = {
    answer: section("answer"),
    why: section("why"),
    map: section("map"),
    attention: section("attention"),
    learning: section("learning"),
    steps: section("steps"),
    panel: section("line"),
    changes: section("changes"),
  };
  const actions = pageActions(session, sections);
  showMap(sections.map, session);
  showSteps(sections.steps, session);
  showResults(session, sections, actions);
  listen(session, sections, actions);
  followAddress(session, sections, actions);
}

function showResults(session, sections, actions) {
  showAnswer(sections.answer, session, actions);
  showWhy(sections.why, session, actions);
  showAttention(sections.attention, session);
  showLearning(sections.learning, session, actions);
  showChanges(sections.changes, session, actions);
}

function pageActions(session, sections) {
  const refresh = (structure) => {
    showResults(session, sections, actions);
    if (structure) showSteps(sections.steps, session);
    else refreshTables(sections.steps, session);
    followAddress(session, sections, actions);
  };
  const actions = {
    edit: (name, index, text) => (session.editWeight(name, index, text), refresh(false)),
    restore: (name, index) => (session.restoreWeight(name, index), refresh(false)),
    chooseWord: (place, token) => (
      session.chooseWord(place, token),
      refresh(true),
      document.getElementById(`word-${place}`)?.focus()
    ),
    explain: (position) => (
      session.explain(position),
      showAnswer(sections.answer, session, actions),
      showWhy(sections.why, session, actions)
    ),
    compare: (place, word) => (session.compare(place, word), showWhy(sections.why, session, actions)),
    takeStep: () => (session.takeStep(), refresh(false)),
    undo: () => (session.undo(), refresh(true)),
    reset: () => (session.reset(), refresh(true)),
    goToStep: (name) => goToStep(session, sections, name),
  };
  return actions;
}

function showChanges(bar, session, actions) {
  const changes = session.changes();
  bar.hidden = changes.length === 0;
  show(
    bar,
    element("p", { "aria-live": "polite" }, `You changed ${changes.join(", ")}.`),
    element("span", { class: "controls" }, button("Undo", actions.undo), button("Reset", actions.reset)),
  );
}

function listen(session, sections, actions) {
  addEventListener("hashchange", () => followAddress(session, sections, actions));
  document.addEventListener("click", (event) => {
    const cell = event.target.closest("td[data-cell]");
    if (cell) openCell(cell);
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.("td[data-cell]")) return;
    if (event.key === "Enter" || event.key === " ") openCell(event.target);
    else if (!moveInTable(event)) return;
    event.preventDefault();
  });
  for (const [type, on] of [
    ["pointerover", true],
    ["pointerout", false],
    ["focusin", true],
    ["focusout", false],
  ]) {
    document.addEventListener(type, (event) => lightUp(event.target.closest?.("[data-source]"), on));
  }
}

function openCell(cell) {
  const { name, index } = readAddress(cell.dataset.cell);
  location.hash = address(name, index);
}

function lightUp(operand, on) {
  if (!operand) return;
  const selector = `[data-cell="${CSS.escape(operand.dataset.source)}"]`;
  document.querySelectorAll(selector).forEach((cell) => cell.classList.toggle("source", on));
}

/** Show what the address bar points to: a step, or a number with its line. */
function followAddress(session, sections, actions) {
  if (location.hash.startsWith("#step:")) {
    goToStep(session, sections, decodeURIComponent(location.hash.slice(6)));
    return;
  }
  const place = readAddress(location.hash);
  if (place === null || !session.hasCell(place.name, place.index)) {
    sections.panel.hidden = true;
    return;
  }
  sections.panel.hidden = false;
  showLine(sections.panel, session, place.name, place.index, actions);
  markOnMap(sections.map, session, place.name);
  document.querySelectorAll("td.chosen").forEach((cell) => cell.classList.remove("chosen"));
  const label = cellLabel(place.name, place.index);
  document.querySelectorAll(`td[data-cell="${CSS.escape(label)}"]`).forEach((cell) => cell.classList.add("chosen"));
}

function goToStep(session, sections, name) {
  const details = openStep(name);
  if (!details) return;
  markOnMap(sections.map, session, name);
  details.scrollIntoView({ block: "start" });
  details.querySelector("summary").focus({ preventScroll: true });
}
