// Learning: take the update that the page shows, see the loss before and after, and repeat it as often as one likes.

import { button, element, show, svg } from "./elements.js";
import { address } from "./places.js";

const CURVE_WIDTH = 320;
const CURVE_HEIGHT = 120;

/** Show the loss before and after the update, the button that takes it, and the curve of all steps taken. */
export function showLearning(section, session, actions) {
  if (session.optimizer === null) {
    section.hidden = true;
    return;
  }
  const [before, after] = [session.text("loss", []), session.text("updated.loss", [])];
  show(
    section,
    element("h2", {}, "Let it learn"),
    element(
      "p",
      {},
      `The loss says how surprised the model is by the next words: `,
      element("a", { href: address("loss", []) }, before),
      ". One step of AdamW moves every weight a little, and the loss becomes ",
      element("a", { href: address("updated.loss", []) }, after),
      ".",
    ),
    element(
      "p",
      { class: "controls" },
      button("Take this step", actions.takeStep, { class: "primary" }),
      element("span", { "aria-live": "polite" }, stepsTaken(session)),
    ),
    session.losses.length > 1 ? curve(session.losses) : null,
  );
}

function stepsTaken(session) {
  const count = session.losses.length - 1;
  return count === 0
    ? "No step taken yet."
    : `${count} step${count > 1 ? "s" : ""} taken; the loss was ${session.losses[0]} at first.`;
}

function curve(losses) {
  const values = losses.map(Number);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (place) => 8 + (place * (CURVE_WIDTH - 16)) / Math.max(1, values.length - 1);
  const y = (value) => 8 + ((high - value) * (CURVE_HEIGHT - 16)) / Math.max(high - low, 1e-300);
  const points = values.map((value, place) => `${x(place).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const label = `The loss after each step: ${losses.join(", ")}`;
  return svg(
    "svg",
    { viewBox: `0 0 ${CURVE_WIDTH} ${CURVE_HEIGHT}`, class: "curve", role: "img", "aria-label": label },
    svg("polyline", { points }),
    ...values.map((value, place) =>
      svg("circle", { cx: x(place), cy: y(value), r: 3 }, svg("title", {}, `step ${place}: ${losses[place]}`)),
    ),
  );
}
