"""Training for real: fused operations, compiled, replayed as CUDA graphs, in half precision, on several GPUs.

This room is about how a step is executed; what it computes is in ``torch_gpt.layers``. It computes the same function as
the explicit path of ``torch_gpt.gpt``, as ``parity_tests/fast/test_engine.py`` verifies.
"""
