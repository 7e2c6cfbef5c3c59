// What the reader has changed: a bar that says so, what became of the answer, and undo and reset.

import { button, element, show } from "./elements.js";
import { textUpTo, visibleWord } from "./words.js";

const NAMED = 3;

/** Show the bar if there is a change; `announcement` is where screen readers hear of it. */
export function showChanges(bar, announcement, session, actions) {
  const changes = session.changes();
  bar.hidden = changes.length === 0;
  const sentence = changes.length ? `${listChanges(changes)} ${effects(session).join("; ")}.` : "";
  announcement.textContent = sentence;
  const buttons = [button("Undo", actions.undo, { id: "undo" }), button("Reset", actions.reset, { id: "reset" })];
  show(bar, element("p", {}, sentence), element("span", { class: "controls" }, ...buttons));
}

/** Keep free what the bar covers of the page and of the panel: its height depends on the width of the window. */
export function makeRoom(bar, panel) {
  const height = `${bar.offsetHeight}px`;
  document.documentElement.style.scrollPaddingBlockStart = `calc(${height} + 0.5rem)`;
  panel.style.setProperty("--bar", height); // not for all of the page, whose style would be worked out again
}

function listChanges(changes) {
  const earlier = changes.length - NAMED;
  const before = earlier > 0 ? [`${earlier} earlier ${earlier === 1 ? "thing" : "things"}`] : [];
  return `You changed ${[...before, ...changes.slice(-NAMED)].join(", ")}.`;
}

function effects(session) {
  const [position, word] = session.firstAnswer();
  const before = textUpTo(session.vocabulary, session.tokens, position + 1);
  const title = `P(${visibleWord(session.vocabulary[word])} | ${before})`;
  const effect = (name, index, what) => `${what} ${session.originalText(name, index)} → ${session.text(name, index)}`;
  const probability = effect("probabilities", [position, word], title);
  return session.has("loss") ? [probability, effect("loss", [], "loss")] : [probability];
}
