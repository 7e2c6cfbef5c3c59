"""Packs: a model's training steps as files that any language can read, how they are made, written and read back."""
