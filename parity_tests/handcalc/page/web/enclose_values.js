// Ends of intervals, constants and roots for Python: numbers come and go as text.

import { formatNumber } from "/arithmetic/decimal.js";
import { integerRoot, logarithmOfTen, twoOverRootPi } from "/arithmetic/constants.js";

/** Return [low, high] of each of `cases`, which are a function, an operand and a precision; the same text if exact. */
export async function encloseValues(room, cases) {
  const { Decimal, parseDecimal: parse } = await import(`/${room}/decimal.js`);
  const { applyFunction } = await import(`/${room}/functions.js`);
  return cases.map(([name, text, precision]) => {
    const value = applyFunction(name, parse(text), precision);
    const ends = value instanceof Decimal ? [value, value] : [value.low, value.high];
    return ends.map(formatNumber);
  });
}

/** Return ⌊ln 10 · 2^bits⌋ and ⌊2/√π · 2^bits⌋ for each number of bits. */
export function constants(bits) {
  return bits.map((count) => [logarithmOfTen(count), twoOverRootPi(count)].map(String));
}

/** Return the whole roots of whole numbers. */
export function wholeRoots(texts) {
  return texts.map((text) => String(integerRoot(BigInt(text))));
}

