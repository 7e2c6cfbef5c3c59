// The page: its parts, what a click, a key and the address bar do, and what happens after a change.

import { showAnswer } from "./answer.js";
import { showAttention } from "./attention.js";
import { makeRoom, showChanges } from "./changes.js";
import { applyChoice } from "./choices.js";
import { showComparison } from "./comparison.js";
import { showLearning } from "./learning.js";
import { showLine, showMissing } from "./line.js";
import { markOnMap, showMap } from "./map.js";
import { readAddress } from "./places.js";
import { lightUp, markCell, reveal } from "./spotlight.js";
import { openStep, refreshSteps, showSteps } from "./steps.js";
import { moveInTable, rememberPlace } from "./tables.js";
import { showWhy } from "./why.js";

const SECTIONS = [
  "answer",
  "why",
  "map",
  "attention",
  "learning",
  "steps",
  "line",
  "changes",
  "announcement",
  "title",
];

/** Build the page of a session and connect it to the reader's hands. */
export function startPage(session) {
  const sections = Object.fromEntries(SECTIONS.map((id) => [id, document.getElementById(id)]));
  const page = { session, sections, opener: null, lastUsed: {} };
  page.actions = pageActions(page);
  showMap(sections.map, session);
  showSteps(sections.steps, session);
  showResults(page);
  listen(page);
  followAddress(page, false);
  setTimeout(() => showComparison(document.getElementById("comparison"), session.compareWithPython()));
}

function showResults({ session, sections, actions }) {
  showAnswer(sections.answer, session, actions);
  showWhy(sections.why, session, actions);
  showAttention(sections.attention, session);
  showLearning(sections.learning, session, actions);
  showChanges(sections.changes, sections.announcement, session, actions);
}

/** Return what the reader can do. Each action leaves the focus where it was, although the page is written again. */
function pageActions(page) {
  const { session } = page;
  const act =
    (change) =>
    (...choices) => {
      applyChoice();
      keepFocus(page, () => (change(...choices), refresh(page)));
    };
  return {
    edit: act((name, index, text) => session.editWeight(name, index, text)),
    chooseWord: act((place, token) => session.chooseWord(place, token)),
    explain: act((position) => session.explain(position)),
    compare: act((place, word) => session.compare(place, word)),
    takeStep: act(() => session.takeStep()),
    undo: act(() => session.undo()),
    reset: act(() => session.reset()),
    close: () => closePanel(page),
  };
}

function refresh(page) {
  const { session, sections } = page;
  showResults(page);
  showPanel(page);
  refreshSteps(sections.steps, session); // last: the browser would lay out the changed tables before anything else
}

/** Whoever undoes the last change loses the button: the focus returns to what made the change, or to the panel. */
function keepFocus(page, act) {
  const used = focusedPlace();
  if (used.id !== "undo" && used.id !== "reset") page.lastUsed = used;
  act();
  if (used.node === document.body || (used.node.isConnected && used.node.checkVisibility())) return;
  [used, page.lastUsed, { id: "line-title" }, { id: "title" }].some(focusPlace);
}

/** Return where the focus is so that it is found again after that part of the page has been written again. */
function focusedPlace() {
  const node = document.activeElement;
  return { node, id: node.id, section: node.closest("[id]")?.id, hash: node.hash };
}

/** Focus the element of this place, if there still is one that can be seen; return whether there is. */
function focusPlace({ id, section, hash }) {
  const links = [...(document.getElementById(section)?.querySelectorAll("a") ?? [])];
  const node = id ? document.getElementById(id) : links.find((link) => hash && link.hash === hash);
  if (!node?.checkVisibility()) return false;
  node.focus({ preventScroll: true });
  return document.activeElement === node;
}

function listen(page) {
  addEventListener("hashchange", () => followAddress(page, true));
  const { changes, line } = page.sections;
  new ResizeObserver(() => makeRoom(changes, line)).observe(changes);
  document.addEventListener("keydown", (event) => pressKey(page, event));
  document.addEventListener("click", (event) => clickCell(page, event));
  document.addEventListener("focusin", ({ target }) => {
    if (target.closest("table.tensor")) rememberPlace(target);
  });
  const lights = { pointerover: true, pointerout: false, focusin: true, focusout: false };
  for (const [type, on] of Object.entries(lights)) {
    document.addEventListener(type, ({ target }) => lightUp(target.closest?.("[data-source]"), on));
  }
}

/** The whole cell is to be clicked, and not only its number; remember from where, to return there. */
function clickCell(page, event) {
  const cell = event.target.closest("[data-cell]");
  if (!cell) return;
  const link = cell.matches("a") ? cell : cell.querySelector("a");
  page.opener = link;
  if (!event.target.closest("a")) link.click();
  else if (link.hash === location.hash) followAddress(page, true);
}

function pressKey(page, event) {
  if (event.key === "Escape" && !page.sections.line.hidden) closePanel(page);
  else if (!event.target.closest?.("table.tensor") || !moveInTable(event)) return;
  event.preventDefault();
}

function closePanel(page) {
  const chosen = document.querySelector("td.chosen a");
  history.pushState(null, "", "#");
  showPanel(page);
  const opener = page.opener?.isConnected && page.opener.checkVisibility() ? page.opener : null;
  (opener ?? chosen ?? page.sections.title).focus();
}

/** Go to what the address bar points to: a step, or a number with its line. */
function followAddress(page, moved) {
  const place = showPanel(page);
  if (place === null) goToStep(page, moved);
  else if (place.isKnown) reveal(place.name, place.index);
  if (place !== null && moved) document.getElementById("line-title").focus({ preventScroll: true });
}

/** Show in the panel the number that the address bar points to; return `{name, index, isKnown}`, null if it is none. */
function showPanel({ session, sections, actions }) {
  const place = readAddress(location.hash);
  const isNumber = place !== null && !(place.name in sections);
  sections.line.hidden = !isNumber;
  document.documentElement.classList.toggle("reading", isNumber);
  markCell(null);
  if (!isNumber) return null;
  const { name, index, label } = place;
  const isKnown = session.hasCell(name, index);
  if (isKnown) showLine(sections.line, session, name, index, actions);
  else showMissing(sections.line, label, actions);
  markOnMap(sections.map, session, name, index);
  markCell(label);
  return { name, index, isKnown };
}

function goToStep({ session, sections }, moved) {
  if (!location.hash.startsWith("#step:")) return;
  const name = decodeURIComponent(location.hash.slice("#step:".length));
  const details = openStep(name);
  if (details === null) return;
  markOnMap(sections.map, session, name);
  details.scrollIntoView({ block: "start" });
  if (moved) details.querySelector("summary").focus({ preventScroll: true });
}
