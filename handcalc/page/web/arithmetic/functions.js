// exp, log, sqrt, tanh and erf of a Decimal: exactly where that is possible, otherwise an open interval.
// As the functions of handcalc/arithmetic/bounds.py.
//
// The ends of an interval are worked out in binary fixed point: a BigInt n stands for n units of u = 2^-bits. Comments
// prove how far a result can be from the true value, and the ends are moved by more than that. The number of bits is a
// choice of speed only: too few of them make an interval wide, never wrong.

import { CalculatorError, Decimal, TooLarge, absolute, addDecimals, compareDecimals, countDigits } from "./decimal.js";
import { firstPlace, multiplyDecimals, negateDecimal, powerOfTen, subtractDecimals } from "./decimal.js";
import { ROUND_FLOOR, Interval, ROUND_CEILING, Undecided, divideIntervals, multiplyIntervals } from "./interval.js";
import { quotientTowards, toInterval } from "./interval.js";
import { negateValue } from "./values.js";
import { integerRoot, logarithmOfTen, twoOverRootPi } from "./constants.js";

const BITS_PER_DIGIT = 3.33; // log2(10) is 3.3219…
const SPARE_BITS = 24;

const ENCLOSURES = { exp: encloseExp, log: encloseLog, sqrt: encloseSqrt, tanh: encloseTanh, erf: encloseErf };

/**
 * Return exp, log, sqrt, tanh or erf of any value, to about `precision` digits.
 *
 * All of them are increasing, so the ends of an argument give the ends of the value. Throws CalculatorError if there is
 * no such number, and Undecided if the argument is not known well enough to tell.
 */
export function applyFunction(name, value, precision) {
  if (value instanceof Decimal) return ENCLOSURES[name](value, precision);
  const { low, high } = toInterval(value, precision);
  if (low === high) return ENCLOSURES[name](low, precision); // a fraction that ends, such as 3/3
  const least = name === "log" ? 1n : name === "sqrt" ? 0n : null;
  if (least !== null && low.coefficient < least && high.coefficient > 0n) {
    throw new Undecided(`the argument of ${name} is 0 or below, or too close to 0 to tell; change a weight`);
  }
  const start = toInterval(ENCLOSURES[name](low, precision), precision).low;
  try {
    return new Interval(start, toInterval(ENCLOSURES[name](high, precision), precision).high);
  } catch (error) {
    throw error instanceof TooLarge ? new Undecided(error.message) : error; // it may be the interval that is too large
  }
}

/**
 * Enclose e^x; e^0 is exactly 1.
 *
 * With x = k ln 10 + r and 0 ≤ r < ln 10, e^x = 10^k e^r, and e^r is e^(r/2^s), squared s times.
 */
export function encloseExp(x, precision) {
  if (x.coefficient === 0n) return Decimal.ONE;
  if (x.exponent === Infinity || firstPlace(x) >= 15) return encloseExtremeExp(x);
  if (firstPlace(x) < -precision - 1) {
    // 0 < e^x - 1 < 2x for 0 < x < 1/2, and 0 < 1 - e^x < -x below 0; |x| < 10^(-precision-1).
    if (x.coefficient < 0n) return new Interval(justBelowOne(precision), Decimal.ONE);
    return new Interval(Decimal.ONE, addDecimals(Decimal.ONE, new Decimal(1n, -precision)));
  }
  const halvings = Math.ceil(Math.sqrt(precision));
  const bits = bitsOf(precision) + halvings + 4 * Math.max(0, firstPlace(x));
  const [scale, base] = [BigInt(bits), logarithmOfTen(bits)];
  const fixed = toFixedPoint(x, bits);
  const power = quotientTowards(fixed, base, ROUND_FLOOR);
  const rest = fixed - power * base;
  // x lies less than 1u above `fixed`, ln 10 less than 1u above `base`: r is within (|k| + 1)u of `rest`.
  const series = sumSeries(rest >> BigInt(halvings), bits, 1n, 1n);
  let value = series.value;
  for (let i = 0; i < halvings; i++) value = (value * value) >> scale;
  // Up to here everything was rounded down. The series is at most Nu too small, relative to itself (`sumSeries`). A
  // square doubles that and adds 1u: 2^s(N+1)u. The bits shifted out of `rest` are below 2^s u: 2^s(N+2)u in all.
  // With r's own error, E = 2^s(N+2) + |k| + 1 units: value(1 - 2Eu) < e^r < value(1 + 4Eu) as long as Eu < 1/8.
  const units = ((series.terms + 2n) << BigInt(halvings)) + absolute(power) + 1n;
  const spread = ((value * units * 4n) >> scale) + 1n;
  return fromFixedPoint(value - spread, value + spread, bits, precision, Number(power));
}

