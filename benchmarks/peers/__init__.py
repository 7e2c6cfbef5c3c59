"""The implementations that we are compared with: the same GPT in idiomatic PyTorch and JAX, and nanoGPT."""
