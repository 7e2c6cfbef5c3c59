"""The questions: one module for each part of the model, one function for each question; ``choices`` serves them all."""
