// The checksum of all numbers: the page compares its own with the one that Python computed when it wrote the page.

import { formatNumber } from "../arithmetic/decimal.js";
import { cellLabel } from "../arithmetic/writing.js";
import { indicesOf } from "../formulas/step.js";

const POLYNOMIAL = 0xedb88320;
const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1;
  return rest;
});

/** Return the number of cells that a trace worked out, and the CRC-32 of their lines, as `{count, crc32}`. */
export function checksumOf({ steps, numbers }) {
  const lines = steps.flatMap(({ name }) => {
    const { shape, values } = numbers.tensors.get(name);
    return indicesOf(shape).map((index, place) => `${cellLabel(name, index)}=${formatNumber(values[place])}`);
  });
  return { count: lines.length, crc32: crc32(new TextEncoder().encode(lines.join("\n"))) };
}

function crc32(bytes) {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = (rest >>> 8) ^ TABLE[(rest ^ byte) & 255];
  return (rest ^ 0xffffffff) >>> 0;
}
