// Feed-forward network: each position by itself is widened, passed through an activation, and narrowed again.
// As handcalc/formulas/feed_forward.py.

import { Constant, HALF, ONE, Positive, THREE, TWO, ZERO, add, cells, divide, erf } from "../arithmetic/expression.js";
import { exp, largest, multiply, sqrt, subtract, tanh } from "../arithmetic/expression.js";
import { linearInputGradientStep, linearParameterGradientSteps, linearStep } from "./linear.js";
import { forwardStep, gradient, gradientStep } from "./step.js";

const ROOT_2_OVER_PI = "0.7978845608028653558798921198687637369517172623298693153318516593";
const CUBIC = new Constant("0.044715");

/** Return √(2/π) as it appears on a page whose numbers have so many digits. */
export function root2OverPi(digits) {
  return new Constant(ROOT_2_OVER_PI.slice(0, 2 + Math.max(10, digits + 6)));
}

/** Yield the steps from `ln_2.out` (T, C) through the hidden layer (T, F) to `mlp.out` (T, C). */
export function* feedForwardSteps(block, config, sizes, digits) {
  const [first, second] = linearMaps(block);
  yield linearStep(first, sizes, config.bias);
  yield* ACTIVATIONS[config.activation].forward(`${block}.mlp`, digits);
  yield linearStep(second, sizes, config.bias);
}

function linearMaps(block) {
  const mlp = `${block}.mlp`;
  return [
    { owner: `${mlp}.c_fc`, x: `${block}.ln_2.out`, out: `${mlp}.hidden`, inner: "c", outer: "f" },
    { owner: `${mlp}.c_proj`, x: `${mlp}.activated`, out: `${mlp}.out`, inner: "f", outer: "c" },
  ];
}

/** Yield GELU in its tanh form, ½x(1 + tanh(√(2/π)(x + 0.044715x³))), where x is the hidden unit. */
function* geluTanhSteps(mlp, digits) {
  const [hidden, argument, bend] = ["hidden", "gelu.argument", "gelu.tanh"].map((name) => cells(`${mlp}.${name}`));
  const root = root2OverPi(digits);
  yield forwardStep(`${mlp}.gelu.argument`, "tf", (t, f) => {
    const x = hidden(t, f);
    return multiply(root, add(x, multiply(CUBIC, x, x, x)));
  });
  yield forwardStep(`${mlp}.gelu.tanh`, "tf", (t, f) => tanh(argument(t, f)));
  yield forwardStep(`${mlp}.activated`, "tf", (t, f) => multiply(HALF, hidden(t, f), add(ONE, bend(t, f))));
}

/** Yield GELU in its exact form, ½x(1 + erf(x/√2)), where x is the hidden unit. */
function* geluErfSteps(mlp) {
  const [hidden, bend] = [cells(`${mlp}.hidden`), cells(`${mlp}.gelu.erf`)];
  const root = sqrt(TWO);
  yield forwardStep(`${mlp}.gelu.erf`, "tf", (t, f) => erf(divide(hidden(t, f), root)));
  yield forwardStep(`${mlp}.activated`, "tf", (t, f) => multiply(HALF, hidden(t, f), add(ONE, bend(t, f))));
}

/** Yield ReLU, max(0, x). */
function* reluSteps(mlp) {
  const hidden = cells(`${mlp}.hidden`);
  yield forwardStep(`${mlp}.activated`, "tf", (t, f) => largest([ZERO, hidden(t, f)]));
}

// Backward

/** Yield the gradients from the network's last weights back to `ln_2.out` (T, C). */
export function* feedForwardGradientSteps(block, config, sizes, digits) {
  const [first, second] = linearMaps(block);
  yield* linearParameterGradientSteps(second, sizes, config.bias);
  yield linearInputGradientStep(second, sizes);
  yield* ACTIVATIONS[config.activation].backward(`${block}.mlp`, digits);
  yield* linearParameterGradientSteps(first, sizes, config.bias);
  yield linearInputGradientStep(first, sizes);
}

function* geluTanhGradientSteps(mlp, digits) {
  const [hidden, bend, root] = [cells(`${mlp}.hidden`), cells(`${mlp}.gelu.tanh`), root2OverPi(digits)];
  const [dactivated, dtanh, dargument] = ["activated", "gelu.tanh", "gelu.argument"].map((name) =>
    gradient(`${mlp}.${name}`),
  );
  yield gradientStep(`${mlp}.gelu.tanh`, "tf", (t, f) => multiply(dactivated(t, f), HALF, hidden(t, f)));
  yield gradientStep(`${mlp}.gelu.argument`, "tf", (t, f) =>
    multiply(dtanh(t, f), subtract(ONE, multiply(bend(t, f), bend(t, f)))),
  );
  yield gradientStep(`${mlp}.hidden`, "tf", (t, f) => {
    const x = hidden(t, f);
    const throughTanh = multiply(dargument(t, f), root, add(ONE, multiply(THREE, CUBIC, x, x)));
    return add(multiply(dactivated(t, f), HALF, add(ONE, bend(t, f))), throughTanh);
  });
}

function* geluErfGradientSteps(mlp, digits) {
  const [hidden, bend, root] = [cells(`${mlp}.hidden`), cells(`${mlp}.gelu.erf`), root2OverPi(digits)];
  const [dactivated, derf] = [gradient(`${mlp}.activated`), gradient(`${mlp}.gelu.erf`)];
  const minusHalf = new Constant("-0.5");
  yield gradientStep(`${mlp}.gelu.erf`, "tf", (t, f) => multiply(dactivated(t, f), HALF, hidden(t, f)));
  yield gradientStep(`${mlp}.hidden`, "tf", (t, f) => {
    const x = hidden(t, f);
    const throughErf = multiply(derf(t, f), root, exp(multiply(minusHalf, x, x)));
    return add(multiply(dactivated(t, f), HALF, add(ONE, bend(t, f))), throughErf);
  });
}

function* reluGradientSteps(mlp) {
  const [hidden, dactivated] = [cells(`${mlp}.hidden`), gradient(`${mlp}.activated`)];
  yield gradientStep(`${mlp}.hidden`, "tf", (t, f) => multiply(dactivated(t, f), new Positive([hidden(t, f)])));
}

const ACTIVATIONS = {
  gelu_tanh: { forward: geluTanhSteps, backward: geluTanhGradientSteps },
  gelu_erf: { forward: geluErfSteps, backward: geluErfGradientSteps },
  relu: { forward: reluSteps, backward: reluGradientSteps },
};
