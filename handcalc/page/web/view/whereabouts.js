// Which word, position, head or channel a number belongs to, in words.

import { cellLabel } from "../arithmetic/writing.js";
import { columnLabel, visibleWord } from "./words.js";

/** Return the word, position, head … of each index of a cell, in words. */
export function whereabouts(session, name, index) {
  const axes = [...session.axes(name)];
  const isPair = axes.includes("t") && axes.includes("s");
  return axes.map((letter, axis) => placeInWords(session, letter, index[axis], isPair));
}

function placeInWords(session, letter, place, isPair) {
  const { vocabulary, tokens } = session;
  const position = `position ${place}`;
  const atPosition = () => `${visibleWord(vocabulary[tokens[place]])} (${position})`;
  const words = {
    h: () => `head ${place}`,
    t: () => `${isPair ? "from" : "at"} ${atPosition()}`,
    s: () => `${isPair ? "to" : "at"} ${atPosition()}`,
    v: () => `word: ${visibleWord(vocabulary[place])}`,
    c: () => `channel ${place}`,
    d: () => `channel ${place} of the head`,
    f: () => `hidden unit ${place}`,
    p: () => position,
    i: () => `column ${columnLabel(session.config, "i", place)}`,
    j: () => `channel ${columnLabel(session.config, "j", place)}`,
  };
  return words[letter]();
}

/** Return the label of a cell, with its word if it belongs to a word of the vocabulary: `logits[1,5] (be)`. */
export function labelWithWord(session, name, index) {
  const axis = session.axes(name).indexOf("v");
  const word = axis < 0 ? "" : ` (${visibleWord(session.vocabulary[index[axis]])})`;
  return cellLabel(name, index) + word;
}
