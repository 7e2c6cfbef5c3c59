// The answer first: the words, the likeliest next ones after each as bars, and the sentence that says what it expects.

import { element, show } from "./elements.js";
import { address } from "./places.js";
import { percent, textUpTo, visibleWord } from "./words.js";

const SHOWN = 5;

/** Show the words of the text with the likeliest next words after each position. */
export function showAnswer(section, session, actions) {
  const last = session.explainedPosition;
  show(
    section,
    element("h2", {}, "What comes next?"),
    answerSentence(session, last),
    element(
      "ol",
      { class: "positions" },
      ...session.tokens.map((_, position) => positionCard(session, position, actions)),
    ),
    session.targets.length ? targetNote(session, actions) : null,
    element(
      "p",
      { class: "hint" },
      "Choose another word in any list, or another position to explain: everything on this page is worked out again.",
    ),
  );
}

function answerSentence(session, position) {
  const [best] = session.likeliest(position, 1);
  const before = textUpTo(session.vocabulary, session.tokens, position + 1);
  return element(
    "p",
    { class: "answer" },
    "After ",
    element("em", {}, before),
    " it expects ",
    element("strong", {}, visibleWord(session.vocabulary[best.word])),
    `: ${percent(best.text)}.`,
  );
}

function positionCard(session, position, actions) {
  const explained = position === session.explainedPosition;
  const words = session.likeliest(position, SHOWN);
  return element(
    "li",
    { class: explained ? "position explained" : "position" },
    wordChoice(session, position, actions),
    element("p", { class: "then" }, "then comes"),
    element("ul", { class: "bars" }, ...words.map((one) => bar(session, position, one))),
    element(
      "button",
      { type: "button", class: "explain", "aria-pressed": String(explained), onclick: () => actions.explain(position) },
      explained ? "explained below" : "explain this one",
    ),
  );
}

function wordChoice(session, place, actions) {
  const id = `word-${place}`;
  const select = element("select", { id, onchange: (event) => actions.chooseWord(place, Number(event.target.value)) });
  session.vocabulary.forEach((word, token) => {
    select.append(element("option", { value: token, selected: token === session.words[place] }, visibleWord(word)));
  });
  return element("p", { class: "word" }, element("label", { for: id }, `${place + 1}. word`), select);
}

function bar(session, position, { word, text }) {
  const before = session.originalText("probabilities", [position, word]);
  const changed = session.isChanged("probabilities", [position, word]);
  const style = (share) => ({ "inline-size": `${(Number(share) * 100).toFixed(1)}%` });
  return element(
    "li",
    {},
    element(
      "a",
      { href: address("probabilities", [position, word]), class: "bar-word" },
      visibleWord(session.vocabulary[word]),
    ),
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

function targetNote(session, actions) {
  const place = session.words.length - 1;
  return element(
    "div",
    { class: "target" },
    wordChoice(session, place, actions),
    element(
      "p",
      {},
      "The last word is only a target: the model is asked for it, and learns from its answer. It does not read it.",
    ),
  );
}
