"""The lowest loss that any model can reach on a corpus whose source is known."""
