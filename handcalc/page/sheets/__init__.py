"""The workbook: where each tensor lies, what is written around it, and the sheets of the text, weights and training."""
