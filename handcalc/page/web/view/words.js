// Words of the vocabulary and labels of rows and columns.

const SIGNS = { " ": "␣", "\n": "⏎", "\t": "⇥" };
const INVISIBLE = /[\p{C}\p{Z}]/u;

/** Return a word with its white space, control and formatting characters visible; a space is ␣. */
export function visibleWord(word) {
  const visible = [...word]
    .map((letter) => SIGNS[letter] ?? (INVISIBLE.test(letter) ? hex(letter) : letter))
    .join("");
  return /^\p{M}/u.test(visible) ? `◌${visible}` : visible; // an accent would be put on whatever comes before
}

function hex(letter) {
  return `\\u{${letter.codePointAt(0).toString(16)}}`;
}

/** Return the text of the words up to a position, its last space visible; a dot is between words that have no space. */
export function textUpTo(vocabulary, words, stop) {
  const text = words
    .slice(0, stop)
    .map((id, place) => {
      const [before, word] = [vocabulary[words[place - 1]] ?? "", vocabulary[id]];
      return (areRunTogether(before, word) ? " · " : "") + (word === " " ? " " : visibleWord(word));
    })
    .join("");
  return text.endsWith(" ") ? `${text.slice(0, -1)} ␣` : text;
}

function areRunTogether(before, word) {
  const isLong = before.length > 1 || word.length > 1; // letters of one word may be run together
  return isLong && /[\p{L}\p{N}]$/u.test(before) && /^[\p{L}\p{N}]/u.test(word);
}

/** Return whether the places along the axis of an index letter are words of the text, which the reader can change. */
export function isWordAxis(letter) {
  return letter === "t" || letter === "s";
}

/** Return the label of a place along the axis of an index letter: its number, and its word if it has one. */
export function placeLabel(session, letter, place) {
  if (letter === "i" || letter === "j") return columnLabel(session.config, letter, place);
  const word = { t: session.tokens[place], s: session.tokens[place], v: place }[letter];
  return word === undefined ? `${place}` : `${place} ${visibleWord(session.vocabulary[word])}`;
}

/** Return the label of a column of c_attn or of a channel of all heads, with what it belongs to: `7 k head 0`. */
export function columnLabel({ n_embd, n_head }, letter, place) {
  const head = Math.floor((place % n_embd) / (n_embd / n_head));
  const part = letter === "i" ? `${"qkv"[Math.floor(place / n_embd)]} ` : "";
  return `${place} ${part}head ${head}`;
}

/** Return a probability as people say it: `97 %`, `under 1 %`. */
export function percent(probability) {
  const share = Number(probability) * 100;
  if (share > 0 && share < 1) return "under 1 %";
  if (share > 99 && share < 100) return "over 99 %";
  return `${Math.round(share)} %`;
}
