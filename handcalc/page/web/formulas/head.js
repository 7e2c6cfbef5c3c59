// Output head: the final vector is compared with every word of the vocabulary. As handcalc/formulas/head.py.

import { cells, multiply, total } from "../arithmetic/expression.js";
import { softmaxSteps } from "./softmax.js";
import { forwardStep, gradient, gradientStep, range } from "./step.js";

/** A tied matrix in its use as the output head; that part of its gradient is `head.dweight`. */
export const HEAD = "head.weight";

/** Yield the steps from `ln_f.out` (T, C) to `probabilities` (T, V); a tied head *is* the token embedding. */
export function* headSteps(config, sizes) {
  const [x, words] = [cells("ln_f.out"), cells(headMatrix(config))];
  const [channels, vocabulary] = [range(sizes.c), range(sizes.v)];
  yield forwardStep("logits", "tv", (t, v) => total(channels.map((c) => multiply(x(t, c), words(v, c)))));
  yield* softmaxSteps("softmax", "logits", "probabilities", "tv", () => vocabulary);
}

// Backward

/** Yield the gradients of the head's matrix (V, C) and of `ln_f.out` (T, C). */
export function* headGradientSteps(config, sizes) {
  const matrix = headMatrix(config);
  const [x, words, dlogits] = [cells("ln_f.out"), cells(matrix), gradient("logits")];
  const [positions, vocabulary] = [range(sizes.t), range(sizes.v)];
  yield gradientStep(config.tie_weights ? HEAD : matrix, "vc", (v, c) =>
    total(positions.map((t) => multiply(dlogits(t, v), x(t, c)))),
  );
  yield gradientStep("ln_f.out", "tc", (t, c) =>
    total(vocabulary.map((v) => multiply(dlogits(t, v), words(v, c)))),
  );
}

/** Return the name of the matrix (V, C) of the output head. */
export function headMatrix(config) {
  return config.tie_weights ? "wte.weight" : "lm_head.weight";
}
