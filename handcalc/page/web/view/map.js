// A map of the model: the residual stream from top to bottom, what each part reads from it and adds to it.

import { element, show, svg } from "./elements.js";

const MAP_WIDTH = 660;
const ROW_HEIGHT = 48;
const STREAM_X = 70;
const BOXES_X = 118;
const BOX_HEIGHT = 30;
const SIDE_WIDTH = 26;
const GAP = 12;

/** Show the map: each box leads to the steps of its part, its ∂ to their gradients, its Δ to its weights' change. */
export function showMap(section, session) {
  const rows = mapRows(session.config, session.data).filter(({ boxes }) =>
    boxes.every(({ step }) => session.has(step)),
  );
  const height = rows.length * ROW_HEIGHT + 34;
  const label = "A map of the model; each box leads to its steps";
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${MAP_WIDTH} ${height}`, class: "map", role: "group", "aria-label": label },
    svg("line", { x1: STREAM_X, x2: STREAM_X, y1: 26, y2: height - 20, class: "stream" }),
    svg("text", { x: STREAM_X, y: 16, class: "stream-name" }, "residual stream"),
    ...rows.flatMap((row, place) => drawRow(session, row, 30 + place * ROW_HEIGHT)),
  );
  const how = element("p", { class: "hint" }, howToRead(session));
  show(section, element("h2", {}, "A map of the model"), how, element("div", { class: "scroll" }, picture));
}

function howToRead({ targets, optimizer }) {
  const stream = "Every part reads the residual stream, from top to bottom; those with a + add to it.";
  const gradients = targets.length ? " ∂ leads to a part's gradients." : "";
  return stream + gradients + (optimizer ? " Δ leads to the change of its weights." : "");
}

function mapRows(config, { tokens, vocabulary, targets, optimizer }) {
  const layers = [...Array(config.n_layer).keys()].flatMap((layer) => layerRows(`h.${layer}`, layer, config));
  const head = config.tie_weights ? "wte.weight" : "lm_head.weight";
  const rows = [
    {
      adds: true,
      boxes: [
        mapBox("token embedding", "embedding.token", "wte.dweight", "wte.weight"),
        mapBox("position embedding", "embedding.position", "wpe.dweight", "wpe.weight"),
      ],
    },
    ...layers,
    {
      boxes: [
        mapBox("final norm", "ln_f.mean", "ln_f.dout", "ln_f.weight"),
        mapBox("scores", "logits", "dlogits", head),
        mapBox("probabilities", "probabilities"),
      ],
    },
  ];
  if (targets.length) rows.push({ boxes: [mapBox("loss", "losses", "dlosses")] });
  if (optimizer)
    rows.push({ boxes: [mapBox("AdamW", "m.wte.weight"), mapBox("forward again", "updated.embedding.token")] });
  return rows;
}

function layerRows(block, layer, config) {
  const heads = [...Array(config.n_head).keys()].map((head) => ({
    ...mapBox(`head ${head}`, `${block}.attn.weights`, `${block}.attn.dweights`, `${block}.attn.c_attn.weight`),
    head,
  }));
  const norm = (name) => mapBox("norm", `${block}.${name}.mean`, `${block}.${name}.dout`, `${block}.${name}.weight`);
  const network = mapBox("feed-forward", `${block}.mlp.hidden`, `${block}.mlp.dhidden`, `${block}.mlp.c_fc.weight`);
  return [
    { title: `layer ${layer}`, adds: true, boxes: [norm("ln_1"), ...heads] },
    { adds: true, boxes: [norm("ln_2"), network] },
  ];
}

/** Return a box: its title, and the first steps of its part, of its gradients, and of its weights' change, if any. */
function mapBox(title, step, gradient = null, weights = null) {
  return { title, step, gradient, change: weights && `change.${weights}` };
}

function drawRow(session, { title, adds, boxes }, top) {
  const width = Math.min(210, (MAP_WIDTH - BOXES_X) / boxes.length - GAP);
  const middle = top + BOX_HEIGHT / 2;
  const drawn = boxes.flatMap((one, place) => drawBox(session, one, BOXES_X + place * (width + GAP), top, width));
  const end = BOXES_X + (boxes.length - 1) * (width + GAP);
  return [
    title ? svg("text", { x: STREAM_X - 14, y: middle + 5, class: "layer-name" }, title) : null,
    svg("line", { x1: STREAM_X, x2: end, y1: middle, y2: middle, class: "wire" }),
    svg("circle", { cx: STREAM_X, cy: middle, r: adds ? 9 : 4, class: adds ? "plus" : "dot" }),
    adds ? svg("text", { x: STREAM_X, y: middle + 5, class: "plus-sign" }, "+") : null,
    ...drawn,
  ];
}

function drawBox(session, { title, step, gradient, change, head }, left, top, width) {
  const sides = [
    { sign: "∂", name: gradient, label: `gradients of ${title}` },
    { sign: "Δ", name: change, label: `change of the weights of ${title}` },
  ].filter(({ name }) => name !== null && session.has(name));
  const own = width - sides.length * SIDE_WIDTH;
  const side = ({ sign, name, label }, place) =>
    boxLink({ step: name, text: sign, label, left: left + own + place * SIDE_WIDTH, top, width: SIDE_WIDTH, head });
  return [boxLink({ step, text: title, label: title, left, top, width: own, head }), ...sides.map(side)];
}

function boxLink({ step, text, label, left, top, width, head }) {
  const attributes = {
    href: `#step:${step}`,
    "data-step": step,
    "data-head": head,
    "aria-label": `${label}: ${step}`,
  };
  return svg(
    "a",
    attributes,
    svg("rect", { x: left, y: top, width, height: BOX_HEIGHT, rx: 5 }),
    svg("text", { x: left + width / 2, y: top + 20 }, text),
  );
}

/** Mark the boxes to which a step, or a weight's change, belongs, and if `index` says which head, only that head's. */
export function markOnMap(section, session, name, index = []) {
  const step = session.step(name) ?? session.step(`change.${name}`);
  const head = step?.axes[0] === "h" ? index[0] : undefined;
  for (const link of section.querySelectorAll("a[data-step]")) {
    const samePart = step !== undefined && session.step(link.dataset.step).part === step.part;
    const here = samePart && (head === undefined || (link.dataset.head ?? String(head)) === String(head));
    link.classList.toggle("here", here);
    if (here) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  }
}
