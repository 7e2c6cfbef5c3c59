// A map of the model: the residual stream from top to bottom, what each part reads from it and adds to it.

import { show, svg, element } from "./elements.js";

const ROW_HEIGHT = 46;
const STREAM_X = 60;
const BOXES_X = 110;
const BOX_HEIGHT = 30;

/** Show the map; every box is a link to the first step of its part, and `backward` ones to its gradients. */
export function showMap(section, session) {
  const rows = mapRows(session.config, session.targets.length > 0, session.optimizer !== null);
  const height = rows.length * ROW_HEIGHT + 40;
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 640 ${height}`,
      class: "map",
      role: "group",
      "aria-label": "A map of the model; each box leads to its steps",
    },
    svg("line", { x1: STREAM_X, x2: STREAM_X, y1: 34, y2: height - 22, class: "stream" }),
    svg("text", { x: STREAM_X, y: 18, class: "stream-name" }, "residual stream"),
    ...rows.flatMap((row, place) => drawRow(session, row, 30 + place * ROW_HEIGHT)),
  );
  show(section, element("h2", {}, "A map of the model"), element("div", { class: "scroll" }, picture));
}

function mapRows(config, backward, update) {
  const layers = [...Array(config.n_layer).keys()].flatMap((layer) => layerRows(`h.${layer}`, layer, config));
  const rows = [
    {
      adds: true,
      boxes: [
        box("token embedding", "embedding.token", "wte.dweight"),
        box("position embedding", "embedding.position", "wpe.dweight"),
      ],
    },
    ...layers,
    { boxes: [box("final norm", "ln_f.mean", "ln_f.dout")] },
    { boxes: [box("output head", "logits", "dlogits"), box("probabilities", "probabilities", null)] },
  ];
  if (backward) rows.push({ boxes: [box("loss", "losses", "dlosses")] });
  if (update)
    rows.push({
      boxes: [box("update: AdamW", "m.wte.weight", null), box("forward again", "updated.embedding.token", null)],
    });
  return rows;
}

function layerRows(block, layer, config) {
  const heads = [...Array(config.n_head).keys()].map((head) =>
    box(`head ${head}`, `${block}.attn.weights`, `${block}.attn.dweights`),
  );
  return [
    { title: `layer ${layer}`, adds: true, boxes: [box("norm", `${block}.ln_1.mean`, `${block}.ln_1.dout`), ...heads] },
    {
      adds: true,
      boxes: [
        box("norm", `${block}.ln_2.mean`, `${block}.ln_2.dout`),
        box("feed-forward", `${block}.mlp.hidden`, `${block}.mlp.dhidden`),
      ],
    },
  ];
}

function box(title, step, gradient) {
  return { title, step, gradient };
}

function drawRow(session, { title, adds, boxes }, top) {
  const width = Math.min(170, (640 - BOXES_X) / boxes.length - 12);
  const middle = top + BOX_HEIGHT / 2;
  const drawn = boxes.flatMap((one, place) => drawBox(session, one, BOXES_X + place * (width + 12), top, width));
  const end = BOXES_X + boxes.length * (width + 12) - 12;
  return [
    title ? svg("text", { x: STREAM_X - 12, y: top - 6, class: "layer-name" }, title) : null,
    svg("line", { x1: STREAM_X, x2: BOXES_X, y1: middle, y2: middle, class: "wire" }),
    svg("line", { x1: BOXES_X, x2: end, y1: middle, y2: middle, class: "wire" }),
    adds
      ? svg("circle", { cx: STREAM_X, cy: middle, r: 9, class: "plus" })
      : svg("circle", { cx: STREAM_X, cy: middle, r: 4, class: "dot" }),
    adds ? svg("text", { x: STREAM_X, y: middle + 5, class: "plus-sign" }, "+") : null,
    ...drawn,
  ];
}

function drawBox(session, { title, step, gradient }, left, top, width) {
  const back = gradient !== null && session.has(gradient) && session.step(gradient);
  const own = back ? width - 34 : width;
  const target = session.step(step) ? step : null;
  const forward =
    target &&
    svg(
      "a",
      { href: `#step:${target}`, "data-step": target },
      svg("rect", { x: left, y: top, width: own, height: BOX_HEIGHT, rx: 6 }),
      svg("text", { x: left + own / 2, y: top + 20 }, title),
    );
  const backward =
    back &&
    svg(
      "a",
      { href: `#step:${gradient}`, "data-step": gradient, "aria-label": `gradients of ${title}` },
      svg("rect", { x: left + own, y: top, width: 34, height: BOX_HEIGHT, rx: 6, class: "gradient" }),
      svg("text", { x: left + own + 17, y: top + 20, class: "gradient" }, "∂"),
    );
  return [forward, backward].filter(Boolean);
}

/** Mark the box to which the step at hand belongs. */
export function markOnMap(section, session, name) {
  const part = session.step(name)?.part;
  for (const link of section.querySelectorAll("a[data-step]")) {
    const here = part !== undefined && session.step(link.dataset.step)?.part === part;
    link.classList.toggle("here", here);
    if (here) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  }
}
