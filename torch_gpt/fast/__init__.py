"""Training for real: fused operations, compiled, replayed as CUDA graphs, in half precision, on several GPUs.

This package decides how a step is executed; the mathematics is in ``torch_gpt.layers``. It computes the same function
as the explicit path of ``torch_gpt.gpt``, which ``parity_tests/fast/test_engine.py`` verifies.
"""
