// Calculate with the page's decimals for Python: numbers come and go as text.

import { CalculatorError, addDecimals, compareDecimals, formatNumber, multiplyDecimals } from "/arithmetic/decimal.js";
import { parseDecimal, roundDecimal, subtractDecimals } from "/arithmetic/decimal.js";

const EXACT_OPERATIONS = {
  "+": (a, b) => formatNumber(addDecimals(a, b)),
  "-": (a, b) => formatNumber(subtractDecimals(a, b)),
  "*": (a, b) => formatNumber(multiplyDecimals(a, b)),
  "<": (a, b) => compareDecimals(a, b),
};

/** Return the results of lists [operation, a, b], and of ["round", a, digits, nudge] and ["format", a]. */
export function calculate(cases) {
  return cases.map(([operation, text, ...rest]) => {
    try {
      const a = parseDecimal(text);
      if (operation === "format") return formatNumber(a);
      if (operation === "round") return formatNumber(roundDecimal(a, ...rest));
      return EXACT_OPERATIONS[operation](a, parseDecimal(rest[0]));
    } catch (error) {
      if (error instanceof CalculatorError) return `error: ${error.message}`;
      throw error;
    }
  });
}
