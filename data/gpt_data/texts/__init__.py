"""The corpora: one module per text, and ``corpora``, which opens them by name; a new corpus goes here."""
