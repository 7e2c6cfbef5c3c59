"""A GPT by another hand: explicit PyTorch without autograd, its own names and storage, and switches for planted bugs.

It shares no mathematics with numpy_gpt: from there it imports only the config and the list of names. ``model`` and the
modules before it are the port; ``names`` says what its tensors are called in the project; ``bugs`` and ``held_back``
list the mistakes that can be planted; ``dumps`` writes what a port of little, or of much, patience would write.
"""
