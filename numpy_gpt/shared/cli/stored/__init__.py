"""Commands that list, change or remove stored models, and compute nothing."""
