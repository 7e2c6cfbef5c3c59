// Decimal numbers, coefficient · 10^exponent: exact arithmetic, rounding to a display, reading and writing.
// As Python's decimal, and format_number of handcalc/arithmetic/writing.py.

/** Numbers closer to 0 than 1e-9999 become 0; numbers of 1e+10000 and more are refused. */
export const LARGEST_EXPONENT = 9999;

/** Sums whose operands are further apart are not written out in full: 1 + 1e-300000 would have 300,001 digits. */
export const MOST_EXACT_DIGITS = 200_000;

const LONGEST_NUMBER = 1000;
const FARTHEST_EXPONENT = 20_000;
const WRITTEN_NUMBER = /^([-+]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([-+]?[0-9]+))?$/;
const POWERS_OF_TEN = Array.from({ length: 400 }, (_, power) => 10n ** BigInt(power));

/** What a calculator cannot do; the message says what came, and what to do about it. */
export class CalculatorError extends Error {}

/** A number that is too large for the display. */
export class TooLarge extends CalculatorError {
  constructor() {
    const limit = `1e+${LARGEST_EXPONENT + 1}`;
    super(`a number of the trace reaches ${limit}, too large for the calculator; use smaller weights`);
  }
}

/** An immutable number, `coefficient` (a signed BigInt) · 10^`exponent`; ±∞ has the exponent Infinity. */
export class Decimal {
  constructor(coefficient, exponent) {
    this.coefficient = coefficient;
    this.exponent = exponent;
  }

  static ZERO = new Decimal(0n, 0);
  static ONE = new Decimal(1n, 0);
  static INFINITY = new Decimal(1n, Infinity);
  static NEGATIVE_INFINITY = new Decimal(-1n, Infinity);
}

/** Return 10^power, a BigInt; `power` is at least 0. */
export function powerOfTen(power) {
  return power < POWERS_OF_TEN.length ? POWERS_OF_TEN[power] : 10n ** BigInt(power);
}

/** Return how many decimal digits a positive BigInt has. */
export function countDigits(integer) {
  const size = Number(integer);
  const logarithm = size < 1e300 ? Math.log10(size) : (integer.toString(16).length - 1) * Math.log10(16);
  let power = Math.floor(logarithm); // an estimate: the comparisons decide
  while (power > 0 && integer < powerOfTen(power)) power -= 1;
  while (integer >= powerOfTen(power + 1)) power += 1;
  return power + 1;
}

/** Return the exponent of a number's first digit: 2 for 123, -3 for 0.0045; -Infinity for 0, Infinity for ±∞. */
export function firstPlace({ coefficient, exponent }) {
  if (coefficient === 0n) return -Infinity;
  return exponent === Infinity ? Infinity : exponent + countDigits(absolute(coefficient)) - 1;
}

/** Return the size of a BigInt, without its sign. */
export function absolute(integer) {
  return integer < 0n ? -integer : integer;
}

/** Return -1, 0 or 1: whether a < b, a = b or a > b. */
export function compareDecimals(a, b) {
  const [signOfA, signOfB] = [signOfInteger(a.coefficient), signOfInteger(b.coefficient)];
  if (signOfA !== signOfB) return signOfA < signOfB ? -1 : 1;
  if (a.exponent === b.exponent) return signOfInteger(a.coefficient - b.coefficient);
  const [placeOfA, placeOfB] = [firstPlace(a), firstPlace(b)];
  if (placeOfA !== placeOfB) return placeOfA < placeOfB ? -signOfA : signOfA;
  return signOfInteger(subtractDecimals(a, b).coefficient);
}

/** Return -1, 0 or 1, the sign of a BigInt. */
export function signOfInteger(integer) {
  return integer > 0n ? 1 : integer < 0n ? -1 : 0;
}

/** Return -a. */
export function negateDecimal(a) {
  return new Decimal(-a.coefficient, a.exponent);
}

/** Return a + b, exactly. Throws CalculatorError for ∞ - ∞. */
export function addDecimals(a, b) {
  const gap = a.exponent - b.exponent;
  if (gap === 0) return new Decimal(a.coefficient + b.coefficient, a.exponent);
  if (a.exponent === Infinity || b.exponent === Infinity) return addInfinity(a, b);
  if (a.coefficient === 0n) return b;
  if (b.coefficient === 0n) return a;
  return gap > 0
    ? new Decimal(a.coefficient * powerOfTen(gap) + b.coefficient, b.exponent)
    : new Decimal(a.coefficient + b.coefficient * powerOfTen(-gap), a.exponent);
}

function addInfinity(a, b) {
  if (a.exponent === b.exponent && a.coefficient !== b.coefficient) throw new CalculatorError("∞ - ∞ is no number");
  return a.exponent === Infinity ? a : b;
}

/** Return a - b, exactly. Throws CalculatorError for ∞ - ∞. */
export function subtractDecimals(a, b) {
  return addDecimals(a, negateDecimal(b));
}

