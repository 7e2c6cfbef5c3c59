// The line at the top that says whether this page's numbers are those that Python computed.

/** Say whether the numbers agree. */
export function showComparison(line, { count, agrees }) {
  const numbers = count.toLocaleString("en");
  line.classList.toggle("error", !agrees);
  line.textContent = agrees
    ? `✓ All ${numbers} numbers, worked out by this page, equal those of Python.`
    : `⚠ Of the ${numbers} numbers that this page worked out, some differ from those that Python computed: ` +
      "do not trust them, and report the browser and the page to the authors.";
}
