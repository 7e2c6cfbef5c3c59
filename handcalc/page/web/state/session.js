// What the reader has done to the model: changed weights, other words, steps of training; and the numbers that follow.

import { Calculator } from "../arithmetic/calculator.js";
import { CalculatorError, formatNumber, parseDecimal, roundDecimal, subtractDecimals } from "../arithmetic/decimal.js";
import { cellLabel } from "../arithmetic/writing.js";
import { attributionSteps } from "../formulas/attribution.js";
import { gradientName, parameterAxes, sizesOf } from "../formulas/step.js";
import { placeOf, readWeights, stepsOf, tensorsAfter, workOut } from "../tracing/trace.js";
import { visibleWord } from "../view/words.js";
import { checksumOf } from "./checksum.js";
import { Answers, Structure } from "./numbers.js";

/** An error that is shown to the reader as it is. */
export class ReaderError extends Error {}

/** The state of the page, and everything that is computed from it; each change can be undone. */
export class Session {
  /** Work out the page's own text with its own weights, and then with the edits that came with it (web_data.py). */
  constructor(data) {
    this.data = data;
    this.config = data.config;
    this.vocabulary = data.vocabulary;
    this.optimizer = data.optimizer;
    this.stepData = new Map(data.steps.map((step) => [step.name, step]));
    this.laterStepData = new Map(data.later_updates.map((step) => [step.name, step]));
    this.sizes = sizesOf(data.config, data.tokens.length);
    this.attribution = [...attributionSteps(data.config, this.sizes)];
    this.reset();
    this.original = this.answers;
    this.originalWeights = this.state.given;
    if (data.edits.length) this.editWeights(data.edits);
    this.opened = this.answers;
  }

  // Changes

  /** Return to the model without any change. */
  reset() {
    const { tokens, targets, weights } = this.data;
    this.past = [];
    this.enter({
      words: targets.length ? [...tokens, targets.at(-1)] : tokens,
      given: readWeights(weights),
      number: 1,
      losses: [],
      explained: tokens.length - 1,
      compared: [null, null],
      changedWord: null,
      done: [],
    });
  }

  /** Undo the last change; nothing if there is none. */
  undo() {
    const before = this.past.pop();
    if (before) this.enter(before);
  }

  /** Set a weight to the number that is written as `text`. Throws a ReaderError if that is no number that fits. */
  editWeight(name, index, text) {
    this.editWeights([{ name, index, text }]);
  }

  editWeights(edits) {
    const given = new Map(this.state.given);
    const done = edits.map(({ name, index, text }) => {
      const value = this.readWeight(text);
      const tensor = given.get(name);
      given.set(name, { ...tensor, values: tensor.values.with(placeOf(index, tensor.shape), value) });
      return { text: `${cellLabel(name, index)} to ${formatNumber(value)}` };
    });
    this.change({ given }, done);
  }

  /** Put another word of the vocabulary in a place of the text; if that was the last change too, this replaces it. */
  chooseWord(place, token) {
    const before = this.state.changedWord === place ? this.past.at(-1) : this.state;
    if (before !== this.state && before.words[place] === token) return this.undo();
    const words = before.words.with(place, token);
    const text = `the word at position ${place} to ${visibleWord(this.vocabulary[token])}`;
    this.change({ words, compared: [null, null], changedWord: place }, [{ text }], before);
  }

  /** Explain the prediction after another position. */
  explain(position) {
    this.state = { ...this.state, explained: position, compared: [null, null] };
  }

  /** Compare the logits of other words: the chosen one has place 0, the other one place 1. */
  compare(place, word) {
    const words = this.comparedWords();
    const isOther = words[1 - place] === word; // no word is compared with itself: the two change places
    this.state = { ...this.state, compared: isOther ? words.reverse() : words.with(place, word) };
  }

  /** Let the model learn: the new weights become the weights, and AdamW's moments carry on. */
  takeStep() {
    const { number } = this.state;
    const changed = { given: tensorsAfter(this.answers.trace), number: number + 1, losses: this.losses };
    this.change(changed, [{ isStep: true }]);
  }

  change(changed, done, before = this.state) {
    const { explained } = this.state;
    this.enter({ ...before, changedWord: null, ...changed, explained, done: [...before.done, ...done] });
    if (this.past.at(-1) !== before) this.past.push(before);
  }

  /** Work everything out for a state, and make it the page's; a state that cannot be worked out changes nothing. */
  enter(state) {
    const plan = this.planOf(state);
    const isSame = this.state?.words === state.words && this.state.number === state.number;
    const steps = isSame ? [...this.structure.steps.values()] : [...stepsOf(plan), ...this.attribution];
    try {
      const trace = workOut(plan, state.given, steps);
      this.structure = isSame ? this.structure : new Structure(steps, this.sizes);
      this.answers = new Answers(trace, this.structure);
    } catch (error) {
      throw error instanceof CalculatorError ? new ReaderError(error.message, { cause: error }) : error;
    }
    this.state = state;
  }

  planOf({ words, number }) {
    const { config, optimizer, digits, targets } = this.data;
    const tokens = targets.length ? words.slice(0, -1) : words;
    return { config, tokens, targets: targets.length ? words.slice(1) : [], optimizer, digits, number };
  }

