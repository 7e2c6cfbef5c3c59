"""The lowest loss that any model, or any bigram model, can reach on a text."""
