// What is out of sight is done after what the reader sees has been painted, a little at a time.

const SLICE = 12; // milliseconds: short enough that the page answers in between

const outOfSight = new WeakSet();
const waiting = new Map();

/** Note from now on whether the browser shows an element whose style is `content-visibility: auto`. */
export function watchSight(node) {
  node.addEventListener("contentvisibilityautostatechange", ({ target, skipped }) => {
    if (target === node && skipped) outOfSight.add(node);
    else if (target === node) outOfSight.delete(node);
  });
}

/** Do the work of an element: now if it is in sight, else soon; its section is busy until then. */
export function doWhenSeen(node, work) {
  if (!outOfSight.has(node)) {
    waiting.delete(node);
    work();
    return;
  }
  if (waiting.size === 0) requestAnimationFrame(() => setTimeout(workOff));
  waiting.set(node, work);
  node.closest("section").setAttribute("aria-busy", "true");
}

function workOff() {
  const stop = performance.now() + SLICE;
  for (const [node, work] of waiting) {
    waiting.delete(node);
    work();
    if (performance.now() > stop) break;
  }
  if (waiting.size > 0) setTimeout(workOff);
  else document.querySelectorAll("[aria-busy]").forEach((section) => section.removeAttribute("aria-busy"));
}
