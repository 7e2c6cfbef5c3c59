// What a node of the tree evaluates to: a Decimal or a Fraction where that is exact, otherwise an Interval.

import { CalculatorError, Decimal, MOST_EXACT_DIGITS, addDecimals, compareDecimals, firstPlace } from "./decimal.js";
import { infinityOf, multiplyDecimals, negateDecimal, signOfInteger } from "./decimal.js";
import { Fraction, addFractions, compareFractions, divideFractions, multiplyFractions } from "./fraction.js";
import { toFraction } from "./fraction.js";
import { Interval, Undecided, addIntervals, divideIntervals, multiplyIntervals, negateInterval } from "./interval.js";
import { toInterval } from "./interval.js";

/** Return -a. */
export function negateValue(a) {
  if (a instanceof Decimal) return negateDecimal(a);
  return a instanceof Fraction ? new Fraction(negateDecimal(a.dividend), a.divisor) : negateInterval(a);
}

/** Return a + b: exact for exact operands, unless writing it out in full would exhaust the memory. */
export function addValues(a, b, precision) {
  if (a instanceof Decimal && b instanceof Decimal && !(Math.abs(a.exponent - b.exponent) > MOST_EXACT_DIGITS)) {
    return addDecimals(a, b);
  }
  if (isInfinite(a) || isInfinite(b)) return isInfinite(a) && isInfinite(b) ? addDecimals(a, b) : isInfinite(a) ? a : b;
  if (isZero(a)) return b;
  if (isZero(b)) return a;
  if (isExact(a) && isExact(b)) {
    const [x, y] = [toFraction(a), toFraction(b)];
    if (Math.abs(x.dividend.exponent - y.dividend.exponent) <= MOST_EXACT_DIGITS) return addFractions(x, y);
  }
  return addIntervals(toInterval(a, precision), toInterval(b, precision), precision);
}

/** Return a · b: exact for exact operands. */
export function multiplyValues(a, b, precision) {
  if (a instanceof Decimal && b instanceof Decimal) return multiplyDecimals(a, b);
  if (isInfinite(a) || isInfinite(b)) return infinityOf(signOfValue(a) * signOfValue(b));
  if (isZero(a) || isZero(b)) return Decimal.ZERO;
  if (isExact(a) && isExact(b)) return multiplyFractions(toFraction(a), toFraction(b));
  return multiplyIntervals(toInterval(a, precision), toInterval(b, precision), precision);
}

/** Return a / b: exact for exact operands. Throws CalculatorError for x / 0 and ∞ / ∞, Undecided if b may be 0. */
export function divideValues(a, b, precision) {
  if (isZero(b)) throw new CalculatorError("a denominator of the trace is 0; change a weight");
  if (isInfinite(b)) {
    if (isInfinite(a)) throw new CalculatorError("∞ divided by ∞ is no number");
    return Decimal.ZERO;
  }
  if (isInfinite(a)) return infinityOf(signOfValue(a) * signOfValue(b));
  if (isExact(a) && isExact(b)) return divideFractions(toFraction(a), toFraction(b));
  if (isZero(a)) return Decimal.ZERO;
  return divideIntervals(toInterval(a, precision), toInterval(b, precision), precision);
}

/** Return the largest of some values; among exact ones it is one of them. */
export function largestOf(values, precision) {
  const exact = values.filter(isExact);
  const best = exact.length > 0 ? exact.reduce((a, b) => (compareExact(a, b) < 0 ? b : a)) : null;
  const intervals = values.filter((value) => value instanceof Interval && !(best && isAtLeast(best, value.high)));
  if (intervals.length === 0) return best;
  const low = largestDecimal(intervals.map((interval) => interval.low));
  const high = largestDecimal(intervals.map((interval) => interval.high));
  if (best === null || isAtLeast(low, best)) return new Interval(low, high);
  return new Interval(justBelow(toInterval(best, precision).low, precision), high);
}

/** Return a number less than `number`, which may itself be the value: an interval is open at its ends. */
function justBelow(number, precision) {
  return addDecimals(number, new Decimal(-1n, Math.max(firstPlace(number), -precision) - precision));
}

function largestDecimal(decimals) {
  return decimals.reduce((a, b) => (compareDecimals(a, b) < 0 ? b : a));
}

function isAtLeast(a, b) {
  return compareExact(a, b) >= 0;
}

/** Return -1, 0 or 1 for two exact values: whether a < b, a = b or a > b. */
export function compareExact(a, b) {
  if (a instanceof Decimal && b instanceof Decimal) return compareDecimals(a, b);
  if (isInfinite(a)) return signOfValue(a);
  if (isInfinite(b)) return -signOfValue(b);
  return compareFractions(toFraction(a), toFraction(b));
}

/** Return whether the value is a Decimal or a Fraction, without any error. */
export function isExact(value) {
  return !(value instanceof Interval);
}

/** Return whether the value is exactly 0. */
export function isZero(value) {
  return isExact(value) && signOfValue(value) === 0;
}

/** Return whether the value is ∞ or -∞. */
export function isInfinite(value) {
  return value.exponent === Infinity;
}

/** Return -1, 0 or 1, the sign of a value. Throws Undecided if an interval around 0 does not tell. */
export function signOfValue(value) {
  if (value instanceof Decimal) return signOfInteger(value.coefficient);
  if (value instanceof Fraction) return signOfInteger(value.dividend.coefficient);
  if (value.low.coefficient >= 0n) return 1;
  if (value.high.coefficient <= 0n) return -1;
  throw new Undecided("a number of the trace is too close to 0 to tell its sign; change a weight");
}
