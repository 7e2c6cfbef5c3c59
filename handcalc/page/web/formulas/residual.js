// The residual stream: the result of each part of the model is added to what was computed before; (10.1) to (10.4).
// As handcalc/formulas/residual.py.

import { add, cells } from "../arithmetic/expression.js";
import { forwardStep, gradient, gradientStep } from "./step.js";

/** Return the step residual = x + out of a block's `part`, attention or feed-forward network. */
export function residualStep(part, x) {
  const [before, out] = [cells(x), cells(`${part}.out`)];
  return forwardStep(`${part}.residual`, "tc", (t, c) => add(before(t, c), out(t, c)));
}

// Backward

/** Return the gradient of what a block's `part` added to the stream: that of the sum. */
export function branchGradientStep(part) {
  const dresidual = gradient(`${part}.residual`);
  return gradientStep(`${part}.out`, "tc", (t, c) => dresidual(t, c));
}

/** Return the gradient of the stream `name`, which `norm` read, and to which the sum `bypass`, if any, was added. */
export function streamGradientStep(name, norm, bypass) {
  const branch = gradient(`${norm}.x`);
  if (bypass === null) return gradientStep(name, "tc", (t, c) => branch(t, c));
  const past = gradient(bypass);
  return gradientStep(name, "tc", (t, c) => add(past(t, c), branch(t, c)));
}
