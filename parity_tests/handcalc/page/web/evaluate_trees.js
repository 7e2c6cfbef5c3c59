// Evaluate trees that Python sends as lists: ["exp", tree], ["+", tree, tree …], "0.25", or {name, index} for a number.

import { CalculatorError, formatNumber, parseDecimal } from "/arithmetic/decimal.js";
import { Calculator } from "/arithmetic/calculator.js";
import { Constant, Difference, Func, Masked, Maximum, Positive, Product, Quotient } from "/arithmetic/expression.js";
import { Ref, Sum } from "/arithmetic/expression.js";

const OPERATIONS = { "+": Sum, "-": Difference, "*": Product, "/": Quotient, max: Maximum, positive: Positive };

/** Return the display, or the error, of each of `cases`, which are pairs of digits and a tree. */
export function evaluateTrees(cases, tensors = {}) {
  const numbers = readNumbers(tensors);
  return cases.map(([digits, tree]) => displayOf(new Calculator(digits), readTree(tree), numbers));
}

function displayOf(calculator, tree, numbers) {
  try {
    return formatNumber(calculator.evaluate(tree, numbers));
  } catch (error) {
    if (error instanceof CalculatorError) return `error: ${error.message}`;
    throw error;
  }
}

function readTree(tree) {
  if (typeof tree === "string") return new Constant(parseDecimal(tree));
  if (!Array.isArray(tree)) return new Ref(tree.name, tree.index);
  const [name, ...parts] = tree;
  if (name === "masked") return new Masked(parseDecimal(parts[0]));
  const nodes = parts.map(readTree);
  return name in OPERATIONS ? new OPERATIONS[name](nodes) : new Func(name, nodes);
}

function readNumbers(tensors) {
  const known = new Map(Object.entries(tensors).map(([name, texts]) => [name, texts.map(parseDecimal)]));
  return { get: (name, index) => known.get(name)[index[0]] };
}
