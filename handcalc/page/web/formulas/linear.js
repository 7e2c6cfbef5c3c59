// Linear maps, x · weight + bias, which attention and the feed-forward network are made of; (2.1) to (2.4).
// As handcalc/formulas/linear.py.

import { add, cells, multiply, total } from "../arithmetic/expression.js";
import { forwardStep, gradient, gradientStep, range } from "./step.js";

/** Return Σ_c x[t,c]·weight[c,column] (+ bias[column]), the sum over the `width` channels of `x`. */
export function affine(x, t, linear, column, { width, bias }) {
  const weight = cells(`${linear}.weight`);
  const products = total(range(width).map((c) => multiply(x(t, c), weight(c, column))));
  return bias ? add(products, cells(`${linear}.bias`)(column)) : products;
}

/**
 * Return the forward step out[t,o] = Σ_i x[t,i]·weight[i,o] + bias[o], (2.1).
 *
 * A linear map `{owner, x, out, inner, outer}` has the names of its parameters' owner, its input and its output, and
 * the index letters of both.
 */
export function linearStep(linear, sizes, bias) {
  const { owner, x, out, inner, outer } = linear;
  const [values, width] = [cells(x), sizes[inner]];
  return forwardStep(out, `t${outer}`, (t, column) => affine(values, t, owner, column, { width, bias }));
}

// Backward

/** Yield the gradients of the weight (2.3) and the bias (2.4). */
export function* linearParameterGradientSteps(linear, sizes, bias) {
  const { owner, x, out, inner, outer } = linear;
  const [values, dout, positions] = [cells(x), gradient(out), range(sizes.t)];
  yield gradientStep(`${owner}.weight`, inner + outer, (a, b) =>
    total(positions.map((t) => multiply(values(t, a), dout(t, b)))),
  );
  if (bias) yield gradientStep(`${owner}.bias`, outer, (b) => total(positions.map((t) => dout(t, b))));
}

/** Return the gradient of the input (2.2): the same weights, summed the other way. */
export function linearInputGradientStep(linear, sizes) {
  const { owner, x, out, inner, outer } = linear;
  const [weight, dout, outputs] = [cells(`${owner}.weight`), gradient(out), range(sizes[outer])];
  return gradientStep(x, `t${inner}`, (t, a) => total(outputs.map((b) => multiply(dout(t, b), weight(a, b)))));
}
