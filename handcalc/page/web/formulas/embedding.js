// Embedding: a word and its position become one vector. As handcalc/formulas/embedding.py.

import { ZERO, add, cells, total } from "../arithmetic/expression.js";
import { HEAD } from "./head.js";
import { forwardStep, gradient, gradientStep } from "./step.js";

/** A tied matrix in its use as the token embedding; that part of its gradient is `embedding.dweight`. */
export const LOOKED_UP = "embedding.weight";

/** Yield the steps x = wte[token] + wpe[position], (T, C). */
export function* embeddingSteps(tokens) {
  const [wte, wpe] = [cells("wte.weight"), cells("wpe.weight")];
  const [word, position] = [cells("embedding.token"), cells("embedding.position")];
  yield forwardStep("embedding.token", "tc", (t, c) => wte(tokens[t], c));
  yield forwardStep("embedding.position", "tc", (t, c) => wpe(t, c));
  yield forwardStep("embedding.sum", "tc", (t, c) => add(word(t, c), position(t, c)));
}

// Backward

/** Yield the gradients of the two embeddings' vectors, and of `wpe.weight` (P, C) and `wte.weight` (V, C). */
export function* embeddingGradientSteps(config, tokens, sizes) {
  const dsum = gradient("embedding.sum");
  for (const name of ["token", "position"]) yield gradientStep(`embedding.${name}`, "tc", (t, c) => dsum(t, c));
  const dposition = gradient("embedding.position");
  yield gradientStep("wpe.weight", "pc", (p, c) => (p < sizes.t ? dposition(p, c) : ZERO));
  yield lookupGradientStep(config, tokens);
  if (config.tie_weights) yield tiedGradientStep();
}

function lookupGradientStep(config, tokens) {
  const dtoken = gradient("embedding.token");
  return gradientStep(config.tie_weights ? LOOKED_UP : "wte.weight", "vc", (v, c) => {
    const positions = [...tokens.keys()].filter((t) => tokens[t] === v);
    return positions.length ? total(positions.map((t) => dtoken(t, c))) : ZERO;
  });
}

function tiedGradientStep() {
  const [head, lookedUp] = [gradient(HEAD), gradient(LOOKED_UP)];
  return gradientStep("wte.weight", "vc", (v, c) => add(head(v, c), lookedUp(v, c)));
}
