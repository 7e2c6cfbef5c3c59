// The pocket calculator: evaluate a tree exactly from printed numbers, then round once, correctly, half to even.
// As handcalc/arithmetic/calculator.py.

import { CalculatorError, Decimal, TooLarge, addDecimals, compareDecimals, multiplyDecimals } from "./decimal.js";
import { roundDecimal } from "./decimal.js";
import { Fraction, roundFraction } from "./fraction.js";
import { Undecided } from "./interval.js";
import { addValues, compareExact, divideValues, isExact, isInfinite, largestOf, multiplyValues } from "./values.js";
import { negateValue } from "./values.js";
import { applyFunction } from "./functions.js";
import { Constant, Difference, Func, Masked, Maximum, Positive, Product, Quotient, Ref, Sum } from "./expression.js";

/** As many digits as an IEEE 754 decimal128 number has, and about twice as many as float64. */
export const MOST_DIGITS = 34;

const GUARD_DIGITS = 8;
const MOST_PRECISION = 10_200; // decides what differs from a tie by 1e-9999, the smallest number
const ONE_HALF = new Decimal(5n, -1);

/**
 * A calculator whose display has `digits` significant digits.
 *
 * Sums, products, quotients and perfect roots are exact, so their ties are recognised and go to the even digit.
 * Everything else lies in an open interval (low, high) at a working precision above `digits`. If the numbers just above
 * `low` and those just below `high` have the same display, that display is right. If not, the value is close to the
 * boundary between two displays, and it is evaluated again with twice the precision (Ziv's strategy). A value that
 * agrees with a tie to 10,000 digits is treated as a tie: sqrt(2)*sqrt(2)*0.61725 is one.
 */
export class Calculator {
  /** `digits` is a whole number from 1 to MOST_DIGITS. Throws CalculatorError for any other. */
  constructor(digits) {
    if (!Number.isInteger(digits) || digits < 1 || digits > MOST_DIGITS) {
      throw new CalculatorError(`the digits must be a whole number from 1 to ${MOST_DIGITS}, not ${digits}`);
    }
    this.digits = digits;
  }

  /** Return an exact number as displayed, ±∞ as it is. Throws CalculatorError if it is too large. */
  round(exact) {
    if (isInfinite(exact)) return exact;
    const rounded = exact instanceof Fraction ? roundFraction(exact, this.digits) : roundDecimal(exact, this.digits);
    if (isInfinite(rounded)) throw new TooLarge();
    return rounded;
  }

  /**
   * Return the expression's value, a Decimal, exact from the `numbers` and rounded once.
   *
   * `numbers.get(name, index)` returns the Decimal that a Ref stands for. Throws CalculatorError if there is no value,
   * as in 1/0, or if it is too large for the display.
   */
  evaluate(expression, numbers) {
    for (let precision = this.digits + GUARD_DIGITS; ; precision *= 2) {
      const isLast = precision > MOST_PRECISION;
      const value = this.#attempt(expression, numbers, precision, isLast);
      if (value === null) continue;
      if (isExact(value)) return this.round(value);
      const least = roundDecimal(value.low, this.digits, 1);
      const most = roundDecimal(value.high, this.digits, -1);
      const areSame = compareDecimals(least, most) === 0;
      if (areSame && !isInfinite(least)) return least;
      if (areSame || isLast) return this.#settle(least, most);
    }
  }

  /** Return the even one of two displays with a tie between them. Throws CalculatorError if they are no neighbours. */
  #settle(least, most) {
    if (isInfinite(least) || isInfinite(most)) throw new TooLarge();
    const display = this.round(multiplyDecimals(ONE_HALF, addDecimals(least, most)));
    if (compareDecimals(display, least) === 0 || compareDecimals(display, most) === 0) return display;
    throw new CalculatorError("a number of the trace is what is left of far larger ones; change a weight");
  }

  /** Return the value at a working precision, or null if that is too low, which in the last attempt is an error. */
  #attempt(expression, numbers, precision, isLast) {
    try {
      return valueOf(expression, numbers, precision);
    } catch (error) {
      if (error instanceof Undecided && !isLast) return null;
      throw error;
    }
  }
}

/** Return the value of a tree: a Decimal or a Fraction where it is exact, otherwise an Interval. */
function valueOf(node, numbers, precision) {
  if (node instanceof Ref) return numbers.get(node.name, node.index);
  return VALUE_RULES.get(node.constructor)(node, numbers, precision);
}

const VALUE_RULES = new Map([
  [Constant, (node) => node.value],
  [Masked, (node) => node.value],
  [Positive, valueOfPositive],
  [Sum, valueOfSum],
  [Difference, valueOfDifference],
  [Product, valueOfProduct],
  [Quotient, valueOfQuotient],
  [Maximum, valueOfMaximum],
  [Func, valueOfFunction],
]);

function valueOfPositive(node, numbers, precision) {
  return compareExact(valueOf(node.parts[0], numbers, precision), Decimal.ZERO) > 0 ? Decimal.ONE : Decimal.ZERO;
}

function valueOfSum(node, numbers, precision) {
  let total = valueOf(node.parts[0], numbers, precision);
  for (let i = 1; i < node.parts.length; i++) {
    total = addValues(total, valueOf(node.parts[i], numbers, precision), precision);
  }
  return total;
}

function valueOfDifference(node, numbers, precision) {
  const [a, b] = node.parts;
  return addValues(valueOf(a, numbers, precision), negateValue(valueOf(b, numbers, precision)), precision);
}

function valueOfProduct(node, numbers, precision) {
  let product = valueOf(node.parts[0], numbers, precision);
  for (let i = 1; i < node.parts.length; i++) {
    product = multiplyValues(product, valueOf(node.parts[i], numbers, precision), precision);
  }
  return product;
}

function valueOfQuotient(node, numbers, precision) {
  const [a, b] = node.parts;
  return divideValues(valueOf(a, numbers, precision), valueOf(b, numbers, precision), precision);
}

function valueOfMaximum(node, numbers, precision) {
  return largestOf(node.parts.map((part) => valueOf(part, numbers, precision)), precision);
}

function valueOfFunction(node, numbers, precision) {
  return applyFunction(node.name, valueOf(node.parts[0], numbers, precision), precision);
}
