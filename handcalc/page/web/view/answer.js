// The answer first: the words, the likeliest next ones after each as bars, and the sentence that says what it expects.

import { cellLabel } from "../arithmetic/writing.js";
import { attempt } from "./attempt.js";
import { choice } from "./choices.js";
import { button, element, errorLine, show } from "./elements.js";
import { address } from "./places.js";
import { percent, textUpTo, visibleWord } from "./words.js";

const SHOWN = 5;

/** Show the words of the text with the likeliest next words after each position. */
export function showAnswer(section, session, actions) {
  const error = errorLine();
  const choose = (place, token) => {
    const attempted = `Position ${place} cannot be ${visibleWord(session.vocabulary[token])}`;
    if (!attempt(error, attempted, () => actions.chooseWord(place, token))) {
      section.querySelector(`#word-${place}`).value = session.words[place];
    }
  };
  const how = "Choose another word in any list, or another position to explain: everything is worked out again.";
  const marks = " ● marks a number that your changes have altered; the orange line of a bar is where it was.";
  const hint = how + (session.changes().length ? marks : "");
  const cards = session.tokens.map((_, position) => positionCard(session, position, choose, actions));
  show(
    section,
    element("h2", {}, "What comes next?"),
    answerSentence(session, session.explainedPosition),
    error,
    element("ol", { class: "positions" }, ...cards, session.targets.length ? targetCard(session, choose) : null),
    element("p", { class: "hint" }, hint),
  );
}

function answerSentence(session, position) {
  const [best] = session.likeliest(position, 1);
  return element(
    "p",
    { class: "answer" },
    "After ",
    element("em", {}, textUpTo(session.vocabulary, session.tokens, position + 1)),
    " it expects ",
    element("strong", {}, visibleWord(session.vocabulary[best.word])),
    ": ",
    element("span", { class: "whole" }, percent(best.text)),
    ".",
  );
}

function positionCard(session, position, choose, actions) {
  const explained = position === session.explainedPosition;
  const words = session.wordsToShow(position, SHOWN);
  const attributes = { id: `explain-${position}`, class: "explain", "aria-pressed": String(explained) };
  return element(
    "li",
    { class: explained ? "position explained" : "position" },
    wordChoice(session, position, choose),
    element("p", { class: "then" }, "then comes"),
    element("ul", { class: "bars" }, ...words.map((one) => bar(session, position, one))),
    button(explained ? "explained below" : "explain this one", () => actions.explain(position), attributes),
  );
}

function wordChoice(session, place, choose) {
  const id = `word-${place}`;
  const words = session.vocabulary.map(visibleWord);
  const select = choice(id, words, session.words[place], (token) => choose(place, token));
  return element("p", { class: "word" }, element("label", { for: id }, `Position ${place}`), select);
}

function bar(session, position, { word, text }) {
  const index = [position, word];
  const before = session.originalText("probabilities", index);
  const changed = session.isChanged("probabilities", index);
  const style = (share) => ({ "inline-size": `${(Number(share) * 100).toFixed(1)}%` });
  const attributes = { href: address("probabilities", index), "data-cell": cellLabel("probabilities", index) };
  return element(
    "li",
    {},
    element("a", { class: "bar-word", ...attributes }, visibleWord(session.vocabulary[word])),
    element(
      "span",
      { class: "bar", "aria-hidden": "true" },
      element("span", { class: "now", style: style(text) }),
      changed ? element("span", { class: "before", style: style(before) }) : null,
    ),
    element("span", { class: "number" }, text),
    changed ? element("span", { class: "was" }, `was ${before}`) : null,
  );
}

function targetCard(session, choose) {
  return element(
    "li",
    { class: "position target" },
    wordChoice(session, session.words.length - 1, choose),
    element("p", { class: "hint" }, "The model does not read the last word. It is asked for it, and learns from it."),
  );
}
