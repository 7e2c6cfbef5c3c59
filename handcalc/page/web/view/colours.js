// Colours of heat maps: orange below 0, blue above, which people with any kind of colour blindness can distinguish.
// The style sheet has them for light and dark pages, so pale that the number in the cell stays readable.

/** Return the CSS colour of a share from -1 to 1. */
export function shareColour(share) {
  const amount = Math.min(1, Math.abs(share)) * 100;
  return `color-mix(in srgb, var(${share < 0 ? "--negative" : "--positive"}) ${amount.toFixed(1)}%, transparent)`;
}

/** Return the largest distance from 0 among numbers, at least a tiny one, so that shares can be computed. */
export function largestSize(values) {
  const sizes = values.filter(Number.isFinite).map(Math.abs);
  return sizes.reduce((largest, size) => Math.max(largest, size), 1e-300);
}