  readWeight(text) {
    let value;
    try {
      value = parseDecimal(text);
    } catch (error) {
      const hint = /^\s*[-+]?\d*,\d+\s*$/.test(text) ? `; use a point: ${text.trim().replace(",", ".")}` : "";
      throw new ReaderError(`a weight is a number such as 0.25 or -1.5e-3${hint}`, { cause: error });
    }
    const rounded = roundDecimal(value, this.data.digits);
    if (rounded.exponent === Infinity) throw new ReaderError("a weight must be finite, and below 1e+10000");
    return rounded;
  }

  // What the page asks for

  get words() {
    return this.state.words;
  }

  get tokens() {
    return this.answers.trace.plan.tokens;
  }

  get targets() {
    return this.answers.trace.plan.targets;
  }

  get explainedPosition() {
    return this.state.explained;
  }

  /** Return the explained position and the word that was its likeliest before all changes. */
  firstAnswer() {
    const position = this.state.explained;
    return [position, this.original.rankWords(position)[0]];
  }

  /** The loss before each step that was taken, and now. */
  get losses() {
    return [...this.state.losses, this.text("loss", [])];
  }

  /** The sentences and equations of all steps, in order of computation. */
  get stepList() {
    return this.answers.trace.steps.map((step) => this.step(step.name));
  }

  /** What was done, in order: `{text}` says what was changed to what, `{isStep: true}` is a step of training. */
  changes() {
    return this.state.done;
  }

  /** Return whether the numbers are those of Python: their count, and whether their checksums agree. */
  compareWithPython() {
    const [own, python] = [checksumOf(this.opened.trace), this.data.checksum];
    return { count: own.count, agrees: own.count === python.count && own.crc32 === python.crc32 };
  }

  /** Return the paragraph that says what a step, a weight or a moment is. */
  explanation(name) {
    const weights = this.data.weights.find((one) => one.name === name);
    const kind = this.step(name)?.kind ?? weights?.kind ?? name.split(".").slice(0, 2).join(".");
    return this.data.explanations[kind];
  }

  /** Return what Python says about a step, or undefined for weights. */
  step(name) {
    if (!this.structure.steps.has(name)) return undefined;
    return (this.state.number > 1 && this.laterStepData.get(name)) || this.stepData.get(name);
  }

  has(name) {
    return this.answers.trace.numbers.tensors.has(name);
  }

  hasCell(name, index) {
    return this.answers.has(name, index);
  }

  shape(name) {
    return this.answers.trace.numbers.tensors.get(name).shape;
  }

  value(name, index) {
    return this.answers.trace.numbers.get(name, index);
  }

  /** Return all numbers of a tensor, row by row. */
  values(name) {
    return this.answers.trace.numbers.tensors.get(name).values;
  }

  text(name, index) {
    return this.answers.text(name, index);
  }

  line(name, index) {
    return this.answers.line(name, index);
  }

  usedBy(name, index) {
    return this.structure.usedBy(name, index);
  }

  isMasked(name, index) {
    return this.answers.trace.numbers.isMasked(name, index);
  }

  /** Whether a number differs from what it was before all changes. */
  isChanged(name, index) {
    return this.original !== undefined && this.answers.differs(this.original, name, index);
  }

  /** The number before all changes, or null where the page had no such number. */
  originalText(name, index) {
    return this.original.has(name, index) ? this.original.text(name, index) : null;
  }

  isWeight(name) {
    return this.data.weights.some((weights) => weights.name === name);
  }

  /** Return the index letters of a step, of weights or of the moments before a later update. */
  axes(name) {
    return this.step(name)?.axes ?? parameterAxes(name.replace(/^before\.[mv]\./, ""));
  }

  originalWeight(name, index) {
    const { shape, values } = this.originalWeights.get(name);
    return formatNumber(values[placeOf(index, shape)]);
  }

  isEdited(name, index) {
    return this.originalWeight(name, index) !== this.text(name, index);
  }

  /** Return the name of a tensor's gradient if the page has it, or null. */
  gradientName(name) {
    const gradient = gradientName(name);
    return this.has(gradient) && !this.has(gradientName(gradient)) ? gradient : null;
  }

  /** Return the `count` likeliest next words after a position, best first: `{word, text}`. */
  likeliest(position, count) {
    const ranked = this.answers.rankWords(position).slice(0, count);
    return ranked.map((word) => ({ word, text: this.text("probabilities", [position, word]) }));
  }

  /** Return the `count` likeliest words; the one that was likeliest before all changes is always among them. */
  wordsToShow(position, count) {
    const words = this.likeliest(position, this.vocabulary.length);
    const first = (this.original ?? this.answers).rankWords(position)[0];
    return words.filter(({ word }, rank) => rank < count || word === first);
  }

  /** Return the two words whose logits are compared: those that were chosen, or else the likeliest ones. */
  comparedWords() {
    const [first, second] = this.state.compared;
    const ranked = this.likeliest(this.state.explained, 3).map(({ word }) => word);
    const chosen = first ?? ranked[0];
    return [chosen, second ?? ranked.find((word) => word !== chosen) ?? chosen];
  }

  /** Return the difference of two numbers, rounded as the calculator rounds, as a decimal. */
  difference(a, b) {
    return roundDecimal(subtractDecimals(parseDecimal(a), parseDecimal(b)), this.data.digits);
  }
}
