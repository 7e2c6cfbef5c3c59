// The exact weight of the cell under the mouse, or of the chosen one: Tab enters a map, arrow keys move in it.

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function show(figure, cell) {
  const table = figure.querySelector("table");
  const query = cell.parentElement.querySelector("th");
  const key = table.tHead.rows[0].cells[cell.cellIndex];
  for (const heading of table.querySelectorAll("th.on")) heading.classList.remove("on");
  query.classList.add("on");
  key.classList.add("on");
  const weight = cell.title || "exactly 0, because it comes later";
  const places = `token ${cell.parentElement.sectionRowIndex + 1} to token ${cell.cellIndex}`;
  figure.querySelector(".exact").textContent = `${query.textContent} → ${key.textContent} (${places}): ${weight}`;
}

for (const figure of document.querySelectorAll("figure")) {
  const body = figure.querySelector("tbody");
  const cellOf = (event) => event.target.closest("tbody td");
  body.querySelector("td").tabIndex = 0;
  body.addEventListener("pointerover", (event) => cellOf(event) && show(figure, cellOf(event)));
  body.addEventListener("focusin", (event) => show(figure, cellOf(event)));
  body.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    const cell = cellOf(event);
    const next = move && body.rows[cell.parentElement.sectionRowIndex + move[0]]?.cells[cell.cellIndex + move[1]];
    if (!move) return;
    event.preventDefault();
    if (next?.tagName !== "TD") return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
