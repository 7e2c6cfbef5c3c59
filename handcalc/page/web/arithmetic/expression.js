// A small tree of arithmetic: what one cell of the trace is, before it is evaluated or written.
// As handcalc/arithmetic/expression.py.

import { Decimal, parseDecimal } from "./decimal.js";

const NO_PARTS = [];

/** The printed number at `index` of the activation or weight `name`. */
export class Ref {
  parts = NO_PARTS;

  constructor(name, index) {
    this.name = name;
    this.index = index;
  }

  /** Return what this reference is replaced by. */
  mapRefs(change) {
    return change(this);
  }
}

/** A number that belongs to the formula itself, such as the 2 of √(2/π): a Decimal, or how one is written. */
export class Constant {
  parts = NO_PARTS;

  constructor(value) {
    this.value = value instanceof Decimal ? value : parseDecimal(String(value));
  }

  /** Return the constant itself: it refers to nothing. */
  mapRefs() {
    return this;
  }
}

/** A cell of the future: it is not worked out; the causal mask sets its value to −inf or 0. */
export class Masked extends Constant {}

/** A node that is computed from its `parts`, in order. */
export class Operation {
  constructor(parts) {
    this.parts = parts;
  }

  /** Return the same operation with every reference replaced by `change(reference)`. */
  mapRefs(change) {
    return new this.constructor(this.parts.map((part) => part.mapRefs(change)));
  }
}

/** The sum of two or more parts. */
export class Sum extends Operation {}

/** The first part minus the second. */
export class Difference extends Operation {}

/** The product of two or more parts. */
export class Product extends Operation {}

/** The first part divided by the second. */
export class Quotient extends Operation {}

/** The largest of two or more parts. */
export class Maximum extends Operation {}

/** One of the calculator's keys `exp log sqrt tanh erf`, applied to its one part. */
export class Func extends Operation {
  constructor(name, parts) {
    super(parts);
    this.name = name;
  }

  /** Return the same function of the changed part. */
  mapRefs(change) {
    return new Func(this.name, this.parts.map((part) => part.mapRefs(change)));
  }
}

/** 1 where its one part, a printed number, is above 0, else 0: the slope of ReLU, and the bracket of (5.9). */
export class Positive extends Operation {}

/** Return a function that refers to the cells of a named tensor: `cells("ln_f.mean")(t)`. */
export function cells(name) {
  return (...index) => new Ref(name, index);
}

/** The constant −1. */
export const MINUS_ONE = new Constant("-1");

/** The constant 0. */
export const ZERO = new Constant("0");

/** The constant ½. */
export const HALF = new Constant("0.5");

/** The constant 1. */
export const ONE = new Constant("1");

/** The constant 2. */
export const TWO = new Constant("2");

/** The constant 3. */
export const THREE = new Constant("3");

/** Return a + b; the terms of a sum `a` stay flat. */
export function add(a, b) {
  return new Sum([...(a instanceof Sum ? a.parts : [a]), b]);
}

/** Return a − b. */
export function subtract(a, b) {
  return new Difference([a, b]);
}

/** Return the product of two or more factors; the factors of a first one that is a product stay flat. */
export function multiply(first, ...others) {
  return new Product([...(first instanceof Product ? first.parts : [first]), ...others]);
}

/** Return a / b. */
export function divide(a, b) {
  return new Quotient([a, b]);
}

/** Return the sum of the terms; a single term is its own sum. */
export function total(terms) {
  return terms.length === 1 ? terms[0] : new Sum(terms);
}

/** Return the maximum of the arguments; a single one is its own maximum. */
export function largest(parts) {
  return parts.length === 1 ? parts[0] : new Maximum(parts);
}

/** Return e to the power of `argument`. */
export function exp(argument) {
  return new Func("exp", [argument]);
}

/** Return the natural logarithm of `argument`. */
export function log(argument) {
  return new Func("log", [argument]);
}

/** Return the square root of `argument`. */
export function sqrt(argument) {
  return new Func("sqrt", [argument]);
}

/** Return the hyperbolic tangent of `argument`. */
export function tanh(argument) {
  return new Func("tanh", [argument]);
}

/** Return the error function of `argument`. */
export function erf(argument) {
  return new Func("erf", [argument]);
}
