"""The lowest losses that a model can reach on a text: any model, and any bigram model."""
