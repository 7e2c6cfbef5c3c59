// The interface of the tree, for the tests of the calculator alone.

import { Decimal, parseDecimal } from "./decimal.js";

export class Ref {
  constructor(name, index) {
    this.name = name;
    this.index = index;
    this.parts = [];
  }
}

export class Constant {
  constructor(value) {
    this.value = value instanceof Decimal ? value : parseDecimal(String(value));
    this.parts = [];
  }
}

export class Masked extends Constant {}

export class Operation {
  constructor(parts) {
    this.parts = parts;
  }
}

export class Sum extends Operation {}

export class Difference extends Operation {}

export class Product extends Operation {}

export class Quotient extends Operation {}

export class Maximum extends Operation {}

export class Positive extends Operation {}

export class Func extends Operation {
  constructor(name, parts) {
    super(parts);
    this.name = name;
  }
}
