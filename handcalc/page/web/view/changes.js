// What the reader has changed: a bar that says so, what became of the answer, and undo and reset.

import { button, element, show } from "./elements.js";
import { textUpTo, visibleWord } from "./words.js";

const NAMED = 3;

/** Show the bar if there is a change; `announcement` is where screen readers hear of it. */
export function showChanges(bar, announcement, session, actions) {
  const changes = session.changes();
  bar.hidden = changes.length === 0;
  const sentence = changes.length ? `${listChanges(changes)} ${effects(session)}` : "";
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
  const edits = changes.filter(({ isStep }) => !isStep).map(({ text }) => text);
  const earlier = edits.length - NAMED;
  const before = earlier > 0 ? [`${earlier} earlier ${earlier === 1 ? "thing" : "things"}`] : [];
  const steps = changes.length - edits.length;
  const done = [];
  if (edits.length) done.push(`changed ${[...before, ...edits.slice(-NAMED)].join(", ")}`);
  if (steps) done.push(`took ${steps === 1 ? "a training step" : `${steps} training steps`}`);
  return `You ${done.join(", and ")}.`;
}

/** Say what became of the word that was likeliest, of the last word to predict and of the loss. */
function effects(session) {
  if (!session.has("loss")) return `${probabilityEffect(session)}.`;
  const loss = effect(session, "loss", [], "loss");
  if (session.targets.at(-1) === session.data.targets.at(-1)) return `${probabilityEffect(session)}; ${loss}.`;
  if (session.changes().length > 1) return `${probabilityEffect(session)}. ${targetEffect(session)}; ${loss}.`;
  const [before, now] = [session.originalText("loss", []), session.text("loss", [])];
  if (before === now) return `${targetEffect(session)}; the loss is ${now} as before.`;
  const move = Number(now) > Number(before) ? "rises" : "falls";
  return `${targetEffect(session)}; so the loss ${move} from ${before} to ${now}.`;
}

function targetEffect(session) {
  const word = session.targets.at(-1);
  const target = visibleWord(session.vocabulary[word]);
  const probability = session.text("probabilities", [session.tokens.length - 1, word]);
  return `The last word to predict is now ${target}, which the model gives ${probability}`;
}

/** A probability given other words is another one, and not one that has changed. */
function probabilityEffect(session) {
  const [position, word] = session.firstAnswer();
  const index = [position, word];
  const title = (tokens) => {
    const text = textUpTo(session.vocabulary, tokens, position + 1);
    return `P(${visibleWord(session.vocabulary[word])} | ${text})`;
  };
  const { tokens } = session;
  const originalTokens = session.original.trace.plan.tokens;
  const areSame = tokens.slice(0, position + 1).every((token, place) => token === originalTokens[place]);
  if (areSame) return effect(session, "probabilities", index, title(tokens));
  const [before, now] = [session.originalText("probabilities", index), session.text("probabilities", index)];
  return `${title(originalTokens)} was ${before}; ${title(tokens)} is ${now}`;
}

function effect(session, name, index, what) {
  const [before, now] = [session.originalText(name, index), session.text(name, index)];
  return before === now ? `${what} is ${now} as before` : `${what} ${before} → ${now}`;
}
