"""The corpora: what each text is and how it is made, and all of them by name."""