/** Beyond 10^15 in size: e^x is above every display, or it is above 0 and below 10^(-4·10^14). */
function encloseExtremeExp(x) {
  if (x.coefficient > 0n) throw new TooLarge();
  return x.exponent === Infinity ? Decimal.ZERO : new Interval(Decimal.ZERO, new Decimal(1n, -4e14));
}

/**
 * Enclose the natural logarithm of x > 0; log 1 is exactly 0. Throws CalculatorError for other numbers.
 *
 * With x = m 10^k and m from 0.317 to 3.17, log x = k ln 10 + log m, and log m is 2^s log of m's root, taken s times,
 * and log g = 2 artanh((g - 1)/(g + 1)).
 */
export function encloseLog(x, precision) {
  if (x.coefficient <= 0n) throw new CalculatorError("log needs a number above 0; change a weight");
  if (x.exponent === Infinity) throw new TooLarge();
  const [power, distance] = placeOfLogarithm(x);
  if (distance.coefficient === 0n && power === 0) return Decimal.ZERO;
  // Close to 1 the logarithm is small, and to show its digits takes more bits: |log x| > |x - 1|/4 where k is 0.
  const lost = power === 0 ? Math.max(0, -firstPlace(distance)) : 0;
  if (lost > precision + 1) return encloseLogCloseToOne(distance, precision);
  const roots = Math.ceil(Math.sqrt(precision) / 2);
  const bits = bitsOf(precision + lost) + roots + 4 * String(power).length;
  const [scale, one] = [BigInt(bits), 1n << BigInt(bits)];
  let root = toFixedPoint(new Decimal(x.coefficient, x.exponent - power), bits);
  for (let i = 0; i < roots; i++) root = integerRoot(root << scale);
  // `root` is rounded down: first by less than 1u; a root makes of an error e at most e/(2√0.31) + 1 < 0.9e + 1 units,
  // so it stays below 10u. The slope of (g-1)/(g+1) = 1 - 2/(g+1) is below 1.2 where g > 0.31, and the quotient is
  // rounded by less than 1u: 13u. The slope of artanh is at most 1.37 for arguments up to 0.52, so 18u + its own error.
  const ratio = ((root - one) << scale) / (root + one);
  const series = sumArtanh(absolute(ratio), bits);
  const value = ratio < 0n ? -series.value : series.value;
  const doublings = BigInt(roots + 1);
  const logarithm = (value << doublings) + BigInt(power) * logarithmOfTen(bits);
  const spread = ((series.error + 18n) << doublings) + BigInt(Math.abs(power)) + 1n;
  return fromFixedPoint(logarithm - spread, logarithm + spread, bits, precision + lost + 1, 0);
}

/** Return k, and m - 1, for x = m 10^k. */
function placeOfLogarithm(x) {
  const first = firstPlace(x);
  const start = new Decimal(x.coefficient, x.exponent - first);
  const power = compareDecimals(start, new Decimal(317n, -2)) < 0 ? first : first + 1;
  return [power, addDecimals(new Decimal(x.coefficient, x.exponent - power), new Decimal(-1n, 0))];
}

