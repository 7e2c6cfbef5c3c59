"""The implementations that are timed next to ours: PyTorch modules, JAX, and an unmodified nanoGPT."""
