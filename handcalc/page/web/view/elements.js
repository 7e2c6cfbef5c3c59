// Elements of the page. Words of the user become text nodes only, so nothing that they contain is ever run.

const SVG = "http://www.w3.org/2000/svg";

/** Return an HTML element with attributes and children; a child is an element, a text or a list of these. */
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Return an SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") setStyle(node, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...withoutGaps(children));
  return node;
}

function setStyle(node, properties) {
  for (const [property, text] of Object.entries(properties)) node.style.setProperty(property, text);
}

function withoutGaps(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined);
}

/** Replace the children of an element. */
export function show(parent, ...children) {
  parent.replaceChildren(...withoutGaps(children));
}

/** Return a button with a text; `press` is called when it is pressed. */
export function button(text, press, attributes = {}) {
  return element("button", { type: "button", onclick: press, ...attributes }, text);
}

/** Return an empty line for errors, which a screen reader reads when it is filled. */
export function errorLine() {
  return element("p", { class: "error", role: "alert" });
}
