"""The norms of a GPT: layer norm, RMSNorm, and which of them a model has where."""
