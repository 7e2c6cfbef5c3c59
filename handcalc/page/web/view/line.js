// The panel of one number: its worked line, where it is used, its gradient, and for a weight a field to change it.

import { button, element, show } from "./elements.js";
import { cellLabel } from "../arithmetic/writing.js";
import { address } from "./places.js";

const FIRST_USES = 24;

/** Show the number `name[index]` in the panel; `actions` are the functions `go`, `edit`, `restore` and `explain`. */
export function showLine(panel, session, name, index, actions) {
  const step = session.step(name);
  show(
    panel,
    element("h2", { id: "line-title" }, cellLabel(name, index)),
    step
      ? element("p", { class: "meaning" }, step.meaning)
      : element("p", { class: "meaning" }, "A weight of the model: training chose it."),
    lineOf(session, name, index),
    step ? equationOf(session, step) : null,
    session.isWeight(name) ? weightEditor(session, name, index, actions) : null,
    changeOf(session, name, index),
    gradientOf(session, name, index),
    usesOf(session, name, index, actions),
    step ? explanation(session, step, actions) : null,
  );
}

/** Return the worked line, each operand a link to its cell. */
export function lineOf(session, name, index) {
  const line = session.line(name, index);
  const start = [element("span", { class: "name" }, cellLabel(name, index)), " = "];
  if (session.isMasked(name, index)) {
    return element(
      "p",
      { class: "note" },
      "Masked: no position may look at a later one, so this cell is not computed.",
    );
  }
  const value = element("strong", {}, session.text(name, index));
  if (line === null) return element("p", { class: "line" }, element("code", {}, ...start, value));
  const arithmetic = line.map((segment) => (segment.name ? operand(segment) : segment.text));
  return element("p", { class: "line" }, element("code", { class: "worked" }, ...start, ...arithmetic, " = ", value));
}

function operand({ text, name, index }) {
  const label = cellLabel(name, index);
  return element("a", { href: address(name, index), class: "operand", "data-source": label, title: label }, text);
}

function equationOf(session, step) {
  const number = step.section ? [" (", derivationLink(session, step.section), ")"] : [];
  return element("p", { class: "equation" }, element("code", {}, step.equation), ...number);
}

/** Return the number of an equation as a link to its section of docs/derivations.md. */
export function derivationLink(session, section) {
  const chapter = section.split(".")[0];
  const href = session.data.derivations[chapter];
  return href ? element("a", { href, class: "derivation", target: "_blank", rel: "noopener" }, section) : section;
}

function weightEditor(session, name, index, actions) {
  const label = cellLabel(name, index);
  const message = element("p", { class: "error", role: "alert" });
  const field = element("input", {
    id: "new-value",
    inputmode: "decimal",
    autocomplete: "off",
    spellcheck: "false",
    value: session.text(name, index),
  });
  const apply = (text) => {
    message.textContent = "";
    try {
      actions.edit(name, index, text);
    } catch (error) {
      if (!error.forReader) throw error;
      message.textContent = error.message;
      field.setAttribute("aria-invalid", "true");
    }
  };
  const form = element(
    "form",
    { class: "editor", onsubmit: (event) => (event.preventDefault(), apply(field.value)) },
    element("label", { for: "new-value" }, `Change ${label} to`),
    element(
      "span",
      { class: "controls" },
      field,
      element("button", { type: "submit" }, "Set"),
      button("Set to 0", () => apply("0")),
    ),
    session.isEdited(name, index)
      ? button(`Back to ${session.originalWeight(name, index)}`, () => actions.restore(name, index))
      : null,
    message,
  );
  return form;
}

function changeOf(session, name, index) {
  if (!session.isChanged(name, index)) return null;
  return element("p", { class: "change" }, `Before your changes it was ${session.originalText(name, index)}.`);
}

function gradientOf(session, name, index) {
  const parts = [];
  const gradient = session.gradientName(name);
  if (gradient) {
    parts.push("Its gradient: ", cellLink(session, gradient, index), ". ");
  }
  const updated = `updated.${name}`;
  if (session.isWeight(name) && session.has(updated))
    parts.push("After the update: ", cellLink(session, updated, index), ".");
  return parts.length ? element("p", { class: "related" }, ...parts) : null;
}

function cellLink(session, name, index) {
  return element(
    "a",
    { href: address(name, index), "data-source": cellLabel(name, index) },
    `${cellLabel(name, index)} = ${session.text(name, index)}`,
  );
}

function usesOf(session, name, index, actions) {
  const uses = session.usedBy(name, index);
  if (!uses.length) return element("p", { class: "related" }, "Nothing else is computed from it.");
  const list = element("ul", { class: "uses" });
  const item = (use) => element("li", {}, cellLink(session, use.name, use.index));
  list.append(...uses.slice(0, FIRST_USES).map(item));
  const rest = uses.length - FIRST_USES;
  const more =
    rest > 0
      ? button(`Show ${rest} more`, () => (list.append(...uses.slice(FIRST_USES).map(item)), more.remove()))
      : null;
  return element(
    "div",
    {},
    element("h3", {}, `Used by ${uses.length === 1 ? "one number" : `${uses.length.toLocaleString("en")} numbers`}`),
    list,
    more,
  );
}

function explanation(session, step, actions) {
  return element(
    "details",
    { class: "explanation" },
    element("summary", {}, "What is this?"),
    element("p", {}, step.explanation ?? step.meaning),
    button("Show the step with all its numbers", () => actions.goToStep(step.name)),
  );
}
