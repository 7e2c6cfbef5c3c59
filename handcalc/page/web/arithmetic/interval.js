// Open intervals: a number that is not exact lies strictly between two decimals, and so does all that comes of it.

import { CalculatorError, Decimal, absolute, addDecimals, compareDecimals, countDigits } from "./decimal.js";
import { firstPlace, multiplyDecimals, negateDecimal, powerOfTen, signOfInteger } from "./decimal.js";
import { startOfFraction } from "./fraction.js";

/** The directions of rounding. */
export const ROUND_FLOOR = -1;
export const ROUND_CEILING = 1;

/** Where a number is: low < number < high, both Decimals; the operand of an interval may also be exact: low = high. */
export class Interval {
  constructor(low, high) {
    this.low = low;
    this.high = high;
  }
}

/** The working precision does not suffice: the calculation must be repeated with more digits. */
export class Undecided extends CalculatorError {}

/** Return any value as the operand of an interval: a Decimal as it is, a Fraction between two numbers next to it. */
export function toInterval(value, precision) {
  if (value instanceof Interval) return value;
  if (value instanceof Decimal) return new Interval(value, value);
  const [start, isExact] = startOfFraction(value, precision);
  if (isExact) return new Interval(start, start);
  const unit = new Decimal(1n, start.exponent);
  return value.dividend.coefficient < 0n
    ? new Interval(addDecimals(start, negateDecimal(unit)), start)
    : new Interval(start, addDecimals(start, unit));
}

/** Return the interval of -a. */
export function negateInterval({ low, high }) {
  return new Interval(negateDecimal(high), negateDecimal(low));
}

/** Return the interval of a + b; its ends have about `precision` digits. */
export function addIntervals(a, b, precision) {
  return new Interval(
    addTowards(a.low, b.low, precision, ROUND_FLOOR),
    addTowards(a.high, b.high, precision, ROUND_CEILING),
  );
}

/** Return the interval of a · b; its ends have `precision` digits. */
export function multiplyIntervals(a, b, precision) {
  if (a.low.coefficient < 0n && a.high.coefficient > 0n) {
    if (b.low.coefficient < 0n && b.high.coefficient > 0n) return multiplyAroundZero(a, b, precision);
    return multiplyIntervals(b, a, precision);
  }
  if (a.low.coefficient < 0n) return negateInterval(multiplyIntervals(negateInterval(a), b, precision));
  const low = multiplyDecimals(b.low, b.low.coefficient < 0n ? a.high : a.low);
  const high = multiplyDecimals(b.high, b.high.coefficient < 0n ? a.low : a.high);
  return new Interval(roundTowards(low, precision, ROUND_FLOOR), roundTowards(high, precision, ROUND_CEILING));
}

function multiplyAroundZero(a, b, precision) {
  const lows = [multiplyDecimals(a.low, b.high), multiplyDecimals(a.high, b.low)];
  const highs = [multiplyDecimals(a.low, b.low), multiplyDecimals(a.high, b.high)];
  const low = compareDecimals(lows[0], lows[1]) < 0 ? lows[0] : lows[1];
  const high = compareDecimals(highs[0], highs[1]) > 0 ? highs[0] : highs[1];
  return new Interval(roundTowards(low, precision, ROUND_FLOOR), roundTowards(high, precision, ROUND_CEILING));
}

/** Return the interval of a / b; its ends have about `precision` digits. Throws Undecided if b may be 0. */
export function divideIntervals(a, b, precision) {
  if (b.low.coefficient <= 0n && b.high.coefficient >= 0n) {
    throw new Undecided("a denominator of the trace is 0, or too close to 0 to tell; change a weight");
  }
  if (b.high.coefficient < 0n) return divideIntervals(negateInterval(a), negateInterval(b), precision);
  return new Interval(
    divideTowards(a.low, a.low.coefficient < 0n ? b.low : b.high, precision, ROUND_FLOOR),
    divideTowards(a.high, a.high.coefficient < 0n ? b.high : b.low, precision, ROUND_CEILING),
  );
}

/** Return a number shortened to `precision` digits, ROUND_FLOOR or ROUND_CEILING. */
export function roundTowards(number, precision, direction) {
  const { coefficient, exponent } = number;
  if (coefficient === 0n) return Decimal.ZERO;
  const dropped = countDigits(absolute(coefficient)) - precision;
  if (dropped <= 0) return number;
  return new Decimal(quotientTowards(coefficient, powerOfTen(dropped), direction), exponent + dropped);
}

/** Return integer / divisor (> 0) as a whole number, ROUND_FLOOR or ROUND_CEILING. */
export function quotientTowards(integer, divisor, direction) {
  const quotient = integer / divisor; // towards 0
  const rest = integer - quotient * divisor;
  if (direction === ROUND_FLOOR) return rest < 0n ? quotient - 1n : quotient;
  return rest > 0n ? quotient + 1n : quotient;
}

function divideTowards(a, b, precision, direction) {
  if (a.coefficient === 0n) return Decimal.ZERO;
  const shift = Math.max(0, precision + countDigits(b.coefficient) - countDigits(absolute(a.coefficient)));
  const quotient = quotientTowards(a.coefficient * powerOfTen(shift), b.coefficient, direction);
  return roundTowards(new Decimal(quotient, a.exponent - shift - b.exponent), precision, direction);
}

/** Add two numbers; one that is far smaller than the other is replaced by a bound of it, not written out in full. */
function addTowards(a, b, precision, direction) {
  const [large, small] = firstPlace(a) < firstPlace(b) ? [b, a] : [a, b];
  const least = Math.min(large.exponent, firstPlace(large) - precision) - 1;
  if (firstPlace(small) >= least) return roundTowards(addDecimals(large, small), precision, direction);
  // |small| < 10^least; where its sign is that of the direction, 10^least bounds it, otherwise 0 does.
  const bound = signOfInteger(small.coefficient) === direction ? new Decimal(BigInt(direction), least) : Decimal.ZERO;
  return roundTowards(addDecimals(large, bound), precision, direction);
}
