"""How a model is trained: recipes and presets, the schedule, the one training loop and its evaluations."""
