// Questions about the numbers of one trace: what a cell shows, how it was computed, and what was computed from it.

import { compareDecimals, formatNumber } from "../arithmetic/decimal.js";
import { Ref } from "../arithmetic/expression.js";
import { arithmeticSegments, cellLabel } from "../arithmetic/writing.js";
import { indicesOf, shapeOf } from "../formulas/step.js";
import { placeOf, treesOf } from "../tracing/trace.js";

/** The steps of a trace with their trees, which stay the same while only numbers change. */
export class Structure {
  constructor(steps, sizes) {
    this.steps = new Map(steps.map((step) => [step.name, step]));
    this.sizes = sizes;
    this.users = null;
  }

  /** Return the tree of a cell, or undefined for a number that was given. */
  tree(name, index) {
    const step = this.steps.get(name);
    return step && treesOf(step, this.sizes)[placeOf(index, shapeOf(step.axes, this.sizes))];
  }

  /** Return the cells that are computed from a cell, `{name, index}`, in order of computation. */
  usedBy(name, index) {
    this.users ??= this.collectUsers();
    return this.users.get(cellLabel(name, index)) ?? [];
  }

  collectUsers() {
    const users = new Map();
    for (const step of this.steps.values()) {
      const trees = treesOf(step, this.sizes);
      indicesOf(shapeOf(step.axes, this.sizes)).forEach((index, place) => {
        const user = { name: step.name, index };
        for (const source of new Set(references(trees[place]))) {
          if (!users.has(source)) users.set(source, []);
          users.get(source).push(user);
        }
      });
    }
    return users;
  }
}

function references(expression) {
  if (expression instanceof Ref) return [cellLabel(expression.name, expression.index)];
  return expression.parts.flatMap(references);
}

/** The numbers of a trace, by name and index, as a reader asks for them. */
export class Answers {
  constructor(trace, structure) {
    this.trace = trace;
    this.structure = structure;
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

  /** Return the arithmetic of a cell as segments, or null for a number that was given and for a masked cell. */
  line(name, index) {
    const tree = this.structure.tree(name, index);
    return tree ? arithmeticSegments(tree, this.trace.numbers) : null;
  }

  /** Return all words, the likeliest after a position first, and among equally likely ones the first. */
  rankWords(position) {
    const { shape, values } = this.trace.numbers.tensors.get("probabilities");
    const probability = (word) => values[placeOf([position, word], shape)];
    const words = [...Array(shape[1]).keys()];
    return words.sort((a, b) => compareDecimals(probability(b), probability(a)) || a - b);
  }

  /** Return whether a cell differs from that of another trace, which may lack it. */
  differs(other, name, index) {
    if (!other.has(name, index)) return true;
    return compareDecimals(this.trace.numbers.get(name, index), other.trace.numbers.get(name, index)) !== 0;
  }
}
