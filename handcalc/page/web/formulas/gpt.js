// The whole model: forward, backward, the optimizer's update, and forward again with the new weights.
// As handcalc/formulas/gpt.py and handcalc/tracing/plan.py.

import { Ref } from "../arithmetic/expression.js";
import { adamwSteps, correctionSteps } from "./adamw.js";
import { attentionGradientSteps, attentionSteps } from "./attention.js";
import { clippingSteps } from "./clipping.js";
import { embeddingGradientSteps, embeddingSteps } from "./embedding.js";
import { feedForwardGradientSteps, feedForwardSteps } from "./feed_forward.js";
import { headGradientSteps, headSteps } from "./head.js";
import { layerNormGradientSteps, layerNormSteps } from "./layer_norm.js";
import { lossGradientSteps, lossSteps } from "./loss.js";
import { branchGradientStep, residualStep, streamGradientStep } from "./residual.js";
import { AGAIN, UPDATED, parameterNames, range, sizesOf } from "./step.js";

/**
 * Return all steps of a calculation with `digits` significant digits, in order: `{name, axes, phase, cell}`.
 *
 * With `targets`, one id for each of `tokens`, the steps continue to the loss and all gradients; with an `optimizer`
 * as well, to the new weights of the update of that `number`, and the forward pass with these. Either may be null.
 */
export function steps(config, tokens, targets, optimizer, digits, number = 1) {
  const forward = [...forwardSteps(config, tokens, targets, digits)];
  if (!targets?.length) return forward;
  const backward = backwardSteps(config, tokens, targets, digits);
  if (!optimizer) return [...forward, ...backward];
  const update = updateSteps(config, optimizer, tokens.length, number);
  return [...forward, ...backward, ...update, ...stepsAgain(forward)];
}

/** Yield every step from the tokens to the probabilities of the next word, and with `targets` to the loss. */
export function* forwardSteps(config, tokens, targets, digits) {
  const sizes = sizesOf(config, tokens.length);
  yield* embeddingSteps(tokens);
  let stream = "embedding.sum";
  for (const layer of range(config.n_layer)) {
    yield* blockSteps(`h.${layer}`, stream, config, sizes, digits);
    stream = `h.${layer}.mlp.residual`;
  }
  yield* layerNormSteps("ln_f", stream, config, sizes);
  yield* headSteps(config, sizes);
  if (targets?.length) yield* lossSteps(targets);
}

/** Yield the steps of one transformer block, which reads the stream `x` and adds to it twice. */
function* blockSteps(block, x, config, sizes, digits) {
  yield* layerNormSteps(`${block}.ln_1`, x, config, sizes);
  yield* attentionSteps(block, config, sizes);
  yield residualStep(`${block}.attn`, x);
  yield* layerNormSteps(`${block}.ln_2`, `${block}.attn.residual`, config, sizes);
  yield* feedForwardSteps(block, config, sizes, digits);
  yield residualStep(`${block}.mlp`, `${block}.attn.residual`);
}

// Backward

/** Yield the gradient of every named activation and parameter, from the loss back to the embeddings. */
export function* backwardSteps(config, tokens, targets, digits) {
  const sizes = sizesOf(config, tokens.length);
  yield* lossGradientSteps(targets, sizes);
  yield* headGradientSteps(config, sizes);
  yield* layerNormGradientSteps("ln_f", config, sizes);
  let [norm, bypass] = ["ln_f", null];
  for (const layer of range(config.n_layer).reverse()) {
    const block = `h.${layer}`;
    yield streamGradientStep(`${block}.mlp.residual`, norm, bypass);
    yield* blockGradientSteps(block, config, sizes, digits);
    [norm, bypass] = [`${block}.ln_1`, `${block}.attn.residual`];
  }
  yield streamGradientStep("embedding.sum", norm, bypass);
  yield* embeddingGradientSteps(config, tokens, sizes);
}

/** Yield the gradients of one transformer block, from `mlp.out` back to the norm before attention. */
function* blockGradientSteps(block, config, sizes, digits) {
  yield branchGradientStep(`${block}.mlp`);
  yield* feedForwardGradientSteps(block, config, sizes, digits);
  yield* layerNormGradientSteps(`${block}.ln_2`, config, sizes);
  yield streamGradientStep(`${block}.attn.residual`, `${block}.ln_2`, `${block}.mlp.residual`);
  yield branchGradientStep(`${block}.attn`);
  yield* attentionGradientSteps(block, config, sizes);
  yield* layerNormGradientSteps(`${block}.ln_1`, config, sizes);
}

// The optimizer's update, and the forward pass with the new weights

/** Yield every step from the gradients to the new weights, in the update of that `number`, counted from 1. */
export function* updateSteps(config, optimizer, time, number) {
  const names = parameterNames(config);
  yield* clippingSteps(names, optimizer, sizesOf(config, time));
  if (number > 1) yield* correctionSteps(optimizer, number);
  for (const name of names) yield* adamwSteps(name, optimizer, number);
}

/** Return the forward steps over the updated weights: the same steps, each name preceded by `updated.`. */
function stepsAgain(forward) {
  const again = ({ name, index }) => new Ref(`${UPDATED}.${name}`, index);
  return forward.map(({ name, axes, cell }) => ({
    name: `${UPDATED}.${name}`,
    axes,
    phase: AGAIN,
    cell: (...index) => cell(...index).mapRefs(again),
  }));
}
