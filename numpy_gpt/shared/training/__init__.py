"""Training: recipes, presets, schedules, random numbers, the base class of the engines, and the one training loop."""
