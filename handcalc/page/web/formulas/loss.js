// Cross-entropy: how surprised the model was by each word that actually came next. As handcalc/formulas/loss.py.

import { Constant, ONE, ZERO, add, cells, divide, log, multiply, subtract, total } from "../arithmetic/expression.js";
import { forwardStep, gradient, gradientStep, range } from "./step.js";

/** Yield the steps losses = −log P(target) (T) and loss, their mean (); `targets` are the ids that came next. */
export function* lossSteps(targets) {
  const [logits, maxima, sums, losses] = ["logits", "softmax.max", "softmax.sum", "losses"].map(cells);
  const [positions, count] = [range(targets.length), new Constant(targets.length)];
  yield forwardStep("losses", "t", (t) => subtract(add(log(sums(t)), maxima(t)), logits(t, targets[t])));
  yield forwardStep("loss", "", () => divide(total(positions.map((t) => losses(t))), count));
}

// Backward: (11.4), (11.5), (11.6) and (11.7)

/** Yield the gradients from `loss` () to `logits` (T, V), one named activation at a time. */
export function* lossGradientSteps(targets, sizes) {
  const [dloss, count] = [gradient("loss"), new Constant(sizes.t)];
  yield gradientStep("loss", "", () => ONE);
  yield gradientStep("losses", "t", () => divide(dloss(), count));
  yield* rowGradientSteps();
  yield logitsGradientStep(targets);
}

/** Yield the gradients of what all logits of a row share: the sum, the exponentials and the maximum. */
function* rowGradientSteps() {
  const [dlosses, sums, dsum] = [gradient("losses"), cells("softmax.sum"), gradient("softmax.sum")];
  yield gradientStep("softmax.sum", "t", (t) => divide(dlosses(t), sums(t)));
  yield gradientStep("softmax.exponentials", "tv", (t) => dsum(t));
  yield gradientStep("softmax.max", "t", () => ZERO);
}

function logitsGradientStep(targets) {
  const [dlosses, exponentials] = [gradient("losses"), cells("softmax.exponentials")];
  const dexponentials = gradient("softmax.exponentials");
  return gradientStep("logits", "tv", (t, v) => {
    const throughTheSum = multiply(dexponentials(t, v), exponentials(t, v));
    return v === targets[t] ? subtract(throughTheSum, dlosses(t)) : throughTheSum;
  });
}
