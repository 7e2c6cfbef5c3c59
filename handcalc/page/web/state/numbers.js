// Questions about the numbers of one trace: what a cell shows, how it was computed, and what was computed from it.

import { compareDecimals, formatNumber } from "../arithmetic/decimal.js";
import { Ref } from "../arithmetic/expression.js";
import { arithmeticSegments, cellLabel } from "../arithmetic/writing.js";
import { indicesOf } from "../formulas/step.js";

/** The numbers of a trace, by name and index, as a reader asks for them. */
export class Answers {
  constructor(trace) {
    this.trace = trace;
    this.steps = new Map(trace.steps.map((step) => [step.name, step]));
    this.uses = null;
  }

  /** Return whether the trace has the cell. */
  has(name, index) {
    const shape = this.trace.numbers.tensors.get(name)?.shape;
    return shape?.length === index.length && index.every((place, axis) => place < shape[axis]);
  }

  /** Return the number of a cell as text. */
  text(name, index) {
    return formatNumber(this.trace.numbers.get(name, index));
  }

  /** Return the arithmetic of a cell as segments, or null for a weight and for a masked cell. */
  line(name, index) {
    const step = this.steps.get(name);
    return step ? arithmeticSegments(step.cell(...index), this.trace.numbers) : null;
  }

  /** Return whether a cell differs from that of another trace, which may lack it. */
  differs(other, name, index) {
    if (!other.has(name, index)) return true;
    return compareDecimals(this.trace.numbers.get(name, index), other.trace.numbers.get(name, index)) !== 0;
  }

  /** Return the cells that were computed from a cell, in order of computation. */
  usedBy(name, index) {
    this.uses ??= collectUses(this.trace);
    return this.uses.get(cellLabel(name, index)) ?? [];
  }
}

function collectUses({ steps, numbers }) {
  const uses = new Map();
  for (const { name, cell } of steps) {
    for (const index of indicesOf(numbers.tensors.get(name).shape)) {
      const user = { name, index };
      for (const source of new Set(references(cell(...index)))) {
        if (!uses.has(source)) uses.set(source, []);
        uses.get(source).push(user);
      }
    }
  }
  return uses;
}

function references(expression) {
  if (expression instanceof Ref) return [cellLabel(expression.name, expression.index)];
  return (expression.parts ?? []).flatMap(references);
}
