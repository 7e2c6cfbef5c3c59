"""Side-by-side measurements: each module is one command (``python -m benchmarks.X``) that prints ratios of one run."""
