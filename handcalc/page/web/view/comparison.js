// The line at the top that says whether this page's numbers are those that Python computed.

/** Say whether the numbers agree. */
export function showComparison(line, { count, agrees }) {
  const numbers = count.toLocaleString("en");
  line.classList.toggle("error", !agrees);
  line.textContent = agrees
    ? `✓ When this page opened, all ${numbers} numbers that your browser worked out equalled those of the Python ` +
      "program that wrote it."
    : `⚠ Of the ${numbers} numbers that this page worked out, some differ from those that Python computed: ` +
      "do not trust them, and report the browser and the page to the authors.";
}
