// A step of the calculation: one named tensor and the expression of each of its cells.
// As handcalc/formulas/step.py and numpy_gpt/shared/model/names.py; sentences and equations come from Python as data.

import { cells } from "../arithmetic/expression.js";

const PARAMETER_AXES = {
  "wte.weight": "vc",
  "wpe.weight": "pc",
  "lm_head.weight": "vc",
  "attn.c_attn.weight": "ci",
  "attn.c_attn.bias": "i",
  "attn.c_proj.weight": "jc",
  "mlp.c_fc.weight": "cf",
  "mlp.c_fc.bias": "f",
  "mlp.c_proj.weight": "fc",
};

/** The phase of the steps from the tokens to the probabilities, and to the loss. */
export const FORWARD = "forward";

/** The phase of the gradients. */
export const BACKWARD = "backward";

/** The phase of the new weights. */
export const UPDATE = "update";

/** The phase of the forward pass with the new weights. */
export const AGAIN = "forward again";

/** The prefix of every name that belongs to the model after the update. */
export const UPDATED = "updated";

/** The prefix of a parameter's name that means its change. */
export const CHANGE = "change";

/** Return the range of each index letter in the calculation for a text of `time` tokens. */
export function sizesOf(config, time) {
  const { n_embd: c, n_head: h, n_hidden: f, vocab_size: v, block_size: p } = config;
  return { h, t: time, s: time, c, d: c / h, f, v, p, i: 3 * c, j: c };
}

/** Return the shape of a tensor whose indices are the letters `axes`. */
export function shapeOf(axes, sizes) {
  return [...axes].map((letter) => sizes[letter]);
}

/** Return every index of a tensor of this shape, the last one running fastest. */
export function indicesOf(shape) {
  return shape.reduce((heads, length) => heads.flatMap((head) => range(length).map((place) => [...head, place])), [[]]);
}

/** Return the whole numbers from `start` to before `stop`; with one argument, from 0 to before it. */
export function range(start, stop) {
  const first = stop === undefined ? 0 : start;
  return Array.from({ length: (stop ?? start) - first }, (_, place) => first + place);
}

/** Return a forward step: `cell(...index)` is the expression of one cell, `axes` has a letter for each index. */
export function forwardStep(name, axes, cell) {
  return { name, axes, phase: FORWARD, cell };
}

/** Return the backward step that computes the gradient of `name`. */
export function gradientStep(name, axes, cell) {
  return { name: gradientName(name), axes, phase: BACKWARD, cell };
}

/** Return the step `prefix.parameter` of the update; `axes` default to the parameter's. */
export function updateStep(prefix, parameter, cell, axes = parameterAxes(parameter)) {
  return { name: `${prefix}.${parameter}`, axes, phase: UPDATE, cell };
}

/** Return a step of the update that belongs to no parameter: one number. */
export function scalarStep(name, cell) {
  return { name, axes: "", phase: UPDATE, cell };
}

/** Return the name of ∂loss/∂name: a d before its last part, `h.0.attn.q` → `h.0.attn.dq`. */
export function gradientName(name) {
  const start = name.lastIndexOf(".") + 1;
  return `${name.slice(0, start)}d${name.slice(start)}`;
}

/** Return the function that refers to the cells of ∂loss/∂name. */
export function gradient(name) {
  return cells(gradientName(name));
}

/** Return the index letters of a parameter, `h.0.mlp.c_fc.weight` → `cf`; norms and most biases have `c`. */
export function parameterAxes(name) {
  return PARAMETER_AXES[name.replace(/^h\.\d+\./, "")] ?? "c";
}

/** Return the names of the model's parameters, in order of computation. */
export function parameterNames({ n_layer, bias, tie_weights }) {
  const owners = ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"];
  const inBlocks = range(n_layer).flatMap((layer) => owners.map((owner) => `h.${layer}.${owner}`));
  const withBias = [...inBlocks, "ln_f"].flatMap((owner) => [`${owner}.weight`, ...(bias ? [`${owner}.bias`] : [])]);
  return ["wte.weight", "wpe.weight", ...withBias, ...(tie_weights ? [] : ["lm_head.weight"])];
}
