// Causal self-attention: each position asks, earlier ones answer, and their answers are mixed.
// As handcalc/formulas/attention.py.

import { Constant, Masked, cells, divide, multiply, sqrt, total } from "../arithmetic/expression.js";
import { affine, linearInputGradientStep, linearParameterGradientSteps, linearStep } from "./linear.js";
import { attentionSoftmaxGradientSteps, maskFuture, softmaxSteps } from "./softmax.js";
import { forwardStep, gradient, gradientStep, range } from "./step.js";

const PROJECTIONS = [
  ["q", "t"],
  ["k", "s"],
  ["v", "s"],
];

/** Yield the steps from `ln_1.out` (T, C) to `attn.out` (T, C) of one block, without the residual sum. */
export function* attentionSteps(block, config, sizes) {
  const attn = `${block}.attn`;
  for (const number of PROJECTIONS.keys()) yield projectionStep(block, number, config, sizes);
  yield* scoreSteps(attn, sizes);
  yield* softmaxSteps(`${attn}.softmax`, `${attn}.masked`, `${attn}.weights`, "hts", (row) => range(row.at(-1) + 1));
  yield* mixingSteps(attn, config, sizes);
}

/** Return q, k or v: the columns of c_attn are the queries of all heads, then the keys, then the values. */
function projectionStep(block, number, config, sizes) {
  const [name, axis] = PROJECTIONS[number];
  const [x, linear, first] = [cells(`${block}.ln_1.out`), `${block}.attn.c_attn`, number * sizes.c];
  return forwardStep(`${block}.attn.${name}`, `h${axis}d`, (h, t, d) =>
    affine(x, t, linear, first + h * sizes.d + d, { width: sizes.c, bias: config.bias }),
  );
}

function* scoreSteps(attn, sizes) {
  const [q, k, scores, scaled] = ["q", "k", "scores", "scaled"].map((name) => cells(`${attn}.${name}`));
  const [root, channels] = [sqrt(new Constant(sizes.d)), range(sizes.d)];
  yield forwardStep(`${attn}.scores`, "hts", (h, t, s) =>
    total(channels.map((d) => multiply(q(h, t, d), k(h, s, d)))),
  );
  yield forwardStep(`${attn}.scaled`, "hts", (h, t, s) => divide(scores(h, t, s), root));
  yield forwardStep(`${attn}.masked`, "hts", (h, t, s) =>
    s <= t ? scaled(h, t, s) : new Masked("-inf"),
  );
}

function* mixingSteps(attn, config, sizes) {
  const [weights, v, heads] = ["weights", "v", "heads"].map((name) => cells(`${attn}.${name}`));
  yield forwardStep(`${attn}.heads`, "htd", (h, t, d) =>
    total(range(t + 1).map((s) => multiply(weights(h, t, s), v(h, s, d)))),
  );
  yield forwardStep(`${attn}.merged`, "tc", (t, c) => heads(Math.floor(c / sizes.d), t, c % sizes.d));
  yield linearStep(outputProjection(attn), sizes, config.bias);
}

function outputProjection(attn) {
  return { owner: `${attn}.c_proj`, x: `${attn}.merged`, out: `${attn}.out`, inner: "j", outer: "c" };
}

// Backward

/** Yield the gradients from `attn.c_proj` back through weights, mask and scores to `ln_1.out` (T, C). */
export function* attentionGradientSteps(block, config, sizes) {
  const attn = `${block}.attn`;
  yield* linearParameterGradientSteps(outputProjection(attn), sizes, config.bias);
  yield linearInputGradientStep(outputProjection(attn), sizes);
  yield* mixingGradientSteps(attn, sizes);
  yield* attentionSoftmaxGradientSteps(attn);
  yield* scalingGradientSteps(attn, sizes);
  yield* scoreGradientSteps(attn, sizes);
  yield* projectionGradientSteps(block, config, sizes);
}

/** Yield the gradients of the heads, of the weights with which they averaged, and of the values they averaged. */
function* mixingGradientSteps(attn, sizes) {
  const [weights, v] = [cells(`${attn}.weights`), cells(`${attn}.v`)];
  const [dmerged, dheads] = [gradient(`${attn}.merged`), gradient(`${attn}.heads`)];
  const channels = range(sizes.d);
  yield gradientStep(`${attn}.heads`, "htd", (h, t, d) => dmerged(t, h * sizes.d + d));
  yield gradientStep(
    `${attn}.weights`,
    "hts",
    maskFuture((h, t, s) => total(channels.map((d) => multiply(dheads(h, t, d), v(h, s, d))))),
  );
  yield gradientStep(`${attn}.v`, "hsd", (h, s, d) =>
    total(range(s, sizes.t).map((t) => multiply(weights(h, t, s), dheads(h, t, d)))),
  );
}

/** Yield the gradients of the scores, scaled and unscaled; the mask is (8.19). */
function* scalingGradientSteps(attn, sizes) {
  const [dmasked, dscaled] = [gradient(`${attn}.masked`), gradient(`${attn}.scaled`)];
  const root = sqrt(new Constant(sizes.d));
  yield gradientStep(`${attn}.scaled`, "hts", maskFuture((h, t, s) => dmasked(h, t, s)));
  yield gradientStep(`${attn}.scores`, "hts", maskFuture((h, t, s) => divide(dscaled(h, t, s), root)));
}

/** Yield the gradients of keys and queries. */
function* scoreGradientSteps(attn, sizes) {
  const [q, k, dscores] = [cells(`${attn}.q`), cells(`${attn}.k`), gradient(`${attn}.scores`)];
  yield gradientStep(`${attn}.k`, "hsd", (h, s, d) =>
    total(range(s, sizes.t).map((t) => multiply(dscores(h, t, s), q(h, t, d)))),
  );
  yield gradientStep(`${attn}.q`, "htd", (h, t, d) =>
    total(range(t + 1).map((s) => multiply(dscores(h, t, s), k(h, s, d)))),
  );
}

/** Yield the gradients of `attn.c_attn`, whose columns belong to q, to k and to v, and of `ln_1.out` (T, C). */
function* projectionGradientSteps(block, config, sizes) {
  const [linear, x] = [`${block}.attn.c_attn`, cells(`${block}.ln_1.out`)];
  const [weight, column] = [cells(`${linear}.weight`), projectionGradient(block, sizes)];
  const [positions, columns] = [range(sizes.t), range(sizes.i)];
  yield gradientStep(`${linear}.weight`, "ci", (c, i) =>
    total(positions.map((t) => multiply(x(t, c), column(t, i)))),
  );
  if (config.bias) yield gradientStep(`${linear}.bias`, "i", (i) => total(positions.map((t) => column(t, i))));
  yield gradientStep(`${block}.ln_1.out`, "tc", (t, c) =>
    total(columns.map((i) => multiply(column(t, i), weight(c, i)))),
  );
}

/** Return the function (t, i) → the gradient of what column i of c_attn produced at position t. */
function projectionGradient(block, sizes) {
  const parts = PROJECTIONS.map(([name]) => gradient(`${block}.attn.${name}`));
  return (t, i) => {
    const place = i % sizes.c;
    return parts[Math.floor(i / sizes.c)](Math.floor(place / sizes.d), t, place % sizes.d);
  };
}
