// Attribution: the logit of a word, split by which part of the model wrote it into the residual stream.
// As handcalc/formulas/attribution.py; (17.1) to (17.6).

import { Constant, cells, divide, multiply, subtract, total } from "../arithmetic/expression.js";
import { headMatrix } from "./head.js";
import { forwardStep, range } from "./step.js";

/** The sum of all parts, which is the logit again, except for rounding. */
export const ATTRIBUTED_LOGITS = "attribution.logits";

/** Yield the steps from the forward pass to what each part adds to every logit (T, V), and their sum. */
export function* attributionSteps(config, sizes) {
  yield* directionSteps(config, sizes);
  yield contributionStep("token", cells("embedding.token"), sizes);
  yield contributionStep("position", cells("embedding.position"), sizes);
  for (const layer of range(config.n_layer)) yield* layerAttributionSteps(`h.${layer}`, config, sizes);
  if (config.bias) yield biasContributionStep(config, sizes);
  yield forwardStep(ATTRIBUTED_LOGITS, "tv", (t, v) => total(contributions(config, t, v)));
}

function* directionSteps(config, sizes) {
  const [words, scale, channels] = [cells(headMatrix(config)), cells("ln_f.weight"), range(sizes.c)];
  const [read, mean] = [cells("attribution.read"), cells("attribution.mean")];
  yield forwardStep("attribution.read", "vc", (v, c) => multiply(scale(c), words(v, c)));
  yield forwardStep("attribution.mean", "v", (v) =>
    divide(total(channels.map((c) => read(v, c))), new Constant(sizes.c)),
  );
  yield forwardStep("attribution.direction", "vc", (v, c) => subtract(read(v, c), mean(v)));
}

/** Return the step (17.5): 1/σ times the dot product of what a part wrote with the direction of each word. */
function contributionStep(part, row, sizes, axes = "tv") {
  const [rstd, direction, channels] = [cells("ln_f.rstd"), cells("attribution.direction"), range(sizes.c)];
  return forwardStep(`attribution.${part}`, axes, (...index) => {
    const [t, v] = index.slice(-2);
    const written = channels.map((c) => multiply(row(...index.slice(0, -1), c), direction(v, c)));
    return multiply(rstd(t), total(written));
  });
}

function* layerAttributionSteps(block, config, sizes) {
  const [heads, weight] = [cells(`${block}.attn.heads`), cells(`${block}.attn.c_proj.weight`)];
  const out = `attribution.${block}.attn.out`;
  yield forwardStep(out, "htc", (h, t, c) =>
    total(range(sizes.d).map((d) => multiply(heads(h, t, d), weight(h * sizes.d + d, c)))),
  );
  yield contributionStep(`${block}.attn`, cells(out), sizes, "htv");
  if (config.bias) {
    const bias = cells(`${block}.attn.c_proj.bias`);
    yield contributionStep(`${block}.attn.bias`, (t, c) => bias(c), sizes);
  }
  yield contributionStep(`${block}.mlp`, cells(`${block}.mlp.out`), sizes);
}

function biasContributionStep(config, sizes) {
  const [bias, words] = [cells("ln_f.bias"), cells(headMatrix(config))];
  return forwardStep("attribution.bias", "v", (v) => total(range(sizes.c).map((c) => multiply(bias(c), words(v, c)))));
}

function* contributionNames({ n_layer, n_head, bias }) {
  yield ["token", []];
  yield ["position", []];
  for (const layer of range(n_layer)) {
    for (const head of range(n_head)) yield [`h.${layer}.attn`, [head]];
    if (bias) yield [`h.${layer}.attn.bias`, []];
    yield [`h.${layer}.mlp`, []];
  }
}

function contributions(config, t, v) {
  const parts = [...contributionNames(config)].map(([name, head]) => cells(`attribution.${name}`)(...head, t, v));
  return config.bias ? [...parts, cells("attribution.bias")(v)] : parts;
}
