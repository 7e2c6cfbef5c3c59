"""The formats of other programs: Hugging Face, nanoGPT, llm.c, minGPT and GPT-by-Hand.

``reading`` makes a ``Checkpoint`` of their models, ``writing`` makes their files of a checkpoint. The facts that both
need are here, once: GPT-2's config, nanoGPT's arguments, llm.c's header, and which matrices a format transposes.

NumPy only, without torch, and both twins share it. No file is ever executed, and nothing is fetched from a network.
"""
