// Layer norm: each position's vector is shifted to mean 0, scaled to variance 1, then scaled by learned weights.
// As handcalc/formulas/norms/layer_norm.py.

import { Constant, MINUS_ONE, ONE, TWO, add, cells, divide, multiply, sqrt } from "../arithmetic/expression.js";
import { subtract, total } from "../arithmetic/expression.js";
import { forwardStep, gradient, gradientStep, range } from "./step.js";

/** Yield the steps out = (x − mean) / √(variance + ε) × weight + bias, row by row over the channels. */
export function* layerNormSteps(norm, x, config, sizes) {
  yield* normCenteringSteps(norm, x, sizes);
  yield* normScalingSteps(norm, config);
}

function* normCenteringSteps(norm, x, sizes) {
  const [source, mean, centered] = [cells(x), cells(`${norm}.mean`), cells(`${norm}.centered`)];
  const [width, channels] = [new Constant(sizes.c), range(sizes.c)];
  yield forwardStep(`${norm}.mean`, "t", (t) => divide(total(channels.map((c) => source(t, c))), width));
  yield forwardStep(`${norm}.centered`, "tc", (t, c) => subtract(source(t, c), mean(t)));
  yield forwardStep(`${norm}.variance`, "t", (t) =>
    divide(total(channels.map((c) => multiply(centered(t, c), centered(t, c)))), width),
  );
}

function* normScalingSteps(norm, config) {
  const [centered, variance, rstd] = ["centered", "variance", "rstd"].map((name) => cells(`${norm}.${name}`));
  const [normalized, weight, bias] = ["normalized", "weight", "bias"].map((name) => cells(`${norm}.${name}`));
  const epsilon = new Constant(config.layer_norm_epsilon);
  yield forwardStep(`${norm}.rstd`, "t", (t) => divide(ONE, sqrt(add(variance(t), epsilon))));
  yield forwardStep(`${norm}.normalized`, "tc", (t, c) => multiply(centered(t, c), rstd(t)));
  yield forwardStep(`${norm}.out`, "tc", (t, c) => {
    const scaled = multiply(normalized(t, c), weight(c));
    return config.bias ? add(scaled, bias(c)) : scaled;
  });
}

// Backward

/** Yield the gradients from the norm's `weight` down to `dx` (T, C), that of its input. */
export function* layerNormGradientSteps(norm, config, sizes) {
  yield* normParameterGradientSteps(norm, config, sizes);
  yield* normScalingGradientSteps(norm, sizes);
  yield* normCenteringGradientSteps(norm, sizes);
}

function* normParameterGradientSteps(norm, config, sizes) {
  const [dout, normalized, weight] = [gradient(`${norm}.out`), cells(`${norm}.normalized`), cells(`${norm}.weight`)];
  const positions = range(sizes.t);
  yield gradientStep(`${norm}.weight`, "c", (c) =>
    total(positions.map((t) => multiply(dout(t, c), normalized(t, c)))),
  );
  if (config.bias) yield gradientStep(`${norm}.bias`, "c", (c) => total(positions.map((t) => dout(t, c))));
  yield gradientStep(`${norm}.normalized`, "tc", (t, c) => multiply(dout(t, c), weight(c)));
}

/** Yield the gradients of each position's one factor, and of the variance from which it was computed. */
function* normScalingGradientSteps(norm, sizes) {
  const [centered, rstd] = [cells(`${norm}.centered`), cells(`${norm}.rstd`)];
  const [dnormalized, drstd] = [gradient(`${norm}.normalized`), gradient(`${norm}.rstd`)];
  const [minusHalf, channels] = [new Constant("-0.5"), range(sizes.c)];
  yield gradientStep(`${norm}.rstd`, "t", (t) =>
    total(channels.map((c) => multiply(dnormalized(t, c), centered(t, c)))),
  );
  yield gradientStep(`${norm}.variance`, "t", (t) => multiply(minusHalf, rstd(t), rstd(t), rstd(t), drstd(t)));
}

/** Yield the gradients of the distances from the mean, of the mean, and of the input itself. */
function* normCenteringGradientSteps(norm, sizes) {
  const [centered, rstd] = [cells(`${norm}.centered`), cells(`${norm}.rstd`)];
  const [dnormalized, dvariance] = [gradient(`${norm}.normalized`), gradient(`${norm}.variance`)];
  const [dcentered, dmean] = [gradient(`${norm}.centered`), gradient(`${norm}.mean`)];
  const [width, channels] = [new Constant(sizes.c), range(sizes.c)];
  yield gradientStep(`${norm}.centered`, "tc", (t, c) =>
    add(multiply(dnormalized(t, c), rstd(t)), divide(multiply(TWO, centered(t, c), dvariance(t)), width)),
  );
  yield gradientStep(`${norm}.mean`, "t", (t) => multiply(MINUS_ONE, total(channels.map((c) => dcentered(t, c)))));
  yield gradientStep(`${norm}.x`, "tc", (t, c) => add(dcentered(t, c), divide(dmean(t), width)));
}
