// Colours of heat maps: orange below 0, blue above, which people with any kind of colour blindness can distinguish.
// They are so light (or, on a dark page, so dark) that the number in the cell stays readable.

const LIGHT = { paper: [255, 255, 255], positive: [96, 158, 222], negative: [240, 160, 84] };
const DARK = { paper: [24, 27, 33], positive: [32, 92, 156], negative: [150, 82, 14] };

function palette() {
  return matchMedia("(prefers-color-scheme: dark)").matches ? DARK : LIGHT;
}

/** Return the CSS colour of a share from -1 to 1. */
export function shareColour(share) {
  const { paper, positive, negative } = palette();
  const [end, amount] = share < 0 ? [negative, -share] : [positive, share];
  const part = Math.min(1, Number.isFinite(amount) ? amount : 0);
  const mixed = paper.map((from, channel) => Math.round(from + (end[channel] - from) * part));
  return `rgb(${mixed.join(" ")})`;
}

/** Return the largest distance from 0 among numbers, at least a tiny one, so that shares can be computed. */
export function largestSize(values) {
  return values.reduce(
    (largest, value) => (Number.isFinite(value) ? Math.max(largest, Math.abs(value)) : largest),
    1e-300,
  );
}
