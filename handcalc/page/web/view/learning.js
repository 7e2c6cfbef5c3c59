// Learning: take the update that the page shows, see the loss before and after, and repeat it as often as one likes.

import { button, element, errorLine, show, svg } from "./elements.js";
import { attempt } from "./attempt.js";
import { cellLink } from "./line.js";

const CURVE_WIDTH = 360;
const CURVE_HEIGHT = 150;
const LEFT = 80;
const TOP = 14;

/** Show the loss before and after the update, the button that takes it, and the curve of all steps taken. */
export function showLearning(section, session, actions) {
  section.hidden = session.optimizer === null;
  if (section.hidden) return;
  const error = errorLine();
  const take = () => attempt(error, "The next step cannot be taken", actions.takeStep);
  show(
    section,
    element("h2", {}, "Let it learn"),
    element("p", {}, ...lossSentence(session)),
    element(
      "p",
      { class: "controls" },
      button("Take this step", take, { class: "primary", id: "take-step" }),
      stepsTaken(session),
    ),
    error,
    session.losses.length > 1 ? lossCurve(session.losses) : null,
  );
}

function lossSentence(session) {
  const [before, after] = ["loss", "updated.loss"].map((name) => session.text(name, []));
  return [
    "The loss says how surprised the model is by the words that come next: ",
    cellLink(session, "loss", [], before),
    ". One step of training moves the weights a little, and the loss becomes ",
    cellLink(session, "updated.loss", [], after),
    before === after ? `: with ${session.data.digits} digits it does not change. ${movedWeights(session)}` : ".",
  ];
}

function movedWeights(session) {
  const changes = session.data.weights.flatMap(({ name }) => session.values(`change.${name}`));
  const moved = changes.filter(({ coefficient }) => coefficient !== 0n).length;
  if (moved === 0) return "No weight moves either: each step is too small for these digits.";
  return `Of the ${changes.length.toLocaleString("en")} weights ${moved.toLocaleString("en")} still move.`;
}

function stepsTaken(session) {
  const count = session.losses.length - 1;
  const first = session.losses[0];
  const words = count === 1 ? "1 step taken" : `${count} steps taken`;
  return element("span", {}, count === 0 ? "No step taken yet." : `${words}; at first the loss was ${first}.`);
}

function lossCurve(losses) {
  const values = losses.map(Number);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (place) => LEFT + (place * (CURVE_WIDTH - LEFT - 12)) / (values.length - 1);
  const y = (value) => TOP + ((high - value) * (CURVE_HEIGHT - TOP - 30)) / Math.max(high - low, 1e-300);
  const points = values.map((value, place) => `${x(place).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const dot = (value, place) =>
    svg("circle", { cx: x(place), cy: y(value), r: 3.5 }, svg("title", {}, `step ${place}: ${losses[place]}`));
  const label = `The loss before the first step and after each one: ${losses.join(", ")}`;
  return svg(
    "svg",
    { viewBox: `0 0 ${CURVE_WIDTH} ${CURVE_HEIGHT}`, class: "curve", role: "img", "aria-label": label },
    svg("text", { x: LEFT - 8, y: TOP + 4, class: "end" }, losses[values.indexOf(high)]),
    svg("text", { x: LEFT - 8, y: CURVE_HEIGHT - 26, class: "end" }, losses[values.indexOf(low)]),
    svg("text", { x: LEFT, y: CURVE_HEIGHT - 6 }, "before"),
    svg("text", { x: CURVE_WIDTH - 12, y: CURVE_HEIGHT - 6, class: "end" }, `step ${values.length - 1}`),
    svg("polyline", { points }),
    ...values.map(dot),
  );
}
