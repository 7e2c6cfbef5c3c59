"""The corpora: one module for each text, and ``corpora``, which opens them by name; a new corpus goes here."""
