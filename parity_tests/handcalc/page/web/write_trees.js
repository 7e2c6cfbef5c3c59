/** Return the segments of each tree, with the numbers that its references name. */
globalThis.writeTrees = (trees, texts) => {
  const known = texts.map(parseDecimal);
  const numbers = { get: (name, [place]) => known[place] };
  return trees.map((tree) => [arithmetic(readTree(tree), numbers), arithmeticSegments(readTree(tree), numbers)]);
};

const NODES = { Sum, Difference, Product, Quotient, Maximum, Positive };

function readTree([kind, ...rest]) {
  if (kind === "Ref") return new Ref("x", rest);
  if (kind === "Constant") return new Constant(rest[0]);
  if (kind === "Masked") return new Masked(rest[0]);
  const parts = rest.map(readTree);
  return kind in NODES ? new NODES[kind](parts) : new Func(kind, parts);
}

/** Return the arithmetic of trees that are built with the operators, as text by operator. */
globalThis.writeOperators = () => {
  const numbers = { get: (name, index) => parseDecimal(String(index[0])) };
  const [x, y] = [cells("x"), cells("y")];
  const sum = add(add(x(1), x(2)), y(3));
  const product = multiply(multiply(x(1), y(2)), x(3), y(4));
  return [
    [sum.parts.length, arithmetic(sum, numbers)],
    [product.parts.length, arithmetic(product, numbers)],
    [2, arithmetic(add(x(1), sum), numbers)],
    [2, arithmetic(multiply(x(1), product), numbers)],
    [1, arithmetic(total([x(7)]), numbers)],
    [1, arithmetic(largest([x(7)]), numbers)],
    [3, arithmetic(sum.mapRefs(({ name, index }) => new Ref(name, [index[0] + 10])), numbers)],
  ];
};
