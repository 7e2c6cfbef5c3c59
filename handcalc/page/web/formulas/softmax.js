// Softmax: any row of numbers becomes shares that are positive and add up to 1. As handcalc/formulas/softmax.py.

import { MINUS_ONE, Masked, ZERO, add, cells, divide, exp, largest, multiply } from "../arithmetic/expression.js";
import { subtract, total } from "../arithmetic/expression.js";
import { forwardStep, gradient, gradientStep, range } from "./step.js";

/**
 * Yield the steps out = exp(x − max) / Σ exp(x − max) along the last axis.
 *
 * `visible(row)` lists the entries of a row that count: all of them, or for attention those up to t.
 */
export function* softmaxSteps(scope, x, out, axes, visible) {
  const [values, exponentials] = [cells(x), cells(`${scope}.exponentials`)];
  const [maxima, sums] = [cells(`${scope}.max`), cells(`${scope}.sum`)];
  const rows = axes.slice(0, -1);
  yield forwardStep(`${scope}.max`, rows, (...row) => largest(visible(row).map((j) => values(...row, j))));
  yield forwardStep(`${scope}.exponentials`, axes, (...index) =>
    maskHidden(index, visible, exp(subtract(values(...index), maxima(...index.slice(0, -1))))),
  );
  yield forwardStep(`${scope}.sum`, rows, (...row) => total(visible(row).map((j) => exponentials(...row, j))));
  yield forwardStep(out, axes, (...index) =>
    maskHidden(index, visible, divide(exponentials(...index), sums(...index.slice(0, -1)))),
  );
}

function maskHidden(index, visible, expression) {
  return visible(index.slice(0, -1)).includes(index.at(-1)) ? expression : new Masked(0);
}

// Backward

/** Return the same cells, but masked where position t would look at a later position s. */
export function maskFuture(cell) {
  return (h, t, s) => (s <= t ? cell(h, t, s) : new Masked(0));
}

/** Yield the gradients from `attn.softmax.sum` (H, T) back to `attn.masked` (H, T, S). */
export function* attentionSoftmaxGradientSteps(attn) {
  const softmax = `${attn}.softmax`;
  const names = [`${attn}.weights`, `${softmax}.sum`, `${softmax}.exponentials`];
  const [[weights, sums, exponentials], [dweights, dsum, dexponentials]] = [names.map(cells), names.map(gradient)];
  yield gradientStep(`${softmax}.sum`, "ht", (h, t) => {
    const products = range(t + 1).map((s) => multiply(dweights(h, t, s), weights(h, t, s)));
    return divide(multiply(MINUS_ONE, total(products)), sums(h, t));
  });
  yield gradientStep(
    `${softmax}.exponentials`,
    "hts",
    maskFuture((h, t, s) => add(divide(dweights(h, t, s), sums(h, t)), dsum(h, t))),
  );
  yield gradientStep(`${softmax}.max`, "ht", () => ZERO);
  yield gradientStep(
    `${attn}.masked`,
    "hts",
    maskFuture((h, t, s) => multiply(dexponentials(h, t, s), exponentials(h, t, s))),
  );
}
