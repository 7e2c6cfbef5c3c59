// AdamW's step for one parameter: decay, the two moments, their correction, and the step itself.
// As handcalc/formulas/adamw.py: in the first step both moments are 0 before; in a later one they are given.

import { Constant, ONE, Product, ZERO, add, cells, divide, multiply, sqrt } from "../arithmetic/expression.js";
import { subtract } from "../arithmetic/expression.js";
import { SCALE, clips } from "./clipping.js";
import { CHANGE, UPDATED, gradient, parameterAxes, scalarStep, updateStep } from "./step.js";

/** The prefix of a moment's name that means the moment before the step. */
export const BEFORE = "before";

/** The prefixes of a parameter's name that mean its moments, the averages that AdamW carries from step to step. */
export const MOMENTS = ["m", "v"];

/** Yield what all parameters divide their moments by in a later step: the factors 1 − βᵗ, where t is `number`. */
export function* correctionSteps(optimizer, number) {
  const betas = [optimizer.beta1, optimizer.beta2];
  for (const [place, moment] of MOMENTS.entries()) {
    const power = new Product(Array(number).fill(new Constant(betas[place])));
    yield scalarStep(`correction.${moment}`, () => subtract(ONE, power));
  }
}

/** Yield the steps from a parameter's gradient to its new value and its change, in the update of that `number`. */
export function* adamwSteps(name, optimizer, number) {
  const first = number === 1;
  if (clips(optimizer)) yield clippedStep(name);
  if (parameterAxes(name).length === 2) yield decayedStep(name, optimizer);
  yield* momentSteps(name, optimizer, first);
  yield* first ? firstCorrectionSteps(name, optimizer) : laterCorrectionSteps(name);
  yield lengthStep(name, optimizer);
  yield* changeSteps(name);
}

function clippedStep(name) {
  const [g, scale] = [gradient(name), cells(SCALE)];
  return updateStep("clipped", name, (...index) => multiply(g(...index), scale()));
}

function decayedStep(name, optimizer) {
  const weight = cells(name);
  const [rate, decay] = [new Constant(optimizer.learning_rate), new Constant(optimizer.weight_decay)];
  return updateStep("decayed", name, (...index) =>
    subtract(weight(...index), multiply(rate, decay, weight(...index))),
  );
}

function* momentSteps(name, optimizer, first) {
  const [b1, b2] = [new Constant(optimizer.beta1), new Constant(optimizer.beta2)];
  const g = clips(optimizer) ? cells(`clipped.${name}`) : gradient(name);
  const [m, v] = MOMENTS.map((moment) => (first ? () => ZERO : cells(`${BEFORE}.${moment}.${name}`)));
  yield updateStep("m", name, (...index) =>
    add(multiply(b1, m(...index)), multiply(subtract(ONE, b1), g(...index))),
  );
  yield updateStep("v", name, (...index) =>
    add(multiply(b2, v(...index)), multiply(subtract(ONE, b2), g(...index), g(...index))),
  );
}

function* firstCorrectionSteps(name, optimizer) {
  const betas = [optimizer.beta1, optimizer.beta2];
  for (const [place, moment] of MOMENTS.entries()) {
    const [moments, factor] = [cells(`${moment}.${name}`), subtract(ONE, new Constant(betas[place]))];
    yield updateStep(`corrected_${moment}`, name, (...index) => divide(moments(...index), factor));
  }
}

function* laterCorrectionSteps(name) {
  for (const moment of MOMENTS) {
    const [moments, correction] = [cells(`${moment}.${name}`), cells(`correction.${moment}`)];
    yield updateStep(`corrected_${moment}`, name, (...index) => divide(moments(...index), correction()));
  }
}

function lengthStep(name, optimizer) {
  const [m, v] = [cells(`corrected_m.${name}`), cells(`corrected_v.${name}`)];
  const [rate, epsilon] = [new Constant(optimizer.learning_rate), new Constant(optimizer.adam_epsilon)];
  return updateStep("step", name, (...index) =>
    divide(multiply(rate, m(...index)), add(sqrt(v(...index)), epsilon)),
  );
}

function* changeSteps(name) {
  const [before, after, step] = [cells(name), cells(`${UPDATED}.${name}`), cells(`step.${name}`)];
  const start = parameterAxes(name).length === 2 ? cells(`decayed.${name}`) : before;
  yield updateStep(UPDATED, name, (...index) => subtract(start(...index), step(...index)));
  yield updateStep(CHANGE, name, (...index) => subtract(after(...index), before(...index)));
}
