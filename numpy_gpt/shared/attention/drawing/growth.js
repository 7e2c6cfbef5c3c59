// The slider: sets numbers and colours of all maps, the shares, and the mark on the curve, to those of one snapshot.

const growth = JSON.parse(document.getElementById("growth").textContent);
const slider = document.getElementById("snapshot");
const now = document.getElementById("now");
const marks = document.querySelectorAll(".losses g");
const figures = [...document.querySelectorAll("figure")].map((figure) => ({
  share: figure.querySelector(".share"),
  cells: [...figure.querySelectorAll("tbody td:not(.future)")],
}));

function shorten(weight) {
  const text = weight.toFixed(2);
  return { "0.00": "0", "1.00": "1.0" }[text] ?? text.slice(1);
}

function show(place) {
  now.textContent = growth.texts[place];
  slider.setAttribute("aria-valuetext", growth.texts[place]);
  marks.forEach((mark, number) => mark.classList.toggle("now", number === place));
  figures.forEach(({ share, cells }, head) => {
    share.textContent = growth.shares[place][head];
    cells.forEach((cell, number) => {
      const weight = growth.weights[place][head][number];
      cell.className = `w${Math.round(weight * 100)}`;
      cell.textContent = shorten(weight);
      cell.title = weight;
    });
  });
}

slider.hidden = false;
slider.addEventListener("input", () => show(slider.valueAsNumber));
show(slider.valueAsNumber); // a reloaded page may keep the slider's place
