// Lists of words to choose from, with the mouse or by typing a word's first letters.

import { element } from "./elements.js";

const PAUSE = 1000; // milliseconds: after such a pause the browser, too, takes the next letter for that of a new word
const LEAVING = ["Enter", "Tab", "Escape"];

/** The choice that was typed, but not applied yet: the list that it belongs to, its work and its timer. */
let typed = null;

/**
 * Return a list of words to choose from, all but the one in the place `without`; `choose` is called with the place of
 * the chosen one.
 *
 * While somebody types or presses arrow keys, the browser chooses one word after another: only the one at which the
 * reader stops counts.
 */
export function choice(id, words, chosen, choose, without = null) {
  const option = (word, place) => element("option", { value: place, selected: place === chosen }, word);
  const options = words.map(option).filter((_, place) => place !== without);
  let isTyping = false;
  const press = ({ key, target: list }) => {
    isTyping = !LEAVING.includes(key);
    if (!isTyping) setTimeout(applyChoice); // after the Tab key has moved the focus
    else if (typed?.list === list) applyLater(list, typed.work);
  };
  const change = ({ target: list }) => {
    const place = Number(list.value);
    if (isTyping) applyLater(list, () => choose(place));
    else choose(place);
  };
  const point = () => (isTyping = false);
  return element("select", { id, onchange: change, onkeydown: press, onpointerdown: point }, ...options);
}

function applyLater(list, work) {
  if (typed?.list === list) cancelChoice();
  else applyChoice();
  typed = { list, work, timer: setTimeout(applyChoice, PAUSE) };
}

function cancelChoice() {
  clearTimeout(typed.timer);
  typed = null;
}

/** Apply a choice that was typed and still waits for the reader to stop, if there is one. */
export function applyChoice() {
  if (typed === null) return;
  const { work } = typed;
  cancelChoice();
  work();
}
