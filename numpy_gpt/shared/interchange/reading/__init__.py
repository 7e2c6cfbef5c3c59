"""Models of other programs, read as a ``Checkpoint``; one file per format."""