/** For |d| < 1/2 other than 0, d - d² < log(1 + d) < d; |d| < 10^-precision makes this narrow. */
function encloseLogCloseToOne(distance, precision) {
  return new Interval(multiplyDecimals(distance, subtractDecimals(Decimal.ONE, distance)), distance);
}

/** Enclose √x for x ≥ 0; perfect squares have an exact root. Throws CalculatorError for a negative number. */
export function encloseSqrt(x, precision) {
  if (x.coefficient < 0n) throw new CalculatorError("sqrt needs a number that is not negative; change a weight");
  if (x.coefficient === 0n || x.exponent === Infinity) return x;
  let shift = Math.max(0, 2 * precision - countDigits(x.coefficient));
  if ((x.exponent - shift) % 2 !== 0) shift += 1;
  const square = x.coefficient * powerOfTen(shift);
  const [root, exponent] = [integerRoot(square), (x.exponent - shift) / 2];
  const low = new Decimal(root, exponent);
  // ⌊√n⌋² = n, or else √n is irrational and lies strictly between ⌊√n⌋ and ⌊√n⌋ + 1.
  return root * root === square ? low : new Interval(low, new Decimal(root + 1n, exponent));
}

/** Enclose tanh x = (1 - e^(-2x)) / (1 + e^(-2x)); tanh 0 is exactly 0. */
export function encloseTanh(x, precision) {
  if (x.coefficient === 0n) return Decimal.ZERO;
  if (x.coefficient < 0n) return negateValue(encloseTanh(negateDecimal(x), precision));
  if (x.exponent === Infinity) return Decimal.ONE;
  const first = firstPlace(x);
  // x - x³/3 < tanh x < x, and x² < 10^(2 first + 2) ≤ 10^-precision.
  if (2 * first + 1 < -precision) return new Interval(multiplyDecimals(x, justBelowOne(precision)), x);
  // 1 - tanh x < 2e^(-2x) < 2e^(-4 precision) < 10^-precision.
  if (compareDecimals(x, new Decimal(BigInt(2 * precision), 0)) > 0) {
    return new Interval(justBelowOne(precision), Decimal.ONE);
  }
  const finer = precision + 5 + Math.max(0, -first); // the difference 1 - e^(-2x) cancels so many digits
  const { low, high } = encloseExp(multiplyDecimals(new Decimal(-2n, 0), x), finer);
  return new Interval(quotientAroundOne(high, finer).low, quotientAroundOne(low, finer).high);
}

/** Enclose (1 - e) / (1 + e). */
function quotientAroundOne(e, precision) {
  const [above, below] = [subtractDecimals(Decimal.ONE, e), addDecimals(Decimal.ONE, e)];
  return divideIntervals(exactly(above), exactly(below), precision);
}

/**
 * Enclose erf x = 2/√π ∫₀ˣ e^(-t²) dt; erf 0 is exactly 0.
 *
 * erf x = 2x/√π e^(-x²) Σ (2x²)^n / (1·3·5 … (2n+1)), a series without cancellation (Abramowitz and Stegun 7.1.6).
 */
