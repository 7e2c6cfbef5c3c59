// Work out a trace: every cell of every step, in order, each from numbers that are already known.
// As handcalc/tracing/trace.py.

import { Calculator } from "../arithmetic/calculator.js";
import { parseDecimal } from "../arithmetic/decimal.js";
import { Masked } from "../arithmetic/expression.js";
import { BEFORE, MOMENTS } from "../formulas/adamw.js";
import { steps } from "../formulas/gpt.js";
import { UPDATED, indicesOf, parameterNames, shapeOf, sizesOf } from "../formulas/step.js";

/** The numbers that are known so far: `tensors`, name → `{name, shape, values, masked}`, values row by row. */
export class Numbers {
  constructor(tensors) {
    this.tensors = tensors;
  }

  /** Return the decimal at `index` of the tensor `name`. */
  get(name, index) {
    const tensor = this.tensors.get(name);
    return tensor.values[placeOf(index, tensor.shape)];
  }

  /** Return whether the causal mask leaves out the cell. */
  isMasked(name, index) {
    const tensor = this.tensors.get(name);
    return tensor.masked.has(placeOf(index, tensor.shape));
  }
}

/** Return the place of an index among the values of a tensor of this shape. */
export function placeOf(index, shape) {
  let place = 0;
  for (let axis = 0; axis < shape.length; axis++) place = place * shape[axis] + index[axis];
  return place;
}

/** Return a tensor; `masked` are the places of the cells that the causal mask leaves out. */
export function makeTensor(name, shape, values, masked = new Set()) {
  return { name, shape, values, masked };
}

/** Return the weights of the page's data, `[{name, shape, values}]` with numbers as text, as tensors by name. */
export function readWeights(weights) {
  return new Map(weights.map(({ name, shape, values }) => [name, makeTensor(name, shape, values.map(parseDecimal))]));
}

/**
 * Return a plan worked out from tensors that are `given`, as `{plan, given, sizes, steps, numbers}`.
 *
 * The plan is `{config, tokens, targets, optimizer, digits, number}`; `number` says which update it leads to. The given
 * tensors are the weights, and from the second update on also the moments before it. `planned` are the plan's steps, if
 * they are known already: their trees are kept. Throws as the calculator does.
 */
export function workOut(plan, given, planned = stepsOf(plan)) {
  const sizes = sizesOf(plan.config, plan.tokens.length);
  return extendTrace({ plan, given, sizes, steps: [], numbers: new Numbers(given) }, planned);
}

/** Return all steps of a plan, in order. */
export function stepsOf({ config, tokens, targets, optimizer, digits, number }) {
  return steps(config, tokens, targets, optimizer, digits, number);
}

/** Return the trace with the numbers of further steps, which may use all numbers of the trace. */
export function extendTrace(trace, further) {
  const numbers = new Numbers(new Map(trace.numbers.tensors));
  const calculator = new Calculator(trace.plan.digits);
  const planned = [...further];
  for (const step of planned) numbers.tensors.set(step.name, workOutStep(step, trace.sizes, numbers, calculator));
  return { ...trace, steps: [...trace.steps, ...planned], numbers };
}

/** Return the tensor of one step. */
function workOutStep(step, sizes, numbers, calculator) {
  const masked = new Set();
  const values = treesOf(step, sizes).map((expression, place) => {
    if (expression instanceof Masked) masked.add(place);
    return calculator.evaluate(expression, numbers);
  });
  return makeTensor(step.name, shapeOf(step.axes, sizes), values, masked);
}

/** Return the trees of a step's cells, row by row; they are made once and kept with the step. */
export function treesOf(step, sizes) {
  step.trees ??= indicesOf(shapeOf(step.axes, sizes)).map((index) => step.cell(...index));
  return step.trees;
}

/** Return the next update of the same text: the new weights become the weights, and AdamW's moments carry on. */
export function takeStep(trace) {
  return workOut({ ...trace.plan, number: trace.plan.number + 1 }, tensorsAfter(trace));
}

/** Return what the next update of a trace is given: its new weights, and its moments as those before the update. */
export function tensorsAfter({ plan, numbers }) {
  const given = new Map();
  const carry = (from, to) => given.set(to, { ...numbers.tensors.get(from), name: to });
  for (const name of parameterNames(plan.config)) {
    carry(`${UPDATED}.${name}`, name);
    for (const moment of MOMENTS) carry(`${moment}.${name}`, `${BEFORE}.${moment}.${name}`);
  }
  return given;
}
