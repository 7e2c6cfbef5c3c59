"""Training for real: the fused operations, compiled, replayed as CUDA graphs, in half precision, on many cards.

It is the same function as the explicit path of ``torch_gpt.gpt``, which
``parity_tests/fast/test_engine.py`` holds it against.
Here belongs how a step is run; what it computes is in ``torch_gpt.layers``.
"""