export function encloseErf(x, precision) {
  if (x.coefficient === 0n) return Decimal.ZERO;
  if (x.coefficient < 0n) return negateValue(encloseErf(negateDecimal(x), precision));
  if (x.exponent === Infinity) return Decimal.ONE;
  const square = multiplyDecimals(x, x);
  // 1 - erf x < e^(-x²) < e^(-2.4 precision) < 10^-precision.
  if (compareDecimals(square, new Decimal(BigInt(24 * precision), -1)) > 0) {
    return new Interval(justBelowOne(precision), Decimal.ONE);
  }
  const finer = precision + 5;
  const bits = bitsOf(finer);
  const series = sumSeries(toFixedPoint(multiplyDecimals(new Decimal(2n, 0), square), bits), bits, 3n, 2n);
  // The sum is at most Nu too small, relative to itself (`sumSeries`). z = 2x² is rounded down by less than 1u; the
  // slope of z^n/(3·5 … (2n+1)) is n/(2n+1) z^(n-1)/(3·5 … (2n-1)), so that costs less than u/2 of it: (N + 1)u in all.
  const spread = ((series.value * (series.terms + 1n) * 2n) >> BigInt(bits)) + 1n;
  const sum = fromFixedPoint(series.value - 1n, series.value + spread, bits, finer, 0);
  const factor = twoOverRootPi(bits);
  const scaled = multiplyIntervals(exactly(x), fromFixedPoint(factor - 1n, factor + 1n, bits, finer, 0), finer);
  const decay = toInterval(encloseExp(negateDecimal(square), finer), finer);
  return multiplyIntervals(multiplyIntervals(scaled, decay, finer), sum, finer);
}

/**
 * Return 1 + z/a + z²/(a(a+b)) + z³/(a(a+b)(a+2b)) + …, rounded down, and N, how many terms were added to the 1.
 *
 * Each term is made from the one before and rounded down by less than 1u. An error of 1u in a term is multiplied by
 * the later ratios, and z/(a+jb), z/(a+(j+1)b) … are no larger than z/a, z/(a+b) …: all terms that come of it are
 * together at most Su, where S is the true sum. N roundings make at most NSu. That contains the terms left out: the
 * last term added is 0, so what is true of it and of those after it is all error.
 */
function sumSeries(z, bits, a, b) {
  const scale = BigInt(bits);
  let [term, value, divisor, terms] = [1n << scale, 1n << scale, a, 0n];
  while (term > 0n) {
    term = ((term * z) >> scale) / divisor;
    value += term;
    divisor += b;
    terms += 1n;
  }
  return { value, terms };
}

/**
 * Return artanh y = Σ y^(2n+1)/(2n+1) for 0 ≤ y ≤ 0.52, and a bound of its error in units.
 *
 * y² < 0.28 is rounded down by less than 1u, and a power by less than 1u more: its error e becomes 0.28e + 0.52 + 1 at
 * most, which stays below 2.2. Divided by 3 or more and rounded down again, a term is less than 2u off. The first power
 * that is 0 was less than 2.2u, and all terms from it on are together less than 1.1u.
 */
function sumArtanh(y, bits) {
  const scale = BigInt(bits);
  const square = (y * y) >> scale;
  let [power, value, divisor] = [y, 0n, 1n];
  while (power > 0n) {
    value += power / divisor;
    power = (power * square) >> scale;
    divisor += 2n;
  }
  return { value, error: divisor + 2n }; // divisor is 1 plus twice the number of terms
}

function bitsOf(precision) {
  return Math.ceil(BITS_PER_DIGIT * precision) + SPARE_BITS;
}

/** Return ⌊x · 2^bits⌋. */
function toFixedPoint(x, bits) {
  const scaled = x.coefficient << BigInt(bits);
  if (x.exponent >= 0) return scaled * powerOfTen(x.exponent);
  if (firstPlace(x) < -bits) return x.coefficient < 0n ? -1n : 0n; // |x| < 10^-bits
  return quotientTowards(scaled, powerOfTen(-x.exponent), ROUND_FLOOR);
}

/** Return the interval from low · 2^-bits to high · 2^-bits, times 10^power, with `places` digits behind the point. */
function fromFixedPoint(low, high, bits, places, power) {
  const [scale, unit] = [1n << BigInt(bits), powerOfTen(places)];
  return new Interval(
    new Decimal(quotientTowards(low * unit, scale, ROUND_FLOOR), power - places),
    new Decimal(quotientTowards(high * unit, scale, ROUND_CEILING), power - places),
  );
}

function justBelowOne(precision) {
  return new Decimal(powerOfTen(precision) - 1n, -precision);
}

function exactly(x) {
  return new Interval(x, x);
}
