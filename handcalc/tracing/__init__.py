"""From a text to worked numbers: which steps a trace has, and the value of each of their cells."""