/** Return a · b, exactly. Throws CalculatorError for 0 · ∞. */
export function multiplyDecimals(a, b) {
  const coefficient = a.coefficient * b.coefficient;
  const exponent = a.exponent + b.exponent;
  return exponent === Infinity ? infinityOf(signOfInteger(coefficient)) : new Decimal(coefficient, exponent);
}

/** Return ∞ with a sign, 1 or -1. Throws CalculatorError for 0, which comes from 0 · ∞. */
export function infinityOf(sign) {
  if (sign === 0) throw new CalculatorError("0 times ∞ is no number");
  return sign > 0 ? Decimal.INFINITY : Decimal.NEGATIVE_INFINITY;
}

/**
 * Return `value` as displayed: `digits` significant digits, half to even, no trailing zeros.
 *
 * With a `nudge` of 1 (or -1) it is the display of the numbers just above (or below) `value`: a tie goes up (or down).
 * A number that is too large for the display becomes ∞ or -∞.
 */
export function roundDecimal(value, digits, nudge = 0) {
  const { coefficient, exponent } = value;
  if (exponent === Infinity) return value;
  if (coefficient === 0n) return Decimal.ZERO;
  const size = absolute(coefficient);
  const length = countDigits(size);
  // The place of the last digit kept. Below 1e-9999 numbers lose digits at their end, as in Python's decimal.
  const place = Math.max(exponent + length, 1 - LARGEST_EXPONENT) - digits;
  const dropped = place - exponent;
  if (dropped > length) return Decimal.ZERO; // less than a tenth of the last place
  const negative = coefficient < 0n;
  const kept = dropped > 0 ? divideHalfEven(size, powerOfTen(dropped), negative ? -nudge : nudge) : size;
  if (Math.abs(exponent + length) >= LARGEST_EXPONENT) {
    const first = kept === 0n ? -Infinity : Math.max(place, exponent) + countDigits(kept) - 1;
    if (first < -LARGEST_EXPONENT) return Decimal.ZERO;
    if (first > LARGEST_EXPONENT) return negative ? Decimal.NEGATIVE_INFINITY : Decimal.INFINITY;
  }
  return withoutTrailingZeros(negative ? -kept : kept, dropped > 0 ? place : exponent);
}

function divideHalfEven(size, divisor, nudge) {
  const quotient = size / divisor;
  const twice = (size - quotient * divisor) * 2n;
  if (twice !== divisor) return twice > divisor ? quotient + 1n : quotient;
  const up = nudge === 0 ? quotient % 2n === 1n : nudge > 0;
  return up ? quotient + 1n : quotient;
}

function withoutTrailingZeros(coefficient, exponent) {
  while (coefficient % 10n === 0n) {
    coefficient /= 10n;
    exponent += 1;
  }
  return new Decimal(coefficient, exponent);
}

/** Return the number that `text` is, exactly: 0.25, -3, 1.5e-07, inf. Throws CalculatorError if it is none. */
export function parseDecimal(text) {
  const written = text.trim().replaceAll("−", "-");
  if (/^[-+]?inf$/.test(written)) return written[0] === "-" ? Decimal.NEGATIVE_INFINITY : Decimal.INFINITY;
  if (written.length > LONGEST_NUMBER) {
    throw new CalculatorError(
      `a number may have ${LONGEST_NUMBER} characters, not ${written.length}; write fewer of its digits`,
    );
  }
  const match = WRITTEN_NUMBER.exec(written);
  if (match === null) {
    throw new CalculatorError(`${JSON.stringify(text)} is not a number; write one such as 0.25, -3 or 1.5e-07`);
  }
  const [, sign, whole = "", behind = "", only = "", power = "0"] = match;
  if (Math.abs(Number(power)) > FARTHEST_EXPONENT) {
    throw new CalculatorError(`${written} is out of the calculator's range, which is 1e-9999 to 1e+9999`);
  }
  const fraction = behind + only;
  return new Decimal(BigInt(`${sign === "-" ? "-" : ""}${whole}${fraction}`), Number(power) - fraction.length);
}

/**
 * Return a number with all its digits, as `handcalc.arithmetic.writing.format_number`: 0.0123, 12, 1.5e-07, -inf.
 *
 * Numbers from 0.0001 up to below 1e16 have no exponent. There is no zero after the last significant digit.
 */
export function formatNumber({ coefficient, exponent }) {
  if (exponent === Infinity) return coefficient < 0n ? "-inf" : "inf";
  if (coefficient === 0n) return "0";
  const sign = coefficient < 0n ? "-" : "";
  const digits = absolute(coefficient).toString();
  const first = exponent + digits.length - 1;
  const figures = digits.replace(/0+$/, "");
  if (first <= -5 || first >= 16) {
    const mantissa = figures.length > 1 ? `${figures[0]}.${figures.slice(1)}` : figures;
    return `${sign}${mantissa}e${first < 0 ? "-" : "+"}${String(Math.abs(first)).padStart(2, "0")}`;
  }
  if (first < 0) return `${sign}0.${"0".repeat(-first - 1)}${figures}`;
  const whole = figures.slice(0, first + 1).padEnd(first + 1, "0");
  return figures.length > first + 1 ? `${sign}${whole}.${figures.slice(first + 1)}` : `${sign}${whole}`;
}
