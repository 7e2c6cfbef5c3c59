/** Return everything that the page works out from its data, over so many updates in a row. */
globalThis.workOutData = (data, updates) => {
  const traces = [workOut({ ...data, number: 1 }, readWeights(data.weights))];
  while (traces.length < updates) traces.push(takeStep(traces.at(-1)));
  return traces.map(({ steps: worked, sizes, numbers }) => worked.map((step) => describe(step, sizes, numbers)));
};

function describe({ name, axes, phase, cell }, sizes, numbers) {
  const shape = shapeOf(axes, sizes);
  const cellsOfStep = indicesOf(shape).map((index) => {
    const line = arithmetic(cell(...index), numbers);
    if ((line === null) !== numbers.isMasked(name, index)) throw new Error(`${name}[${index}] is masked and is not`);
    return [line, formatNumber(numbers.get(name, index))];
  });
  return [name, axes, phase, shape, cellsOfStep];
}
