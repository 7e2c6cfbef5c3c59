"""How a model is trained: recipes, presets, schedules, random numbers, the engine's base, and the one training loop."""
