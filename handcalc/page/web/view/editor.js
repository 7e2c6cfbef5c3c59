// The field in which the reader changes a weight.

import { button, element } from "./elements.js";
import { cellLabel } from "../arithmetic/writing.js";
import { attempt } from "./attempt.js";
import { visibleWord } from "./words.js";

const LONGEST = 40;

/** Return the form that changes a weight; what cannot be done is said below the field, which keeps its text. */
export function weightEditor(session, name, index, actions) {
  const label = cellLabel(name, index);
  const message = element("p", { class: "error", role: "alert", id: "edit-error" });
  const field = weightField(session.text(name, index));
  const apply = (text) => {
    if (text.trim() === "") {
      message.textContent = "Type a number, such as 0.25. Nothing was changed.";
      field.setAttribute("aria-invalid", "true");
      return;
    }
    const done = attempt(message, `${label} cannot be “${shorten(text)}”`, () => actions.edit(name, index, text));
    field.setAttribute("aria-invalid", String(!done));
  };
  const back = session.originalWeight(name, index);
  return element(
    "form",
    { class: "editor", onsubmit: (event) => (event.preventDefault(), apply(field.value)) },
    element("label", { for: "new-value" }, `Change ${label} to`),
    element(
      "span",
      { class: "controls" },
      field,
      element("button", { type: "submit", id: "set-weight", class: "primary" }, "Set"),
      button("Set to 0", () => apply("0"), { id: "zero-weight" }),
      session.isEdited(name, index) ? button(`Back to ${back}`, () => apply(back), { id: "restore-weight" }) : null,
    ),
    message,
  );
}

function weightField(value) {
  const attributes = {
    inputmode: "text",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "edit-error",
  };
  return element("input", { id: "new-value", value, ...attributes });
}

function shorten(text) {
  const letters = [...text];
  return visibleWord(letters.length > LONGEST ? `${letters.slice(0, LONGEST).join("")}…` : text);
}
