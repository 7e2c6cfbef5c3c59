// ln 10 and 2/√π in binary fixed point, to as many bits as asked for; computed once and kept.

/** How many bits more than needed a constant is first computed with. */
const GUARD_BITS = 32;

/** Constants are computed to a multiple of so many bits, so that a few bits more do not mean another computation. */
const STEP_OF_BITS = 256;

const knownConstants = new Map();

/** Return ⌊ln 10 · 2^bits⌋. */
export function logarithmOfTen(bits) {
  return constantOf("ln 10", bits, encloseLogarithmOfTen);
}

/** Return ⌊2/√π · 2^bits⌋. */
export function twoOverRootPi(bits) {
  return constantOf("2/√π", bits, encloseTwoOverRootPi);
}

/** Return ⌊√n⌋ for a BigInt n ≥ 0. */
export function integerRoot(n) {
  if (n === 0n) return 0n;
  const bits = n.toString(16).length * 4;
  let root;
  if (bits <= 1000) {
    root = BigInt(Math.floor(Math.sqrt(Number(n)))) || 1n;
  } else {
    const quarter = BigInt(bits >> 2);
    root = (integerRoot(n >> (2n * quarter)) + 1n) << quarter;
  }
  // Newton's steps. From any positive start, one step leads to ⌊√n⌋ or above (the mean of a and n/a is at least √n),
  // and from there they fall until they are at ⌊√n⌋. So the start decides only how many steps are needed.
  root = (root + n / root) >> 1n;
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** Return ⌊constant · 2^bits⌋: both ends of an enclosure with more bits must have the same first bits. */
function constantOf(name, bits, enclose) {
  const known = knownConstants.get(name);
  if (known && known.bits >= bits) return known.value >> BigInt(known.bits - bits);
  const more = Math.ceil(bits / STEP_OF_BITS) * STEP_OF_BITS;
  for (let guard = GUARD_BITS; ; guard *= 2) {
    const [low, high] = enclose(BigInt(more + guard)).map((end) => end >> BigInt(guard));
    if (low === high) {
      knownConstants.set(name, { bits: more, value: low });
      return low >> BigInt(more - bits);
    }
  }
}

/** ln 10 = 46 artanh(1/31) + 34 artanh(1/49) + 20 artanh(1/161). */
function encloseLogarithmOfTen(bits) {
  const terms = [[46n, 31n], [34n, 49n], [20n, 161n]].map(([factor, n]) => [factor, inverseSeries(n, bits, 1n)]);
  const sum = terms.reduce((total, [factor, { value }]) => total + factor * value, 0n);
  const error = terms.reduce((total, [factor, series]) => total + factor * series.error, 0n);
  return [sum - error, sum + error];
}

/** π = 16 arctan(1/5) - 4 arctan(1/239) (Machin), and 2/√π = √(4/π). */
function encloseTwoOverRootPi(bits) {
  const [five, other] = [inverseSeries(5n, bits, -1n), inverseSeries(239n, bits, -1n)];
  const pi = 16n * five.value - 4n * other.value;
  const error = 16n * five.error + 4n * other.error;
  const four = 4n << (3n * bits);
  return [integerRoot(four / (pi + error)), integerRoot(four / (pi - error)) + 1n];
}

/**
 * Return Σ sign^k / ((2k+1) n^(2k+1)) in units of 2^-bits: artanh(1/n) for the sign 1, arctan(1/n) for -1.
 *
 * The k-th power is ⌊2^bits / n^(2k+1)⌋, less than 1 too small, and so is its quotient by 2k+1: each term is less than
 * 2 units off. The first power that is 0 was less than 1 unit, and all terms after it are together less than 2.
 */
function inverseSeries(n, bits, sign) {
  let power = (1n << bits) / n;
  let [value, divisor, factor] = [0n, 1n, 1n];
  while (power > 0n) {
    value += factor * (power / divisor);
    power /= n * n;
    divisor += 2n;
    factor *= sign;
  }
  return { value, error: divisor + 2n }; // divisor is 1 plus twice the number of terms
}
