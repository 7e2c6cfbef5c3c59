// Clipping: the length of the whole gradient, (13.1), and the one factor that limits it, (13.2).
// As handcalc/formulas/clipping.py.

import { Constant, ONE, add, cells, divide, largest, multiply, sqrt, total } from "../arithmetic/expression.js";
import { gradient, parameterAxes, range, scalarStep, updateStep } from "./step.js";

/** The factor that all gradients share. */
export const SCALE = "clipping.scale";

const NORM = "clipping.norm";
const GUARD = new Constant("1e-6");

/** Return whether an optimizer clips: a `grad_clip` of 0 means no clipping. */
export function clips(optimizer) {
  return new Constant(optimizer.grad_clip).value.coefficient !== 0n;
}

/** Yield the sum of each parameter's squared gradients, the sum of all of these, its root, and the factor. */
export function* clippingSteps(names, optimizer, sizes) {
  for (const name of names) yield* squareSteps(name, sizes);
  const parts = names.map((name) => cells(`squares.${name}`));
  const [squares, norm] = [cells("clipping.squares"), cells(NORM)];
  yield scalarStep("clipping.squares", () => total(parts.map((part) => part())));
  yield scalarStep(NORM, () => sqrt(squares()));
  if (clips(optimizer)) {
    const most = new Constant(optimizer.grad_clip);
    yield scalarStep(SCALE, () => divide(ONE, largest([ONE, divide(add(norm(), GUARD), most)])));
  }
}

/** Yield the sum of a parameter's squared gradients; of a matrix, first the sum of each row. */
function* squareSteps(name, sizes) {
  const [axes, dweight] = [parameterAxes(name), gradient(name)];
  const last = range(sizes[axes.at(-1)]);
  const sum = (...row) => total(last.map((place) => multiply(dweight(...row, place), dweight(...row, place))));
  if (axes.length === 1) {
    yield updateStep("squares", name, () => sum(), "");
    return;
  }
  const [places, rows] = [range(sizes[axes[0]]), cells(`row_squares.${name}`)];
  yield updateStep("row_squares", name, (row) => sum(row), axes[0]);
  yield updateStep("squares", name, () => total(places.map((place) => rows(place))), "");
}
