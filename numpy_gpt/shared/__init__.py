"""Everything without model mathematics and without a framework: ALL that torch_gpt may import from numpy_gpt.

``model`` describes a model, ``runs`` stores it, ``training`` trains it, ``cli`` is the command line, ``library`` offers
a model as an object; each imports only from those before it in this list. Nothing here computes an activation or a
gradient.
"""
