// Quotients that are kept exact, so that 1/3*3 is 1 and a tie among them is recognised.

import { Decimal, absolute, addDecimals, compareDecimals, countDigits, multiplyDecimals } from "./decimal.js";
import { roundDecimal, signOfInteger } from "./decimal.js";

/** An exact quotient: `dividend` (a finite Decimal) over `divisor` (a positive BigInt). */
export class Fraction {
  constructor(dividend, divisor) {
    this.dividend = dividend;
    this.divisor = divisor;
  }
}

/** Return a finite Decimal as a fraction over 1, and a Fraction as it is. */
export function toFraction(exact) {
  return exact instanceof Fraction ? exact : new Fraction(exact, 1n);
}

/** Return a + b, exactly. */
export function addFractions(a, b) {
  if (a.divisor === b.divisor) return new Fraction(addDecimals(a.dividend, b.dividend), a.divisor);
  const dividend = addDecimals(enlarge(a.dividend, b.divisor), enlarge(b.dividend, a.divisor));
  return new Fraction(dividend, a.divisor * b.divisor);
}

/** Return a · b, exactly. */
export function multiplyFractions(a, b) {
  return new Fraction(multiplyDecimals(a.dividend, b.dividend), a.divisor * b.divisor);
}

/** Return a / b, exactly; b is not 0. */
export function divideFractions(a, b) {
  const { coefficient, exponent } = b.dividend;
  const factor = coefficient < 0n ? -b.divisor : b.divisor;
  const dividend = new Decimal(a.dividend.coefficient * factor, a.dividend.exponent - exponent);
  return new Fraction(dividend, a.divisor * absolute(coefficient));
}

/** Return -1, 0 or 1: whether a < b, a = b or a > b. */
export function compareFractions(a, b) {
  return compareDecimals(enlarge(a.dividend, b.divisor), enlarge(b.dividend, a.divisor));
}

/** Return the Fraction as displayed, rounded once: `digits` significant digits, half to even. */
export function roundFraction(fraction, digits) {
  const [start, isExact] = startOfFraction(fraction, digits + 1);
  // Its first digits, and whether others follow: then a number that looks like a tie is further from 0 than the tie.
  return roundDecimal(start, digits, isExact ? 0 : signOfInteger(start.coefficient));
}

/** Return a fraction's first digits, at least `digits` of them, as a Decimal, and whether these are all of them. */
export function startOfFraction({ dividend, divisor }, digits) {
  const { coefficient, exponent } = dividend;
  if (coefficient === 0n) return [Decimal.ZERO, true];
  const shift = Math.max(0, digits + countDigits(divisor) - countDigits(absolute(coefficient)));
  const scaled = enlarge(dividend, 10n ** BigInt(shift)).coefficient;
  const quotient = scaled / divisor;
  return [new Decimal(quotient, exponent - shift), quotient * divisor === scaled];
}

function enlarge({ coefficient, exponent }, factor) {
  return new Decimal(coefficient * factor, exponent);
}
