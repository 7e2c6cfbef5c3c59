"""What holds no mathematics of the model and no framework: ALL that torch_gpt may import from numpy_gpt.

Config, recipes and names; the one trainer, checkpoints and command line that both twins use; initial values and dropout
masks as plain arrays. Nothing here computes an activation or a gradient.
"""
