"""From a text to its numbers: which steps a trace has, and the value of each of their cells."""
